"""The tasks of chapter 17, channel scores."""

import math

import numpy as np

from minisnn.course.declare import number, task
from minisnn.ops.neuron import integrate_and_fire
from minisnn.ops.score import potential_magnitude

# warm-up: a current of 0.6 at four steps: u = 0.6, 1.2, 0.6, 1.2
(
    number(17, "warm-up", "score_of_four_steps", 0.8)
    .usual(0.3, "spikes are left out: this is the reading after the reset", "The derivation")
    .usual(0.9, "the overshoot counts, too: this is the reading before the reset", "The derivation")
    .usual(3.2, "the steps are added up: a score is a mean", "The question")
    .usual(0.5, "only spikes are counted: this is the firing rate", "The derivation")
    .usual(1.5, "the neuron is never reset", "The derivation")
    .usual(1.0, "the threshold is subtracted, where the neuron is reset to 0", "The derivation")
)


# core: a score without units
@task(17, "core", valid=lambda u, a, v_th, v_reset: v_th > v_reset and np.shape(u) == np.shape(a))
def relative_score(u, a, v_th, v_reset):
    """The library's score of the neuron's normal form, whose threshold is 1 and whose rest is 0."""
    normal = (np.asarray(u) - v_reset) / (v_th - v_reset)
    return potential_magnitude(normal, np.asarray(a, bool), integrate_and_fire(), "code")


@relative_score.cases
def _(rng):
    yield np.array([0.5]), np.array([False]), 1.0, 0.0
    yield np.array([1.5]), np.array([True]), 1.0, 0.0
    yield np.array([0.5]), np.array([False]), 2.0, 0.0
    yield np.array([0.5]), np.array([False]), 1.0, -0.5
    yield np.array([1.5]), np.array([True]), 1.0, -0.5
    for _ in range(10):
        v_reset = float(rng.choice([0, -0.5, 0.25]))
        v_th = v_reset + float(rng.uniform(0.5, 2))
        u = rng.normal(0.3, 1, 4)
        yield u, u >= v_th, v_th, v_reset


@relative_score.wrong(
    "potentials count from 0 and have no unit: this is the code's score as it is", "The question"
)
def absolute(u, a, v_th, v_reset):
    return a + abs(np.where(a, v_reset, u))


@relative_score.wrong("the spike is divided by the unit, too: it is a number", "Core: a score without units")
def spike_has_a_unit(u, a, v_th, v_reset):
    return (a + abs(np.where(a, 0, u - v_reset))) / (v_th - v_reset)


@relative_score.wrong("the potential before the reset is taken", "The derivation")
def before_reset(u, a, v_th, v_reset):
    return a + abs(u - v_reset) / (v_th - v_reset)


@relative_score.wrong("the magnitude is left out: inhibition would count against a channel", "The derivation")
def signed(u, a, v_th, v_reset):
    return a + np.where(a, 0, u - v_reset) / (v_th - v_reset)


@relative_score.wrong(
    "the unit is taken to be the threshold itself, where it is its distance from the reset",
    "Core: a score without units",
)
def in_thresholds(u, a, v_th, v_reset):
    return a + abs(np.where(a, 0, u - v_reset)) / v_th


@relative_score.wrong(
    "the reset potential counts as activity: it is where potentials are counted from",
    "Core: a score without units",
)
def not_from_reset(u, a, v_th, v_reset):
    return a + abs(np.where(a, v_reset, u)) / (v_th - v_reset)


@relative_score.wrong("potentials have no unit: divide them", "Core: a score without units")
def no_unit(u, a, v_th, v_reset):
    return a + abs(np.where(a, 0, u - v_reset))


@relative_score.wrong("a neuron that fires is reset to 0, where it is reset to V_reset", "The derivation")
def reset_to_zero(u, a, v_th, v_reset):
    return a + abs(np.where(a, 0, u) - v_reset) / (v_th - v_reset)


# break it: potentials that cancel
@task(17, "break it", valid=lambda u, a: u.shape == a.shape and u.ndim == 5 and a.dtype == bool)
def channel_scores(u, a):
    """Neuron by neuron, step by step."""
    C = u.shape[-1]
    totals, count = np.zeros(C), u.size // C
    for *where, c in np.ndindex(u.shape):
        index = (*where, c)
        totals[c] += 1 if a[index] else abs(u[index])
    return totals / count


