"""Pools in few passes over memory; those of spikes in bytes.

The k*k entries of all windows are k*k views of the input, which are added up one after the other: faster than a mean
over two short axes. Sums of spikes are bytes, an eighth of the memory of their mean (docs/design.md, "Speed").
tests/test_twins.py holds every pair equal to that of ops/pool.py.
"""

from __future__ import annotations

from minisnn.arguments import floating, numbers, whole
from minisnn.backend import Array, array_module
from minisnn.ops.pool import mean_dtype, spikes
from minisnn.ops.windows import PoolCache, of_windows


def average_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    """The twin of `ops.pool.average_pool_forward`."""
    (x,) = floating(x=x, spikes=("x",))
    dtype = mean_dtype(x)
    return _sums(x, k, dtype) * array_module(x).asarray(1 / k**2, dtype), PoolCache(x, k)


def average_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """The twin of `ops.pool.average_pool_backward`."""
    return sum_pool_backward(of_windows(dy, cache) / cache.k**2, cache)


def sum_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    """The twin of `ops.pool.sum_pool_forward`."""
    x, k = spikes(x, k)
    return _sums(x.view("uint8"), k, "uint8"), PoolCache(x, k)


def sum_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """The twin of `ops.pool.sum_pool_backward`."""
    dy = of_windows(dy, cache)
    x, k = cache
    (H, W), (h, w) = x.shape[1:3], dy.shape[1:3]
    new = array_module(dy).empty if (h * k, w * k) == (H, W) else array_module(dy).zeros
    dx = new(x.shape, dy.dtype)
    for u in range(k):
        for v in range(k):
            dx[:, u : h * k : k, v : w * k : k] = dy
    return dx


def max_pool_forward(x: Array, k: int = 2) -> tuple[Array, PoolCache]:
    """The twin of `ops.max_pool.max_pool_forward`."""
    (x,) = numbers(x=x)
    xp = array_module(x)
    first, *others = _windows(x, k)
    y = first.copy()
    for other in others:
        xp.maximum(y, other, out=y)
    return y, PoolCache(x, k)


def max_pool_backward(dy: Array, cache: PoolCache) -> Array:
    """The twin of `ops.max_pool.max_pool_backward`."""
    dy = of_windows(dy, cache)
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
    k = whole("k", k, 1)
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
