"""The shapes of a network's parameters, without drawing a single number."""

from __future__ import annotations

from math import prod
from typing import Any, Self

import numpy as np

from minisnn.networks.compose import Sequential
from minisnn.networks.stages.base import Shape


class Numbers:
    """An array of which only the shape is known."""

    def __init__(self, shape: Any):
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def _same(self, other: float) -> Self:
        return self

    __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = _same


class Drawing(np.random.Generator):
    """A generator whose normal and uniform numbers cost nothing, because there are none."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        """Of a shape."""
        return Numbers(size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Of a shape."""
        return Numbers(size)


def parameter_shapes(net: Sequential, shape: Shape) -> dict[str, Shape]:
    """Of every parameter by its key, for inputs of a shape. Raises ValueError for a shape that does not fit."""
    return {key: tuple(w.shape) for key, w in net.init(Drawing(), shape)[0].items()}


def weight_shapes(net: Sequential, shape: Shape) -> dict[str, Shape]:
    """Of every weight, which has more than one axis: what can be sparse."""
    return {key: s for key, s in parameter_shapes(net, shape).items() if len(s) > 1}
