"""Stages made of stages: one after the other, and side by side. Keys join the names on the way with dots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minisnn.backend import Array
from minisnn.blocks import hold_blas
from minisnn.stages import Arrays, Shape, Stage


@dataclass(frozen=True)
class Sequential:
    """Named stages, one after the other. Keys of params, grads and buffers read `stage.name`."""

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
        with hold_blas():
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
        with hold_blas():
            for n in range(len(names) - 1, last - 1, -1):
                name, stage = self.stages[n]
                dx, g = stage.backward(inside(name, params), dx, cache[name], need_dx or n > last)
                grads |= outside(name, g)
        return dx if need_dx else None, grads


@dataclass(frozen=True)
class Residual:
    """main(x) + shortcut(x); an empty shortcut is x itself. Keys read `main.stage.name`, `shortcut.stage.name`."""

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
        return y + z, {"main": main, "shortcut": shortcut}, _both(b, c)

    def backward(
        self, params: Arrays, dy: Array, cache: dict[str, Any], need_dx: bool = True
    ) -> tuple[Array | None, Arrays]:
        """dx is the sum of what comes back through both branches."""
        dx, g = self.main.backward(inside("main", params), dy, cache["main"], need_dx)
        dz, h = self.shortcut.backward(inside("shortcut", params), dy, cache["shortcut"], need_dx)
        return None if dx is None else dx + dz, _both(g, h)


def firing_rates(stage: Stage, cache: Any, name: str = "") -> dict[str, Array]:
    """The fraction of every layer's neurons, over batch and time, that fired, by the stage's name."""
    if isinstance(stage, Residual):
        stage = Sequential((("main", stage.main), ("shortcut", stage.shortcut)))
    if isinstance(stage, Sequential):
        rates: dict[str, Array] = {}
        for inner, s in stage.stages:
            label = getattr(s, "name", inner)  # of the neurons, where they are joined with batch norm
            rates |= firing_rates(s, cache[inner], f"{name}.{label}".strip("."))
        return rates
    return {name: cache.firing_rate()} if hasattr(cache, "firing_rate") else {}


def inside(name: str, arrays: Arrays) -> Arrays:
    """The part of a flat dictionary that belongs to one stage, under the stage's own keys."""
    return {key.removeprefix(name + "."): a for key, a in arrays.items() if key.startswith(name + ".")}


def outside(name: str, arrays: Arrays) -> Arrays:
    """The way back from `inside`."""
    return {f"{name}.{key}": a for key, a in arrays.items()}


def _both(main: Arrays, shortcut: Arrays) -> Arrays:
    return outside("main", main) | outside("shortcut", shortcut)
