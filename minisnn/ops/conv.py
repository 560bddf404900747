"""Convolution of any kernel, stride and padding, as one matrix product (chapter 12).

The patch of x under each position of the kernel is laid out as a row of k*k*C_in numbers, `im2col`; then
y = patches W. The patches are k*k times as large as x: `faster/conv.py` lays out a few at a time, and
`faster/winograd.py` does 3x3 with stride 1 in a quarter of the multiplications.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array
from minisnn.ops.im2col import col2im, im2col, output_size


class ConvCache(NamedTuple):
    """What `conv_backward` needs."""

    x: Array  # [N, H, W, C_in]
    weight: Array  # [k, k, C_in, C_out]
    has_bias: bool
    stride: int
    padding: int


def conv_forward(
    x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0
) -> tuple[Array, ConvCache]:
    r"""Convolution, as networks mean it (cross-correlation; chapter 12).

    $$ y_{nijo} = b_o + \sum_{uvc} x_{n,\, si+u-p,\, sj+v-p,\, c} \; w_{uvco} $$

    x: [N, H, W, C_in], floating, spikes (bool) or counts of spikes (uint8), 0 outside; weight: [k, k, C_in, C_out]
    floating; bias: [C_out] floating; stride s at least 1, padding p at least 0, in pixels.
    Returns y [N, (H + 2p - k) // s + 1, ..., C_out] in weight's dtype, and the cache. Raises ValueError for another
    dtype, a kernel or layer of size 0, or shapes that do not fit.
    """
    x, weight, bias = checked(x, weight, bias)
    shape = output_shape(x, weight, stride, padding)
    y = im2col(x, len(weight), stride, padding, weight.dtype) @ weight.reshape(-1, shape[-1])
    if bias is not None:
        y = y + bias
    return y.reshape(shape), ConvCache(x, weight, bias is not None, stride, padding)


def conv_backward(
    dy: Array, cache: ConvCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array | None]:
    r"""Gradients of `conv_forward` (chapter 12), the adjoints of its steps.

    $$ dw_{uvco} = \sum_{nij} x_{n,\, si+u-p,\, sj+v-p,\, c} \; dy_{nijo}, \qquad db_o = \sum_{nij} dy_{nijo} $$

    With P the patches of x this is dw = P^T dy, and every entry of dP = dy W^T goes back to the pixel of x that it came
    from. dy: floating, of y's shape. Returns dx [N, H, W, C_in] (None unless need_dx), dweight [k, k, C_in, C_out] and
    dbias [C_out] (None without a bias). Raises ValueError for another shape or dtype.
    """
    x, weight, has_bias, stride, padding = cache
    k, F = len(weight), weight.shape[3]
    dy = cotangent("dy", dy, output_shape(x, weight, stride, padding), weight).reshape(-1, F)
    dweight = im2col(x, k, stride, padding, weight.dtype).T @ dy
    dx = col2im(dy @ weight.reshape(-1, F).T, x.shape, k, stride, padding) if need_dx else None
    return dx, dweight.reshape(weight.shape), dy.sum(0) if has_bias else None


def output_shape(x: Array, weight: Array, stride: int, padding: int) -> tuple[int, ...]:
    """[N, rows, columns, C_out] of y. Raises ValueError for a kernel that does not fit."""
    (N, H, W, _), (k, _, _, F) = x.shape, weight.shape
    rows, columns = output_size(H, k, stride, padding), output_size(W, k, stride, padding)
    if not rows or not columns:
        raise ValueError(f"a kernel of {k}x{k} with padding {padding} does not fit into {H}x{W}")
    return N, rows, columns, F


def checked(x: Array, weight: Array, bias: Array | None) -> tuple[Array, Array, Array | None]:
    """The arguments of a convolution as arrays. Raises ValueError for another dtype or shapes that do not fit."""
    x, weight, bias = floating(x=x, weight=weight, bias=bias, spikes=("x",))
    if x.ndim != 4 or weight.ndim != 4 or weight.shape[0] != weight.shape[1] or x.shape[3] != weight.shape[2]:
        raise ValueError(
            f"expected x [N, H, W, C_in] and weight [k, k, C_in, C_out], found {x.shape} and {weight.shape}"
        )
    if 0 in (*x.shape[1:], *weight.shape):
        raise ValueError(f"only N may be 0, found x {x.shape} and weight {weight.shape}")
    if bias is not None and bias.shape != weight.shape[3:]:
        raise ValueError(f"expected bias [C_out] = {weight.shape[3:]}, found {bias.shape}")
    return x, weight, bias
