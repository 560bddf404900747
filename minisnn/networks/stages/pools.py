"""Pools over windows, and over all positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minisnn.arguments import whole
from minisnn.backend import Array
from minisnn.networks.stages.base import (
    Arrays,
    Pair,
    Plain,
    Shape,
    merge_time,
    split_time,
)
from minisnn.ops import max_pool, pool
from minisnn.ops.windows import PoolCache


@dataclass(frozen=True)
class _WindowPool(Plain):
    """Base of pools over k x k windows, [T, B, H, W, C] -> [T, B, H // k, W // k, C]; `pair` is the op's pair."""

    emits = "same"
    channels = "keep"

    k: int = 2
    pair: ClassVar[Pair]

    def out(self, shape: Shape) -> Shape:
        H, W, C = shape
        if min(H, W) < whole("k", self.k, 1):
            raise ValueError(f"a pool of {self.k}x{self.k} leaves nothing of {H}x{W}")
        return (H // self.k, W // self.k, C)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, PoolCache, Arrays]:
        y, cache = self.pair[0](merge_time(x), self.k)
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: PoolCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return split_time(self.pair[1](merge_time(dy), cache), dy), {}


class AveragePool(_WindowPool):
    """Means of k x k windows, by `average_pool_forward`."""

    pair = pool.average_pool_forward, pool.average_pool_backward


class SumPool(_WindowPool):
    """Sums of spikes in k x k windows, in bytes, by `sum_pool_forward`."""

    pair = pool.sum_pool_forward, pool.sum_pool_backward


class MaxPool(_WindowPool):
    """Maxima of k x k windows, by `max_pool_forward`."""

    pair = max_pool.max_pool_forward, max_pool.max_pool_backward


@dataclass(frozen=True)
class GlobalPool(Plain):
    """One mean over all positions: [T, B, H, W, C] -> [T, B, 1, 1, C]."""

    emits = "same"
    channels = "keep"

    def out(self, shape: Shape) -> Shape:
        _, _, C = shape
        return (1, 1, C)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, PoolCache, Arrays]:
        y, cache = pool.global_pool_forward(merge_time(x))
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: PoolCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return split_time(pool.global_pool_backward(merge_time(dy), cache), dy), {}
