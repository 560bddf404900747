"""A network is data: frozen descriptions without arrays, whose thin methods call the pairs in `ops`.

Every stage has

    out(shape)                                 -> shape of its output
    init(rng, shape)                           -> params, buffers
    forward(params, buffers, x, train)         -> y, cache, buffers
    backward(params, dy, cache, need_dx=True)  -> dx (None unless needed), grads
    emits                                      -> what its output is, one of `EMITS`

with shapes of one sample at one time: (H, W, C) or (N,). The arrays of LIF networks are sequences,
[T, B, H, W, C] or [T, B, N]; those of first-spike networks have no time axis. Caches are passed on,
never kept. Stages that call a pair have it as their class attribute `pair`: a subclass may have another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Protocol

import numpy as np

from minisnn.arguments import whole
from minisnn.backend import Array, array_module
from minisnn.ops import pool
from minisnn.ops.conv import ConvCache, conv_backward, conv_forward
from minisnn.ops.first_spike import FirstSpikeCache, first_spike_backward, first_spike_forward
from minisnn.ops.im2col import output_size
from minisnn.ops.lif import LIFCache, lif_backward, lif_forward
from minisnn.ops.linear import LinearCache, linear_backward, linear_forward
from minisnn.ops.neuron import Neuron
from minisnn.ops.norm import BatchNormCache, RunningStats, batch_norm_backward, batch_norm_forward

Arrays = dict[str, Array]
Shape = tuple[int, ...]
Pair = tuple[Callable[..., Any], Callable[..., Any]]  # of `ops`: a forward and its backward


EMITS = {
    "spikes": "events: entries that are 0 cost nothing downstream",
    "same": "its input, rearranged: events stay events, and equal frames stay equal",
    "mapped": "real numbers, each step by itself: equal frames stay equal",
    "real": "real numbers that may differ from step to step",
}
"""What a stage's class attribute `emits` may say, which decides how `cost.measure` counts what follows it."""


class Stage(Protocol):
    """Interface of every stage, of this file or your own: a description without arrays, frozen and comparable.

    The class attribute `emits` is one of `EMITS`; without it a stage counts as "real". A stage that joins several has
    their names and descriptions as `parts`: costs refuse it, and a search for NaN looks at one after the other.
    """

    def out(self, shape: Shape) -> Shape:
        """The shape of a sample's output, from that of its input. Raises ValueError for one that does not fit."""

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        """Initial parameters and buffers, float64, by the stage's own keys. shape: of a sample's input."""

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, Any, Arrays]:
        """Output, cache for the backward, and the new buffers. Raises ValueError for an x that does not fit.

        A cache with a method `firing_rate()`, spikes per neuron and step, takes part in the log and in warnings of
        silent layers.
        """

    def backward(
        self, params: Arrays, dy: Array, cache: Any, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        """dx, of the shape of x, None unless need_dx; and gradients by the keys of params."""


class Plain(Stage):
    """Base of most stages: no parameters, no buffers, the shape stays. Derive your own from it."""

    emits: ClassVar[str] = "real"

    def out(self, shape: Shape) -> Shape:
        return shape

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        return {}, {}


@dataclass(frozen=True)
class FirstSpike(Plain):
    """A layer of neurons that fire at most once, by `first_spike_forward`: [B, N] -> [B, n_out], both z = exp(t).

    Initial weights are weight_sum / n + N(0, 1) / sqrt(n), where n = density * N inputs are connected:
    their sum has to exceed 1 for a neuron to fire, and neurons should not all start alike.
    `density` is what a mask will leave of the synapses; only the initial weights depend on it. Parameters: weight
    [N, n_out]. ESL Eq. 3-5, chapters 03-05.
    """

    emits = "spikes"
    pair: ClassVar[Pair] = first_spike_forward, first_spike_backward

    n_out: int
    weight_sum: float = 4.0
    density: float = 1.0

    def out(self, shape: Shape) -> Shape:
        return (whole("n_out", self.n_out, 1),)

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        (n_in,) = shape
        n = self.density * n_in
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


@dataclass(frozen=True)
class Linear(Plain):
    """A linear layer at every step, by `linear_forward`: [T, B, N] -> [T, B, n_out].

    std: of the initial weights. None is uniform in +-1/sqrt(N), PyTorch's default, which the bias always has; a number
    is the standard deviation of a normal distribution. Parameters: weight [N, n_out] and, unless bias is
    False, bias [n_out].
    """

    emits = "mapped"
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
        return _weights(rng, (n_in, self.n_out), n_in, self.std, self.bias), {}

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, LinearCache, Arrays]:
        return *self.pair[0](x, params["weight"], params.get("bias")), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: LinearCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, *grads = self.pair[1](dy, cache, need_dx)
        return dx, named(*grads)