@channel_scores.cases
def _(rng):
    def case(u):
        return u, u >= 1

    yield case(np.array([0.5]).reshape(1, 1, 1, 1, 1))
    yield case(np.array([0.5, -0.5]).reshape(2, 1, 1, 1, 1))
    yield case(np.array([1.5, -0.5]).reshape(1, 1, 1, 1, 2))
    yield case(np.array([1.5, 0.5]).reshape(2, 1, 1, 1, 1))
    for _ in range(6):
        yield case(rng.normal(0.2, 1, tuple(int(n) for n in rng.integers(1, 4, 5))))


_OVER = (0, 1, 2, 3)


@channel_scores.wrong(
    "the magnitude is taken of the mean: potentials above and below 0 cancel",
    "Break it: potentials that cancel",
)
def planted(u, a):
    return a.mean(_OVER) + abs(np.where(a, 0, u).mean(_OVER))


@channel_scores.wrong("the positions are added up: this is the L1 norm", "The derivation")
def l1_norm(u, a):
    return (a + abs(np.where(a, 0, u))).sum((2, 3)).mean((0, 1))


@channel_scores.wrong("the potential before the reset is taken", "The derivation")
def pre_reset(u, a):
    return (a + abs(u)).mean(_OVER)


@channel_scores.wrong("spikes are left out", "The question")
def no_spikes(u, a):
    return abs(np.where(a, 0, u)).mean(_OVER)


@channel_scores.wrong("inhibition is left out: potentials below 0 count, too", "The derivation")
def no_inhibition(u, a):
    return (a + np.where(a, 0, np.maximum(u, 0))).mean(_OVER)


@channel_scores.wrong("everything is added up: a score is a mean", "The question")
def summed_up(u, a):
    return (a + abs(np.where(a, 0, u))).sum(_OVER)


@channel_scores.wrong(
    "the magnitude is taken of the mean over the steps: within a neuron potentials cancel still"
)
def mean_over_steps(u, a):
    return a.mean(_OVER) + abs(np.where(a, 0, u).mean(0)).mean((0, 1, 2))


# explore: between sum and mean
(
    number(17, "explore", "deciding_exponent", 0.25, rtol=1e-6)
    .usual(
        0.125, "the factor of 16 is multiplied by x, where it is raised to the power of x", "The derivation"
    )
    .usual(0.5, "the larger maps are taken to have 4 times the positions of the smaller", "The derivation")
    .usual(1 / 6, "only the larger maps are counted: both are raised to the power of x", "The derivation")
    .usual(4, "the two logarithms are divided the wrong way round")
    .usual(
        math.log(2), "this is the logarithm of the scores' factor; how does it compare with that of the maps?"
    )
    .usual(1, "this is the L1 norm; the maps decide at a smaller exponent already")
)


# derive: inhibition with a leak
@task(17, "derive", rtol=1e-7, valid=lambda I, decay, T: I >= 0 and 0 <= decay < 0.999 and T >= 1)
def inhibited(I, decay, T):
    """Step by step."""
    u, total = 0.0, 0.0
    for _ in range(T):
        u = decay * u - I
        total += abs(u)
    return total / T


@inhibited.cases
def _(rng):
    yield from ((1.0, 0.0, 1), (1.0, 0.5, 1), (1.0, 0.5, 2), (2.0, 0.5, 3), (1.0, 0.0, 4), (0.0, 0.5, 4))
    for _ in range(8):
        yield float(rng.uniform(0.1, 2)), float(rng.uniform(0.1, 0.95)), int(rng.integers(2, 20))


@inhibited.wrong(
    "the neuron is taken to have arrived at its last potential from the start",
    "Derive: inhibition with a leak",
)
def arrived(I, decay, T):
    return I / (1 - decay)


@inhibited.wrong("the leak is left out", "The derivation")
def no_leak(I, decay, T):
    return I * (T + 1) / 2


@inhibited.wrong("the steps are added up, where their mean is asked for")
def summed(I, decay, T):
    return inhibited(I, decay, T) * T


@inhibited.wrong("the first potential is taken to be 0: the current of step 1 is in u₁", "The derivation")
def one_late(I, decay, T):
    return I / (1 - decay) * (1 - (1 - decay**T) / (T * (1 - decay)))


@inhibited.wrong("this is the potential at the last step")
def last(I, decay, T):
    return I * (1 - decay**T) / (1 - decay)


@inhibited.wrong("the magnitude is left out")
def negative(I, decay, T):
    return -inhibited(I, decay, T)


@inhibited.wrong(
    "the current is multiplied by 1 − τ, where it comes in whole", "Derive: inhibition with a leak"
)
def weighted(I, decay, T):
    return (1 - decay) * inhibited(I, decay, T)
