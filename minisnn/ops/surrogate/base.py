"""Smooth stand-ins for the Heaviside step, and their slopes (ESL Eq. 8, SCA Eq. 3, chapter 08).

A neuron fires where x = u - v_th exceeds 0; the derivative of that is 0 almost everywhere. The
backward uses the slope of a smooth step in its place. Each file beside this one holds one: `step` is the smooth
function, `slope` its derivative. `step` is never used in training; with it in the place of the
Heaviside the network is differentiable, and its gradient can be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

from minisnn.arguments import check, floating, kind_of, number
from minisnn.backend import Array, is_array
from minisnn.lookup import register, shown


class Surrogate(Protocol):
    """A smooth step from 0 to 1 and its slope, elementwise; x is u - v_th, how far a potential is above threshold.

    To write one, give a class these two methods. x: floating, any shape; both return x's shape and dtype. Those of
    this folder take lists, too, and raise ValueError for another dtype.
    """

    def step(self, x: Array) -> Array:
        """The smooth step, from 0 far below 0 to 1 far above; 1/2 at 0."""

    def slope(self, x: Array) -> Array:
        """The derivative of `step`."""


SURROGATES: dict[str, Surrogate] = {}
"""By the names that recipes and the command line take. Yours is handed over, or named `module:name`."""

AnySurrogate = TypeVar("AnySurrogate", bound=type[Surrogate])


def surrogate(name: str) -> Callable[[AnySurrogate], AnySurrogate]:
    """A decorator that gives a class a name in `SURROGATES`; there it stands with its defaults."""

    def put(cls: AnySurrogate) -> AnySurrogate:
        register(SURROGATES, name)(cls())
        return cls

    return put


def floats(x: Array) -> Array:
    """`floating`, with a shortcut for arrays, as it is called at every time step."""
    return x if type(x) is np.ndarray and x.dtype.char in "fd" else floating(x=x)[0]


def positive(name: str, value: float) -> None:
    """Raise ValueError, naming the field, unless it is above 0."""
    check(name, value, number(name, value) > 0, "above 0")


def check_slope(surrogate: Surrogate) -> None:
    """Try the slope at a few points. Raises ValueError unless it returns finite floating numbers of their shape."""
    x = np.linspace(-1, 1, 5, dtype="float32")
    what, found = f"what slope of the surrogate {shown(surrogate)} returns", surrogate.slope(x)
    fits = is_array(found) and found.dtype.char in "fd" and found.shape == x.shape
    check(what, kind_of(found), fits, f"float32 or float64, of its argument's shape {x.shape}")
    check(what, found.tolist(), np.isfinite(found).all(), "finite")
