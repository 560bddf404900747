"""The tasks of chapter 05, the first spike."""

import itertools

import numpy as np
from scipy.optimize import brentq

from minisnn.course.declare import choice, number, task

# warm-up: inputs at 1, 2, 3 with weights 1, 2, 0.5. One input: A = 1, none. Two: A = 3, Q = 5, 2.5, before 3.
(
    number(5, "warm-up", "spike_of_three", 2.5)
    .usual(2.6, "all three inputs are taken for causal; the third comes after the spike", "The question")
    .usual(5 / 3, "the 1 is left out of the denominator", "The question")
    .usual(
        1.5, "the weights alone are divided, and not multiplied by the times of their inputs", "The question"
    )
    .usual(np.log(2.5), "this is the time t; z was asked for", "The question")
    .usual(5.0, "the sum of the products is not divided", "The question")
)


def _first(z_in, w):
    """The first zero of F(z) = U(z) - z, bracketed between arrivals and found by SciPy; infinite if there is none."""

    def line(z):
        return float((np.maximum(0, z - z_in) * w).sum() - z)

    arrivals = [*np.unique(z_in), 1e6]
    for low, high in itertools.pairwise(arrivals):
        if line(low) < 0 <= line(high):
            return brentq(line, low, high, xtol=1e-13, rtol=8.9e-16)
    return np.inf


def _clear(z_in, w):
    """Whether a neuron fires, not too late, and not at an arrival."""
    z = _first(z_in, w)
    return z < 1e3 and w[z_in < z].sum() > 1.15 and abs(z_in - z).min() > 0.02


def _clear_cases(rng, n):
    while n:
        size = int(rng.integers(2, 8))
        z_in, w = rng.uniform(1, 6, size), np.append(1.5, rng.uniform(-0.4, 5, size - 1) / size)
        if _clear(z_in, w):
            n -= 1
            yield z_in, w


# core: in times
@task(5, "core", rtol=1e-5, atol=1e-8, valid=lambda t, w: len(t) == len(w) and _clear(np.exp(t), w))
def time_slopes(t, w):
    """Central differences of the spike's time."""
    h, slopes = 1e-5, []
    for step in h * np.eye(len(t)):
        slopes.append((np.log(_first(np.exp(t + step), w)) - np.log(_first(np.exp(t - step), w))) / (2 * h))
    return np.round(slopes, 9)  # what is printed shall look like what it is


@time_slopes.cases
def _(rng):
    yield np.log([1.0]), np.array([2.0])
    yield np.log([1.0, 2.0]), np.array([0.8, 0.6])
    yield np.log([1.0, 2.0, 6.0]), np.array([0.8, 0.6, -0.5])
    for z_in, w in _clear_cases(rng, 15):
        yield np.log(z_in), w


def _slopes(z_in, w):
    """∂z_j/∂z_i and z_j."""
    z_out = _first(z_in, w)
    causal = z_in < z_out
    return np.where(causal, w, 0) / (w[causal].sum() - 1), z_out


@time_slopes.wrong("the slopes are those in z: neither end is changed to times", "The gradient")
def in_z(t, w):
    return _slopes(np.exp(t), w)[0]


@time_slopes.wrong("only the inputs are changed to times, the spike is not", "The gradient")
def inputs_only(t, w):
    return _slopes(np.exp(t), w)[0] * np.exp(t)


@time_slopes.wrong("only the spike is changed to a time, the inputs are not", "The gradient")
def spike_only(t, w):
    slopes, z_out = _slopes(np.exp(t), w)
    return slopes / z_out


@time_slopes.wrong("the two factors of the chain rule have changed places", "The gradient")
def upside_down(t, w):
    slopes, z_out = _slopes(np.exp(t), w)
    return slopes * z_out / np.exp(t)


@time_slopes.wrong("inputs that come after the spike move it, too", "The question")
def not_causal(t, w):
    z_in = np.exp(t)
    z_out = _first(z_in, w)
    return w / (w[z_in < z_out].sum() - 1) * z_in / z_out


@time_slopes.wrong("the slopes are divided by their sum, which is 1 only if they were right")
def forced(t, w):
    slopes = _slopes(np.exp(t), w)[0]
    return slopes / slopes.sum()


@time_slopes.wrong("the 1 is left out of the denominator", "The question")
def no_one_in_time(t, w):
    slopes, z_out = _slopes(np.exp(t), w)
    A = w[np.exp(t) < z_out].sum()
    return slopes * np.exp(t) / z_out * (A - 1) / A


# break it: slopes by the weights
@task(
    5,
    "break it",
    rtol=1e-5,
    atol=1e-7,
    valid=lambda z_in, w, z_out: (
        len(z_in) == len(w) and _clear(z_in, w) and abs(z_out - _first(z_in, w)) < 1e-9
    ),
)
def weight_slopes(z_in, w, z_out):
    """Central differences of the spike, weight by weight."""
    h = 1e-6
    return np.round(
        [(_first(z_in, w + step) - _first(z_in, w - step)) / (2 * h) for step in h * np.eye(len(w))], 8
    )


