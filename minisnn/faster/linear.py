"""The linear layer with threads of our own, see `product.py`.

It gains where the layer is large and BLAS is held to one thread (docs/design.md, "Speed"). tests/test_twins.py holds
it equal to ops/linear.py.
"""

from __future__ import annotations

from minisnn.arguments import cotangent
from minisnn.backend import Array
from minisnn.faster.product import column_sums, product
from minisnn.ops.linear import LinearCache, checked


def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, LinearCache]:
    """The twin of `ops.linear.linear_forward`."""
    x, weight, bias = checked(x, weight, bias)
    y = product(_rows(x, weight), weight)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1]), LinearCache(x, weight, bias is not None)


def linear_backward(
    dy: Array, cache: LinearCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array | None]:
    """The twin of `ops.linear.linear_backward`."""
    x, weight, has_bias = cache
    dy = cotangent("dy", dy, (*x.shape[:-1], weight.shape[1]), weight)
    rows = dy.reshape(-1, dy.shape[-1])
    dx = product(rows, weight.T).reshape(x.shape) if need_dx else None
    return dx, product(_rows(x, weight).T, rows), column_sums(rows) if has_bias else None


def _rows(x: Array, weight: Array) -> Array:
    return x.reshape(-1, x.shape[-1]).astype(weight.dtype, copy=False)
