"""Stages with a weight: a linear layer, a convolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar, Self

import numpy as np

from minisnn.arguments import whole
from minisnn.backend import Array, array_module
from minisnn.networks.stages.base import (
    Arrays,
    Arrivals,
    Pair,
    Plain,
    Shape,
    initial_weight,
    merge_time,
    named,
    split_time,
)
from minisnn.ops.conv import ConvCache, conv_backward, conv_forward
from minisnn.ops.im2col import output_size, views
from minisnn.ops.linear import LinearCache, linear_backward, linear_forward


@dataclass(frozen=True)
class Linear(Plain):
    """A linear layer at every step, by `linear_forward`: [T, B, N] -> [T, B, n_out].

    std: of the initial weights. None is uniform in +-1/sqrt(N), PyTorch's default, which the bias always has; a number
    is the standard deviation of a normal distribution. Parameters: weight [N, n_out] and, unless bias is
    False, bias [n_out].
    """

    emits = "mapped"
    channels = "unit"
    axes: ClassVar = {"weight": ("in", "out"), "bias": ("out",)}
    counted = ("weight",)
    affine = True
    pair: ClassVar[Pair] = linear_forward, linear_backward

    n_out: int
    bias: bool = True
    std: float | None = None

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(f"a linear stage takes vectors, found {shape}: flatten first")
        return (whole("n_out", self.n_out, 1),)

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        (n_in,) = shape
        return initial_weight(rng, (n_in, self.n_out), n_in, self.std, self.bias), {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, LinearCache, Arrays]:
        return *self.pair[0](x, params["weight"], params.get("bias")), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: LinearCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, *grads = self.pair[1](dy, cache, need_dx)
        return dx, named(*grads)

    def arrivals(self, key: str, cache: LinearCache, x: Array) -> Arrivals:
        events = (x != 0).sum((0, 1))
        return Arrivals(float(events.sum()), events[:, None], x.shape[-1], x.shape[1])


@dataclass(frozen=True)
class Conv(Plain):
    """A convolution at every step, by `conv_forward`: [T, B, H, W, C] -> [T, B, H', W', n_out] (chapter 12).

    k, stride, padding: in pixels. std: of the initial weights. "fan_out" is normal with standard deviation sqrt(2 /
    (k*k*n_out)) (TET's VGGSNN, SCA's VGG16); None is uniform in +-1/sqrt(k*k*C), PyTorch's default. The bias always has
    that default. Parameters: weight [k, k, C, n_out] and, unless bias is False, bias [n_out].
    """

    emits = "mapped"
    channels = "make"
    axes: ClassVar = {"weight": (None, None, "in", "out"), "bias": ("out",)}
    counted = ("weight",)
    pair: ClassVar[Pair] = conv_forward, conv_backward

    n_out: int
    k: int = 3
    stride: int = 1
    padding: int = 1
    bias: bool = True
    std: str | None = "fan_out"

    def out(self, shape: Shape) -> Shape:
        H, W, _ = shape
        rows, columns = (output_size(side, self.k, self.stride, self.padding) for side in (H, W))
        if not rows or not columns:
            raise ValueError(f"a kernel of {self.k}x{self.k} does not fit into {H}x{W}")
        return (rows, columns, whole("n_out", self.n_out, 1))

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        k2, C = self.k**2, shape[2]
        std = (2 / (k2 * self.n_out)) ** 0.5 if self.std == "fan_out" else None
        return initial_weight(rng, (self.k, self.k, C, self.n_out), k2 * C, std, self.bias), {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, ConvCache, Arrays]:
        y, cache = self.pair[0](
            merge_time(x), params["weight"], params.get("bias"), self.stride, self.padding
        )
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: ConvCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, *grads = self.pair[1](merge_time(dy), cache, need_dx)
        return None if dx is None else split_time(dx, dy), named(*grads)

    def arrivals(self, key: str, cache: ConvCache, x: Array) -> Arrivals:
        events, k, p, xp = merge_time(x != 0), self.k, self.padding, array_module(x)
        padded = xp.pad(events, ((0, 0), (p, p), (p, p), (0, 0)))
        # an event at (si + u - p, sj + v - p) meets entry (u, v) of the kernel, for every position (i, j) that there is
        met = [view.sum((0, 1, 2)) for view in views(padded, k, self.stride)]
        reached = xp.stack(met).reshape(k, k, -1, 1)
        return Arrivals(float(events.sum()), reached, prod(x.shape[2:]), x.shape[1])

    def with_channels(self, n: int) -> Self:
        return replace(self, n_out=n)
