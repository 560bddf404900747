"""A triangle, the slope of TET and ESL."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.backend import Array, array_module
from minisnn.ops.surrogate.base import Surrogate, floats, positive, surrogate


@surrogate("triangle")
@dataclass(frozen=True)
class Triangle(Surrogate):
    r"""A triangle, $h(x) = \max(0, \gamma - |x|) / \gamma^2$ (TET's, and ours for ESL Eq. 8; chapter 08).

    gamma: half its width, in the unit of the threshold. Raises ValueError unless it is above 0.
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        positive("gamma", self.gamma)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + r - \frac12 r|r|$ with r = x / gamma, limited to -1 ... 1."""
        x = floats(x)
        r = array_module(x).clip(x / self.gamma, -1, 1)
        return 0.5 + r - 0.5 * r * abs(r)

    def slope(self, x: Array) -> Array:
        x = floats(x)
        return array_module(x).maximum((abs(x) - self.gamma) * (-1 / self.gamma**2), 0)
