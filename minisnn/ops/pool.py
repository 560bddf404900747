"""Pooling over windows of k x k with stride k; rows and columns that fill no window are dropped."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating, numbers, whole
from minisnn.backend import Array, array_module


class PoolCache(NamedTuple):
    """What a pool's backward needs."""

    x: Array  # [N, H, W, C]
    k: int


def average_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    r"""Means of windows, $y_{ij} = \frac{1}{k^2} \sum_{u,v<k} x_{ki+u,\,kj+v}$.

    x: [N, H, W, C], floating, spikes (bool) or counts of spikes (uint8); k: side of a window, at least 1.
    Returns y [N, H // k, W // k, C] in x's dtype, float64 for spikes and counts, which have no precision; and the
    cache. Raises ValueError for another dtype, or an x that holds no window.
    """
    (x,) = floating(x=x, spikes=("x",))
    return windows(x, k).mean((2, 4), dtype=mean_dtype(x)), PoolCache(x, k)


def average_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """Gradient of `average_pool_forward`: dy / k^2 everywhere in its window, 0 in rows and columns that were dropped.

    dy: [N, H // k, W // k, C] floating. Returns dx [N, H, W, C]. Raises ValueError for another shape or dtype.
    """
    return sum_pool_backward(of_windows(dy, cache) / cache.k**2, cache)


def global_pool_forward(x: Array) -> tuple[Array, PoolCache]:
    r"""The mean over all positions, $y_{nc} = \frac{1}{HW} \sum_{ij} x_{nijc}$.

    x: [N, H, W, C], floating, spikes (bool) or counts of spikes (uint8). Returns y [N, 1, 1, C] in x's dtype, float64
    for spikes and counts, and the cache. Raises ValueError for another dtype or an x without positions.
    """
    (x,) = floating(x=x, spikes=("x",))
    if x.ndim != 4 or not min(x.shape[1:3]):
        raise ValueError(f"expected x [N, H, W, C] with H and W of at least 1, found {x.shape}")
    return x.mean((1, 2), keepdims=True, dtype=mean_dtype(x)), PoolCache(x, 0)


def global_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """Gradient of `global_pool_forward`: dy / (H W) everywhere.

    dy: [N, 1, 1, C] floating. Returns dx [N, H, W, C], a read-only view. Raises ValueError for another shape or dtype.
    """
    N, H, W, C = cache.x.shape
    dy = cotangent("dy", dy, (N, 1, 1, C), cache.x)
    return array_module(dy).broadcast_to(dy / (H * W), cache.x.shape)


def sum_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    r"""Sums of spikes in windows, $y_{ij} = \sum_{u,v<k} x_{ki+u,\,kj+v}$: the average pool without its 1 / k^2.

    x: [N, H, W, C] bool; k: side of a window, 1 to 15. Returns y [N, H // k, W // k, C] uint8, which is exact, and the
    cache. Raises ValueError for another dtype or k, or an x that holds no window.
    """
    x, k = spikes(x, k)
    return windows(x, k).sum((2, 4), dtype="uint8"), PoolCache(x, k)


def sum_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """Gradient of `sum_pool_forward`: dy everywhere in its window, 0 in rows and columns that were dropped.

    dy: [N, H // k, W // k, C] floating. Returns dx [N, H, W, C]. Raises ValueError for another shape or dtype.
    """
    dy = of_windows(dy, cache)
    dx = array_module(dy).zeros(cache.x.shape, dy.dtype)
    windows(dx, cache.k)[...] = dy[:, :, None, :, None]
    return dx


def max_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    r"""Largest of each window, $y_{ij} = \max_{u,v<k} x_{ki+u,\,kj+v}$.

    x: [N, H, W, C], bool, integers or floating: for spikes the maximum is their "or". k: side of a window, at least
    1. Returns y [N, H // k, W // k, C] in x's dtype, and the cache. Raises ValueError for another dtype, or an x that
    holds no window.
    """
    (x,) = numbers(x=x)
    return windows(x, k).max((2, 4)), PoolCache(x, k)


def max_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """Gradient of `max_pool_forward`: dy at the maximum of its window, 0 elsewhere.

    Of equal maxima the first, row by row, gets it: with spikes, ties are the rule. dy: [N, H // k, W // k, C] floating.
    Returns dx [N, H, W, C]. Raises ValueError for another shape or dtype.
    """
    dy, (x, k) = of_windows(dy, cache), cache
    xp, dx = array_module(dy), array_module(dy).zeros(x.shape, dy.dtype)
    by_window = windows(x, k).swapaxes(2, 3)  # [N, rows, columns, k, k, C]
    first = by_window.reshape(*dy.shape[:3], k * k, dy.shape[3]).argmax(3)  # row by row
    is_first = first[:, :, :, None] == xp.arange(k * k)[:, None]
    windows(dx, k).swapaxes(2, 3)[...] = (is_first * dy[:, :, :, None]).reshape(by_window.shape)
    return dx


def windows(x: Array, k: int) -> Array:
    """A view [N, H // k, k, W // k, k, C] of x: entry u, v of window i, j is [:, i, u, j, v]."""
    k = whole("k", k, 1)
    if x.ndim != 4 or min(x.shape[1:3]) < k:
        raise ValueError(f"expected x [N, H, W, C] with H and W of at least {k}, found {x.shape}")
    N, (rows, columns), C = len(x), (size // k for size in x.shape[1:3]), x.shape[3]
    return x[:, : rows * k, : columns * k].reshape(N, rows, k, columns, k, C)


def spikes(x: Array, k: int) -> tuple[Array, int]:
    """The arguments of `sum_pool_forward`. Raises ValueError for another dtype or k."""
    (x,), k = numbers(x=x), whole("k", k, 1)
    if x.dtype != bool or k > 15:  # 16 * 16 would not fit into a byte
        raise ValueError(f"expected spikes (bool) and k of at most 15, found {x.dtype} and {k}")
    return x, k


def of_windows(dy: Array, cache: PoolCache) -> Array:
    """The gradient that a backward over windows is given."""
    N, H, W, C = cache.x.shape
    return cotangent("dy", dy, (N, H // cache.k, W // cache.k, C), cache.x)


def mean_dtype(x: Array) -> object:
    """The dtype of x's mean: spikes and their counts have no precision of their own."""
    return x.dtype if x.dtype.kind == "f" else "float64"
