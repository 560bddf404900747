"""Batch norm in few passes over memory, a block of rows at a time (chapter 13).

Mean and variance are put together from those of blocks that stay in cache; y = a x + b with one a and b for each
channel; and so is dx = a dy + slope x + constant. Threads share the blocks. tests/test_twins.py holds it equal to
ops/norm.py.
"""

from __future__ import annotations

import numpy as np

from minisnn.arguments import cotangent
from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, numbered, split
from minisnn.faster.product import column_sums
from minisnn.ops.norm import EPS, BatchNormCache, RunningStats, checked

ROWS_OF = 1 << 15  # elements in one sum


def batch_norm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running: RunningStats,
    train: bool,
    momentum: float = 0.1,
    copies: int = 1,
    scale: float = 1.0,
) -> tuple[Array, BatchNormCache, RunningStats]:
    """The twin of `ops.norm.batch_norm_forward`."""
    x, gamma, beta, running, N = checked(x, gamma, beta, running, train, copies)
    norm, running = statistics(x, gamma, running, train, momentum, N, scale)
    a, b = affine(norm, beta)
    y = x * a
    y += b
    return y, norm, running


def batch_norm_backward(
    dy: Array, cache: BatchNormCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """The twin of `ops.norm.batch_norm_backward`."""
    dy = cotangent("dy", dy, cache.x.shape, cache.x)
    C = dy.shape[-1]
    x, rows = cache.x.reshape(-1, C), dy.reshape(-1, C)
    xp = array_module(dy)
    blocks = split(len(rows), C, ROWS_OF, dy)
    sums = xp.zeros((len(blocks), 2, C), dy.dtype)

    def work(block: tuple[int, slice]) -> None:
        number, n = block
        sums[number, 0] = column_sums(rows[n])
        sums[number, 1] = column_sums(rows[n] * x[n])

    each(work, numbered(blocks))
    dx, dgamma, dbeta = finish(rows, x, sums, cache, xp.empty_like(rows) if need_dx else None)
    return None if dx is None else dx.reshape(dy.shape), dgamma, dbeta


def statistics(
    x: Array, gamma: Array, running: RunningStats, train: bool, momentum: float, N: int, scale: float
) -> tuple[BatchNormCache, RunningStats]:
    """Mean and 1/std by which to normalise, and the new running statistics. Arguments as `checked` returns them."""
    if not train:
        return BatchNormCache(
            x, gamma, running.mean, scale * (running.var + EPS) ** -0.5, train, scale
        ), running
    xp, C = array_module(x), x.shape[-1]
    rows = x.reshape(-1, C)
    blocks = split(len(rows), C, ROWS_OF, x)
    parts = xp.empty((3, len(blocks), C), x.dtype)  # count, mean, sum of squares about it

    def work(block: tuple[int, slice]) -> None:
        number, n = block
        here = rows[n]
        mean = column_sums(here) / len(here)
        off = here - mean
        off *= off
        parts[0, number], parts[1, number], parts[2, number] = len(here), mean, column_sums(off)

    each(work, numbered(blocks))
    share = parts[0] / len(rows)
    mean = (share * parts[1]).sum(0)
    var = parts[2].sum(0) / len(rows) + (share * (parts[1] - mean) ** 2).sum(0)
    m = momentum
    running = RunningStats((1 - m) * running.mean + m * mean, (1 - m) * running.var + m * N / (N - 1) * var)
    return BatchNormCache(x, gamma, mean, scale * (var + EPS) ** -0.5, train, scale), running


def affine(norm: BatchNormCache, beta: Array) -> tuple[Array, Array]:
    """y = a x + b."""
    a = norm.gamma * norm.inv
    return a, beta - norm.mean * a


def wide(vectors: tuple[Array, ...], blocks: list[slice]) -> tuple[Array, ...]:
    """[C] each -> [rows of a block, C]: NumPy combines arrays of equal shape much faster where rows are short."""
    rows = blocks[0].stop if blocks and isinstance(vectors[0], np.ndarray) else 1
    return tuple(array_module(z).repeat(z[None], rows, 0) for z in vectors)


def finish(
    dy: Array, x: Array, sums: Array, norm: BatchNormCache, dx: Array | None
) -> tuple[Array | None, Array, Array]:
    """dx (into the given array, which may be dy), dgamma and dbeta, from block sums of dy and of dy * x."""
    xp = array_module(dy)
    dbeta, dyx = sums.sum(0)
    dgamma = (dyx - norm.mean * dbeta) * norm.inv
    if dx is None:
        return None, dgamma, dbeta
    a = norm.gamma * norm.inv
    slope = constant = xp.zeros_like(a)
    if norm.train:  # dx = a dy + slope x + constant
        slope = -a * norm.inv * dgamma / (len(x) * norm.scale**2)
        constant = -a * dbeta / len(x) - slope * norm.mean
    blocks = split(len(x), x.shape[1], ROWS_OF, x)
    a, slope, constant = wide((a, slope, constant), blocks)

    def work(n: slice) -> None:
        size = n.stop - n.start
        here = xp.multiply(dy[n], a[:size], out=dx[n])
        if norm.train:
            here += x[n] * slope[:size]
            here += constant[:size]

    each(work, blocks)
    return dx, dgamma, dbeta
