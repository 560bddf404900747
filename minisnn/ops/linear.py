"""The linear layer: y = x W + b."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array


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
    x, weight, bias = checked(x, weight, bias)
    y = x.astype(weight.dtype) @ weight
    if bias is not None:
        y = y + bias
    return y, LinearCache(x, weight, bias is not None)


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
    N, M = weight.shape
    dy = cotangent("dy", dy, (*x.shape[:-1], M), weight)
    dx = dy @ weight.T if need_dx else None
    x, dy = x.astype(weight.dtype).reshape(-1, N), dy.reshape(-1, M)
    return dx, x.T @ dy, dy.sum(0) if has_bias else None


def checked(x: Array, weight: Array, bias: Array | None) -> tuple[Array, Array, Array | None]:
    """The arguments of a linear layer as arrays. Raises ValueError for another dtype or shapes that do not fit."""
    x, weight, bias = floating(x=x, weight=weight, bias=bias, spikes=("x",))
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[0]:
        raise ValueError(f"expected x [..., N] and weight [N, M], found {x.shape} and {weight.shape}")
    if not weight.size:
        raise ValueError(f"weight must have inputs and outputs, found {weight.shape}")
    if bias is not None and bias.shape != weight.shape[1:]:
        raise ValueError(f"expected bias [M] = {weight.shape[1:]}, found {bias.shape}")
    return x, weight, bias
