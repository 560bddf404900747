"""Which mistake is it? The task's own, or one that can happen anywhere: a sign, an axis, a factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisnn.course.compare import difference
from minisnn.course.task import Case, Mistake, Task
from minisnn.course.trial import call

_LOOSE = 1e-6  # a mistake is the same mistake in other words, up to rounding


def diagnose(
    task: Task, function: Callable[..., Any], cases: Sequence[Case], failing: Sequence[Case]
) -> Mistake | None:
    """The mistake that explains every failing case, or nothing. Declared mistakes come first.

    It must agree with the answer at the other cases, too, or be the only one that explains the failing ones, and not
    by chance: a wrong name is worse than none.
    """
    explains = [m for m in task.mistakes if _agrees(task, function, m.answer, failing)]
    everywhere = [m for m in explains if _agrees(task, function, m.answer, cases)]
    if everywhere or (len(explains) == 1 and len(failing) > 2):
        return (everywhere or explains)[0]
    return _general(task, function, failing)


def _agrees(task: Task, one: Callable[..., Any], other: Callable[..., Any], cases: Sequence[Case]) -> bool:
    """Whether two functions do the same at all cases: equal values, or crashes of one kind."""
    for case in cases:
        a, b = (call(function, case, task.parameters) for function in (one, other))
        if a.trouble or b.trouble:
            if _kind(a.trouble) != _kind(b.trouble):
                return False
        elif difference(a.value, b.value, max(task.rtol, _LOOSE), max(task.atol, 1e-12)):
            return False
    return True


def _kind(trouble: str) -> str:
    """ "it raises ValueError", without the line and the message."""
    return trouble.partition(" in its line")[0].partition(":")[0]


def _general(task: Task, function: Callable[..., Any], failing: Sequence[Case]) -> Mistake | None:
    """A mistake of any task that explains the answer at all failing cases."""
    if len(failing) < 2:
        return None  # one case proves nothing
    found, right, atol = [], [], max(task.atol, 1e-12)  # an oracle of finite differences is no more exact
    for case in failing:
        outcome = call(function, case, task.parameters)
        if outcome.trouble or not _numbers(outcome.value) or not _numbers(expected := task.oracle(*case)):
            return None
        found.append(np.asarray(outcome.value, float))
        right.append(np.asarray(expected, float))
    for name, when, same in _GENERAL:
        with np.errstate(all="ignore"):
            if all(same(a, b, atol) for a, b in zip(found, right, strict=True)):
                return Mistake(name, None, when)
    return _constant(found, right, atol)


def _constant(found: list[np.ndarray], right: list[np.ndarray], atol: float) -> Mistake | None:
    """One factor or one summand that all answers are off by: only of enough numbers."""
    if any(a.shape != b.shape for a, b in zip(found, right, strict=True)):
        return None
    a, b = (np.concatenate([x.ravel() for x in values]) for values in (found, right))
    if a.size < 4 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    if b.any() and abs(factor := float(a @ b / (b @ b))) > _LOOSE and _close(a, factor * b, atol):
        return Mistake("factor", None, f"the answer is multiplied by {factor:.4g}")
    offset = float((a - b).mean())
    return (
        Mistake("offset", None, f"{offset:.4g} is added to the answer")
        if _close(a, b + offset, atol)
        else None
    )


def _close(a: np.ndarray, b: np.ndarray, atol: float) -> bool:
    return a.shape == b.shape and np.allclose(a, b, _LOOSE, atol, equal_nan=True)


def _whole(b: np.ndarray) -> bool:
    return bool((b == np.rint(b)).all())


def _numbers(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "iuf"
    except ValueError:
        return False


def _single(a: np.ndarray, b: np.ndarray, _: float) -> bool:
    return a.shape == b.shape and np.allclose(a, b, 1e-5, 1e-7, equal_nan=True)


def _along_some_axis(
    change: Callable[[np.ndarray, int], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray, float], bool]:
    return lambda a, b, atol: any(_close(a, change(b, axis), atol) for axis in range(b.ndim))


def _off_by(step: int) -> Callable[[np.ndarray, np.ndarray, float], bool]:
    return lambda a, b, _: _whole(b) and _close(a, b + step, 1e-12)


_GENERAL: list[tuple[str, str, Callable[[np.ndarray, np.ndarray, float], bool]]] = [
    ("single", "the numbers are computed or stored in single precision (float32), or a constant is rounded", _single),
    ("sign", "the sign is the other way round", lambda a, b, tol: _close(a, -b, tol)),
    ("transposed", "the axes are swapped", lambda a, b, tol: b.ndim > 1 and _close(a, b.T, tol)),
    ("reciprocal", "numerator and denominator are swapped", lambda a, b, tol: bool(b.all()) and _close(a, 1 / b, tol)),
    ("reversed", "an axis runs backwards", _along_some_axis(np.flip)),
    ("late", "everything comes one step late", _along_some_axis(lambda b, axis: np.roll(b, 1, axis))),
    ("early", "everything comes one step early", _along_some_axis(lambda b, axis: np.roll(b, -1, axis))),
    ("rounded up", "a number is rounded up that should be rounded down", _off_by(1)),
    ("rounded down", "the result is one too small", _off_by(-1)),
]  # fmt: skip
