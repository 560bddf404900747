"""Invalid arguments raise one kind of error: their name, what is expected, what was found."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def one_of(name: str, value: object, known: Collection[str], or_else: str = "") -> None:
    """Raise ValueError, naming the argument, what is known and the nearest of it, unless the value is known."""
    if not isinstance(value, str) or value not in known:
        also = f", or {or_else}" if or_else else ""
        raise ValueError(
            f"{name} must be one of {', '.join(known)}{also}, found {value!r}{nearest(value, known)}"
        )


def nearest(word: object, known: Collection[str]) -> str:
    """ "; did you mean ...?" where one of the known words is close, else nothing."""
    close = get_close_matches(str(word).lower(), known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def check(name: str, value: object, holds: object, expected: str) -> None:
    """Raise ValueError, naming the argument and what is expected, unless it holds."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, found {value}")
