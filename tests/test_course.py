"""The checks of the exercises: they say what is wrong, with the smallest case, and name the mistake."""

import math
import re

import numpy as np
import pytest

from minisnn.course import Choice, Mistake, Number, Task, check
from minisnn.course.checking import judge, judge_task


def rows_scaled(x, factor):
    """What is right here: rows in their order, each multiplied by its number, counted from 1."""
    return factor * np.arange(1, len(x) + 1)[:, None] * x


def cases(rng):
    yield np.ones((1, 1)), 1.0
    for n in (1, 2, 3, 4):
        yield rng.normal(size=(n + 1, n)), float(rng.uniform(1, 2))


TASK = Task("rows_scaled", 0, "core", rows_scaled, cases=cases)
TASK.mistakes += [
    Mistake(
        "from_zero",
        lambda x, factor: factor * np.arange(len(x))[:, None] * x,
        "rows are counted from 0",
        "Rows",
    ),
    Mistake("no_factor", lambda x, factor: rows_scaled(x, 1.0), "the factor is left out"),
]


def said(answer, task=TASK):
    return judge_task(task, answer)


def test_a_right_answer_passes_in_any_form():
    verdict = said(lambda x, factor: np.array([factor * (n + 1) * row for n, row in enumerate(x)]))
    assert verdict.right
    assert verdict.text == "rows_scaled: right, in all 5 cases."
    assert said(lambda x, factor: rows_scaled(x, factor).tolist()).right


def test_what_is_said_and_in_which_order():
    verdict = said(TASK.mistakes[0].answer)
    assert verdict.mistake == "from_zero"
    lines = verdict.text.splitlines()
    assert lines[0] == "rows_scaled: not right yet. With x = [[1.]], factor = 1.0"
    assert lines[1] == "at index [0, 0] it should give 1.0, but gives 0.0."
    assert lines[2] == "5 of 5 cases fail."
    assert lines[3] == "This is what comes out when rows are counted from 0. Reread “Rows”."


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda x, factor: print(end=""), "it returns nothing: is there a `return`"),
        (lambda x, factor: (x, ...)[1], "it returns `...`"),
        (lambda x, factor: 1 / 0, "it raises ZeroDivisionError in its line 1: division by zero"),
        (lambda x: x, "it raises TypeError"),
        (lambda x, factor: rows_scaled(x, factor)[0], "should have the shape|their shape is"),
        (lambda x, factor: "text", "gives text: 'text'"),
        (lambda x, factor: [[1], [1, 2]], "rows of different lengths"),
        (lambda x, factor: 1j * x, "gives an array of shape"),
        (lambda x, factor: {}, "gives a dict"),
        (lambda x, factor: rows_scaled(x, factor) * np.nan, "but gives nan"),
    ],
)
def test_answers_of_all_kinds_are_refused_in_words(answer, text):
    verdict = said(answer)
    assert not verdict.right
    assert re.search(text, verdict.text), verdict.text
    assert verdict.text.splitlines()[0].startswith("rows_scaled: not right yet. With x = [[1.]]")


def _helper(x):
    return x[99]


def test_a_crash_in_a_helper_is_reported_where_it_was_called():
    def calls(x, factor):
        several = 2 * factor

        def inner(rows):
            return _helper(rows)

        return several * inner(x)

    def calls_at_once(x, factor):
        x = 2 * x
        return _helper(x)

    assert "it raises IndexError in its line 5: " in said(calls).text
    assert "it raises IndexError in its line 3: " in said(calls_at_once).text


def test_a_case_is_shown_without_empty_lines():
    task = Task("cube", 0, "core", lambda x: x, cases=lambda rng: [(np.ones((2, 2, 2)),)])
    assert "" not in [line.strip() for line in said(lambda x: -x, task).text.splitlines()]


def test_a_stub_is_not_answered_yet():
    def empty(x, factor):
        """What is asked for."""

    assert (
        said(empty).text
        == said(None).text
        == said(...).text
        == said(lambda x, factor: ...).text
        == "rows_scaled: not answered yet."
    )
    assert "a function is asked for, this is 3" in said(3).text


def test_a_changed_argument_is_noticed():
    def spoils(x, factor):
        x *= factor
        return rows_scaled(x, 1.0)

    task = Task("rows_scaled", 0, "core", rows_scaled, cases=lambda rng: [(np.ones((2, 2)), 2.0)])
    assert "it changes its argument `x`" in said(spoils, task).text


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, factor: -rows_scaled(x, factor), "sign"),
        (lambda x, factor: rows_scaled(x, factor)[::-1], "reversed"),
        (lambda x, factor: 3 * rows_scaled(x, factor), "factor"),
        (lambda x, factor: rows_scaled(x, factor) + 0.25, "offset"),
        (lambda x, factor: rows_scaled(x, factor).astype(np.float32), "single"),
    ],
)
def test_mistakes_that_can_happen_anywhere_are_named(answer, name):
    assert said(answer).mistake == name
    assert "This is what comes out when" in said(answer).text


