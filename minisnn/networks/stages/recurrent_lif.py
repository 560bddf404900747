"""Neurons that are also connected among each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from minisnn.backend import Array
from minisnn.networks.stages.base import Arrays, Arrivals, Pair, Plain, Shape, initial_weight
from minisnn.ops.neuron import Neuron
from minisnn.ops.recurrent_lif import RecurrentLIFCache, recurrent_lif_backward, recurrent_lif_forward


@dataclass(frozen=True)
class RecurrentLIF(Plain):
    """Neurons that hear each other's spikes of the step before, by `recurrent_lif_forward`: [T, B, N] -> spikes.

    std: of the initial weights; None is uniform in +-1/sqrt(N). Parameters: weight [N, N], from neuron i to neuron j,
    which masks can make sparse like any other. `out` raises ValueError for shapes that are not (N,).
    """

    emits = "spikes"
    counted = ("weight",)
    pair: ClassVar[Pair] = recurrent_lif_forward, recurrent_lif_backward

    neuron: Neuron = field(default=Neuron())
    std: float | None = None

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(f"recurrent neurons take vectors, found {shape}: flatten first")
        return shape

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        (n,) = shape
        return initial_weight(rng, (n, n), n, self.std, bias=False), {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, RecurrentLIFCache, Arrays]:
        return *self.pair[0](x, params["weight"], self.neuron), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: RecurrentLIFCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dweight = self.pair[1](dy, cache)
        return dx, {"weight": dweight}

    def arrivals(self, key: str, cache: RecurrentLIFCache, x: Array) -> Arrivals:
        heard = (cache.spikes[:-1] != 0).sum((0, 1))  # nobody hears the last step
        return Arrivals(float(heard.sum()), heard[:, None], x.shape[-1], x.shape[1], only=True)
