"""Maxima over windows of k x k with stride k; rows and columns that fill no window are dropped."""

from __future__ import annotations

from minisnn.arguments import numbers
from minisnn.backend import Array, array_module
from minisnn.ops.windows import PoolCache, of_windows, windows


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
