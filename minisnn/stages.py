"""A network is data: frozen descriptions without arrays, whose thin methods call the pairs in `ops`.

Every stage has

    init(rng, shape)                           -> params, buffers, shape of its output
    forward(params, buffers, x, train)         -> y, cache, buffers
    backward(params, dy, cache, need_dx=True)  -> dx (None unless needed), grads

with shapes of one sample, without the batch. Caches are passed on, never kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minisnn.backend import Array
from minisnn.ops.first_spike import FirstSpikeCache, first_spike_backward, first_spike_forward

Arrays = dict[str, Array]
Shape = tuple[int, ...]


class Stage(Protocol):
    """What a network asks of its parts."""

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays, Shape]: ...

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, Any, Arrays]: ...

    def backward(
        self, params: Arrays, dy: Array, cache: Any, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]: ...


@dataclass(frozen=True)
class FirstSpike:
    """A layer of neurons that fire at most once: [B, N] -> [B, n_out], both z = exp(t) (ESL Eq. 3-5).

    Initial weights are weight_sum / n + N(0, 1) / sqrt(n), where n = density * N inputs are connected:
    their sum must exceed 1 for a neuron to fire, and neurons must not all start alike.
    `density` is what a mask will leave of the synapses; only the initial weights depend on it.
    """

    n_out: int
    weight_sum: float = 4.0
    density: float = 1.0

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays, Shape]:
        (n_in,) = shape
        n = self.density * n_in
        weight = self.weight_sum / n + rng.standard_normal((n_in, self.n_out)) / n**0.5
        return {"weight": weight}, {}, (self.n_out,)

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, FirstSpikeCache, Arrays]:
        weight = params["weight"]
        return *first_spike_forward(x.astype(weight.dtype, copy=False), weight), buffers

    def backward(
        self, params: Arrays, dy: Array, cache: FirstSpikeCache, need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        dx, dweight = first_spike_backward(dy, cache, need_dx)
        return dx, {"weight": dweight}


@dataclass(frozen=True)
class Sequential:
    """Named stages, one after the other. Keys of params, grads and buffers read `stage.name`."""

    stages: tuple[tuple[str, Stage], ...]

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays, Shape]:
        params: Arrays = {}
        buffers: Arrays = {}
        for name, stage in self.stages:
            p, b, shape = stage.init(rng, shape)
            params |= _outside(name, p)
            buffers |= _outside(name, b)
        return params, buffers, shape

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, dict[str, Any], Arrays]:
        """Output, the stages' caches by name, and the new buffers."""
        caches: dict[str, Any] = {}
        new: Arrays = {}
        for name, stage in self.stages:
            x, caches[name], b = stage.forward(_inside(name, params), _inside(name, buffers), x, train)
            new |= _outside(name, b)
        return x, caches, new

    def backward(
        self, params: Arrays, dy: Array, cache: dict[str, Any], need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        """The first stage's dx is made only if it is needed, the others' always."""
        grads: Arrays = {}
        dx: Array | None = dy
        first = self.stages[0][0]
        for name, stage in reversed(self.stages):
            dx, g = stage.backward(_inside(name, params), dx, cache[name], need_dx or name != first)
            grads |= _outside(name, g)
        return dx, grads


def _inside(name: str, arrays: Arrays) -> Arrays:
    """The part of a flat dictionary that belongs to one stage, under the stage's own keys."""
    return {key.removeprefix(name + "."): a for key, a in arrays.items() if key.startswith(name + ".")}


def _outside(name: str, arrays: Arrays) -> Arrays:
    return {f"{name}.{key}": a for key, a in arrays.items()}
