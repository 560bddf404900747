"""Convolution of any kernel, stride and padding, as one matrix product (chapter 12).

The patch of x under each position of the kernel is laid out as a row of k*k*C_in numbers; then
y = patches W. Channels are last, so that a row of a patch is contiguous in memory. `winograd.py`
does 3x3 with stride 1 in a quarter of the multiplications; this is the readable one.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating, whole
from minisnn.backend import Array, array_module
from minisnn.blocks import each, numbered, split, threads
from minisnn.ops.linear import column_sums

BLOCK = 1 << 19  # elements of the patches laid out at a time: 2 MiB of float32


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
    xp = array_module(x)
    (N, H, W, C), (k, _, _, F) = x.shape, weight.shape
    rows, columns = output_size(H, k, stride, padding), output_size(W, k, stride, padding)
    if not rows or not columns:
        raise ValueError(f"a kernel of {k}x{k} with padding {padding} does not fit into {H}x{W}")
    y = xp.empty((N, rows, columns, F), weight.dtype)
    flat = weight.reshape(-1, F)

    def work(n: slice) -> None:
        here = y[n].reshape(-1, F)
        xp.matmul(im2col(x[n], k, stride, padding, weight.dtype), flat, out=here)
        if bias is not None:
            here += bias

    each(work, split(N, rows * columns * k * k * C, BLOCK, y, larger=1))
    return y, ConvCache(x, weight, bias is not None, stride, padding)


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
    xp = array_module(x)
    (N, H, W, C), (k, _, _, F) = x.shape, weight.shape
    rows, columns = output_size(H, k, stride, padding), output_size(W, k, stride, padding)
    dy = cotangent("dy", dy, (N, rows, columns, F), weight)
    flat = weight.reshape(-1, F)
    blocks = split(N, rows * columns * k * k * C, BLOCK, dy, larger=1)
    dx = xp.empty(x.shape, dy.dtype) if need_dx else None
    parts: list[Array | None] = [None] * len(blocks)

    def work(block: tuple[int, slice]) -> None:
        number, n = block
        here = dy[n].reshape(-1, F)
        parts[number] = im2col(x[n], k, stride, padding, weight.dtype).T @ here
        if dx is not None:
            dpatches = (here @ flat.T).reshape(-1, rows, columns, k, k, C)
            padded = xp.zeros((len(dpatches), H + 2 * padding, W + 2 * padding, C), dy.dtype)
            for u in range(k):
                for v in range(k):
                    ends = u + stride * rows, v + stride * columns
                    padded[:, u : ends[0] : stride, v : ends[1] : stride] += dpatches[:, :, :, u, v]
            dx[n] = padded[:, padding : padding + H, padding : padding + W]

    dweight = xp.zeros(flat.shape, dy.dtype)
    jobs = numbered(blocks)
    for first in range(0, len(jobs), threads()):  # not all parts at once: each is as large as dweight
        group = type(jobs)(jobs[first : first + threads()])
        each(work, group)
        for number, _ in group:
            dweight += parts[number]
            parts[number] = None
    return dx, dweight.reshape(weight.shape), column_sums(dy.reshape(-1, F)) if has_bias else None


def im2col(x: Array, k: int, stride: int, padding: int, dtype: object) -> Array:
    """[N * rows * columns, k*k*C]: what the kernel sees at each position."""
    xp = array_module(x)
    N, H, W, C = x.shape
    padded = xp.zeros((N, H + 2 * padding, W + 2 * padding, C), dtype)
    padded[:, padding : padding + H, padding : padding + W] = x
    down, across, item = padded.strides[1:]
    shape = (N, output_size(H, k, stride, padding), output_size(W, k, stride, padding), k, k * C)
    strides = (padded.strides[0], stride * down, stride * across, down, item)  # a kernel's row is contiguous
    return xp.lib.stride_tricks.as_strided(padded, shape, strides).reshape(-1, k * k * C)


def output_size(size: int, k: int, stride: int, padding: int) -> int:
    """Positions of a kernel of k along a side: (size + 2p - k) // s + 1, and 0 if it does not fit.

    Raises ValueError, naming the argument, for k or stride below 1 or a negative padding.
    """
    k, stride, padding = whole("k", k, 1), whole("stride", stride, 1), whole("padding", padding)
    return max(0, (size + 2 * padding - k) // stride + 1)


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
