"""Neurons over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from minisnn.backend import Array
from minisnn.networks.stages.base import (
    Arrays,
    Pair,
    Plain,
)
from minisnn.ops.lif import LIFCache, lif_backward, lif_forward
from minisnn.ops.neuron import Neuron


@dataclass(frozen=True)
class LIF(Plain):
    """Neurons over time, by `lif_forward`: currents [T, B, ...] -> spikes, bool, of the same shape.

    score: the measure of channels' activity that the cache holds in training, see `lif_forward`. No parameters.
    """

    emits = "spikes"
    channels = "fire"
    pair: ClassVar[Pair] = lif_forward, lif_backward

    neuron: Neuron = field(default=Neuron())
    score: str | None = None

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, LIFCache, Arrays]:
        return *self.pair[0](x, self.neuron, self.score if train else None), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: LIFCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return self.pair[1](dy, cache), {}

    @property
    def fires_at_rest(self) -> bool:  # type: ignore[override]
        """Do neurons fire without input?"""
        return self.neuron.fires_at_rest
