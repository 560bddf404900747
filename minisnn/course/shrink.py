"""The smallest case at which an answer is still wrong: fewer elements, then rounder numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minisnn.course.task import Case


def shrink(case: Case, fails: Callable[[Case], bool], trials: int = 300) -> Case:
    """Make a case smaller as long as `fails` holds, in at most so many trials.

    An axis is shortened in all arguments at once that have an axis of this length, so that what belongs
    together stays together. Which cases make sense is for `fails` to say.
    """
    left = trials
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(case):
            if left == 0:
                return case
            left -= 1
            if fails(smaller):
                case, progress = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Simpler cases, the boldest steps first."""
    lengths = {n for a in case if isinstance(a, np.ndarray) for n in a.shape if n > 1}
    for length in sorted(lengths, reverse=True):
        for part in (
            slice(0, 1),
            slice(0, length // 2),
            slice(length // 2, None),
            slice(1, None),
            slice(0, -1),
        ):
            yield tuple(_cut(a, length, part) for a in case)
    for n, argument in enumerate(case):
        for simpler in _rounder(argument):
            yield (*case[:n], simpler, *case[n + 1 :])


def _cut(argument: Any, length: int, part: slice) -> Any:
    if not isinstance(argument, np.ndarray):
        return argument
    return argument[tuple(part if n == length else slice(None) for n in argument.shape)].copy()


def _rounder(argument: Any) -> Iterator[Any]:
    """The same with fewer digits."""
    if isinstance(argument, (bool, np.bool_, str)) or argument is None:
        return
    if isinstance(argument, (int, np.integer)):
        yield from (type(argument)(n) for n in (1, 2, argument // 2, argument - 1) if 0 < n < argument)
    elif isinstance(argument, (float, np.floating)):
        if np.isfinite(argument):
            rounded = (type(argument)(round(float(argument), digits)) for digits in (0, 1, 2))
            yield from (value for value in rounded if value != argument)
    elif isinstance(argument, np.ndarray) and argument.dtype.kind == "f":
        for digits in (0, 1, 2):
            simpler = argument.round(digits)
            if not np.array_equal(simpler, argument, equal_nan=True):
                yield simpler
