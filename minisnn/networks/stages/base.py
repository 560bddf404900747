"""What a stage is: a frozen description without arrays, whose thin methods call a pair of `ops`.

Every stage has

    out(shape)                                 -> shape of its output
    init(rng, shape)                           -> params, buffers
    forward(params, buffers, x, train)         -> y, cache, buffers
    backward(params, dy, cache, need_dx=True)  -> dx (None unless needed), grads

with shapes of one sample at one time: (H, W, C) or (N,). The arrays of LIF networks are sequences,
[T, B, H, W, C] or [T, B, N]; those of first-spike networks have no time axis. Caches are passed on,
never kept.

What others want to know of a stage it says itself, in class attributes with defaults (`Plain`): costs,
pruning of channels and descriptions ask the stage and know no class by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from minisnn.arguments import generator
from minisnn.backend import Array

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

CHANNELS = {
    "keep": "treats each by itself, without parameters",
    "scale": "treats each by itself, with parameters of its own",
    "fire": "turns each into spikes by itself: their activity is the channel's score",
    "make": "reads all, and makes new ones that can be pruned",
    "unit": "reads all, and makes units that cannot be pruned",
    "flatten": "makes one axis of positions and channels",
    "select": "leaves some of them, those of its field `index`",
    "mix": "unknown: none that reach it, and none that leave it, can be pruned",
}
"""What a stage's class attribute `channels` may say: what it does to channels, for `ChannelGraph`."""


class Arrivals(NamedTuple):
    """The events that reach one weight of a stage, for `cost.measure`."""

    events: float  # how many, of all samples and time steps
    reached: Array  # how many of them each entry of the weight meets, broadcast to its shape
    neurons: int  # that may send them, of one sample
    samples: int
    only: bool = False  # events and never real numbers, whatever the stage before emits


class Stage(Protocol):
    """Interface of every stage, of this package or your own: frozen and comparable. Derive yours from `Plain`.

    A stage that joins several has their names and descriptions as `parts`: costs refuse it, and a search for NaN
    looks at one after the other.
    """

    def out(self, shape: Shape) -> Shape:
        """The shape of a sample's output, from that of its input. Raises ValueError for one that does not fit."""

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        """Initial parameters and buffers, float64, by the stage's own keys. shape: of a sample's input.

        Raises ValueError for an rng that is not a Generator.
        """

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
    """Base of stages: no parameters, no buffers, the shape stays. Derive your own from it.

    Class attributes say what others must know; each has a default that is right, if cautious, for any stage.
    """

    emits: ClassVar[str] = "real"
    channels: ClassVar[str] = "mix"
    axes: ClassVar[Mapping[str, tuple[str | None, ...]]] = {}
    """For each parameter and buffer what its axes run over: "in" or "out" channels, or None."""
    counted: ClassVar[tuple[str, ...]] = ()
    """Keys of weights, of which `arrivals` says what reaches them."""
    affine: ClassVar[bool] = False
    """Is its mean over time what it makes of the mean?"""
    averages_time: ClassVar[bool] = False
    repeats: ClassVar[bool] = False
    """Does it repeat a static image?"""
    never_is_inf: ClassVar[bool] = False
    """Is infinity in its output a spike that never comes, and no error?"""
    fires_at_rest: ClassVar[bool] = False
    """Do its neurons fire without input? Then no channel of theirs can be silenced."""

    def out(self, shape: Shape) -> Shape:
        return shape

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        return {}, {}

    def arrivals(self, key: str, cache: Any, x: Array) -> Arrivals:
        """What reaches the weight `key` of a forward that had input x and returned this cache.

        Raises NotImplementedError for a stage that counts no weight.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what reaches {key}")

    def with_channels(self, n: int) -> Self:
        """The same stage, making n channels. Raises NotImplementedError for one that makes none."""
        raise NotImplementedError(f"{type(self).__name__} makes no channels")


def merge_time(x: Array) -> Array:
    """Merge time into the batch: [T, B, ...] -> [T*B, ...]."""
    return x.reshape(-1, *x.shape[2:])


def split_time(y: Array, like: Array) -> Array:
    """[T*B, ...] -> [T, B, ...], with the T and B of another array."""
    return y.reshape(*like.shape[:2], *y.shape[1:])


def initial_weight(
    rng: np.random.Generator, shape: Shape, fan_in: int, std: float | None, bias: bool
) -> Arrays:
    """Initial weight, normal with a standard deviation, or uniform in +-1/sqrt(fan_in), as the bias always is."""
    limit = fan_in**-0.5
    rng = generator("rng", rng)
    weight = rng.uniform(-limit, limit, shape) if std is None else std * rng.standard_normal(shape)
    return named(weight, rng.uniform(-limit, limit, shape[-1]) if bias else None)


def named(weight: Array, bias: Array | None) -> Arrays:
    """Parameters or gradients by name; no key for a missing bias."""
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
