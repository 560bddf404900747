"""Stages that only rearrange: flatten, select channels, repeat an image."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from minisnn.arguments import whole
from minisnn.backend import Array, array_module
from minisnn.networks.stages.base import (
    Arrays,
    Plain,
    Shape,
)


@dataclass(frozen=True)
class Flatten(Plain):
    """[T, B, H, W, C] -> [T, B, H*W*C]; the index is position * C + channel."""

    emits = "same"
    channels = "flatten"
    affine = True

    def out(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, Shape, Arrays]:
        return x.reshape(*x.shape[:2], prod(x.shape[2:])), x.shape, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: Shape, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return dy.reshape(cache), {}


@dataclass(frozen=True)
class Select(Plain):
    """Some of the channels, in the order of `index`: what is left of a residual stream for a pruned branch."""

    emits = "same"
    channels = "select"

    index: tuple[int, ...]

    def out(self, shape: Shape) -> Shape:
        index = self.index
        if not index or not 0 <= min(index) <= max(index) < shape[-1] or len(set(index)) < len(index):
            raise ValueError(f"cannot select channels {index} of {shape[-1]}")
        return (*shape[:-1], len(self.index))

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, Shape, Arrays]:
        return x.take(array_module(x).asarray(self.index), -1), x.shape, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: Shape, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx = array_module(dy).zeros(cache, dy.dtype)
        dx[..., list(self.index)] = dy
        return dx, {}


@dataclass(frozen=True)
class Repeat(Plain):
    """Direct coding: the same image at each of T steps, [1, B, ...] -> [T, B, ...]; backwards, the sum over time."""

    emits = "same"
    channels = "keep"
    repeats = True

    T: int

    def out(self, shape: Shape) -> Shape:
        whole("T", self.T, 1)
        return shape

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, None, Arrays]:
        if len(x) != 1:
            raise ValueError(f"a static input has one time step, found {x.shape}")
        return array_module(x).broadcast_to(x, (self.T, *x.shape[1:])), None, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: None, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return dy.sum(0, keepdims=True), {}
