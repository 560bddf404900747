"""Neurons that learn how much they leak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from minisnn.arguments import check
from minisnn.backend import Array
from minisnn.networks.stages.base import Arrays, Pair, Plain, Shape
from minisnn.ops.neuron import Neuron
from minisnn.ops.plif import PLIFCache, plif_backward, plif_forward


@dataclass(frozen=True)
class PLIF(Plain):
    """Neurons over time with a learnable leak, by `plif_forward`: currents [T, B, ...] -> spikes of the same shape.

    neuron: threshold, reset and surrogate; its decay is where learning starts, its gain is not used. score: see
    `LIF`. Parameters: a [1], with which 1 / tau_m = sigmoid(a) (Fang et al. 2021). `init` raises ValueError for a
    decay that no a gives.
    """

    emits = "spikes"
    channels = "fire"
    axes: ClassVar = {"a": (None,)}
    pair: ClassVar[Pair] = plif_forward, plif_backward

    neuron: Neuron = field(default=Neuron())
    score: str | None = None

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        decay = self.neuron.decay
        check("decay", decay, 0 < decay < 1, "above 0 and below 1, where learning can start")
        return {"a": np.array([np.log(1 / decay - 1)])}, {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, PLIFCache, Arrays]:
        return *self.pair[0](x, params["a"], self.neuron, self.score if train else None), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: PLIFCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, da = self.pair[1](dy, cache)
        return dx, {"a": da}

    @property
    def fires_at_rest(self) -> bool:  # type: ignore[override]
        """Do neurons fire without input?"""
        return self.neuron.fires_at_rest
