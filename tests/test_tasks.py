"""Every task: its usual mistakes are refused and named, its solutions pass, and its oracle is no solution."""

import ast
import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest

from minisnn.course import Choice, Number, Task
from minisnn.course.checking import judge_task
from minisnn.course.declare import all_tasks

TEACHER = Path(__file__).resolve().parent.parent / "teacher"
CHAPTERS = sorted({task.chapter for task in all_tasks().values()})
tasks = pytest.mark.parametrize(
    "task", all_tasks().values(), ids=lambda task: f"{task.chapter:02}-{task.name}"
)
FUNCTIONS = [task for task in all_tasks().values() if isinstance(task, Task)]
functions = pytest.mark.parametrize("task", FUNCTIONS, ids=lambda task: f"{task.chapter:02}-{task.name}")


def teacher(chapter):
    (file,) = TEACHER.glob(f"{chapter:02}_*.py")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@tasks
def test_solutions_pass(task):
    module = teacher(task.chapter)
    names = [task.name, f"{task.name}_2"] if isinstance(task, Task) else [task.name]
    for name in names:
        verdict = judge_task(task, getattr(module, name))
        assert verdict.right, f"{name}: {verdict.text}"


@tasks
def test_every_usual_mistake_is_refused_and_named(task):
    assert len(task.mistakes) >= (2 if isinstance(task, Choice) else 4)
    for mistake in task.mistakes:
        verdict = judge_task(task, mistake.answer)
        assert not verdict.right, mistake.name
        assert verdict.mistake == mistake.name, verdict.text
        assert mistake.when in verdict.text


@functions
def test_a_function_has_cases_from_which_it_can_be_learned(task):
    cases = task.all_cases()
    assert len(cases) >= 4
    assert all(len(case) == len(task.parameters) for case in cases)
    sizes = [sum(np.size(argument) for argument in case) for case in cases]
    assert sizes[0] <= np.median(sizes), "the first case is no simple one"


@functions
def test_the_oracle_is_another_way_to_the_answer(task):
    def statements(function):
        (definition,) = ast.parse(inspect.getsource(function)).body
        return [
            ast.dump(s)
            for s in definition.body
            if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]

    module = teacher(task.chapter)
    solutions = [getattr(module, task.name), getattr(module, f"{task.name}_2")]
    assert statements(solutions[0]) != statements(solutions[1]), "the second solution is the first"
    assert statements(task.oracle) not in map(statements, solutions), "the oracle is the solution"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_tasks_in_grades(chapter):
    found = all_tasks(chapter)
    assert 3 <= len(found) <= 5
    assert {task.grade for task in found.values()} >= {"warm-up", "core", "break it"}
    assert any(not isinstance(task, (Number, Choice)) for task in found.values())
    module = teacher(chapter)
    assert set(module.MINUTES) == set(found)
    assert len(module.ANSWERS) == 3
    assert module.NOTES
