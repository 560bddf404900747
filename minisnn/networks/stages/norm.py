"""Batch norm over time, batch and positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minisnn.backend import Array
from minisnn.networks.stages.base import (
    Arrays,
    Pair,
    Plain,
    Shape,
)
from minisnn.ops.norm import BatchNormCache, RunningStats, batch_norm_backward, batch_norm_forward


@dataclass(frozen=True)
class BatchNorm(Plain):
    """Batch norm over time, batch and positions, by `batch_norm_forward`: [T, B, ..., C], the shape stays (chapter 13).

    gamma: initial gamma. momentum, copies, scale: see `batch_norm_forward`. Parameters: gamma, beta [C]; buffers: mean,
    var [C], the running statistics.
    """

    emits = "mapped"
    channels = "scale"
    axes: ClassVar = dict.fromkeys(("gamma", "beta", "mean", "var"), ("out",))
    pair: ClassVar[Pair] = batch_norm_forward, batch_norm_backward

    gamma: float = 1.0
    momentum: float = 0.1
    copies: int = 1
    scale: float = 1.0

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        C = shape[-1]
        return (
            {"gamma": np.full(C, self.gamma), "beta": np.zeros(C)},
            {"mean": np.zeros(C), "var": np.ones(C)},
        )

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, BatchNormCache, Arrays]:
        y, cache, running = self.pair[0](
            x,
            params["gamma"],
            params["beta"],
            RunningStats(**buffers),
            train,
            self.momentum,
            self.copies,
            self.scale,
        )
        return y, cache, running._asdict()

    def backward(
        self, params: Arrays, dy: Array, cache: BatchNormCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dgamma, dbeta = self.pair[1](dy, cache, need_dx)
        return dx, {"gamma": dgamma, "beta": dbeta}
