"""Convolution as a matrix product, the patches of a few samples at a time (chapter 12).

The patches are k*k times as large as the input; those of some samples stay in cache, and threads share the samples.
`winograd.py` is faster still for 3x3 with stride 1. tests/test_twins.py holds it equal to ops/conv.py.
"""

from __future__ import annotations

from minisnn.arguments import cotangent
from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, numbered, split, threads
from minisnn.faster.product import column_sums
from minisnn.ops.conv import ConvCache, checked, output_shape
from minisnn.ops.im2col import output_size

BLOCK = 1 << 19  # elements of the patches laid out at a time: 2 MiB of float32


def conv_forward(
    x: Array, weight: Array, bias: Array | None = None, stride: int = 1, padding: int = 0
) -> tuple[Array, ConvCache]:
    """The twin of `ops.conv.conv_forward`."""
    x, weight, bias = checked(x, weight, bias)
    xp = array_module(x)
    k, C = weight.shape[1:3]
    N, rows, columns, F = output_shape(x, weight, stride, padding)
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
    """The twin of `ops.conv.conv_backward`."""
    x, weight, has_bias, stride, padding = cache
    xp = array_module(x)
    (N, H, W, C), k = x.shape, len(weight)
    _, rows, columns, F = output_shape(x, weight, stride, padding)
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
    """The twin of `ops.im2col.im2col`, in one copy."""
    xp = array_module(x)
    N, H, W, C = x.shape
    padded = xp.zeros((N, H + 2 * padding, W + 2 * padding, C), dtype)
    padded[:, padding : padding + H, padding : padding + W] = x
    down, across, item = padded.strides[1:]
    shape = (N, output_size(H, k, stride, padding), output_size(W, k, stride, padding), k, k * C)
    strides = (padded.strides[0], stride * down, stride * across, down, item)  # a kernel's row is contiguous
    return xp.lib.stride_tricks.as_strided(padded, shape, strides).reshape(-1, k * k * C)
