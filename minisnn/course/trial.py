"""One call of a student's function: with copies, with crashes caught, and with an eye on the arguments."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from minisnn.course.compare import difference
from minisnn.course.task import Case, Task


class Outcome(NamedTuple):
    """What came of a call: a value, or one line that says what went wrong."""

    value: Any = None
    trouble: str = ""


def call(function: Callable[..., Any], case: Case, parameters: list[str]) -> Outcome:
    """Call `function` with copies of the arguments. Crashes and changed arguments become text."""
    arguments = copy.deepcopy(case)
    try:
        with np.errstate(all="ignore"):
            value = copy.deepcopy(function(*arguments))
    except Exception as error:  # whatever a student's function raises is an answer, and a wrong one
        return Outcome(trouble=_crash(function, error))
    changed = [p for p, a, b in zip(parameters, arguments, case, strict=False) if not _same(a, b)]
    if changed:
        return Outcome(trouble=f"it changes its argument `{changed[0]}`: work on a copy, or make a new array")
    if value is None:
        return Outcome(trouble="it returns nothing: is there a `return`?")
    if value is Ellipsis:
        return Outcome(trouble="it returns `...`: that is where your answer goes")
    return Outcome(value)


def trouble(task: Task, function: Callable[..., Any], case: Case) -> str:
    """What is wrong with a function at one case, in one line or two; nothing if it is right."""
    outcome = call(function, case, task.parameters)
    if outcome.trouble:
        return outcome.trouble
    return difference(outcome.value, task.oracle(*copy.deepcopy(case)), task.rtol, task.atol)


def _crash(function: Callable[..., Any], error: Exception) -> str:
    """ "It raises …", with the line of the student's function where that happened, or where it called what raised."""
    code = getattr(function, "__code__", None)
    lines = [
        frame.lineno - code.co_firstlineno + 1 for frame in traceback.extract_tb(error.__traceback__)
        if code and frame.filename == code.co_filename and code.co_firstlineno <= (frame.lineno or 0) <= _end(code)
    ]  # fmt: skip
    where = f" in its line {lines[-1]}" if lines else ""
    text = f": {error}" if str(error) else ""
    return f"it raises {type(error).__name__}{where}{text}"


def _end(code: CodeType) -> int:
    """The last line of a function, and of those inside it."""
    inner = (_end(part) for part in code.co_consts if isinstance(part, CodeType))
    return max(*(line or 0 for _, _, line in code.co_lines()), *inner, code.co_firstlineno)


def _same(one: Any, other: Any) -> bool:
    """Whether an argument is what it was."""
    if isinstance(one, np.ndarray):
        return one.shape == np.shape(other) and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (int, float, str, bool)):
        return one == other or one != one
    return True
