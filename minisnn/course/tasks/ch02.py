"""The tasks of chapter 02, the cosine fraction."""

import math

import numpy as np

from minisnn.course.declare import choice, number, task

ROUND = "The library agrees"

# warm-up: 0.3 down to 0.1: the cosine is -1/3
(
    number(2, "warm-up", "down_to_a_tenth", math.acos(-1 / 3) / math.pi)
    .usual(2 / 3, "the fraction falls in a straight line", "The question")
    .usual(100 * math.acos(-1 / 3) / math.pi, "this is a percentage: a fraction was asked for")
    .usual(
        math.acos(-1 / 3),
        "the π under the fraction is left in: this is the cosine's argument",
        "The question",
    )
    .usual(math.degrees(math.acos(-1 / 3)), "the argument of the cosine is taken in degrees")
    .usual(math.acos(1 / 3) / math.pi, "the cosine has lost its sign: 0.1 is less than half of 0.3")
    .usual(math.acos(2 / 3) / math.pi, "the 1 in the bracket is left out", "The question")
    .usual(
        math.acos(-0.8) / math.pi, "a tenth of the cosine's range is left: 0.1 is a third of 0.3, not a tenth"
    )
)


# core: how many connections a run replaces
@task(
    2,
    "core",
    valid=lambda connections, alpha, t_iter, t_end: (
        connections >= 0 and 0 <= alpha <= 1 and t_iter >= 1 and t_end >= 1
    ),
)
def replaced_in_total(connections, alpha, t_iter, t_end):
    """By the half angle, and the whole numbers counted that lie below."""
    total = 0
    for t in range(1, t_end):
        if t % t_iter == 0:
            wanted = connections * alpha * math.cos(math.pi * t / (2 * t_end)) ** 2
            total += int(np.count_nonzero(np.arange(connections + 1) < wanted - 1e-9))
    return total


@replaced_in_total.cases
def _(rng):
    yield from (
        (10, 0.5, 1, 2),
        (10, 0.5, 1, 4),
        (100, 0.14, 1, 2),
        (10, 0.5, 5, 5),
        (10, 0.5, 7, 5),
        (7, 0.0, 3, 20),
        (0, 0.5, 3, 20),
        (7, 0.9, 3, 20),
        (12, 1.0, 3, 10),
        (95_040, 0.3, 100, 4000),
    )
    for _ in range(20):
        connections, t_iter, t_end = (int(n) for n in rng.integers((1, 1, 2), (2000, 10, 60)))
        yield connections, float(rng.uniform(0.05, 1)), t_iter, t_end


def _total(connections, alpha, times, t_end, whole=lambda x: math.ceil(x - 1e-9)):
    return sum(whole(alpha / 2 * (1 + math.cos(math.pi * t / t_end)) * connections) for t in times)


@replaced_in_total.wrong(
    "`math.ceil` makes 8 of 7.000000000000001: what should be a whole number is not one", ROUND
)
def plain_ceil(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, range(t_iter, t_end, t_iter), t_end, math.ceil)


@replaced_in_total.wrong(
    "the network rewires at iteration 0, too, before it has learned anything", "The derivation"
)
def from_zero(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, range(0, t_end, t_iter), t_end)


@replaced_in_total.wrong("numbers are rounded down", ROUND)
def rounded_down(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, range(t_iter, t_end, t_iter), t_end, lambda x: math.floor(x + 1e-9))


@replaced_in_total.wrong("numbers are rounded to the nearest", ROUND)
def nearest(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, range(t_iter, t_end, t_iter), t_end, round)


@replaced_in_total.wrong("the sum is rounded at the end: every rewiring replaces a whole number", ROUND)
def rounded_once(connections, alpha, t_iter, t_end):
    total = _total(connections, alpha, range(t_iter, t_end, t_iter), t_end, float)
    return math.ceil(total - 1e-9)


@replaced_in_total.wrong("the network rewires at every iteration", "The derivation")
def every_iteration(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, range(1, t_end), t_end)


