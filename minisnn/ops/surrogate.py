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

import numpy as np

from minisnn.arguments import check, floating
from minisnn.backend import Array, array_module


class Surrogate(Protocol):
    """A smooth step from 0 to 1 and its slope, elementwise; x is u - v_th, how far a potential is above threshold.

    To write one, give a class these two methods. x: floating, any shape; both return x's shape and dtype. Those of
    this file take lists, too, and raise ValueError for another dtype.
    """

    def step(self, x: Array) -> Array:
        """The smooth step, from 0 far below 0 to 1 far above; 1/2 at 0."""

    def slope(self, x: Array) -> Array:
        """The derivative of `step`."""


def _floating(x: Array) -> Array:
    """`floating`, with a shortcut for arrays, as it is called at every time step."""
    return x if type(x) is np.ndarray and x.dtype.char in "fd" else floating(x=x)[0]


def _positive(name: str, value: float) -> None:
    check(name, value, value > 0, "above 0")


@dataclass(frozen=True)
class Triangle(Surrogate):
    r"""A triangle, $h(x) = \max(0, \gamma - |x|) / \gamma^2$ (TET's, and ours for ESL Eq. 8; chapter 08).

    gamma: half its width, in the unit of the threshold. Raises ValueError unless it is above 0.
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        _positive("gamma", self.gamma)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + r - \frac12 r|r|$ with r = x / gamma, limited to -1 ... 1."""
        x = _floating(x)
        r = array_module(x).clip(x / self.gamma, -1, 1)
        return 0.5 + r - 0.5 * r * abs(r)

    def slope(self, x: Array) -> Array:
        x = _floating(x)
        return array_module(x).maximum((abs(x) - self.gamma) * (-1 / self.gamma**2), 0)


@dataclass(frozen=True)
class Rectangle(Surrogate):
    """A rectangle: 1 / width for |x| < width / 2, else 0 (Wu et al. 2018; chapter 08).

    width: in the unit of the threshold. Raises ValueError unless it is above 0.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        _positive("width", self.width)

    def step(self, x: Array) -> Array:
        """The ramp x / width + 1/2, limited to 0 ... 1."""
        x = _floating(x)
        return array_module(x).clip(x / self.width + 0.5, 0, 1)

    def slope(self, x: Array) -> Array:
        x = _floating(x)
        return (abs(x) < self.width / 2) * x.dtype.type(1 / self.width)


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    r"""A sigmoid's slope, $h(x) = \alpha s (1 - s)$, $s = \sigma(\alpha x)$ (SpikingJelly's; SCA Eq. 3; chapter 08).

    alpha: steepness, 4 there; the slope at 0 is alpha / 4. Raises ValueError unless it is above 0.
    """

    alpha: float = 4.0

    def __post_init__(self) -> None:
        _positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        x = _floating(x)
        xp = array_module(x)
        e = xp.exp(-abs(self.alpha * x))  # of a number that is never positive: cannot overflow
        return xp.where(x >= 0, 1, e) / (1 + e)

    def slope(self, x: Array) -> Array:
        x = _floating(x)
        e = array_module(x).exp(abs(x) * -self.alpha)  # s (1 - s) = e / (1 + e)^2
        return e * self.alpha / (e + 1) ** 2


@dataclass(frozen=True)
class ArcTan(Surrogate):
    r"""An arctangent's slope, $h(x) = \frac{\alpha}{2} / (1 + (\frac{\pi}{2} \alpha x)^2)$ (Fang et al. 2021).

    alpha: steepness, 2 there; the slope at 0 is alpha / 2. Raises ValueError unless it is above 0.
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        _positive("alpha", self.alpha)

    def step(self, x: Array) -> Array:
        r"""$\frac12 + \frac1\pi \arctan(\frac{\pi}{2} \alpha x)$."""
        x = _floating(x)
        return 0.5 + array_module(x).arctan(pi / 2 * self.alpha * x) / pi

    def slope(self, x: Array) -> Array:
        x = _floating(x)
        # Limited before it is squared: beyond it the slope is below 1e-30, and the square would overflow float32.
        r = array_module(x).clip(x * (pi / 2 * self.alpha), -1e15, 1e15)
        return (self.alpha / 2) / (r * r + 1)


SURROGATES: dict[str, Surrogate] = {
    "triangle": Triangle(),
    "rectangle": Rectangle(),
    "sigmoid": Sigmoid(),
    "arctan": ArcTan(),
}
