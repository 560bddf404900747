"""The tasks of chapter 07, the leaky membrane."""

import math

import numpy as np
from scipy.integrate import solve_ivp

from minisnn.course.declare import choice, number, task

# warm-up: after how many steps is a tenth of an input left, for a decay of 0.8?
(
    number(7, "warm-up", "steps_to_a_tenth", math.log(0.1) / math.log(0.8))
    .usual(math.log(2) / math.log(1 / 0.8), "half of the input is left, not a tenth", "The derivation")
    .usual(math.log(0.1) / 0.8, "the decay itself divides, in place of its logarithm", "The derivation")
    .usual(-math.log(0.1) / math.log(0.8), "one of the two logarithms has lost its sign: both are negative")
    .usual(math.log(0.9) / math.log(0.8), "a tenth is gone, not nine tenths")
    .usual(math.log(0.8) / math.log(0.1), "the fraction stands upside down")
    .usual(
        math.ceil(math.log(0.1) / math.log(0.8)),
        "the number is rounded up to a whole step: give the fraction, too",
    )
)


# core: the step of the first spike under a constant current
@task(7, "core", valid=lambda I, decay, v_th: I >= 0 and 0 <= decay <= 1 and v_th > 0)
def steps_to_fire(I, decay, v_th):
    """Step by step, until the potential stays where it is."""
    u = 0.0
    for t in range(1, 3000):
        u, before = decay * u + I, u
        if u > v_th:
            return t
        if u == before:
            break
    return math.inf


@steps_to_fire.cases
def _(rng):
    for I, decay in ((2.0, 0.5), (0.75, 0.5), (0.25, 0.5), (0.5, 0.5), (1.0, 0.5), (0.0, 0.5)):
        yield I, decay, 1.0
    for decay in (0.0, 1.0):
        yield from (
            (0.75, decay, 1.0),
            (1.5, decay, 1.0),
            (0.5, decay, 1.0),
            (1.0, decay, 1.0),
            (0.0, decay, 1.0),
        )
    for _ in range(100):
        decay = rng.uniform(0.1, 0.95)
        v_th = rng.uniform(0.5, 2)
        yield float(rng.uniform(0.02, 1) * v_th + (1 - decay) * v_th / 2), float(decay), float(v_th)


@steps_to_fire.wrong(
    "the step is taken where the potential reaches the threshold: it must lie above", "The derivation"
)
def reaches(I, decay, v_th):
    if (1 - decay) * v_th >= I:
        return math.inf
    if decay in (0, 1):
        return 1 if decay == 0 else math.ceil(v_th / I)
    return math.ceil(round(math.log(1 - (1 - decay) * v_th / I) / math.log(decay), 9))


@steps_to_fire.wrong("steps are counted from 0: the first step is t = 1", "The question")
def from_zero(I, decay, v_th):
    return steps_to_fire(I, decay, v_th) - 1


@steps_to_fire.wrong("a current that never fires the neuron is not told apart", "The derivation")
def always(I, decay, v_th):
    if decay in (0, 1):
        return 1 if decay == 0 else math.floor(v_th / I) + 1
    return math.floor(math.log(1 - (1 - decay) * v_th / I) / math.log(decay)) + 1


@steps_to_fire.wrong("a neuron without leak is not told apart: for τ = 1 the sum is t I", "The derivation")
def leaks_always(I, decay, v_th):
    if (1 - decay) * v_th >= I:
        return math.inf
    if decay == 0:
        return 1
    return math.floor(math.log(1 - (1 - decay) * v_th / I) / math.log(decay)) + 1


@steps_to_fire.wrong("the leak is left out", "The derivation")
def no_leak(I, decay, v_th):
    return math.floor(v_th / I) + 1 if I > 0 else math.inf


@steps_to_fire.wrong("the input is multiplied by 1 - τ, which Eq. 7 leaves to the weights", "The derivation")
def scaled_input(I, decay, v_th):
    return steps_to_fire((1 - decay) * I, decay, v_th)


@steps_to_fire.wrong(
    "a neuron without leak is taken never to fire: for τ = 1 the sum is t I", "The derivation"
)
def never_without_leak(I, decay, v_th):
    return math.inf if decay == 1 else steps_to_fire(I, decay, v_th)


@steps_to_fire.wrong(
    "the current itself is compared with the threshold, and not the potential that it leads to",
    "The derivation",
)
def current_only(I, decay, v_th):
    return math.inf if v_th >= I else steps_to_fire(I, decay, v_th)


# break it: a membrane whose rest is not at zero
@task(7, "break it")
def leak_to_rest(current, decay, rest):
    """The closed form, measured from rest."""
    t = np.arange(len(current))
    kernel = np.where(t[:, None] >= t, float(decay) ** abs(t[:, None] - t), 0.0)
    return rest + np.tensordot(kernel, current, 1)


