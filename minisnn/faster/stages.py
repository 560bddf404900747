"""The stages of a fast network: those of a plain one with fast pairs, and those that stand for several.

What they gain is said in the files of their pairs; `walk.py` puts them in the place of plain ones, and
tests/test_faster.py holds the networks equal (docs/design.md, "Speed").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisnn.backend import Array
from minisnn.faster import conv, first_spike, lif, linear, norm, pool
from minisnn.faster.blocks import hold_blas
from minisnn.faster.norm_lif import NormLIFCache, norm_lif_backward, norm_lif_forward
from minisnn.faster.winograd import WinogradCache, winograd_backward, winograd_forward
from minisnn.networks.compose import Sequential
from minisnn.networks.stages.base import Arrays, Shape, Stage, merge_time, named, split_time
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, MaxPool, SumPool
from minisnn.networks.stages.rearrange import Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.norm import RunningStats

Named = tuple[str, Stage]


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
    twin.__mro__[1]: twin
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