@dataclass(frozen=True)
class Conv(Plain):
    """A convolution at every step, by `conv_forward`: [T, B, H, W, C] -> [T, B, H', W', n_out] (chapter 12).

    k, stride, padding: in pixels. std: of the initial weights. "fan_out" is normal with standard deviation sqrt(2 /
    (k*k*n_out)) (TET's VGGSNN, SCA's VGG16); None is uniform in +-1/sqrt(k*k*C), PyTorch's default. The bias always has
    that default. Parameters: weight [k, k, C, n_out] and, unless bias is False, bias [n_out].
    """

    emits = "mapped"
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
        return _weights(rng, (self.k, self.k, C, self.n_out), k2 * C, std, self.bias), {}

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


@dataclass(frozen=True)
class BatchNorm(Plain):
    """Batch norm over time, batch and positions, by `batch_norm_forward`: [T, B, ..., C], the shape stays (chapter 13).

    gamma: initial gamma. momentum, copies, scale: see `batch_norm_forward`. Parameters: gamma, beta [C]; buffers: mean,
    var [C], the running statistics.
    """

    emits = "mapped"
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


@dataclass(frozen=True)
class LIF(Plain):
    """Neurons over time, by `lif_forward`: currents [T, B, ...] -> spikes, bool, of the same shape.

    score: the measure of channels' activity that the cache holds in training, see `lif_forward`. No parameters.
    """

    emits = "spikes"
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


@dataclass(frozen=True)
class WindowPool(Plain):
    """Base of pools over k x k windows, [T, B, H, W, C] -> [T, B, H // k, W // k, C]; `pair` is the op's pair."""

    emits = "same"

    k: int = 2
    pair: ClassVar[Pair]

    def out(self, shape: Shape) -> Shape:
        H, W, C = shape
        if min(H, W) < whole("k", self.k, 1):
            raise ValueError(f"a pool of {self.k}x{self.k} leaves nothing of {H}x{W}")
        return (H // self.k, W // self.k, C)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, pool.PoolCache, Arrays]:
        y, cache = self.pair[0](merge_time(x), self.k)
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: pool.PoolCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return split_time(self.pair[1](merge_time(dy), cache), dy), {}


class AveragePool(WindowPool):
    """Means of k x k windows, by `average_pool_forward`."""

    pair = pool.average_pool_forward, pool.average_pool_backward


class SumPool(WindowPool):
    """Sums of spikes in k x k windows, in bytes, by `sum_pool_forward`."""

    pair = pool.sum_pool_forward, pool.sum_pool_backward


class MaxPool(WindowPool):
    """Maxima of k x k windows, by `max_pool_forward`."""

    pair = pool.max_pool_forward, pool.max_pool_backward


@dataclass(frozen=True)
class GlobalPool(Plain):
    """One mean over all positions: [T, B, H, W, C] -> [T, B, 1, 1, C]."""

    emits = "same"

    def out(self, shape: Shape) -> Shape:
        _, _, C = shape
        return (1, 1, C)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, pool.PoolCache, Arrays]:
        y, cache = pool.global_pool_forward(merge_time(x))
        return split_time(y, x), cache, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: pool.PoolCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return split_time(pool.global_pool_backward(merge_time(dy), cache), dy), {}


@dataclass(frozen=True)
class Flatten(Plain):
    """[T, B, H, W, C] -> [T, B, H*W*C]; the index is position * C + channel."""

    emits = "same"

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


@dataclass(frozen=True)
class MeanOverTime(Plain):
    """A readout, the mean over time: [T, B, N] -> [1, B, N]; float64 for spikes."""

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

    def forward(self, params: Arrays, buffers: Arrays, x: Array, train: bool) -> tuple[Array, None, Arrays]:
        return x.cumsum(0), None, buffers

    def backward(
        self, params: Arrays, dy: Array, cache: None, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        return dy[::-1].cumsum(0)[::-1], {}


def merge_time(x: Array) -> Array:
    """Merge time into the batch: [T, B, ...] -> [T*B, ...]."""
    return x.reshape(-1, *x.shape[2:])


def split_time(y: Array, like: Array) -> Array:
    """[T*B, ...] -> [T, B, ...], with the T and B of another array."""
    return y.reshape(*like.shape[:2], *y.shape[1:])


def _weights(rng: np.random.Generator, shape: Shape, fan_in: int, std: float | None, bias: bool) -> Arrays:
    limit = fan_in**-0.5
    weight = rng.uniform(-limit, limit, shape) if std is None else std * rng.standard_normal(shape)
    return named(weight, rng.uniform(-limit, limit, shape[-1]) if bias else None)


def named(weight: Array, bias: Array | None) -> Arrays:
    """Parameters or gradients by name; no key for a missing bias."""
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
