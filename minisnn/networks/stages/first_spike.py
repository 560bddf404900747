"""A layer of neurons that fire at most once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minisnn.arguments import generator, whole
from minisnn.backend import Array, array_module
from minisnn.networks.stages.base import (
    Arrays,
    Arrivals,
    Pair,
    Plain,
    Shape,
)
from minisnn.ops.first_spike import Z_MAX, FirstSpikeCache, first_spike_backward, first_spike_forward


@dataclass(frozen=True)
class FirstSpike(Plain):
    """A layer of neurons that fire at most once, by `first_spike_forward`: [B, N] -> [B, n_out], both z = exp(t).

    Initial weights are weight_sum / n + N(0, 1) / sqrt(n), where n = density * N inputs are connected:
    their sum has to exceed 1 for a neuron to fire, and neurons should not all start alike.
    `density` is what a mask will leave of the synapses; only the initial weights depend on it. Parameters: weight
    [N, n_out]. ESL Eq. 3-5, chapters 03-05.
    """

    emits = "spikes"
    counted = ("weight",)
    never_is_inf = True
    pair: ClassVar[Pair] = first_spike_forward, first_spike_backward

    n_out: int
    weight_sum: float = 4.0
    density: float = 1.0

    def out(self, shape: Shape) -> Shape:
        return (whole("n_out", self.n_out, 1),)

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        (n_in,) = shape
        n = self.density * n_in
        rng = generator("rng", rng)
        weight = self.weight_sum / n + rng.standard_normal((n_in, self.n_out)) / n**0.5
        return {"weight": weight}, {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, FirstSpikeCache, Arrays]:
        weight = params["weight"]
        return *self.pair[0](x.astype(weight.dtype, copy=False), weight), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: FirstSpikeCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dweight = self.pair[1](dy, cache, need_dx)
        return dx, {"weight": dweight}

    def arrivals(self, key: str, cache: FirstSpikeCache, x: Array) -> Arrivals:
        xp = array_module(x)
        came = cache.z_in < Z_MAX
        z_in, reached = xp.where(came, cache.z_in, xp.inf)[:, :, None], xp.zeros(cache.weight.shape, int)
        for z_i, z_j in zip(z_in, cache.z_out, strict=True):  # by samples: [B, N, M] may be too large
            reached += z_i < z_j
        return Arrivals(float(came.sum()), reached, x.shape[-1], len(x), only=True)