def test_a_mistake_is_named_where_the_oracle_is_rounded():
    def rounded(x, factor):
        return np.round(1e-4 * rows_scaled(x, factor), 9)

    task = Task("rounded", 0, "core", rounded, cases=cases, rtol=1e-5, atol=1e-8)
    assert said(lambda x, factor: -1e-4 * rows_scaled(x, factor), task).mistake == "sign"


def test_an_answer_of_nearly_nothing_is_no_factor():
    assert said(lambda x, factor: 1e-17 * rows_scaled(x, factor)).mistake == ""


def test_swapped_axes_are_named():
    def square(x):
        return x @ x + x

    task = Task("square", 0, "core", square, cases=lambda rng: [rng.normal(size=(3, 3)) for _ in range(3)])
    assert said(lambda x: square(x).T, task).mistake == "transposed"


def test_a_mistake_that_explains_not_everything_is_not_named():
    verdict = said(lambda x, factor: rows_scaled(x, factor) + (len(x) == 3))
    assert not verdict.right
    assert not verdict.mistake
    assert "1 of 5 cases fail" in verdict.text


def test_cases_are_made_as_small_as_can_be():
    def total(weight, x):
        return weight @ x

    def only_small(weight, x):
        return weight @ x + (len(x) > 2)

    task = Task("total", 0, "core", total, cases=lambda rng: [(rng.normal(size=(4, 7)), rng.normal(size=7))])
    text = said(only_small, task).text
    assert "weight = [[" in text
    assert text.count("],") <= 1  # one row, three columns: what belongs together stays together
    task.valid = lambda weight, x: len(x) == 7
    assert said(only_small, task).text.splitlines()[2].count(",") == 6  # where no other length makes sense


@pytest.mark.parametrize(
    ("right", "found", "agree"),
    [
        (0.0, (0.1 + 0.2) - 0.3, True),
        (0.0, 1e-3, False),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (math.nan, math.nan, True),
        (1.0, math.nan, False),
        (True, 1, True),
        (True, False, False),
        (np.array([True, False]), np.array([1, 0]), True),
        (np.zeros(0), [], True),
        ((1.0, np.ones(2)), (1.0, np.ones(2)), True),
        ((1.0, np.ones(2)), (1.0, np.zeros(2)), False),
        ((1.0, np.ones(2)), 1.0, False),
        ({"a": 1.0}, {"a": 1.0}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        ("text", "text", True),
    ],
)
def test_what_agrees(right, found, agree):
    task = Task("value", 0, "core", lambda x: right, cases=lambda rng: [1, 2])
    assert said(lambda x: found, task).right == agree


def test_numbers():
    task = Number("half_life", 0, "warm-up", 6.5788).usual(3.1063, "τ is 0.8")
    assert said(6.58, task).text == "half_life: right."
    assert said(3.1, task).mistake == "half_life = 3.1063"
    assert said(3.1, task).text == "half_life: 3.1 is not right.\nThis is what comes out when τ is 0.8."
    assert "is close. Give more digits" in said(6.6, task).text
    assert said(7, task).text == "half_life: 7 is not right."
    for other in ("6.58", 1j, [[1], [1, 2]], {}):
        assert "a number is asked for" in said(other, task).text
    assert said(..., task).text == "half_life: not answered yet."


def test_choices():
    task = Choice("why", 0, "explore", "b").wrong("a", "The curve falls.", "The picture")
    assert said("b", task).right
    assert said(" B ", task).right
    assert said("a", task).text == "why: a is not right. The curve falls. Reread “The picture”."
    assert said("z", task).text == 'why: one of "a", "b" is asked for, this is \'z\'.'
    assert "is asked for, this is 1" in said(1, task).text


def test_check_prints_and_knows_its_names(capsys):
    check(half_arrived=math.log(2))
    assert capsys.readouterr().out == "half_arrived: right.\n"
    with pytest.raises(LookupError, match="no task is called 'half_arived': did you mean 'half_arrived'"):
        judge("half_arived", 1)


def test_check_returns_points_where_nbgrader_reads_them(monkeypatch):
    assert check(half_arrived=1) is None
    monkeypatch.setenv("MINISNN_POINTS", "1")
    assert check(half_arrived=math.log(2), less_than_one="a") == 1.0
    assert check(half_arrived=0) == 0.0
