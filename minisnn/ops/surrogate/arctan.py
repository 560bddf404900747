"""An arctangent's slope."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from minisnn.backend import Array, array_module
from minisnn.ops.surrogate.base import Surrogate, floats, positive, surrogate


@surrogate("arctan")
@dataclass(frozen=True)
class ArcTan(Surrogate):
    r"""An arctangent's slope, $h(x) = \frac{\alpha}{2} / (1 + (\frac{\pi}{2} \alpha x)^2)$ (Fang et al. 2021).

    alpha: steepness, 2 there; the slope at 0 is alpha / 2. Raises ValueError unless it is above 0.
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + \frac1\pi \arctan(\frac{\pi}{2} \alpha x)$."""
        x = floats(x)
        return 0.5 + array_module(x).arctan(pi / 2 * self.alpha * x) / pi

    def slope(self, x: Array) -> Array:
        x = floats(x)
        # Limited before it is squared: beyond it the slope is below 1e-30, and the square would overflow float32.
        r = array_module(x).clip(x * (pi / 2 * self.alpha), -1e15, 1e15)
        return (self.alpha / 2) / (r * r + 1)
