"""Windows of k x k with stride k: what pools have in common."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, whole
from minisnn.backend import Array


class PoolCache(NamedTuple):
    """What a pool's backward needs."""

    x: Array  # [N, H, W, C]
    k: int


def windows(x: Array, k: int) -> Array:
    """A view [N, H // k, k, W // k, k, C] of x: entry u, v of window i, j is [:, i, u, j, v]."""
    k = whole("k", k, 1)
    if x.ndim != 4 or min(x.shape[1:3]) < k:
        raise ValueError(f"expected x [N, H, W, C] with H and W of at least {k}, found {x.shape}")
    N, (rows, columns), C = len(x), (size // k for size in x.shape[1:3]), x.shape[3]
    return x[:, : rows * k, : columns * k].reshape(N, rows, k, columns, k, C)


def of_windows(dy: Array, cache: PoolCache) -> Array:
    """The gradient that a backward over windows is given."""
    N, H, W, C = cache.x.shape
    return cotangent("dy", dy, (N, H // cache.k, W // cache.k, C), cache.x)
