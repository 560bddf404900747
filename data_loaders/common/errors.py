"""What every loader says when something does not fit: which file or argument, what was found, what was expected."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import wraps
from operator import index
from typing import ParamSpec, TypeVar

import numpy as np


class DataError(ValueError):
    """A data file is not what it should be. The message names the file, what was found and what was expected."""


def one_of(name: str, value: object, known: Collection[str], or_else: str = "") -> None:
    """Raise ValueError, naming the argument, what is known and the nearest of it, unless the value is known."""
    if not isinstance(value, str) or value not in known:
        also = f", or {or_else}" if or_else else ""
        raise ValueError(
            f"{name} must be one of {', '.join(known)}{also}, found {value!r}{nearest(value, known)}"
        )


def nearest(word: object, known: Collection[str]) -> str:
    """What may have been meant, where one of the known words is close; else nothing."""
    close = get_close_matches(str(word).lower(), known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def check(name: str, value: object, holds: object, expected: str) -> None:
    """Raise ValueError, naming the argument and what is expected, unless it holds."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, found {value}")


def whole(name: str, value: object, least: int = 0) -> int:
    """The value as an int. Raises ValueError, naming the argument, unless it is a whole number of at least `least`."""
    try:
        n = index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name} must be a whole number, found {value!r}") from None
    check(name, n, n >= least, f"at least {least}")
    return n


def generator(name: str, rng: object) -> np.random.Generator:
    """The generator itself. Raises ValueError, naming the argument, for anything else, a seed above all."""
    if isinstance(rng, np.random.Generator):
        return rng
    seed = rng if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0 else 0
    raise ValueError(
        f"{name} must be a numpy.random.Generator: np.random.default_rng({seed}), found {kind_of(rng)}"
    )


def kind_of(value: object) -> str:
    """A plain value as it is written, an array by dtype and shape, anything else by the name of its class."""
    plain = isinstance(value, (str, bytes, int, float, complex)) or value is None
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if not plain and dtype and shape:
        return f"an array of {dtype} with the shape {shape}"
    return repr(value) if plain else f"an object of type {type(value).__name__}"


P = ParamSpec("P")
T = TypeVar("T")


def spelt(function: Callable[P, T]) -> Callable[P, T]:
    """The same function; its TypeError for a misspelt keyword says which one may have been meant."""
    known = list(inspect.signature(function).parameters)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in known:
                names = [other for other in known if other != "cls"]
                meant = nearest(name, names) or f"; it has {', '.join(names)}"
                raise TypeError(f"{function.__name__}() has no argument {name!r}{meant}")
        return function(*args, **kwargs)

    return checked
