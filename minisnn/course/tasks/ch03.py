"""The tasks of chapter 03, the membrane."""

import math

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from minisnn.course.declare import choice, number, task

# warm-up: 1 - exp(-t) = 1/2
(
    number(3, "warm-up", "half_arrived", math.log(2))
    .usual(2.0, "this is z = exp(t); the time t was asked for", "The derivation")
    .usual(0.5, "the charge is taken to arrive at a constant rate", "The derivation")
    .usual(-math.log(2), "the sign is lost: the input comes at 0, and half of it later", "The derivation")
    .usual(math.exp(-0.5), "the exponential is taken where its inverse belongs", "The derivation")
    .usual(1 - math.exp(-0.5), "this is how much has arrived at t = 0.5", "The derivation")
    .usual(math.log10(2), "the logarithm is to base 10")
)


def _states(t, t_in, weight):
    """V and I at t, from the differential equations, solved numerically from arrival to arrival."""
    V = current = 0.0
    came = sorted((t_i, w_i) for t_i, w_i in zip(t_in, weight, strict=True) if t_i < t)
    for n, (t_i, w_i) in enumerate(came):
        current += w_i
        until = came[n + 1][0] if n + 1 < len(came) else t
        if until > t_i:
            solved = solve_ivp(lambda _, y: (y[1], -y[1]), (t_i, until), (V, current), rtol=1e-10, atol=1e-12)
            V, current = (float(x) for x in solved.y[:, -1])
    return V, current


# core: two numbers instead of a list
@task(
    3,
    "core",
    rtol=1e-6,
    atol=1e-8,
    valid=lambda t, t_in, weight: len(t_in) == len(weight) > 0 and abs(t) < 60,
)
def event_driven(t, t_in, weight):
    """The two differential equations, solved numerically from arrival to arrival."""
    return _states(t, t_in, weight)


@event_driven.cases
def _(rng):
    inf = math.inf
    yield 1.0, np.array([0.0]), np.array([1.0])
    yield -1.0, np.array([0.0]), np.array([1.0])
    yield 2.0, np.array([0.0, 1.0]), np.array([1.0, 1.0])
    yield 2.0, np.array([1.0, 0.0]), np.array([1.0, 2.0])
    yield 1.0, np.array([0.5, 0.5]), np.array([2.0, -1.0])
    yield 2.0, np.array([0.0, inf]), np.array([0.8, -0.5])
    yield 0.5, np.array([0.0, 1.0]), np.array([0.8, 0.6])
    for t in (0.0, 1.0, 3.0, 20.0):
        yield t, rng.uniform(-2, 2, 5), rng.normal(0.2, 1, 5)


def _pass(t, t_in, weight, gain=True, move_on=True, first_weight=False, all_of_them=False):
    V = current = 0.0
    last = None
    for i in np.argsort(t_in, kind="stable"):
        if t_in[i] < t or all_of_them:
            if first_weight:
                current += weight[i]
            if last is not None:
                passed = current * (1 - math.exp(-(t_in[i] - last)))
                V, current = V + passed * gain, current - passed
            if not first_weight:
                current += weight[i]
            last = t_in[i]
    if last is not None and move_on:
        passed = current * (1 - math.exp(-(t - last)))
        V, current = V + passed * gain, current - passed
    return V, current


@event_driven.wrong(
    "the current does not lose what the potential gains", "Core: two numbers instead of a list"
)
def no_loss(t, t_in, weight):
    V = current = 0.0
    last = None
    for i in np.argsort(t_in, kind="stable"):
        if t_in[i] < t:
            if last is not None:
                V += current * (1 - math.exp(-(t_in[i] - last)))
            current, last = current + weight[i], t_in[i]
    return (V + current * (1 - math.exp(-(t - last))), current) if last is not None else (0.0, 0.0)


@event_driven.wrong(
    "V and I stay at the last spike and do not move on to t", "Core: two numbers instead of a list"
)
def stays(t, t_in, weight):
    return _pass(t, t_in, weight, move_on=False)


@event_driven.wrong(
    "a spike's weight is added before V and I have moved on to it", "Core: two numbers instead of a list"
)
def too_early(t, t_in, weight):
    return _pass(t, t_in, weight, first_weight=True)


@event_driven.wrong(
    "the potential does not gain what the current loses", "Core: two numbers instead of a list"
)
def no_gain(t, t_in, weight):
    return _pass(t, t_in, weight, gain=False)


@event_driven.wrong("inputs that are still to come are counted", "The question")
def from_the_future(t, t_in, weight):
    return _pass(t, np.minimum(t_in, 50.0), weight, all_of_them=True)


@event_driven.wrong("the potential and the current have changed places in what is returned")
def swapped(t, t_in, weight):
    V, current = _states(t, t_in, weight)
    return current, V


def _events(t, t_in, weight, move):
    V, current, now = 0.0, 0.0, 0.0
    for t_i, w_i in sorted((t_i, w_i) for t_i, w_i in zip(t_in, weight, strict=True) if t_i < t):
        V, current = move(V, current, math.exp(now - t_i))
        current, now = current + w_i, t_i
    return move(V, current, math.exp(now - t))


