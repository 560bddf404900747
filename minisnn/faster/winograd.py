"""Convolution 3x3, stride 1, padding 1, with a quarter of the multiplications (chapter 12).

Lavin and Gray 2016. A tile of m x m outputs depends on (m+2) x (m+2) inputs, and

    Y = A^T [ (G w G^T) * (B^T X B) ] A        * entry by entry, summed over input channels

where the small matrices A, G, B hold the values of polynomials at a few points. For m = 4 the
product needs 36 multiplications where the direct sum needs 16 * 9 = 144. All tiles and channels
together, * is (m+2)^2 matrix products. The three maps are linear, so the backward consists of their adjoints: dw = G^T
[...] G, dX = B [...] B^T. No kernel is flipped.

Rounding errors in float32, relative to the largest output: about 1e-5 for m = 4, 5e-7 for m = 2.
tests/test_conv.py holds it equal to ops/conv.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minisnn.arguments import cotangent
from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, share_out, split, threads
from minisnn.faster.product import column_sums
from minisnn.ops.conv import checked

ROWS = 256  # tiles in one product; what belongs to them stays in cache
COLUMNS = 1 << 12  # entries transformed at a time, for each position in a tile


class Maps(NamedTuple):
    """The three linear maps of F(m, 3), each applied from the left and, transposed, from the right."""

    m: int
    kernel: np.ndarray  # G, [m+2, 3]
    input: np.ndarray  # B^T, [m+2, m+2]
    output: np.ndarray  # A^T, [m, m+2]


F2 = Maps(
    2,
    kernel=np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2,
    input=np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    output=np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
)
F4 = Maps(
    4,
    kernel=np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24,
    input=np.array(
        [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
         [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
    ),
    output=np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
)  # fmt: skip


class WinogradCache(NamedTuple):
    """What `winograd_backward` needs."""

    x: Array  # [N, H, W, C_in]
    weight: Array  # [3, 3, C_in, C_out]
    has_bias: bool
    maps: Maps


def winograd_forward(
    x: Array, weight: Array, bias: Array | None = None, maps: Maps | None = None
) -> tuple[Array, WinogradCache]:
    r"""`conv_forward(x, weight, bias, stride=1, padding=1)` for kernels of 3x3, to rounding.

    $$ Y = A^T [ (G w G^T) * (B^T X B) ] A $$

    of every tile X of x, summed over input channels (Lavin and Gray 2016; chapter 12).

    x: [N, H, W, C_in], floating, spikes (bool) or counts of spikes (uint8); weight: [3, 3, C_in, C_out] floating;
    bias: [C_out] floating. maps: F4, F2, or None for the one that suits H and W. Returns y [N, H, W, C_out] in weight's
    dtype, and the cache. Raises ValueError for another dtype, another kernel, or shapes that do not fit.
    """
    x, weight, bias = checked(x, weight, bias)
    if weight.shape[0] != 3:
        raise ValueError(f"expected a kernel of 3x3, found {weight.shape[0]}x{weight.shape[1]}")
    if maps is None:  # on small maps too little of a large tile is used, and few tiles share a kernel
        maps = F4 if min(x.shape[1:3]) > 6 else F2
    xp = array_module(x)
    (N, H, W), F = x.shape[:3], weight.shape[3]
    U = _kernel_tiles(weight, maps)
    y = xp.empty((N, H, W, F), weight.dtype)
    for n in _batches(x, maps, F):
        V = _transform(x[n], maps, maps.input, weight.dtype, halo=1)
        product = xp.empty((*V.shape[:-1], F), V.dtype)
        each(lambda p, V=V, to=product: xp.matmul(V[p], U[p], out=to[p]), share_out(len(U), U))  # type: ignore[misc]
        _transform_back(product, maps, maps.output, y[n], halo=0)
    if bias is not None:
        each(lambda n: xp.add(y[n], bias, out=y[n]), split(N, H * W * F, 1 << 16, y))
    return y, WinogradCache(x, weight, bias is not None, maps)


def winograd_backward(
    dy: Array, cache: WinogradCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array | None]:
    r"""Gradients of `winograd_forward`, from the adjoints of its three maps.

    $$ dw = G^T \bigl[ (B^T X B) * (A \, dY A^T) \bigr] G, \qquad dX = B \bigl[ (G w G^T) * (A \, dY A^T) \bigr] B^T $$

    summed over tiles, and over output channels. dy: [N, H, W, C_out] floating. Returns dx [N, H, W, C_in] (None unless
    need_dx), dweight [3, 3, C_in, C_out] and dbias [C_out] (None without a bias). Raises ValueError for another shape
    or dtype.
    """
    x, weight, has_bias, maps = cache
    xp = array_module(x)
    C, F = weight.shape[2:]
    dy = cotangent("dy", dy, (*x.shape[:3], F), weight)
    U = _kernel_tiles(weight, maps)
    dx = xp.empty(x.shape, dy.dtype) if need_dx else None
    dU = (xp.empty if len(x) else xp.zeros)(U.shape, dy.dtype)
    for n in _batches(x, maps, F):
        V = _transform(x[n], maps, maps.input, dy.dtype, halo=1)
        D = _transform(dy[n], maps, maps.output.T, dy.dtype, halo=0)
        dV = xp.empty_like(V) if need_dx else None

        def products(
            p: slice, V: Array = V, D: Array = D, dV: Array | None = dV, first: bool = n.start == 0
        ) -> None:
            if first:
                xp.matmul(V[p].swapaxes(1, 2), D[p], out=dU[p])
            else:
                for q in range(p.start, p.stop):  # one by one: each sum stays in cache
                    dU[q] += V[q].T @ D[q]
            if dV is not None:
                xp.matmul(D[p], U[p].swapaxes(1, 2), out=dV[p])

        each(products, share_out(len(U), U))
        if dx is not None:
            _transform_back(dV, maps, maps.input.T, dx[n], halo=1)
    dweight = _map(maps.kernel.T, dU.reshape(maps.m + 2, maps.m + 2, C * F)).reshape(weight.shape)
    return dx, dweight, column_sums(dy.reshape(-1, F)) if has_bias else None


def _kernel_tiles(weight: Array, maps: Maps) -> Array:
    """U = G w G^T, [(m+2)^2, C_in, C_out]."""
    return _map(maps.kernel, weight.reshape(3, 3, -1)).reshape(-1, *weight.shape[2:])


def _map(P: np.ndarray, X: Array) -> Array:
    """P X P^T over the two leading axes of X [a, a, columns], some columns at a time."""
    Y = array_module(X).empty((len(P), len(P), X.shape[2]), X.dtype)
    P = _as(P, X)
    each(lambda c: two_sided(P, X[:, :, c], Y[:, :, c]), split(X.shape[2], 1, COLUMNS, X))
    return Y


def two_sided(P: Array, X: Array, out: Array) -> None:
    """out = P X P^T over the two leading axes: X [a, a, columns], out [b, b, columns]. Two tiny products."""
    xp = array_module(X)
    half = xp.matmul(P, X.swapaxes(0, 1))  # [a, b, columns]
    xp.matmul(P, half.swapaxes(0, 1), out=out)


def _transform(x: Array, maps: Maps, P: np.ndarray, dtype: object, halo: int) -> Array:
    """P X P^T of every tile: [(m+2)^2, n * tiles, C]. With a halo of 1 tiles overlap by 2, else they touch."""
    xp = array_module(x)
    (n, H, W, C), m, size = x.shape, maps.m, P.shape[1]
    down, across = -(-H // m), -(-W // m)
    tiles = down * across
    out = xp.empty((len(P), len(P), n, tiles * C), dtype)
    P = _as(P, out)

    def work(k: slice) -> None:
        if (down * m, across * m) == (H, W) and not halo:
            padded = x[k]
        else:
            padded = xp.zeros((len(x[k]), down * m + 2 * halo, across * m + 2 * halo, C), dtype)
            padded[:, halo : halo + H, halo : halo + W] = x[k]
        s = padded.strides
        view = xp.lib.stride_tricks.as_strided(
            padded,
            (size, size, len(padded), down, across, C),
            (s[1], s[2], s[0], m * s[1], m * s[2], s[3]),
        )
        X = xp.ascontiguousarray(view).reshape(size, size, -1)
        two_sided(P, X, out[:, :, k].reshape(len(P), len(P), -1))

    each(work, split(n, tiles * C, COLUMNS, out))
    return out.reshape(-1, n * tiles, C)


def _transform_back(Z: Array, maps: Maps, P: np.ndarray, y: Array, halo: int) -> None:
    """The inverse of `_transform`: [(m+2)^2, n * tiles, C] into y [n, H, W, C]; overlaps are added."""
    xp = array_module(Z)
    (n, H, W, C), m, size = y.shape, maps.m, len(P)
    down, across = -(-H // m), -(-W // m)
    Z = Z.reshape(P.shape[1], P.shape[1], n, -1)
    P = _as(P, Z)

    def work(k: slice) -> None:
        here = Z[:, :, k].reshape(P.shape[1], P.shape[1], -1)
        X = xp.empty((size, size, here.shape[2]), Z.dtype)
        two_sided(P, here, X)
        tiles = X.reshape(size, size, -1, down, across, C).transpose(2, 3, 0, 4, 1, 5)
        if (down * m, across * m) == (H, W) and not halo:
            y[k].reshape(-1, down, m, across, m, C)[...] = tiles
            return
        canvas = xp.zeros((len(y[k]), down + halo, m, across + halo, m, C), Z.dtype)
        canvas[:, :down, :, :across] = tiles[:, :, :m, :, :m]
        if halo:  # the last two rows and columns of a tile are the first of the next
            canvas[:, 1:, :2, :across] += tiles[:, :, m:, :, :m]
            canvas[:, :down, :, 1:, :2] += tiles[:, :, :m, :, m:]
            canvas[:, 1:, :2, 1:, :2] += tiles[:, :, m:, :, m:]
        whole = canvas.reshape(len(canvas), (down + halo) * m, (across + halo) * m, C)
        y[k] = whole[:, halo : halo + H, halo : halo + W]

    each(work, split(n, down * across * C, COLUMNS, Z))


def _batches(x: Array, maps: Maps, F: int) -> list[slice]:
    """Samples whose tiles go through one product."""
    N, H, W, C = x.shape
    tiles = -(-H // maps.m) * -(-W // maps.m)
    if isinstance(x, np.ndarray):
        size = max(1, ROWS * min(2, threads()) // tiles)
        return [slice(k, min(k + size, N)) for k in range(0, N, size)]
    return split(N, tiles * (maps.m + 2) ** 2 * max(C, F), 0, x)


def _as(P: np.ndarray, like: Array) -> Array:
    """A small matrix where `like` lives, in its dtype, and contiguous: BLAS takes no other."""
    return array_module(like).asarray(np.ascontiguousarray(P, like.dtype.str))
