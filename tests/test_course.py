"""The checks of the exercises: they say what is wrong."""

import numpy as np
import pytest

from minisnn.course import check


def square(x):
    return x**2


CASES = [(np.arange(3.0),), (np.array([10.0]),)]


def test_a_right_answer_passes(capsys):
    check(square, lambda x: x * x, CASES)
    assert capsys.readouterr().out == "square: 2 cases, all correct\n"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda x: x**2 + (x > 5),
            r"the worst of 2 cases:\n.*\[10\.\].*\n.*should be \[100\.\]\n.*but is    \[101\.\]",
        ),
        (lambda x: x**2 * np.nan, "relative error inf"),
        (lambda x: None, "returns nothing"),
        (lambda x: (x**2).sum(), r"has the shape \(\), expected \(3,\)"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(answer, message):
    with pytest.raises(AssertionError, match=message):
        check(answer, square, CASES)


def test_an_unfinished_exercise_fails_with_its_own_hint():
    def student(x):
        raise NotImplementedError("multiply x by itself")

    with pytest.raises(NotImplementedError, match="by itself"):
        check(student, square, CASES)


def test_the_students_function_cannot_change_the_cases():
    def spoils(x):
        x *= x
        return x

    check(spoils, square, CASES)
    assert CASES[1][0] == 10


def test_infinities_and_nan_that_agree_are_right():
    check(lambda x: x, lambda x: x, [(np.array([np.inf, np.nan, -np.inf, 0.0]),)])
