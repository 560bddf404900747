"""Stages made of stages: one after the other, and side by side. Keys join the names on the way with dots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minisnn.backend import Array
from minisnn.networks.stages.base import Arrays, Shape, Stage


@dataclass(frozen=True)
class Sequential(Stage):
    """Named stages, one after the other. Keys of params, grads and buffers read `stage.name`.

    A network is one of these. See `Stage` for its methods; the cache is that of every stage, by its name.
    """

    stages: tuple[tuple[str, Stage], ...] = ()

    def out(self, shape: Shape) -> Shape:
        for _, stage in self.stages:
            shape = stage.out(shape)
        return shape

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        params: Arrays = {}
        buffers: Arrays = {}
        for name, stage in self.stages:
            p, b = stage.init(rng, shape)
            params |= outside(name, p)
            buffers |= outside(name, b)
            shape = stage.out(shape)
        return params, buffers

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, dict[str, Any], Arrays]:
        """Output, the stages' caches by name, and the new buffers."""
        caches: dict[str, Any] = {}
        new: Arrays = {}
        for name, stage in self.stages:
            x, caches[name], b = stage.forward(inside(name, params), inside(name, buffers), x, train)
            new |= outside(name, b)
        return x, caches, new

    def backward(
        self, params: Arrays, dy: Array, cache: dict[str, Any], need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        """From the last stage to the first that has parameters, or to the very first if dx is needed."""
        grads: Arrays = {}
        dx: Array | None = dy
        names = [name for name, _ in self.stages]
        with_params = {key.partition(".")[0] for key in params}
        last = 0 if need_dx else next((n for n, name in enumerate(names) if name in with_params), 0)
        for n in range(len(names) - 1, last - 1, -1):
            name, stage = self.stages[n]
            dx, g = stage.backward(inside(name, params), dx, cache[name], need_dx or n > last)
            grads |= outside(name, g)
        return dx if need_dx else None, grads


@dataclass(frozen=True)
class Residual(Stage):
    """main(x) + shortcut(x); an empty shortcut is x itself (He et al. 2016).

    Keys read `main.stage.name`, `shortcut.stage.name`. See `Stage` for its methods. `out` raises ValueError
    where the branches' shapes differ.
    """

    main: Sequential
    shortcut: Sequential = field(default=Sequential())

    def out(self, shape: Shape) -> Shape:
        main, shortcut = self.main.out(shape), self.shortcut.out(shape)
        if main != shortcut:
            raise ValueError(f"a residual sum needs equal shapes, found {main} and {shortcut}")
        return main

    def init(self, rng: np.random.Generator, shape: Shape) -> tuple[Arrays, Arrays]:
        main, shortcut = self.main.init(rng, shape), self.shortcut.init(rng, shape)
        return _both(main[0], shortcut[0]), _both(main[1], shortcut[1])

    def forward(
        self, params: Arrays, buffers: Arrays, x: Array, train: bool
    ) -> tuple[Array, dict[str, Any], Arrays]:
        """Output, the caches of both branches, and the new buffers."""
        y, main, b = self.main.forward(inside("main", params), inside("main", buffers), x, train)
        z, shortcut, c = self.shortcut.forward(
            inside("shortcut", params), inside("shortcut", buffers), x, train
        )
        cache = {"main": main, "shortcut": shortcut, "steps": (len(y), len(z))}
        return residual_sum(y, z), cache, _both(b, c)

    def backward(
        self, params: Arrays, dy: Array, cache: dict[str, Any], need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        """dx is the sum of what comes back through both branches."""
        dy, dz = (_steps(dy, n) for n in cache["steps"])
        dx, g = self.main.backward(inside("main", params), dy, cache["main"], need_dx)
        dz, h = self.shortcut.backward(inside("shortcut", params), dz, cache["shortcut"], need_dx)
        return None if dx is None else dx + dz, _both(g, h)


def residual_sum(y: Array, z: Array) -> Array:
    """y + z. Of two spikes (bool), which would add up to "or", the sum is float64.

    A branch of one time step is the same at each step of the other. Raises ValueError for shapes that do not fit.
    """
    if y.shape[1:] != z.shape[1:] or (len(y) != len(z) and 1 not in (len(y), len(z))):
        raise ValueError(f"a residual sum needs equal shapes, found {y.shape} and {z.shape}")
    return y.astype("float64") + z if y.dtype == z.dtype == bool else y + z


def _steps(dy: Array, n: int) -> Array:
    """What of dy goes back into a branch of n time steps: all, or the sum over time into a single one."""
    return dy if n == len(dy) else dy.sum(0, keepdims=True)


def firing_rates(stage: Stage, cache: Any) -> dict[str, Array]:
    """The fraction of every layer's neurons, over batch and time, that fired, by the stage's name.

    cache: of the stage's forward. Layers are those whose cache has a method `firing_rate()`, yours too.
    """
    return {name: neurons.firing_rate() for name, neurons in neuron_caches(stage, cache)}


def walked(
    stage: Stage, x: Any, leaf: Callable[[str, Any, Any], Any], joined: Callable[..., Any], name: str = ""
) -> Any:
    """What comes out of a network, `leaf(name, stage, x)` being what comes out of each stage that holds no others.

    joined: of what both branches of a residual sum put out, such as `residual_sum`. name: of the stage, with a dot
    behind it; the names that `leaf` sees are whole.
    """
    if isinstance(stage, Residual):
        branches = (("main", stage.main), ("shortcut", stage.shortcut))
        return joined(*(walked(s, x, leaf, joined, f"{name}{which}.") for which, s in branches))
    if isinstance(stage, Sequential):
        for inner, s in stage.stages:
            x = walked(s, x, leaf, joined, f"{name}{inner}.")
        return x
    return leaf(name[:-1], stage, x)


def activities(stage: Stage, cache: Any) -> dict[str, Array]:
    """The activity of every channel [C], by the name of the neurons' stage, where stages have a `score` (SCA Eq. 4).

    cache: of the stage's forward.
    """
    found = {name: getattr(neurons, "activity", None) for name, neurons in neuron_caches(stage, cache)}
    return {name: activity for name, activity in found.items() if activity is not None}


def neuron_caches(stage: Stage, cache: Any) -> Iterator[tuple[str, Any]]:
    """The caches of all neurons, with their stages' names, joined by dots. cache: of the stage's forward."""
    return (found for found in leaf_caches(stage, cache) if hasattr(found[1], "firing_rate"))


def leaf_caches(stage: Stage, cache: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The caches of all stages that hold no others, in order, with their names, joined by dots; a main branch first."""
    if isinstance(stage, Residual):
        stage = Sequential((("main", stage.main), ("shortcut", stage.shortcut)))
    if isinstance(stage, Sequential):
        for inner, s in stage.stages:
            label = getattr(s, "name", inner)  # of the neurons, where they are joined with batch norm
            yield from leaf_caches(s, cache[inner], f"{name}.{label}".strip("."))
    else:
        yield name, cache


def rebuilt(stage: Stage, change: Callable[[str, Stage], Iterable[tuple[str, Stage]]], name: str = "") -> Any:
    """The network with every leaf replaced by what `change(name, leaf)` gives, pairs of the last name and a stage.

    name: of the stage, with a dot behind it; the names that `change` sees are whole.
    """
    if isinstance(stage, Residual):
        main, shortcut = (
            rebuilt(branch, change, f"{name}{which}.")
            for which, branch in (("main", stage.main), ("shortcut", stage.shortcut))
        )
        return Residual(main, shortcut)
    assert isinstance(stage, Sequential)
    stages: list[tuple[str, Stage]] = []
    for inner, s in stage.stages:
        if isinstance(s, (Sequential, Residual)):
            stages.append((inner, rebuilt(s, change, f"{name}{inner}.")))
        else:
            stages += change(f"{name}{inner}", s)
    return Sequential(tuple(stages))


def scored(net: Sequential, score: str) -> Sequential:
    """The same network, whose neurons measure their channels' activity while it trains (SCA Eq. 4, chapter 17).

    score: one of `ops.score.SCORES`.
    """

    def change(name: str, stage: Any) -> list[tuple[str, Stage]]:
        stage = replace(stage, score=score) if hasattr(stage, "score") else stage
        return [(name.rpartition(".")[2], stage)]

    result: Sequential = rebuilt(net, change)
    return result


def inside(name: str, arrays: Arrays) -> Arrays:
    """The part of a flat dictionary that belongs to one stage, under the stage's own keys."""
    return {key.removeprefix(name + "."): a for key, a in arrays.items() if key.startswith(name + ".")}


def outside(name: str, arrays: Arrays) -> Arrays:
    """The way back from `inside`."""
    return {f"{name}.{key}": a for key, a in arrays.items()}


def _both(main: Arrays, shortcut: Arrays) -> Arrays:
    return outside("main", main) | outside("shortcut", shortcut)
