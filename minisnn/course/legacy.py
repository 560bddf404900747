"""Checks for the exercises of the chapters: they say what is wrong, and with which case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def check(
    student: Callable[..., Any],
    oracle: Callable[..., Any],
    cases: Iterable[tuple[Any, ...]],
    rtol: float = 1e-9,
) -> None:
    """Compare a student's function with the oracle on every case, a tuple of arguments.

    Prints one line if all agree. Raises AssertionError with the worst case, what it should give and what
    the student's function gives; NotImplementedError of an unfinished exercise passes through.
    """
    name, worst, report, n = student.__name__, 0.0, "", 0
    for n, case in enumerate(cases, 1):  # noqa: B007 - n counts the cases
        expected = np.asarray(oracle(*_copies(case)), float)
        answer = student(*_copies(case))
        if answer is None:
            raise AssertionError(f"{name} returns nothing: is there a `return`?")
        found = np.asarray(answer, float)
        if found.shape != expected.shape:
            raise AssertionError(
                f"{name}{_show(case)} has the shape {found.shape}, expected {expected.shape}"
            )
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.where(same, 0, abs(found - expected) / np.maximum(abs(expected), 1e-12))
        largest = float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max(initial=0))
        if largest > max(worst, rtol):
            worst = largest
            report = f"{name}{_show(case)}\n  should be {expected}\n  but is    {found}\n  relative error {largest:.2g}"
    if report:
        raise AssertionError(f"the worst of {n} cases:\n{report}")
    print(f"{name}: {n} cases, all correct")


def _copies(case: tuple[Any, ...]) -> tuple[Any, ...]:
    """A student's function may change its arguments without spoiling the comparison."""
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in case)


def _show(case: tuple[Any, ...]) -> str:
    return (
        "("
        + ", ".join(np.array2string(x, threshold=12) if isinstance(x, np.ndarray) else repr(x) for x in case)
        + ")"
    )
