"""What a task is: a function, a number or a choice to find, what is right, and the usual mistakes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

GRADES = {
    "warm-up": 1,
    "core": 3,
    "break it": 2,
    "explore": 2,
    "derive": 3,
}  # and what each is worth, in points
Case = tuple[Any, ...]  # the arguments of one call
Cases = Callable[[np.random.Generator], Iterable[Any]]  # tuples of arguments


@dataclass(frozen=True)
class Mistake:
    """A usual mistake: the wrong answer that it leads to, and what to say about it."""

    name: str
    answer: Any  # a function for a Task, a number for a Number, a letter for a Choice
    when: str  # "This is what comes out when …", or for a Choice the sentence itself
    reread: str = ""  # a heading of the chapter

    @property
    def sentence(self) -> str:
        """What a student is told."""
        where = f" Reread “{self.reread}”." if self.reread else ""
        return f"This is what comes out when {self.when}.{where}"


@dataclass
class Task:
    """A function to write. `oracle` knows its values in another way than the solution does.

    `cases(rng)` gives argument tuples from simple to hard; `valid(*case)` says whether a case that was made
    smaller still makes sense. Answers agree where |answer - right| <= atol + rtol |right|.
    """

    name: str
    chapter: int
    grade: str
    oracle: Callable[..., Any]
    rtol: float = 1e-9
    atol: float = 1e-12
    valid: Callable[..., bool] | None = None
    cases: Cases = field(default=lambda rng: ())
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def points(self) -> int:
        return GRADES[self.grade]

    @property
    def parameters(self) -> list[str]:
        """The names of the arguments."""
        return list(inspect.signature(self.oracle).parameters)

    def all_cases(self) -> list[Case]:
        """The cases: the same at every call. What is no tuple is the one argument."""
        cases = self.cases(np.random.default_rng(self.chapter))
        return [case if isinstance(case, tuple) else (case,) for case in cases]


@dataclass
class Number:
    """A number, or an array of numbers, to work out."""

    name: str
    chapter: int
    grade: str
    right: Any
    rtol: float = 1e-3
    atol: float = 1e-12
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def points(self) -> int:
        return GRADES[self.grade]

    def usual(self, answer: Any, when: str, reread: str = "") -> Number:
        """Add a usual mistake. "This is what comes out when `when`"."""
        self.mistakes.append(Mistake(f"{self.name} = {answer}", answer, when, reread))
        return self


@dataclass
class Choice:
    """A question whose answer is one of some letters."""

    name: str
    chapter: int
    grade: str
    right: str
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def points(self) -> int:
        return GRADES[self.grade]

    @property
    def letters(self) -> list[str]:
        """All letters of the question."""
        return sorted([self.right, *(mistake.answer for mistake in self.mistakes)])

    def wrong(self, letter: str, sentence: str, reread: str = "") -> Choice:
        """Add a wrong letter, with a sentence that says what speaks against it."""
        self.mistakes.append(Mistake(f"{self.name} = {letter}", letter, sentence, reread))
        return self


AnyTask = Task | Number | Choice


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer: whether it is right, the name of the mistake if it is known, the text."""

    right: bool
    text: str
    mistake: str = ""

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]