@replaced_in_total.wrong(
    "the last rewiring before the end is lost: if `t_end` is no multiple of `t_iter`, it replaces something, too"
)
def last_one_lost(connections, alpha, t_iter, t_end):
    return _total(connections, alpha, [n * t_iter for n in range(1, t_end // t_iter)], t_end)


@replaced_in_total.wrong(
    "the sum that was derived without rounding is taken, as if `t_end` were a multiple of `t_iter`", ROUND
)
def by_the_mean(connections, alpha, t_iter, t_end):
    return connections * alpha / 2 * (t_end / t_iter - 1)


@replaced_in_total.wrong(
    "what is pruned is taken off the connections: as many grow again at once, so their number stays",
    "The question",
)
def shrinking(connections, alpha, t_iter, t_end):
    left = connections
    for t in range(t_iter, t_end, t_iter):
        left -= _total(left, alpha, [t], t_end)
    return connections - left


# break it: the iterations of a whole run
@task(
    2,
    "break it",
    valid=lambda epochs, batches, t_iter, alpha, t_end: (
        epochs >= 0 and batches >= 1 and t_iter >= 1 and 0 <= alpha <= 1 and t_end >= 1
    ),
)
def fractions_of_a_run(epochs, batches, t_iter, alpha, t_end):
    """All at once, by the half angle."""
    at = np.arange(t_iter, epochs * batches + 1, t_iter)
    return np.where(at < t_end, alpha * np.cos(np.pi * at / (2 * t_end)) ** 2, 0.0)


@fractions_of_a_run.cases
def _(rng):
    yield from (
        (1, 4, 2, 0.5, 4),
        (2, 4, 2, 0.5, 8),
        (3, 4, 2, 0.5, 8),
        (2, 5, 2, 0.5, 8),
        (2, 3, 4, 0.5, 6),
        (1, 3, 4, 0.5, 3),
        (2, 3, 1, 0.0, 6),
    )
    for _ in range(15):
        epochs, batches, t_iter = (int(n) for n in rng.integers((1, 2, 1), (5, 12, 6)))
        yield epochs, batches, t_iter, float(rng.uniform(0.1, 1)), int(rng.integers(2, epochs * batches + 4))


def _fraction(t, alpha, t_end):
    return alpha / 2 * (1 + math.cos(math.pi * min(t, t_end) / t_end))


def _run(epochs, batches, rewires, fraction, first=1):
    steps = [(epoch, t) for epoch in range(epochs) for t in range(first, batches + first)]
    return np.array([fraction(epoch, t) for epoch, t in steps if rewires(epoch, t)])


@fractions_of_a_run.wrong(
    "iterations are counted from 1 in every epoch, and not through the whole run", "The question"
)
def planted(epochs, batches, t_iter, alpha, t_end):
    return _run(epochs, batches, lambda e, t: t % t_iter == 0, lambda e, t: _fraction(t, alpha, t_end))


@fractions_of_a_run.wrong(
    "the fraction counts through the run, but *when* to rewire is still counted in each epoch",
    "The derivation",
)
def half_mended(epochs, batches, t_iter, alpha, t_end):
    return _run(
        epochs, batches, lambda e, t: t % t_iter == 0, lambda e, t: _fraction(e * batches + t, alpha, t_end)
    )


@fractions_of_a_run.wrong(
    "*when* to rewire counts through the run, but the fraction still starts anew in each epoch",
    "The question",
)
def other_half_mended(epochs, batches, t_iter, alpha, t_end):
    return _run(
        epochs, batches, lambda e, t: (e * batches + t) % t_iter == 0, lambda e, t: _fraction(t, alpha, t_end)
    )


@fractions_of_a_run.wrong(
    "iterations are counted from 0: the first rewiring is at `t_iter`", "The derivation"
)
def from_nought(epochs, batches, t_iter, alpha, t_end):
    return _run(
        epochs,
        batches,
        lambda e, t: (e * batches + t) % t_iter == 0,
        lambda e, t: _fraction(e * batches + t, alpha, t_end),
        first=0,
    )


@fractions_of_a_run.wrong("the cosine is not stopped at `t_end`: it rises again", "Break it")
def not_stopped(epochs, batches, t_iter, alpha, t_end):
    at = np.arange(t_iter, epochs * batches + 1, t_iter)
    return alpha / 2 * (1 + np.cos(np.pi * at / t_end))


@fractions_of_a_run.wrong("rewirings are counted in place of iterations", "The question")
def by_rewiring(epochs, batches, t_iter, alpha, t_end):
    return np.array([_fraction(n, alpha, t_end) for n in range(1, epochs * batches // t_iter + 1)])


# explore: what is the cosine good for?
(
    choice(2, "explore", "gain_of_the_cosine", "b")
    .wrong(
        "a",
        "Look at the right ends of the curves on the left: are they further apart than chance explains?",
        "Explore: what is the cosine good for?",
    )
    .wrong(
        "c",
        "One of the two pictures shows no difference at its end.",
        "Explore: what is the cosine good for?",
    )
    .wrong(
        "d",
        "Read off the picture on the right at an age of 2,000 iterations. Are the three curves at one height?",
        "Explore: what is the cosine good for?",
    )
)


# derive: a polynomial with flat ends
@task(2, "derive", valid=lambda nu, alpha, t_end: nu >= 0 and t_end >= 1 and alpha >= 0)
def cubic_fraction(nu, alpha, t_end):
    """Four properties are four linear equations for four coefficients, lowest power first."""
    ends = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [0, 1, 2, 3]]  # values at 0 and 1, slopes at 0 and 1
    coefficients = np.linalg.solve(ends, [alpha, 0, 0, 0])
    return float(coefficients @ (min(nu, t_end) / t_end) ** np.arange(4))


@cubic_fraction.cases
def _(rng):
    yield from ((0, 0.5, 4), (2, 0.5, 4), (1, 0.5, 4), (4, 0.5, 4), (6, 0.5, 4), (3, 0.0, 4))
    for _ in range(15):
        yield int(rng.integers(0, 120)), float(rng.uniform(0.1, 1)), 100


def _part(nu, t_end):
    return min(nu, t_end) / t_end


@cubic_fraction.wrong("the schedule is a straight line, with no flat end", "The derivation")
def straight(nu, alpha, t_end):
    return alpha * (1 - _part(nu, t_end))


@cubic_fraction.wrong("only the end is flat, not the start", "The derivation")
def flat_end(nu, alpha, t_end):
    return alpha * (1 - _part(nu, t_end)) ** 3


@cubic_fraction.wrong("only the start is flat, not the end", "The derivation")
def flat_start(nu, alpha, t_end):
    return alpha * (1 - _part(nu, t_end) ** 3)


@cubic_fraction.wrong("it rises from 0 to α", "The derivation")
def rises(nu, alpha, t_end):
    return alpha - cubic_fraction(nu, alpha, t_end)


@cubic_fraction.wrong("the polynomial goes on after `t_end`", "Break it")
def goes_on(nu, alpha, t_end):
    part = nu / t_end
    return alpha * (1 - 3 * part**2 + 2 * part**3)


@cubic_fraction.wrong("from `t_end` on the schedule is α: it has fallen to 0 by then", "The derivation")
def starts_anew(nu, alpha, t_end):
    return alpha if nu >= t_end else cubic_fraction(nu, alpha, t_end)


@cubic_fraction.wrong("the factor α is left out: the schedule starts at 1", "The derivation")
def no_alpha(nu, alpha, t_end):
    return cubic_fraction(nu, 1.0, t_end)


@cubic_fraction.wrong("this is the cosine: it has these properties, but it is no polynomial")
def cosine(nu, alpha, t_end):
    return _fraction(nu, alpha, t_end)
