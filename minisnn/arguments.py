"""Invalid arguments raise one kind of error: their name, what is expected, what was found.

`floating`, `integers`, `bools` and `numbers` are the door of every public function that takes arrays. They leave
arrays of NumPy, CuPy and their like alone, and make NumPy's arrays of lists and numbers, or arrays of the device on
which the other arguments live.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from data_loaders.common.errors import check as check
from data_loaders.common.errors import nearest as nearest
from data_loaders.common.errors import one_of as one_of
from data_loaders.common.errors import whole as whole
from minisnn.backend import Array, as_array, is_array


def floating(*, spikes: Collection[str] = (), like: Array | None = None, **named: Array) -> list[Array]:
    """The named arguments as arrays of float32 or float64, in order; None stays None.

    spikes: names of those that may also be spikes (bool) or counts of spikes (uint8). like: an array of the library
    that lists are handed to; by default that of the other arguments. Raises ValueError, naming the argument, for any
    other dtype or a list that is no array.
    """
    found = []
    for name, x in named.items():
        if x is not None:
            x = x if type(x) is np.ndarray else _array(name, x, like, named)
            if (kind := x.dtype.char) not in "fd" and not (kind in "?B" and name in spikes):
                raise ValueError(f"{name} must be floating{_but(name, x, spikes)}, found {x.dtype}{_hint(x)}")
        found.append(x)
    return found


def cotangent(name: str, dy: Array, shape: tuple[int, ...], like: Array) -> Array:
    """The gradient that a backward is given, as a floating array. ValueError unless it has the output's shape."""
    (dy,) = floating(like=like, **{name: dy})
    if dy.shape != shape:
        raise ValueError(f"{name} must have the output's shape {shape}, found {dy.shape}")
    return dy


def integers(*, like: Array | None = None, **named: Array) -> list[Array]:
    """The named arguments as arrays of integers. Raises ValueError, naming the argument, for any other dtype."""
    found = []
    for name, x in named.items():
        x = _array(name, x, like, named)
        if not x.size and x.dtype == float:  # what NumPy makes of an empty list
            x = x.astype(int)
        check(name, x.dtype, x.dtype.kind in "iu", "integers")
        found.append(x)
    return found


def bools(*, like: Array | None = None, **named: Array) -> list[Array]:
    """The named arguments as arrays of bool. Raises ValueError, naming the argument, for any other dtype."""
    found = [_array(name, x, like, named) for name, x in named.items()]
    for name, x in zip(named, found, strict=True):
        check(name, x.dtype, x.dtype == bool, "bool")
    return found


def numbers(*, like: Array | None = None, **named: Array) -> list[Array]:
    """The named arguments as arrays of bool, integers or floating. Raises ValueError, naming it, for another dtype."""
    found = [_array(name, x, like, named) for name, x in named.items()]
    for name, x in zip(named, found, strict=True):
        check(name, x.dtype, x.dtype.kind in "biu" or x.dtype.char in "fd", "bool, integers or floating")
    return found


def _array(name: str, x: Array, like: Array | None, named: dict[str, Array]) -> Array:
    """x as an array, where `like` lives, or else one of the others that is not NumPy's."""
    if is_array(x):
        return as_array(x)
    others = [other for other in (like, *named.values()) if is_array(other)]
    device = next((other for other in others if not isinstance(other, np.ndarray)), None)
    try:
        return as_array(x, device)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array, or lists of numbers of equal lengths: {error}") from error


def _but(name: str, x: Array, spikes: Collection[str]) -> str:
    return ", or spikes (bool)" if name in spikes else ""


def _hint(x: Array) -> str:
    """What to do about a wrong dtype."""
    if x.dtype.kind in "iu":
        return ": write 1.0, or .astype(float)"
    if x.dtype.kind == "f":
        return ": .astype(float) makes it float64"
    return ": .astype(float) makes numbers of spikes" if x.dtype == bool else ""
