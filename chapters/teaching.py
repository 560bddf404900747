"""The tables of docs/teaching.md: plans by day or week, and what each chapter needs, from the chapters' headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tasks import load

from minisnn.course.declare import all_tasks

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "teaching.md"


class Session(NamedTuple):
    """A day or a week: its name, the chapters in their order, what students can do afterwards."""

    when: str
    chapters: tuple[str, ...]
    goal: str


class Chapter(Protocol):
    """What this file asks of a chapter."""

    title: str
    minutes: int
    builds_on: tuple[str, ...]
    source: Path


PLANS = {
    "two days": (
        Session("day 1, morning", ("07", "08"), "simulate a leaky neuron, and choose a surrogate for its step"),
        Session("day 1, afternoon", ("09", "11"), "derive backpropagation through time with and without the reset"),
        Session("day 2, morning", ("13", "17"), "normalise over time and batch, and score channels by their activity"),
        Session("day 2, afternoon", ("18", "01", "02"), "let channels come back, and make a layer sparse at random"),
    ),
    "six weeks": (
        Session("week 1", ("01", "02"), "make a sparse layer, and plan how much of it changes"),
        Session("week 2", ("03", "04"), "solve a membrane in closed form, and find the inputs that cause a spike"),
        Session("week 3", ("05", "06"), "differentiate a spike time, and train a network on first spikes"),
        Session("week 4", ("07", "08", "09"), "train leaky neurons by surrogate gradients through time"),
        Session("week 5", ("12", "13"), "write convolution and batch norm, forwards and backwards"),
        Session("week 6", ("14", "15", "16"), "prune and regrow connections while a network learns"),
    ),
    "twelve weeks": (
        Session("week 1", ("01", "02"), "make a sparse layer, and plan how much of it changes"),
        Session("week 2", ("03", "04"), "solve a membrane in closed form, and find the inputs that cause a spike"),
        Session("week 3", ("05",), "differentiate a spike time"),
        Session("week 4", ("06",), "train a network on first spikes"),
        Session("week 5", ("07", "08"), "simulate a leaky neuron, and choose a surrogate"),
        Session("week 6", ("09", "11"), "derive backpropagation through time, and tell libraries' neurons apart"),
        Session("week 7", ("10", "12"), "ask for the right answer at every step, and write convolution"),
        Session("week 8", ("13", "14"), "normalise over time and batch, and compare prune rules"),
        Session("week 9", ("15", "16"), "compare grow rules, and rewire a network while it learns"),
        Session("week 10", ("17", "18"), "score channels, prune them, and let them come back"),
        Session("week 11", ("20", "19"), "count what a network costs, and remove channels for good"),
        Session("week 12", ("21",), "read an event camera; present the projects"),
    ),
}  # fmt: skip


def plan(sessions: Sequence[Session], chapters: dict[str, Chapter]) -> str:
    """One plan as a table."""
    lines = [
        "| when | chapters | reading | tasks | afterwards students can |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for session in sessions:
        links = ", ".join(_link(chapters[n], n) for n in session.chapters)
        reading = sum(chapters[n].minutes for n in session.chapters)
        tasks = sum(minutes(chapters[n].source) for n in session.chapters)
        lines.append(f"| {session.when} | {links} | {reading} | {tasks or ''} | {session.goal} |")
    return "\n".join(lines)


def needs(chapters: dict[str, Chapter]) -> str:
    """What each chapter builds on, with minutes for reading and for tasks, and its tasks with their points."""
    lines = [
        "| chapter | builds on | reading | tasks | points by task |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for n, chapter in chapters.items():
        points = ", ".join(f"{name} {task.points}" for name, task in all_tasks(int(n)).items())
        below = ", ".join(chapter.builds_on)
        tasks = minutes(chapter.source) or ""
        lines.append(
            f"| {_link(chapter, chapter.title)} | {below} | {chapter.minutes} | {tasks} | {points} |"
        )
    return "\n".join(lines)


def minutes(source: Path) -> int:
    """The minutes of a chapter's tasks; 0 if it has no solutions yet."""
    solutions = ROOT / "teacher" / f"{source.stem}.py"
    return sum(load(solutions).MINUTES.values()) if solutions.exists() else 0


def page(chapters: dict[str, Chapter]) -> str:
    """docs/teaching.md with its tables."""
    text = PAGE.read_text(encoding="utf-8")
    tables = {name: plan(sessions, chapters) for name, sessions in PLANS.items()} | {"needs": needs(chapters)}
    for name, table in tables.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- end {name} -->)", re.DOTALL)
        text = between.sub(lambda _, table=table: table + "\n", text)
    return text


def _link(chapter: Chapter, text: str) -> str:
    return f"[{text}](../chapters/{chapter.source.name})"
