"""Batch norm and the neurons behind it in one pass over memory (chapter 13).

The currents between the two are never in memory as a whole, and no potential is kept: the backward computes them
again, block by block. tests/test_norm.py holds it equal to `batch_norm_*` and `lif_*`, one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, one_of
from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, numbered, split
from minisnn.faster.lif import BLOCK, adjoint, integrate, potential_magnitude
from minisnn.faster.norm import affine, finish, statistics, wide
from minisnn.faster.product import column_sums
from minisnn.ops.neuron import Neuron
from minisnn.ops.norm import BatchNormCache, RunningStats, checked
from minisnn.ops.score import SCORES, spike_rate


class NormLIFCache(NamedTuple):
    """What `norm_lif_backward` needs. The potentials are not kept; they are computed again, block by block."""

    norm: BatchNormCache  # its x: [T or 1, ..., C]
    beta: Array  # [C]
    spikes: Array  # [T, ..., C]
    neuron: Neuron
    activity: Array | None = None  # [C], as in LIFCache

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return spike_rate(self.spikes)


def norm_lif_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running: RunningStats,
    train: bool,
    neuron: Neuron,
    momentum: float = 0.1,
    repeat: int = 1,
    scale: float = 1.0,
    score: str | None = None,
    copies: int | None = None,
) -> tuple[Array, NormLIFCache, RunningStats]:
    """`batch_norm_forward`, then `lif_forward`; the currents in between are never in memory as a whole.

    x: [T, ..., C], or [1, ..., C] for a static input that the neurons see for `repeat` steps. copies: see
    `batch_norm_forward`; None is `repeat`, as for a norm after the repetition. score: see `lif_forward`.
    Returns spikes [T, ..., C], bool, the cache and the running statistics. Raises ValueError as both of them.
    """
    if score:
        one_of("score", score, SCORES)
    copies = repeat if copies is None else copies
    x, gamma, beta, running, N = checked(x, gamma, beta, running, train, copies)
    norm, running = statistics(x, gamma, running, train, momentum, N, scale)
    if not len(x):
        raise ValueError(f"x must have at least one time step, found {x.shape}")
    xp = array_module(x)
    T, C = len(x) * repeat, x.shape[-1]
    flat = x.reshape(len(x), -1, C)
    spikes = xp.empty((T, *flat.shape[1:]), x.dtype if neuron.smooth else bool)
    blocks = split(flat.shape[1], C, BLOCK, x)
    a, b = wide(affine(norm, beta), blocks)
    sums = xp.zeros((len(blocks), C), x.dtype)

    def work(block: tuple[int, slice]) -> None:
        number, n = block
        u = _current(flat[:, n], a, b, T)
        integrate(u, neuron, u, spikes[:, n])
        if score:
            for step in zip(u, spikes[:, n], strict=True):
                sums[number] += column_sums(potential_magnitude(*step, neuron, score))

    each(work, numbered(blocks))
    activity = sums.sum(0) * C / max(1, spikes.size) if score else None
    spikes = spikes.reshape(T, *x.shape[1:])
    return spikes, NormLIFCache(norm, beta, spikes, neuron, activity), running


def norm_lif_backward(
    dspikes: Array, cache: NormLIFCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Gradients of `norm_lif_forward`: dx (None unless need_dx), dgamma, dbeta (chapters 09 and 13).

    dspikes: [T, ..., C]; dx: of the shape of x, which may have one step for all T; dgamma and dbeta: [C].
    Raises ValueError for dspikes of another shape than the spikes', or not floating.
    """
    norm, beta, spikes, neuron, _ = cache
    dspikes = cotangent("dspikes", dspikes, spikes.shape, norm.x)
    xp = array_module(dspikes)
    T, C = len(dspikes), dspikes.shape[-1]
    steps = len(norm.x)
    x, dspikes, spikes = (z.reshape(len(z), -1, C) for z in (norm.x, dspikes, spikes))
    dy = xp.empty(x.shape, dspikes.dtype)  # one step if the input is static
    blocks = split(x.shape[1], C, BLOCK, dspikes)
    a, b = wide(affine(norm, beta), blocks)
    sums = xp.zeros((len(blocks), 2, C), dspikes.dtype)

    def work(block: tuple[int, slice]) -> None:
        number, n = block
        u = _current(x[:, n], a, b, T)
        integrate(u, neuron, u, spikes[:, n])  # the same spikes again
        delta = u if steps < T else dy[:, n]
        adjoint(dspikes[:, n], u, spikes[:, n], delta, neuron)
        if steps < T:
            delta.sum(0, keepdims=True, out=dy[:, n])
        for dy_t, x_t in zip(dy[:, n], x[:, n], strict=True):
            sums[number, 0] += column_sums(dy_t)
            sums[number, 1] += column_sums(dy_t * x_t)

    each(work, numbered(blocks))
    rows = dy.reshape(-1, C)
    dx, dgamma, dbeta = finish(rows, x.reshape(-1, C), sums, norm, rows if need_dx else None)
    return None if dx is None else dx.reshape(norm.x.shape), dgamma, dbeta


def _current(x: Array, a: Array, b: Array, T: int) -> Array:
    """a x + b for T steps, of x [T or 1, n, C]; a and b are wide."""
    xp, n = array_module(x), x.shape[1]
    current = xp.empty((T, *x.shape[1:]), x.dtype)
    xp.multiply(x, a[:n], out=current)
    current += b[:n]
    return current
