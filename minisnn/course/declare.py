"""How a chapter declares its tasks, and where they are found again: in `tasks/chNN.py`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from minisnn.course.task import GRADES, AnyTask, Cases, Choice, Mistake, Number, Task

Kind = TypeVar("Kind", Task, Number, Choice)
_TASKS: dict[str, AnyTask] = {}


class _Declared:
    """What `@task` leaves under the oracle's name: more decorators for its cases and its usual mistakes."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, *case: Any) -> Any:
        return self.task.oracle(*case)

    def cases(self, function: Cases) -> Cases:
        """Register the cases, a generator function of a random generator: from simple to hard."""
        self.task.cases = function
        return function

    def wrong(self, when: str, reread: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a usual mistake, a function. "This is what comes out when `when`. Reread `reread`"."""

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self.task.mistakes.append(Mistake(function.__name__, function, when, reread))
            return function

        return add


def task(chapter: int, grade: str, **options: Any) -> Callable[[Callable[..., Any]], _Declared]:
    """Declare a function to write, by the oracle: `@task(7, "core", rtol=1e-9)` above a function of its name.

    The options are those of `Task`: rtol, atol, valid. Raises ValueError for a grade that is not in GRADES,
    or a name that another task has.
    """

    def declare(oracle: Callable[..., Any]) -> _Declared:
        return _Declared(_add(Task(oracle.__name__, chapter, grade, oracle, **options)))

    return declare


def number(chapter: int, grade: str, name: str, right: Any, rtol: float = 1e-3) -> Number:
    """Declare a number to work out; `.usual(answer, when, reread)` adds a usual mistake."""
    return _add(Number(name, chapter, grade, right, rtol))


def choice(chapter: int, grade: str, name: str, right: str) -> Choice:
    """Declare a question with letters to choose from; `.wrong(letter, sentence, reread)` adds a wrong one."""
    return _add(Choice(name, chapter, grade, right))


def _add(new: Kind) -> Kind:
    if new.grade not in GRADES:
        raise ValueError(f"{new.name}: expected one of {', '.join(GRADES)} as grade, found {new.grade!r}")
    if new.name in _TASKS:
        raise ValueError(f"{new.name} is the name of a task of chapter {_TASKS[new.name].chapter} already")
    _TASKS[new.name] = new
    return new


def all_tasks(chapter: int | None = None) -> dict[str, AnyTask]:
    """The tasks of all chapters, or of one, by name, in their order."""
    folder = str(Path(__file__).with_name("tasks"))
    for module in sorted(module.name for module in pkgutil.iter_modules([folder])):
        importlib.import_module(f"minisnn.course.tasks.{module}")
    return {name: found for name, found in _TASKS.items() if chapter in (None, found.chapter)}
