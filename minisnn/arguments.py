"""Arguments that make no sense are refused in one way: their name, what is expected, what was found."""

from __future__ import annotations

from collections.abc import Collection


def one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raise ValueError, naming the argument and what is known, unless the value is known."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, found {value!r}")


def check(name: str, value: object, holds: object, expected: str) -> None:
    """Raise ValueError, naming the argument and what is expected, unless it holds."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, found {value}")
