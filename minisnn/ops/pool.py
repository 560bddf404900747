"""Means and sums over windows of k x k with stride k; rows and columns that fill no window are dropped."""

from __future__ import annotations

from minisnn.arguments import cotangent, floating, numbers, whole
from minisnn.backend import Array, array_module
from minisnn.ops.windows import PoolCache, of_windows, windows


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


def spikes(x: Array, k: int) -> tuple[Array, int]:
    """The arguments of `sum_pool_forward`. Raises ValueError for another dtype or k."""
    (x,), k = numbers(x=x), whole("k", k, 1)
    if x.dtype != bool or k > 15:  # 16 * 16 would not fit into a byte
        raise ValueError(f"expected spikes (bool) and k of at most 15, found {x.dtype} and {k}")
    return x, k


def mean_dtype(x: Array) -> object:
    """The dtype of x's mean: spikes and their counts have no precision of their own."""
    return x.dtype if x.dtype.kind == "f" else "float64"
