"""What the kernel of a convolution sees, as the rows of a matrix; and the adjoint, the way back (chapter 12)."""

from __future__ import annotations

from minisnn.arguments import whole
from minisnn.backend import Array, array_module


def im2col(x: Array, k: int, stride: int, padding: int, dtype: object) -> Array:
    """[N * rows * columns, k*k*C]: what the kernel sees of x [N, H, W, C] at each position."""
    xp, p = array_module(x), padding
    padded = xp.pad(x.astype(dtype), ((0, 0), (p, p), (p, p), (0, 0)))
    return xp.stack(views(padded, k, stride), 3).reshape(-1, k * k * x.shape[3])


def col2im(patches: Array, shape: tuple[int, ...], k: int, stride: int, padding: int) -> Array:
    """The adjoint of `im2col`: patches [N * rows * columns, k*k*C] -> x, each entry added to the pixel it came from."""
    (N, H, W, C), p = shape, padding
    padded = array_module(patches).zeros((N, H + 2 * p, W + 2 * p, C), patches.dtype)
    for n, view in enumerate(views(padded, k, stride)):
        view += patches.reshape(*view.shape[:3], k * k, C)[:, :, :, n]
    return padded[:, p : p + H, p : p + W]


def views(x: Array, k: int, s: int) -> list[Array]:
    """k*k views [N, rows, columns, C]: what each entry of the kernel sees, at all positions."""
    rows, columns = (output_size(size, k, s, 0) for size in x.shape[1:3])
    return [x[:, u : u + s * rows : s, v : v + s * columns : s] for u in range(k) for v in range(k)]


def output_size(size: int, k: int, stride: int, padding: int) -> int:
    """Positions of a kernel along a side, 0 if it does not fit. Raises ValueError for k or stride < 1, padding < 0."""
    k, stride, padding = whole("k", k, 1), whole("stride", stride, 1), whole("padding", padding)
    return max(0, (size + 2 * padding - k) // stride + 1)
