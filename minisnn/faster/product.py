"""Products of matrices, and the sums of columns.

`product` shares rows among threads, which OpenBLAS's own do at the price of spinning for a while after each product;
`column_sums` lets BLAS add up, two to four times as fast as `sum` for 64 to 256 columns. docs/design.md explains
both ("Speed"); tests/test_twins.py holds them equal to `@` and `sum`.
"""

from __future__ import annotations

from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, share_out

SMALL = 1 << 22  # multiplications that one thread finishes before another has started


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
