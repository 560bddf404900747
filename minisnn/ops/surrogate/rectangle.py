"""A rectangle."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.backend import Array, array_module
from minisnn.ops.surrogate.base import Surrogate, floats, positive, surrogate


@surrogate("rectangle")
@dataclass(frozen=True)
class Rectangle(Surrogate):
    """A rectangle: 1 / width for |x| < width / 2, else 0 (Wu et al. 2018; chapter 08).

    width: in the unit of the threshold. Raises ValueError unless it is above 0.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        positive("width", self.width)

    def step(self, x: Array) -> Array:
        """The ramp x / width + 1/2, limited to 0 ... 1."""
        x = floats(x)
        return array_module(x).clip(x / self.width + 0.5, 0, 1)

    def slope(self, x: Array) -> Array:
        x = floats(x)
        return (abs(x) < self.width / 2) * x.dtype.type(1 / self.width)
