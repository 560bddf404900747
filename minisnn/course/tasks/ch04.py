"""The tasks of chapter 04, the causal set."""

import itertools
import math

import numpy as np

from minisnn.course.declare import choice, number, task
from minisnn.ops.first_spike import EPS, Z_MAX

# warm-up: 1, 2, 4, 8 with 0.5 each. Three: A = 1.5, Q = 3.5, 7, before 8.
(
    number(4, "warm-up", "how_many_caused_it", 3)
    .usual(
        4, "the input at 8 is counted, too: the spike at 7 comes before it", "The first way: prefix search"
    )
    .usual(2, "two inputs reach A = 1 and do not exceed it", "The first way: prefix search")
    .usual(7, "this is when the neuron fires; how many inputs caused it was asked for")
    .usual(1, "each input is taken to be enough", "The first way: prefix search")
)


# core: the second way
@task(4, "core", valid=lambda z, w: len(z) == len(w) > 0)
def causal_set(z, w):
    """The first way: prefix by prefix, over distinct times."""
    times = [*sorted({z_i for z_i in z if z_i < Z_MAX}), Z_MAX]
    for now, following in itertools.pairwise(times):
        members = [z_i <= now for z_i in z]
        A = sum(w_i for w_i, member in zip(w, members, strict=True) if member)
        Q = sum(w_i * z_i for w_i, z_i, member in zip(w, z, members, strict=True) if member)
        if A - 1 > EPS and following >= Q / (A - 1):
            return np.array(members)
    return np.zeros(len(z), bool)


@causal_set.cases
def _(rng):
    inf = math.inf
    for z, w in (
        ([1.0], [2.0]),
        ([1.0], [0.5]),
        ([1.0, 2.0, 6.0], [0.8, 0.6, -0.5]),
        ([1.0, 2.0, 6.0], [0.8, 0.3, 0.5]),
        ([6.0, 1.0, 2.0], [0.5, 0.8, 0.3]),
        ([1.0, 2.0, 6.0], [0.8, 0.1, 0.05]),
        ([1.0, 1.0, 6.0], [0.7, 0.7, 1.0]),
        ([1.0, 3.0], [1.5, -2.0]),
        ([1.0, inf], [2.0, 1.0]),
        ([1.0, inf], [1.000005, 1.0]),
        ([1.0], [1.000005]),
        ([1.0], [1.0001]),
    ):
        yield np.array(z), np.array(w)
    for exact in (False, True):
        for _ in range(40):
            N = int(rng.integers(1, 9))
            z, w = rng.uniform(1, 6, N), rng.normal(2 / N, 1, N) * (rng.random(N) < 2 / 3)
            if exact:
                z, w = rng.integers(1, 8, N).astype(float), rng.integers(-4, 7, N) / 4
            z[rng.random(N) < 0.1] = inf
            yield z, w


def _walk(z, w, sort=True, start=None, strict=False, last=Z_MAX, at_end=False, less=1.0):
    """The second way, with what can go wrong."""
    z = np.minimum(z, last)
    order = np.argsort(z, kind="stable") if sort else np.arange(len(z))
    ends = np.append(z[order], last)
    A, F = 0.0, -ends[0] if start is None else start
    for n, i in enumerate(order):
        A += w[i]
        F += (A - less) * (ends[n + 1] - ends[n])
        if F > 0 if strict else F >= 0:
            return z <= ends[n + 1] if at_end else z <= ends[n]
    return np.zeros(len(z), bool)


@causal_set.wrong("the inputs are not sorted", "The first way: prefix search")
def unsorted(z, w):
    return _walk(z, w, sort=False)


@causal_set.wrong("F starts at 0: at the first arrival it is -z_(1)", "The second way: a straight line")
def starts_at_zero(z, w):
    return _walk(z, w, start=0.0)


@causal_set.wrong(
    "a spike at the very end of a gap is missed: F = 0 is a spike", "The second way: a straight line"
)
def misses_equality(z, w):
    return _walk(z, w, strict=True)


@causal_set.wrong(
    "what arrives at the end of the gap is counted as a cause: it comes too late", "The question"
)
def end_of_gap(z, w):
    return _walk(z, w, at_end=True)


@causal_set.wrong(
    "the neuron has all the time in the world: a spike after `Z_MAX` counts as never",
    "Both answer the same question",
)
def for_ever(z, w):
    return _walk(np.where(z < Z_MAX, z, 1e12), w, last=1e12) & (z < Z_MAX)


@causal_set.wrong(
    "the first prefix whose weights exceed 1 is taken, though another input may arrive first", "Break it"
)
def hasty(z, w):
    order = np.argsort(z, kind="stable")
    above = np.flatnonzero(np.cumsum(w[order]) > 1)
    return z <= z[order[above[0]]] if len(above) else np.zeros(len(z), bool)


@causal_set.wrong("the last arrival before the spike is left out: it is a cause, too", "The question")
def one_short(z, w):
    members = causal_set(z, w)
    return members & (z < z[members].max()) if members.any() else members


@causal_set.wrong("inputs of weight 0 are left out: membership is decided by time", "The question")
def absent(z, w):
    return causal_set(z, w) & (w != 0)


@causal_set.wrong(
    "the last gap, after which nothing arrives, is left out: it ends at `Z_MAX`",
    "Both answer the same question",
)
def no_last_gap(z, w):
    return _walk(z, w, last=z[z < Z_MAX].max()) if (z < Z_MAX).any() else np.zeros(len(z), bool)


