"""Batch normalisation over time, batch and positions together (TET; chapter 13).

`norm_lif_*` are batch normalisation and the neurons behind it in one pass over memory. They
compute what `batch_norm_*` and `lif_*` do one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array, array_module
from minisnn.blocks import each, numbered, split
from minisnn.ops.lif import BLOCK, adjoint, integrate, potential_magnitude
from minisnn.ops.linear import column_sums
from minisnn.ops.neuron import Neuron

EPS = 1e-5
ROWS_OF = 1 << 15  # elements in one sum


class RunningStats(NamedTuple):
    """The statistics that evaluation uses."""

    mean: Array  # [C]
    var: Array  # [C], unbiased


class BatchNormCache(NamedTuple):
    """What `batch_norm_backward` needs."""

    x: Array  # [..., C]
    gamma: Array  # [C]
    mean: Array  # [C], of the batch in training, else the running one
    inv: Array  # [C], scale / sqrt(var + eps)
    train: bool
    scale: float


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
    r"""Every channel to mean beta and standard deviation gamma (Ioffe and Szegedy 2015; TET; chapter 13).

    $$ y = \gamma \hat{x} + \beta, \qquad \hat{x} = s \frac{x - \mu}{\sqrt{\sigma^2 + 10^{-5}}} $$

    x: [..., C] floating; gamma, beta: [C]. In training mu and sigma^2 (divided by N, not N - 1) are those of x over
    all axes but the last, and running statistics r become (1 - momentum) r + momentum * new, the variance with
    N - 1. In evaluation they are `running`. copies: x stands for that many equal copies, such as the steps of a static
    image; this only affects N. scale: s, 1 in TET and SCA; the threshold in the tdBN of Zheng et al. 2021.
    Returns y, the cache and the running statistics. Raises ValueError for one value per channel in training, and for
    dtypes or shapes that do not fit.
    """
    x, gamma, beta = floating(x=x, gamma=gamma, beta=beta)
    statistics, running = _statistics(x, gamma, beta, running, train, momentum, copies, scale)
    a, b = _affine(statistics, beta)
    y = x * a
    y += b
    return y, statistics, running


def batch_norm_backward(
    dy: Array, cache: BatchNormCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    r"""Gradients of `batch_norm_forward`: dx (None unless need_dx), dgamma, dbeta (chapter 13).

    $$ dx = \frac{s \gamma}{\sqrt{\sigma^2 + 10^{-5}}}
       \Bigl( dy - \frac{d\beta}{N} - \frac{\hat{x}}{s^2} \frac{d\gamma}{N} \Bigr) $$

    in training, where mu and sigma move with x; in evaluation without the two last terms. dy and dx: [..., C], dgamma
    and dbeta: [C]. Raises ValueError for a dy of another dtype or shape than y's.
    """
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
    dx, dgamma, dbeta = _finish(rows, x, sums, cache, xp.empty_like(rows) if need_dx else None)
    return None if dx is None else dx.reshape(dy.shape), dgamma, dbeta


class NormLIFCache(NamedTuple):
    """What `norm_lif_backward` needs. The potentials are not kept; they are computed again, block by block."""

    norm: BatchNormCache  # its x: [T or 1, ..., C]
    beta: Array  # [C]
    spikes: Array  # [T, ..., C]
    neuron: Neuron
    activity: Array | None = None  # [C], as in LIFCache

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return array_module(self.spikes).count_nonzero(self.spikes) / max(1, self.spikes.size)


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
    x, gamma, beta = floating(x=x, gamma=gamma, beta=beta)
    copies = repeat if copies is None else copies
    statistics, running = _statistics(x, gamma, beta, running, train, momentum, copies, scale)
    if not len(x):
        raise ValueError(f"x must have at least one time step, found {x.shape}")
    xp = array_module(x)
    T, C = len(x) * repeat, x.shape[-1]
    flat = x.reshape(len(x), -1, C)
    spikes = xp.empty((T, *flat.shape[1:]), x.dtype if neuron.smooth else bool)
    blocks = split(flat.shape[1], C, BLOCK, x)
    a, b = _wide(_affine(statistics, beta), blocks)
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
    return spikes, NormLIFCache(statistics, beta, spikes, neuron, activity), running


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
    a, b = _wide(_affine(norm, beta), blocks)
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
    dx, dgamma, dbeta = _finish(rows, x.reshape(-1, C), sums, norm, rows if need_dx else None)
    return None if dx is None else dx.reshape(norm.x.shape), dgamma, dbeta


def _statistics(
    x: Array,
    gamma: Array,
    beta: Array,
    running: RunningStats,
    train: bool,
    momentum: float,
    copies: int,
    scale: float,
) -> tuple[BatchNormCache, RunningStats]:
    """Mean and 1/std by which to normalise, and the new running statistics."""
    C = x.shape[-1] if x.ndim else 0
    mean, var = floating(mean=running.mean, var=running.var, like=x)
    running = RunningStats(mean, var)
    vectors = {"gamma": gamma, "beta": beta, **running._asdict()}
    wrong = [f"{name} {z.shape}" for name, z in vectors.items() if z.shape != (C,)]
    if wrong:
        raise ValueError(f"expected x [..., C] and vectors [C] = ({C},), found {', '.join(wrong)}")
    if not C:
        raise ValueError(f"x must have at least one channel, found {x.shape}")
    if not train:
        return BatchNormCache(
            x, gamma, running.mean, scale * (running.var + EPS) ** -0.5, train, scale
        ), running
    xp = array_module(x)
    rows = x.reshape(-1, C)
    N = len(rows) * copies
    if N < 2:
        raise ValueError(f"batch norm in training needs more than one value per channel, found {x.shape}")
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


def _affine(norm: BatchNormCache, beta: Array) -> tuple[Array, Array]:
    """y = a x + b."""
    a = norm.gamma * norm.inv
    return a, beta - norm.mean * a


def _wide(vectors: tuple[Array, ...], blocks: list[slice]) -> tuple[Array, ...]:
    """[C] each -> [rows of a block, C]: with short rows, arrays of equal shape are combined much faster."""
    rows = blocks[0].stop if blocks else 0
    return tuple(array_module(z).repeat(z[None], rows, 0) for z in vectors)


def _current(x: Array, a: Array, b: Array, T: int) -> Array:
    """a x + b for T steps, of x [T or 1, n, C]; a and b are wide."""
    xp, n = array_module(x), x.shape[1]
    current = xp.empty((T, *x.shape[1:]), x.dtype)
    xp.multiply(x, a[:n], out=current)
    current += b[:n]
    return current


def _finish(
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
    a, slope, constant = _wide((a, slope, constant), blocks)

    def work(n: slice) -> None:
        size = n.stop - n.start
        here = xp.multiply(dy[n], a[:size], out=dx[n])
        if norm.train:
            here += x[n] * slope[:size]
            here += constant[:size]

    each(work, blocks)
    return dx, dgamma, dbeta
