"""A sigmoid's slope, that of SpikingJelly and SCA."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.backend import Array, array_module
from minisnn.ops.surrogate.base import Surrogate, floats, positive, surrogate


@surrogate("sigmoid")
@dataclass(frozen=True)
class Sigmoid(Surrogate):
    r"""A sigmoid's slope, $h(x) = \alpha s (1 - s)$, $s = \sigma(\alpha x)$ (SpikingJelly's; SCA Eq. 3; chapter 08).

    alpha: steepness, 4 there; the slope at 0 is alpha / 4. Raises ValueError unless it is above 0.
    """

    alpha: float = 4.0

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        x = floats(x)
        xp = array_module(x)
        e = xp.exp(-abs(self.alpha * x))  # of a number that is never positive: cannot overflow
        return xp.where(x >= 0, 1, e) / (1 + e)

    def slope(self, x: Array) -> Array:
        x = floats(x)
        e = array_module(x).exp(abs(x) * -self.alpha)  # s (1 - s) = e / (1 + e)^2
        return e * self.alpha / (e + 1) ** 2
