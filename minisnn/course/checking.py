"""Compare an answer with what is right, and say what is wrong with it, and why."""

from __future__ import annotations

import dis
import os
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np

from minisnn.course.compare import difference, show
from minisnn.course.declare import all_tasks
from minisnn.course.diagnose import diagnose
from minisnn.course.shrink import shrink
from minisnn.course.task import AnyTask, Case, Choice, Number, Task, Verdict
from minisnn.course.trial import trouble

_NOTHING = {
    "RESUME",
    "NOP",
    "POP_TOP",
    "LOAD_CONST",
    "RETURN_VALUE",
    "RETURN_CONST",
}  # "return None", in any Python


def check(**answers: Any) -> float | None:
    """Print whether the answers are right: `check(half_life=6.6)`, or `check(steps_to_fire=steps_to_fire)`.

    What is printed for a wrong function: the first case that fails, made as small as can be; the element and both
    values there; how many cases fail; the mistake's name if it is a usual one, and what to read again.
    Returns nothing, as a notebook would show it; or the points, if the environment variable MINISNN_POINTS is set, as
    nbgrader reads them. Raises LookupError for a name that no task has.
    """
    verdicts = {name: judge(name, answer) for name, answer in answers.items()}
    for verdict in verdicts.values():
        print(verdict.text)
    if not os.environ.get("MINISNN_POINTS"):
        return None
    return float(sum(all_tasks()[name].points for name, verdict in verdicts.items() if verdict.right))


def judge(name: str, answer: Any) -> Verdict:
    """The verdict on an answer to the task of this name. Raises LookupError for a name that no task has."""
    tasks = all_tasks()
    if name not in tasks:
        near = get_close_matches(name, tasks, n=1)
        raise LookupError(f"no task is called {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    return judge_task(tasks[name], answer)


def judge_task(task: AnyTask, answer: Any) -> Verdict:
    """The verdict on an answer to a task."""
    if answer is None or answer is Ellipsis:
        return Verdict(False, f"{task.name}: not answered yet.")
    if isinstance(task, Task):
        return _judge_function(task, answer)
    return _judge_choice(task, answer) if isinstance(task, Choice) else _judge_number(task, answer)


def _judge_function(task: Task, answer: Any) -> Verdict:
    if not callable(answer):
        return Verdict(False, f"{task.name}: a function is asked for, this is {show(answer)}.")
    cases = task.all_cases()
    failing = [case for case in cases if trouble(task, answer, case)]
    if not failing:
        return Verdict(True, f"{task.name}: right, in all {len(cases)} cases.")
    if len(failing) == len(cases) and _is_stub(answer):
        return Verdict(False, f"{task.name}: not answered yet.")
    mistake = diagnose(task, answer, cases, failing)
    smallest = shrink(failing[0], lambda case: _makes_sense(task, case) and _fails(task, answer, case))
    lines = [
        f"{task.name}: not right yet. {_call(task, smallest)}",
        _sentence(trouble(task, answer, smallest)),
        f"{len(failing)} of {len(cases)} cases fail." if len(cases) > 1 else "",
        mistake.sentence if mistake else "",
    ]
    return Verdict(False, "\n".join(line for line in lines if line), mistake.name if mistake else "")


def _judge_number(task: Number, answer: Any) -> Verdict:
    if not _is_number(answer):
        return Verdict(False, f"{task.name}: a number is asked for, this is {show(answer)}.")

    def agrees(value: Any, rtol: float) -> bool:
        return not difference(answer, value, rtol, task.atol)

    if agrees(task.right, task.rtol):
        return Verdict(True, f"{task.name}: right.")
    rounded = max(task.rtol, 0.01)  # a wrong number may be typed with few digits
    mistake = next((m for m in task.mistakes if agrees(m.answer, task.rtol)), None)
    mistake = mistake or next((m for m in task.mistakes if agrees(m.answer, rounded)), None)
    if not mistake and agrees(task.right, rounded):
        return Verdict(
            False, f"{task.name}: {show(answer)} is close. Give more digits, or the expression itself."
        )
    kind = difference(answer, task.right, task.rtol, task.atol)
    text = f"{task.name}: {kind}." if np.ndim(task.right) else f"{task.name}: {show(answer)} is not right."
    return Verdict(False, f"{text}\n{mistake.sentence}" if mistake else text, mistake.name if mistake else "")


def _judge_choice(task: Choice, answer: Any) -> Verdict:
    letter = answer.strip().lower() if isinstance(answer, str) else answer
    if letter == task.right:
        return Verdict(True, f"{task.name}: right.")
    for mistake in task.mistakes:
        if letter == mistake.answer:
            where = f" Reread “{mistake.reread}”." if mistake.reread else ""
            text = f"{task.name}: {letter} is not right. {mistake.when}{where}"
            return Verdict(False, text, mistake.name)
    letters = ", ".join(f'"{letter}"' for letter in task.letters)
    return Verdict(False, f"{task.name}: one of {letters} is asked for, this is {show(answer)}.")


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _is_number(answer: Any) -> bool:
    try:
        return np.asarray(answer).dtype.kind in "biuf"
    except ValueError:
        return False


def _is_stub(answer: Callable[..., Any]) -> bool:
    """Whether a function has nothing but `...` or `pass` in it, and perhaps a docstring."""
    code = getattr(answer, "__code__", None)
    return code is not None and all(
        i.opname in _NOTHING and (not i.opname.endswith("_CONST") or i.argval in (None, ..., answer.__doc__))
        for i in dis.get_instructions(code)
    )


def _makes_sense(task: Task, case: Case) -> bool:
    """Whether a case that was made smaller has an answer at all."""
    try:
        with np.errstate(all="ignore"):
            task.oracle(*case)
            return task.valid is None or bool(task.valid(*case))
    except Exception:  # what an oracle refuses is no case
        return False


def _fails(task: Task, answer: Callable[..., Any], case: Case) -> bool:
    return bool(trouble(task, answer, case))


def _call(task: Task, case: Case) -> str:
    """The case that fails, argument by argument."""
    arguments = [f"{name} = {show(value)}" for name, value in zip(task.parameters, case, strict=False)]
    one_line = ", ".join(arguments)
    if len(one_line) < 80 and "\n" not in one_line:
        return f"With {one_line}"
    indented = (line.replace("\n", "\n" + " " * (line.index("=") + 4)) for line in arguments)
    return "With\n" + "\n".join(f"  {line}" for line in indented)
