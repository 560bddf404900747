"""Neurons that are silent for a sample while the network trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minisnn.arguments import check, generator
from minisnn.backend import Array
from minisnn.networks.stages.base import Arrays, Pair, Plain, Shape
from minisnn.ops.dropout import DropoutCache, dropout_backward, dropout_forward


@dataclass(frozen=True)
class Dropout(Plain):
    """Drop neurons while training, by `dropout_forward`; in evaluation the input passes. The shape stays.

    rate: the fraction dropped, at least 0 and below 1. Buffers: seed and count [1], integers, of which each pass draws
    its own mask, so that a resumed run drops what an uninterrupted one does. `init` raises ValueError for another rate.
    """

    emits = "same"
    channels = "keep"
    pair: ClassVar[Pair] = dropout_forward, dropout_backward

    rate: float = 0.5

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        check("rate", self.rate, 0 <= self.rate < 1, "at least 0 and below 1")
        seed = generator("rng", rng).integers(2**31, size=1)
        return {}, {"seed": seed, "count": np.zeros(1, int)}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, DropoutCache | None, Arrays]:
        if not train:
            return x, None, buffers
        seed, count = int(buffers["seed"][0]), int(buffers["count"][0])
        y, cache = self.pair[0](x, self.rate, np.random.default_rng((seed, count)))
        return y, cache, buffers | {"count": buffers["count"] + 1}

    def backward(
        self, params: Arrays, dy: Array, cache: DropoutCache | None, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return dy if cache is None else self.pair[1](dy, cache), {}
