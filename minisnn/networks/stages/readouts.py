"""What a network's answer is read from: means or sums over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minisnn.backend import Array, array_module
from minisnn.networks.stages.base import (
    Arrays,
    Plain,
    Shape,
)


@dataclass(frozen=True)
class MeanOverTime(Plain):
    """A readout, the mean over time: [T, B, N] -> [1, B, N]; float64 for spikes."""

    channels = "keep"
    averages_time = True

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, Any, Arrays]:
        dtype = "float64" if x.dtype.kind == "b" else x.dtype
        return x.mean(0, keepdims=True, dtype=dtype), x.shape, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: Shape, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return array_module(dy).repeat(dy / cache[0], cache[0], 0), {}


@dataclass(frozen=True)
class CumulativeSum(Plain):
    """A readout, the sum of the currents up to t: "integrated with no decay or firing" in ESL's words.

    [T, B, N] floating, the shape stays.
    """

    channels = "keep"

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, None, Arrays]:
        return x.cumsum(0), None, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: None, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return dy[::-1].cumsum(0)[::-1], {}
