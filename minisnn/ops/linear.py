"""The linear layer: y = x W + b."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array, array_module
from minisnn.blocks import each, share_out

SMALL = 1 << 22  # multiplications that one thread finishes before another has started


class LinearCache(NamedTuple):
    """What `linear_backward` needs."""

    x: Array  # [..., N]
    weight: Array  # [N, M]
    has_bias: bool


def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, LinearCache]:
    r"""The linear layer, $y_j = \sum_i x_i w_{ij} + b_j$ (ESL's $I = W a$).

    x: [..., N], floating, spikes (bool) or counts of spikes (uint8); weight: [N, M] floating; bias: [M] floating.
    Returns y [..., M] in weight's dtype, and the cache. Raises ValueError for another dtype, a layer without inputs or
    outputs, or shapes that do not fit.
    """
    x, weight, bias = floating(x=x, weight=weight, bias=bias, spikes=("x",))
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[0]:
        raise ValueError(f"expected x [..., N] and weight [N, M], found {x.shape} and {weight.shape}")
    if not weight.size:
        raise ValueError(f"weight must have inputs and outputs, found {weight.shape}")
    if bias is not None and bias.shape != weight.shape[1:]:
        raise ValueError(f"expected bias [M] = {weight.shape[1:]}, found {bias.shape}")
    y = product(_rows(x, weight), weight)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1]), LinearCache(x, weight, bias is not None)


def linear_backward(
    dy: Array, cache: LinearCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array | None]:
    r"""Gradients of `linear_forward`.

    $$ dx_i = \sum_j dy_j w_{ij}, \qquad dw_{ij} = \sum x_i \, dy_j, \qquad db_j = \sum dy_j $$

    where sums without an index run over all leading axes. dy: [..., M] floating, of y's shape. Returns dx
    [..., N] (None unless need_dx), dweight [N, M] and dbias [M] (None without a bias). Raises ValueError for another
    shape or dtype.
    """
    x, weight, has_bias = cache
    dy = cotangent("dy", dy, (*x.shape[:-1], weight.shape[1]), weight)
    rows = dy.reshape(-1, dy.shape[-1])
    dx = product(rows, weight.T).reshape(x.shape) if need_dx else None
    return dx, product(_rows(x, weight).T, rows), column_sums(rows) if has_bias else None


def column_sums(x: Array) -> Array:
    """x.sum(0) of [n, C], as a product with ones: two to four times as fast for 64 to 256 columns."""
    return array_module(x).ones(len(x), x.dtype) @ x


def product(a: Array, b: Array) -> Array:
    """a @ b of matrices; threads share a's rows where that is worth it."""
    xp = array_module(a)
    if a.size * b.shape[1] < SMALL:
        return a @ b
    y = xp.empty((len(a), b.shape[1]), a.dtype)
    each(lambda n: xp.matmul(a[n], b, out=y[n]), share_out(len(a), y))
    return y


def _rows(x: Array, weight: Array) -> Array:
    return x.reshape(-1, x.shape[-1]).astype(weight.dtype, copy=False)