@leak_to_rest.cases
def _(rng):
    yield np.array([1.0]), 0.5, 0.0
    yield np.array([0.0, 0.0]), 0.5, -1.0
    yield np.array([1.0, 0.0, 0.0]), 0.5, -1.0
    for _ in range(20):
        shape = (int(rng.integers(1, 8)), int(rng.integers(1, 4)))
        yield rng.normal(size=shape), float(rng.uniform(0, 1)), float(rng.normal())


def _stepped(current, u, step):
    potentials = []
    for I_t in current:
        u = step(u, I_t)
        potentials.append(u)
    return np.array(potentials)


@leak_to_rest.wrong(
    "the potential leaks towards 0 from its rest, which is where it should stay", "The derivation"
)
def planted(current, decay, rest):
    return _stepped(current, rest + 0 * current[0], lambda u, I_t: decay * u + I_t)


@leak_to_rest.wrong("the potential starts from 0 and not from its rest", "The derivation")
def starts_at_zero(current, decay, rest):
    return _stepped(current, 0 * current[0], lambda u, I_t: rest + decay * (u - rest) + I_t)


@leak_to_rest.wrong("the input of a step leaks in the same step", "The question")
def input_leaks(current, decay, rest):
    return _stepped(current, rest + 0 * current[0], lambda u, I_t: rest + decay * (u - rest + I_t))


@leak_to_rest.wrong(
    "the potential stays measured from rest: the rest itself is missing in the result", "The derivation"
)
def from_rest(current, decay, rest):
    return leak_to_rest(current, decay, rest) - rest


@leak_to_rest.wrong("the rest is added at every step and leaks with all else", "The derivation")
def rest_as_current(current, decay, rest):
    return _stepped(current, rest + 0 * current[0], lambda u, I_t: rest + decay * u + I_t)


@leak_to_rest.wrong("the distance from rest leaks, but the rest is not added again", "The derivation")
def not_added(current, decay, rest):
    return _stepped(current, rest + 0 * current[0], lambda u, I_t: decay * (u - rest) + I_t)


@leak_to_rest.wrong("the input is multiplied by 1 - τ, which Eq. 7 leaves to the weights", "The derivation")
def input_scaled(current, decay, rest):
    return _stepped(
        current, rest + 0 * current[0], lambda u, I_t: rest + decay * (u - rest) + (1 - decay) * I_t
    )


# explore: for which decay does the order of the rows not matter?
(
    choice(7, "explore", "order_is_lost", "c")
    .wrong(
        "a",
        "With τ = 0 the last row alone is left, and the last row of a shuffled digit is another.",
        "The picture",
    )
    .wrong(
        "b", "With τ = 0.5 each row counts half as much as the next: the order is what the weights are of."
    )
    .wrong("d", "Look at the right end of the curve: for one τ the distance is exactly 0.")
)


# derive: the exact step under a current that rises within the step
@task(7, "derive", rtol=1e-6, atol=1e-9, valid=lambda u_0, a, x: x > 0)
def ramp_step(u_0, a, x):
    """Solved numerically: time in time constants, from 0 to x, while the current rises from 0 to a."""
    solution = solve_ivp(lambda s, u: -u + a * s / x, (0, x), [u_0], rtol=1e-10, atol=1e-12)
    return round(float(solution.y[0, -1]), 10)


@ramp_step.cases
def _(rng):
    yield from ((1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 1.0, 0.5), (1.0, 1.0, 2.0))
    for _ in range(15):
        yield float(rng.normal()), float(rng.normal()), float(rng.uniform(0.2, 3))


@ramp_step.wrong("the current has its last value during the whole step", "The derivation")
def constant(u_0, a, x):
    return math.exp(-x) * u_0 + (1 - math.exp(-x)) * a


@ramp_step.wrong(
    "the current is replaced by its mean: late input has leaked less than early input", "The derivation"
)
def mean_current(u_0, a, x):
    return math.exp(-x) * u_0 + (1 - math.exp(-x)) * a / 2


@ramp_step.wrong("the boundary term of the integration by parts is left out")
def no_boundary(u_0, a, x):
    return math.exp(-x) * u_0 - a * (1 - math.exp(-x)) / x


@ramp_step.wrong("the integration by parts has a plus where its second term has a minus")
def plus(u_0, a, x):
    return math.exp(-x) * u_0 + a * (1 + (1 - math.exp(-x)) / x)


@ramp_step.wrong("the integral by time is not divided by the length of the step")
def not_divided(u_0, a, x):
    return math.exp(-x) * u_0 + a * (x - 1 + math.exp(-x))


@ramp_step.wrong("the old potential is left out: only the current counts")
def no_old(u_0, a, x):
    return ramp_step(0.0, a, x)


@ramp_step.wrong("the integral by parts is taken at its upper end only")
def no_lower_end(u_0, a, x):
    return math.exp(-x) * u_0 + a * (x - 1) / x


@ramp_step.wrong("the old potential does not leak")
def old_stays(u_0, a, x):
    return u_0 + a * (1 - (1 - math.exp(-x)) / x)