@event_driven.wrong(
    "the current falls before the potential has gained what it loses", "Core: two numbers instead of a list"
)
def falls_first(t, t_in, weight):
    return _events(
        t, t_in, weight, lambda V, current, left: (V + current * left * (1 - left), current * left)
    )


@event_driven.wrong("the potential gains all of the current, and not what it loses", "The derivation")
def all_of_it(t, t_in, weight):
    return _events(t, t_in, weight, lambda V, current, left: (V + current, current * left))


@event_driven.wrong("the weights go to the membrane at once, and not to the current", "The derivation")
def to_the_membrane(t, t_in, weight):
    return float(weight[t_in < t].sum()), _states(t, t_in, weight)[1]


# break it: an input that never comes
@task(
    3,
    "break it",
    rtol=1e-6,
    atol=1e-8,
    valid=lambda t, t_in, weight: len(t_in) == len(weight) > 0 and abs(t) < 60,
)
def potential(t, t_in, weight):
    """The differential equations again."""
    return _states(t, t_in, weight)[0]


@potential.cases
def _(rng):
    inf = math.inf
    yield 1.0, np.array([0.0]), np.array([1.0])
    yield -1.0, np.array([0.0]), np.array([1.0])
    yield 2.0, np.array([0.0, 1.0]), np.array([1.0, 1.0])
    yield 2.0, np.array([inf]), np.array([1.0])
    yield 2.0, np.array([0.0, 0.5, inf]), np.array([0.8, 0.6, -0.5])
    yield 0.5, np.array([0.0, 1.0]), np.array([0.8, 0.6])
    for t in (0.0, 1.0, 3.0, 20.0):
        yield t, rng.uniform(-2, 2, 5), rng.normal(0.2, 1, 5)


@potential.wrong("an input that never comes gives 0 times infinity", "Break it")
def planted(t, t_in, weight):
    return ((t > t_in) * weight * (1 - np.exp(-(t - t_in)))).sum()


@potential.wrong("what is no number is replaced by 0 at the end, and the other inputs with it", "Break it")
def patched(t, t_in, weight):
    return float(np.nan_to_num(planted(t, t_in, weight)))


@potential.wrong("inputs that are still to come count, too", "The question")
def no_theta(t, t_in, weight):
    came = np.isfinite(t_in)
    return float((weight[came] * (1 - np.exp(-(t - t_in[came])))).sum())


@potential.wrong("all of each input's charge arrives at once", "The derivation")
def at_once(t, t_in, weight):
    return float(weight[t_in < t].sum())


@potential.wrong("this is the current, not the potential", "The derivation")
def current_only(t, t_in, weight):
    came = t_in < t
    return float((weight[came] * np.exp(-(t - t_in[came]))).sum())


# explore: less than one
(
    choice(3, "explore", "less_than_one", "b")
    .wrong(
        "a",
        "V *ends* at the sum. What may it do on the way there? Read the left curve below 1.",
        "The derivation",
    )
    .wrong("c", "In the end all has arrived, and then V is at the sum.", "The derivation")
)


# derive: the top of the potential
@task(
    3,
    "derive",
    rtol=1e-5,
    atol=1e-8,
    valid=lambda w_1, w_2, t_2: w_1 > 0 and t_2 > 0.01 and w_1 * math.exp(-t_2) + w_2 < 0,
)
def top(w_1, w_2, t_2):
    """Searched for, on both sides of the second arrival."""

    def height(t):
        return w_1 * (1 - math.exp(-t)) + (w_2 * (1 - math.exp(-(t - t_2))) if t > t_2 else 0.0)

    searched = (
        minimize_scalar(lambda t: -height(t), bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        for bounds in ((0, t_2), (t_2, t_2 + 30))
    )
    return max(height(t) for t in (*searched, t_2))


@top.cases
def _(rng):
    yield from ((1.0, -1.0, 1.0), (2.0, -1.0, 1.0), (1.0, -2.0, 0.5), (3.0, -5.0, 2.0))
    for _ in range(8):
        w_1, t_2 = float(rng.uniform(0.5, 3)), float(rng.uniform(0.1, 2))
        yield w_1, -w_1 * math.exp(-t_2) - float(rng.uniform(0.1, 2)), t_2


@top.wrong("the potential is taken to go on to its first goal, as if no second input came", "The derivation")
def first_goal(w_1, w_2, t_2):
    return w_1


@top.wrong("this is where the potential ends", "The derivation")
def end(w_1, w_2, t_2):
    return w_1 + w_2


@top.wrong(
    "the second input is taken to act at once; at its arrival it has changed the current only",
    "The derivation",
)
def second_at_once(w_1, w_2, t_2):
    return w_1 * (1 - math.exp(-t_2)) + w_2


@top.wrong("this is the current just before the second input", "The derivation")
def current_there(w_1, w_2, t_2):
    return w_1 * math.exp(-t_2)


@top.wrong("the exponent has lost its sign: the bracket is 1 minus a number below 1", "The derivation")
def grows(w_1, w_2, t_2):
    return w_1 * (1 - math.exp(t_2))


@top.wrong("the charge is taken to arrive at a constant rate", "The derivation")
def linear(w_1, w_2, t_2):
    return w_1 * t_2