@weight_slopes.cases
def _(rng):
    yield np.array([1.0]), np.array([2.0]), 2.0
    yield np.array([1.0, 2.0]), np.array([0.8, 0.6]), _first(np.array([1.0, 2.0]), np.array([0.8, 0.6]))
    yield np.array([1.0, 6.0]), np.array([2.0, 1.0]), 2.0
    yield np.array([1.0, 1.5]), np.array([2.0, 0.0]), 2.0  # an absent synapse has a slope
    yield np.array([1.0, 1.5, 6.0]), np.array([2.0, 0.0, 0.0]), 2.0
    yield np.array([1.0, 1.2, 1.5, 3.0]), np.array([2.5, 0.0, 0.0, -0.5]), 2.5 / 1.5
    for z_in, w in _clear_cases(rng, 12):
        yield z_in, w, _first(z_in, w)


@weight_slopes.wrong("inputs that come after the spike count in A and get a slope", "The gradient")
def planted(z_in, w, z_out):
    return (z_in - z_out) / (w.sum() - 1)


@weight_slopes.wrong("A still has the weights of inputs that come after the spike", "The question")
def late_inputs(z_in, w, z_out):
    return -np.maximum(0, z_out - z_in) / (w.sum() - 1)


@weight_slopes.wrong("A is right, but inputs that come after the spike still get a slope", "The gradient")
def late_slopes(z_in, w, z_out):
    return (z_in - z_out) / (w[z_in < z_out].sum() - 1)


@weight_slopes.wrong("the sign is lost: a larger weight makes the spike earlier", "The gradient")
def sign(z_in, w, z_out):
    return np.maximum(0, z_out - z_in) / (w[z_in < z_out].sum() - 1)


@weight_slopes.wrong("weights of 0 get no slope: absent synapses have one", "The gradient")
def absent_left_out(z_in, w, z_out):
    return np.where(w != 0, np.minimum(0, z_in - z_out) / (w[z_in < z_out].sum() - 1), 0)


@weight_slopes.wrong("these are the slopes by the times of the inputs, not by their weights", "The gradient")
def by_the_input(z_in, w, z_out):
    return np.where(z_in < z_out, w, 0) / (w[z_in < z_out].sum() - 1)


# explore: a spike that jumps
(
    choice(5, "explore", "a_smaller_weight", "b")
    .wrong(
        "a",
        "That holds as long as the curve still reaches 0 before the input at 4. Look at its top there.",
        "The gradient",
    )
    .wrong("c", "The curve turns down at 4, but the fourth input turns it up again.", "The picture")
    .wrong("d", "Move the slider, or call `first_crossing(0.9, 1.0)`, and read the legend.")
)


# derive: the second derivative
@task(5, "derive", rtol=1e-4, atol=1e-6, valid=lambda z_i, z_j, A: 1.2 < A < 10 and 0 < z_i < z_j)
def curvature(z_i, z_j, A):
    """Second differences of Q / (A - 1), in which the weight of one input moves."""
    Q, h = z_j * (A - 1), 1e-3 * (A - 1)

    def spike(step):
        return (Q + step * z_i) / (A - 1 + step)

    # two steps, and the error of second order taken out of them
    rough, fine = ((spike(k) - 2 * spike(0) + spike(-k)) / k**2 for k in (h, h / 2))
    return round((4 * fine - rough) / 3, 7)  # what is printed shall look like what it is


@curvature.cases
def _(rng):
    yield from ((1.0, 2.0, 2.0), (1.0, 3.0, 2.0), (1.0, 2.0, 3.0), (2.0, 5.0, 1.5))
    for _ in range(8):
        z_i = float(rng.uniform(1, 5))
        yield z_i, z_i + float(rng.uniform(0.2, 5)), float(rng.uniform(1.3, 4))


@curvature.wrong("the factor 2 is missing: both the numerator and the denominator depend on the weight")
def one_term(z_i, z_j, A):
    return (z_j - z_i) / (A - 1) ** 2


@curvature.wrong("the sign is lost: the slope is negative and goes towards 0 as the weight grows")
def sign_lost(z_i, z_j, A):
    return -2 * (z_j - z_i) / (A - 1) ** 2


@curvature.wrong("the denominator is not squared")
def not_squared(z_i, z_j, A):
    return 2 * (z_j - z_i) / (A - 1)


@curvature.wrong("the slope itself is squared")
def squared_slope(z_i, z_j, A):
    return ((z_j - z_i) / (A - 1)) ** 2


@curvature.wrong("the 1 is left out of the denominator")
def no_one(z_i, z_j, A):
    return 2 * (z_j - z_i) / A**2
