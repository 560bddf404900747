"""Pooling over windows of k x k with stride k; rows and columns that fill no window are dropped."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.backend import Array, array_module


class PoolCache(NamedTuple):
    """What a pool's backward needs."""

    x: Array  # [N, H, W, C]
    k: int


def average_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    r"""Means of windows, $y_{ij} = \frac{1}{k^2} \sum_{u,v<k} x_{ki+u,\,kj+v}$.

    x: [N, H, W, C] floating; of spikes (bool), which have no precision, the mean is float64.
    Returns y [N, H // k, W // k, C].
    """
    dtype = "float64" if x.dtype.kind == "b" else x.dtype
    return _sums(x, k, dtype) * array_module(x).asarray(1 / k**2, dtype), PoolCache(x, k)


def average_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """dx: dy / k^2 everywhere in its window, 0 in rows and columns that were dropped."""
    return sum_pool_backward(dy / cache.k**2, cache)


def global_pool_forward(x: Array) -> tuple[Array, PoolCache]:
    """The mean over all positions. x: [N, H, W, C]; returns y [N, 1, 1, C], of spikes float64."""
    if x.ndim != 4 or 0 in x.shape[1:3]:
        raise ValueError(f"expected x [N, H, W, C] with H and W of at least 1, found {x.shape}")
    dtype = "float64" if x.dtype.kind == "b" else x.dtype
    return x.mean((1, 2), keepdims=True, dtype=dtype), PoolCache(x, 0)


def global_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """dx: dy / (H W) everywhere."""
    H, W = cache.x.shape[1:3]
    return array_module(dy).broadcast_to(dy / (H * W), cache.x.shape)


def sum_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    """Sums of spikes in windows, exact in uint8: the average pool without its 1/k^2. x: bool; k of at most 15."""
    if x.dtype != bool or k > 15:  # 16 * 16 would not fit into a byte
        raise ValueError(f"expected spikes (bool) and k of at most 15, found {x.dtype} and {k}")
    return _sums(x.view("uint8"), k, "uint8"), PoolCache(x, k)


def sum_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """dx: dy everywhere in its window."""
    x, k = cache
    (H, W), (h, w) = x.shape[1:3], dy.shape[1:3]
    new = array_module(dy).empty if (h * k, w * k) == (H, W) else array_module(dy).zeros
    dx = new(x.shape, dy.dtype)
    for u in range(k):
        for v in range(k):
            dx[:, u : h * k : k, v : w * k : k] = dy
    return dx


def max_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    """Largest of each window. x: [N, H, W, C], of any dtype: for spikes it is their "or"."""
    xp = array_module(x)
    first, *others = _windows(x, k)
    y = first.copy()
    for other in others:
        xp.maximum(y, other, out=y)
    return y, PoolCache(x, k)


def max_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """dx: dy at the maximum of its window. Among equal ones the first gets it, row by row: spikes tie all the time."""
    x, k = cache
    xp = array_module(x)
    y, _ = max_pool_forward(x, k)
    dx = xp.zeros(x.shape, dy.dtype)
    waiting = xp.ones(y.shape, bool)
    for here, into in zip(_windows(x, k), _windows(dx, k), strict=True):
        mine = (here == y) & waiting
        xp.multiply(dy, mine, out=into)
        waiting ^= mine
    return dx


def _windows(x: Array, k: int) -> list[Array]:
    """k*k views [N, H // k, W // k, C]: the first entry of every window, the second, ..."""
    if x.ndim != 4 or min(x.shape[1:3]) < k:
        raise ValueError(f"expected x [N, H, W, C] with H and W of at least {k}, found {x.shape}")
    H, W = x.shape[1] // k * k, x.shape[2] // k * k
    return [x[:, u:H:k, v:W:k] for u in range(k) for v in range(k)]


def _sums(x: Array, k: int, dtype: object) -> Array:
    first, *others = _windows(x, k)
    y = first.astype(dtype)
    for other in others:
        y += other
    return y
