"""The same network, faster: a walk over a network's stages that returns an equivalent one.

Each rule is an equation between stages. Parameters keep their names, so that a plain network and
its fast twin share checkpoints, masks and moments.

    Conv, LIF, ...    = FastConv, FastLIF, ...          the same stage with the fast twin of its pair
    Repeat, Conv      = Conv, Repeat                    a static image is convolved once
    BatchNorm, LIF    = NormLIF                         one pass over memory (norm_lif.py)
    Conv 3x3          = Winograd                        a quarter of the multiplications (winograd.py)
    AveragePool, Conv = SumPool, Scaled(Conv, 1/k^2)    spikes are summed in bytes, exactly

Chapters 12 and 13 explain the last three; tests/test_faster.py holds the two networks equal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minisnn.backend import Array
from minisnn.faster import conv, first_spike, lif, linear, norm, pool
from minisnn.faster.blocks import hold_blas
from minisnn.faster.norm_lif import NormLIFCache, norm_lif_backward, norm_lif_forward
from minisnn.faster.winograd import WinogradCache, winograd_backward, winograd_forward
from minisnn.networks.compose import Residual, Sequential, rebuilt
from minisnn.networks.stages import (
    LIF,
    Arrays,
    AveragePool,
    BatchNorm,
    Conv,
    FirstSpike,
    Flatten,
    Linear,
    MaxPool,
    Repeat,
    Shape,
    Stage,
    SumPool,
    merge_time,
    named,
    split_time,
)
from minisnn.ops.norm import RunningStats

Named = tuple[str, Stage]
FEW_CHANNELS = 8  # with fewer the transforms of Winograd's way cost more than they save
SMALL_MAP = 4  # on smaller ones the kernels' transforms do


def fast(net: Sequential, shape: Shape) -> Sequential:
    """A network that computes what `net` does, to rounding, for inputs of this shape (docs/design.md, "Speed").

    shape: of one sample. Stages are replaced, joined or exchanged; parameters and buffers keep their keys. It has no
    text, and no costs can be measured on it: take `net` for these. Stages of your own stay as they are.
    """
    stages = _static_first(list(net.stages))
    stages = _pool_sums(stages)
    stages = _norm_and_neurons(stages)
    done: list[Named] = []
    for name, stage in stages:
        done.append((name, _faster(stage, shape)))
        shape = stage.out(shape)
    return Held(tuple(done))


def twins(net: Sequential) -> Sequential:
    """The same stages in the same order, each with the fast twin of its pair: traces and costs see them all."""
    return Held(rebuilt(net, lambda name, stage: [(name.rpartition(".")[2], _twin(stage))]).stages)


def _static_first(stages: list[Named]) -> list[Named]:
    """Move Repeat behind stages that treat every step alike."""
    for n in range(len(stages) - 1):
        (name, repeat), (after, stage) = stages[n : n + 2]
        if isinstance(repeat, Repeat) and isinstance(stage, (Conv, Linear, BatchNorm, Flatten)):
            if isinstance(stage, BatchNorm):
                stage = replace(stage, copies=stage.copies * repeat.T)
            stages[n : n + 2] = [(after, stage), (name, repeat)]
    return stages


def _pool_sums(stages: list[Named]) -> list[Named]:
    """Sum spikes in a pool, and scale the weights behind it. Only weights can take up the factor, not batch norm."""
    stages = list(stages)
    for n in range(1, len(stages) - 1):
        name, stage = stages[n]
        m, before = n + 1 + isinstance(stages[n + 1][1], Flatten), stages[n - 1][1]
        spikes = isinstance(before, LIF) and not before.neuron.smooth
        if not (isinstance(stage, AveragePool) and spikes and m < len(stages)):
            continue
        after, weights = stages[m]
        if stage.k <= 15 and isinstance(weights, (Conv, Linear)):
            stages[n], stages[m] = (name, SumPool(stage.k)), (after, Scaled(weights, 1 / stage.k**2))
    return stages


def _norm_and_neurons(stages: list[Named]) -> list[Named]:
    """Join batch norm with the neurons behind it, and with the Repeat between them."""
    stages, done = list(stages), []
    while stages:
        name, stage = stages.pop(0)
        repeat = 1
        if isinstance(stage, BatchNorm) and stages:
            if isinstance(stages[0][1], Repeat) and len(stages) > 1 and isinstance(stages[1][1], LIF):
                repeat = stages.pop(0)[1].T  # type: ignore[attr-defined]
            if isinstance(stages[0][1], LIF):
                inner, neurons = stages.pop(0)
                stage = NormLIF(stage, neurons, inner, repeat)  # type: ignore[arg-type]
        done.append((name, stage))
    return done


def _faster(stage: Stage, shape: Shape) -> Stage:
    """The fast twin of a single stage, or of what it contains."""
    if isinstance(stage, Scaled):
        return replace(stage, stage=_faster(stage.stage, shape))
    if isinstance(stage, Sequential):
        return fast(stage, shape)
    if isinstance(stage, Residual):
        return Residual(fast(stage.main, shape), fast(stage.shortcut, shape))
    if (
        isinstance(stage, Conv)
        and (stage.k, stage.stride, stage.padding) == (3, 1, 1)
        and shape[2] >= FEW_CHANNELS
        and min(shape[:2]) >= SMALL_MAP
    ):
        return Winograd(stage)
    return _twin(stage)


def _twin(stage: Stage) -> Stage:
    """The same stage with the fast pair; one without, such as yours, as it is."""
    known = TWINS.get(type(stage))
    return known(**vars(stage)) if known else stage


class Held(Sequential):
    """A network of fast stages: while it runs, BLAS is held to one thread (see `hold_blas`)."""

    forward = hold_blas()(Sequential.forward)
    backward = hold_blas()(Sequential.backward)


class FastConv(Conv):
    """A convolution, by faster/conv.py."""

    pair = conv.conv_forward, conv.conv_backward


class FastLinear(Linear):
    """A linear layer, by faster/linear.py."""

    pair = linear.linear_forward, linear.linear_backward


class FastBatchNorm(BatchNorm):
    """Batch norm, by faster/norm.py."""

    pair = norm.batch_norm_forward, norm.batch_norm_backward


class FastLIF(LIF):
    """Neurons over time, by faster/lif.py."""

    pair = lif.lif_forward, lif.lif_backward


class FastFirstSpike(FirstSpike):
    """Neurons that fire at most once, by faster/first_spike.py."""

    pair = first_spike.first_spike_forward, first_spike.first_spike_backward


class FastAveragePool(AveragePool):
    """Means of windows, by faster/pool.py."""

    pair = pool.average_pool_forward, pool.average_pool_backward


class FastSumPool(SumPool):
    """Sums of spikes, by faster/pool.py."""

    pair = pool.sum_pool_forward, pool.sum_pool_backward


class FastMaxPool(MaxPool):
    """Maxima of windows, by faster/pool.py."""

    pair = pool.max_pool_forward, pool.max_pool_backward


TWINS: dict[type, type] = {
    twin.__base__: twin
    for twin in (
        FastConv,
        FastLinear,
        FastBatchNorm,
        FastLIF,
        FastFirstSpike,
        FastAveragePool,
        FastSumPool,
        FastMaxPool,
    )
}


@dataclass(frozen=True)
class Winograd:
    """A 3x3 convolution with stride 1 and padding 1, by `winograd_forward`."""

    conv: Conv

    @property
    def parts(self) -> tuple[Named, ...]:
        """What it stands for."""
        return (("", self.conv),)

    def out(self, shape: Shape) -> Shape:
        return self.conv.out(shape)

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        return self.conv.init(rng, shape)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, WinogradCache, Arrays]:
        y, cache = winograd_forward(merge_time(x), params["weight"], params.get("bias"))
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: WinogradCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dweight, dbias = winograd_backward(merge_time(dy), cache, need_dx)
        return None if dx is None else split_time(dx, dy), named(dweight, dbias)


@dataclass(frozen=True)
class NormLIF:
    """Batch norm and neurons in one; `name` is that of the neurons' stage. Parameters are batch norm's."""

    norm: BatchNorm
    neurons: LIF
    name: str
    repeat: int = 1

    @property
    def parts(self) -> tuple[Named, ...]:
        """What it stands for, each with its own name if that is known."""
        repeat: tuple[Named, ...] = (("repeat", Repeat(self.repeat)),) if self.repeat > 1 else ()
        return (("", self.norm), *repeat, (self.name, self.neurons))

    def out(self, shape: Shape) -> Shape:
        return shape

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        return self.norm.init(rng, shape)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, NormLIFCache, Arrays]:
        norm = self.norm
        spikes, cache, running = norm_lif_forward(
            x, params["gamma"], params["beta"], RunningStats(**buffers), train,
            self.neurons.neuron, norm.momentum, self.repeat, norm.scale,
            self.neurons.score if train else None, norm.copies,
        )  # fmt: skip
        return spikes, cache, running._asdict()

    def backward(
        self, params: Arrays, dy: Array, cache: NormLIFCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dgamma, dbeta = norm_lif_backward(dy, cache, need_dx)
        return dx, {"gamma": dgamma, "beta": dbeta}


@dataclass(frozen=True)
class Scaled:
    """stage(scale * x), by scaling the weights in place of x."""

    stage: Any  # Conv, Winograd or Linear
    scale: float

    @property
    def parts(self) -> tuple[Named, ...]:
        """What it stands for."""
        return (("", self.stage),)

    def out(self, shape: Shape) -> Shape:
        return self.stage.out(shape)

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        return self.stage.init(rng, shape)

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, Any, Arrays]:
        return self.stage.forward(self._scaled(params), buffers, x, train)

    def backward(
        self, params: Arrays, dy: Array, cache: Any, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, grads = self.stage.backward(self._scaled(params), dy, cache, need_dx)
        return dx, self._scaled(grads)

    def _scaled(self, arrays: Arrays) -> Arrays:
        return arrays | {"weight": arrays["weight"] * arrays["weight"].dtype.type(self.scale)}