@causal_set.wrong(
    "F grows by A and not by A - 1: this is U, which must reach z", "The second way: a straight line"
)
def not_against_z(z, w):
    return _walk(z, w, less=0.0)


@causal_set.wrong("the members are right, but in the order of arrival, and not in that of `z`")
def in_order_of_arrival(z, w):
    return causal_set(z, w)[np.argsort(z, kind="stable")]


# break it: the time of the spike
@task(
    4,
    "break it",
    rtol=1e-6,
    valid=lambda z, w: len(z) == len(w) > 0 and (np.diff(z) >= 0).all() and (z > 0).all(),
)
def spike_time(z, w):
    """The potential at the end of every gap; in the first that reaches 1, bisection."""

    def potential(at):
        return sum(w_i * max(0.0, 1 - z_i / at) for z_i, w_i in zip(z, w, strict=True))

    ends = [*z.tolist(), 1e7]
    for low, high in itertools.pairwise(ends):
        if high > low and potential(high) >= 1 - 1e-12:
            for _ in range(80):
                middle = (low + high) / 2
                low, high = (low, middle) if potential(middle) >= 1 - 1e-12 else (middle, high)
            return round(high, 9)  # what is printed shall look like what it is
    return math.inf


def _fires_clearly(z, w):
    """Whether no sum of weights is nearly 1: then neither time nor silence hangs on rounding."""
    return abs(np.cumsum(w) - 1).min() > 0.05


@spike_time.cases
def _(rng):
    for z, w in (
        ([1.0], [2.0]),
        ([1.0, 2.0, 6.0], [0.8, 0.6, -0.5]),
        ([1.0, 2.0, 6.0], [0.8, 0.3, 0.5]),
        ([1.0, 2.0], [0.5, 0.2]),
        ([1.0, 2.0], [1.5, -1.0]),
        ([1.0, 3.0], [1.5, -2.0]),  # the candidate is the next arrival
    ):
        yield np.array(z), np.array(w)
    left = 25
    while left:
        z, w = np.sort(rng.uniform(1, 6, 5)), rng.normal(0.4, 0.7, 5)
        if _fires_clearly(z, w):
            left -= 1
            yield z, w


def _search(z, w, following=None, below=1.0, start=0):
    A, Q = np.cumsum(w), np.cumsum(w * z)
    for n in range(start, len(z)):
        until = z[n + 1] if n + 1 < len(z) else math.inf
        if A[n] > 1 and (following is None or following(Q[n] / (A[n] - below), until)):
            return Q[n] / (A[n] - below)
    return math.inf


@spike_time.wrong(
    "nothing looks whether another input arrives before the candidate", "The first way: prefix search"
)
def planted(z, w):
    return _search(z, w)


@spike_time.wrong("the comparison with the next arrival is turned round", "The first way: prefix search")
def turned_round(z, w):
    return _search(z, w, lambda candidate, until: candidate >= until or math.isinf(until))


@spike_time.wrong("the 1 is left out of the denominator", "The first way: prefix search")
def no_one(z, w):
    return _search(z, w, lambda candidate, until: candidate <= until, below=0.0)


@spike_time.wrong(
    "all inputs are waited for: only the last prefix is looked at", "The first way: prefix search"
)
def waits(z, w):
    return _search(z, w, lambda candidate, until: math.isinf(until))


@spike_time.wrong("the last prefix, after which nothing arrives, is never looked at", "The derivation")
def last_missing(z, w):
    return _search(z, w, lambda candidate, until: candidate <= until < math.inf)


@spike_time.wrong(
    "a candidate just at the next arrival is refused: that input comes too late to hinder",
    "The first way: prefix search",
)
def strictly_before(z, w):
    return _search(z, w, lambda candidate, until: candidate < until)


# explore: weights that spread
(
    choice(4, "explore", "more_spread", "b")
    .wrong("a", "Read the left curve from left to right: does it rise?")
    .wrong("c", "Read the left curve: its ends are far apart.")
)


# derive: just enough
@task(4, "derive", rtol=1e-6, valid=lambda z_1, z_2: z_1 > 0 and z_2 - z_1 > 0.01)
def just_enough(z_1, z_2):
    """Bisection: the smallest weight whose line has reached 0 at the second arrival."""
    low, high = 1.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if middle * (z_2 - z_1) - z_2 >= 0 else (middle, high)
    return high


@just_enough.cases
def _(rng):
    yield from ((1.0, 2.0), (1.0, 3.0), (2.0, 3.0), (1.0, 1.5))
    for _ in range(8):
        z_1 = float(rng.uniform(1, 4))
        yield z_1, z_1 + float(rng.uniform(0.2, 5))


@just_enough.wrong("the quotient is upside down: it would be below 1, and no such neuron fires")
def upside_down(z_1, z_2):
    return (z_2 - z_1) / z_2


@just_enough.wrong("the times are compared as times t, and not as z", "The derivation")
def in_times(z_1, z_2):
    return 1 / (1 - math.exp(-(z_2 - z_1)))


@just_enough.wrong(
    "the threshold line is taken to be flat: U must reach z, and not 1", "The second way: a straight line"
)
def flat(z_1, z_2):
    return 1 / (z_2 - z_1)


@just_enough.wrong("the first time stands in the numerator, where the second belongs")
def first_on_top(z_1, z_2):
    return z_1 / (z_2 - z_1)


@just_enough.wrong("any weight above 1 is taken to be enough: it is, but only after some time")
def any_above_one(z_1, z_2):
    return 1.0
