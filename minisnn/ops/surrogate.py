"""Smooth stand-ins for the Heaviside step, and their slopes (ESL Eq. 8, SCA Eq. 3, chapter 08).

A neuron fires where x = u - v_th exceeds 0; the derivative of that is 0 almost everywhere. The
backward uses the slope of a smooth step in its place. Each class here is one: `step` is the smooth
function, `slope` its derivative. `step` is never used in training; with it in the place of the
Heaviside the network is differentiable, and its gradient can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Protocol

from minisnn.backend import Array, array_module


class Surrogate(Protocol):
    """A smooth step from 0 to 1 and its slope, for floating arrays of one dimension or more."""

    def step(self, x: Array) -> Array: ...

    def slope(self, x: Array) -> Array: ...


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, found {value}")


@dataclass(frozen=True)
class Triangle:
    r"""$h(x) = \max(0, \gamma - |x|) / \gamma^2$, 0 for |x| >= gamma (TET, ESL's choice here)."""

    gamma: float = 1.0

    def __post_init__(self) -> None:
        _positive("gamma", self.gamma)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + r - \frac12 r|r|$ with r = x / gamma, limited to -1 ... 1."""
        r = array_module(x).clip(x / self.gamma, -1, 1)
        return 0.5 + r - 0.5 * r * abs(r)

    def slope(self, x: Array) -> Array:
        h = abs(x)
        h -= self.gamma
        h *= -1 / self.gamma**2
        xp = array_module(x)
        return xp.maximum(h, xp.zeros_like(h), out=h)  # three times as fast as with a scalar 0


@dataclass(frozen=True)
class Rectangle:
    """1 / width for |x| < width / 2, else 0 (Wu et al. 2018)."""

    width: float = 1.0

    def __post_init__(self) -> None:
        _positive("width", self.width)

    def step(self, x: Array) -> Array:
        """The ramp x / width + 1/2, limited to 0 ... 1."""
        return array_module(x).clip(x / self.width + 0.5, 0, 1)

    def slope(self, x: Array) -> Array:
        return (abs(x) < self.width / 2) * x.dtype.type(1 / self.width)


@dataclass(frozen=True)
class Sigmoid:
    r"""$\alpha s (1 - s)$ with $s = \sigma(\alpha x)$: alpha / 4 at 0 (SpikingJelly's and SCA's, alpha = 4)."""

    alpha: float = 4.0

    def __post_init__(self) -> None:
        _positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        xp = array_module(x)
        e = xp.exp(-abs(self.alpha * x))  # of a number that is never positive: cannot overflow
        return xp.where(x >= 0, 1, e) / (1 + e)

    def slope(self, x: Array) -> Array:
        xp = array_module(x)
        e = abs(x)
        e *= -self.alpha
        e = xp.exp(e, out=e)
        below = e + 1
        below *= below
        e *= self.alpha
        e /= below
        return e


@dataclass(frozen=True)
class ArcTan:
    r"""$\frac{\alpha}{2} / (1 + (\frac{\pi}{2} \alpha x)^2)$ (Fang et al. 2021; alpha = 2)."""

    alpha: float = 2.0

    def __post_init__(self) -> None:
        _positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + \frac1\pi \arctan(\frac{\pi}{2} \alpha x)$."""
        return 0.5 + array_module(x).arctan(pi / 2 * self.alpha * x) / pi

    def slope(self, x: Array) -> Array:
        # Limited before it is squared: beyond it the slope is below 1e-30, and the square would overflow float32.
        r = array_module(x).clip(x * (pi / 2 * self.alpha), -1e15, 1e15)
        r *= r
        r += 1
        return (self.alpha / 2) / r


SURROGATES: dict[str, Surrogate] = {
    "triangle": Triangle(),
    "rectangle": Rectangle(),
    "sigmoid": Sigmoid(),
    "arctan": ArcTan(),
}
