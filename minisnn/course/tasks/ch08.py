"""The tasks of chapter 08, surrogate gradients."""

import math

import numpy as np
from scipy.integrate import quad

from minisnn.course.declare import choice, number, task

# warm-up: a triangle of width 0.5, 0.2 below the threshold
(
    number(8, "warm-up", "slope_by_hand", 1.2)
    .usual(0.6, "the triangle is divided by its width, not by its square: its area is then not 1", "Break it")
    .usual(0.8, "the width is taken for 1", "The derivation")
    .usual(0.3, "nothing divides", "The derivation")
    .usual(2.0, "this is the slope at the threshold itself", "The derivation")
    .usual(2.8, "the distance from the threshold has lost its magnitude", "The derivation")
)


# core: the fast sigmoid
@task(8, "core", rtol=1e-7, atol=1e-9, valid=lambda zeta, alpha: alpha > 0)
def fast_step(zeta, alpha):
    """One half, and the slope integrated numerically from 0."""
    return 0.5 + quad(lambda x: alpha / 2 / (1 + alpha * abs(x)) ** 2, 0, zeta, epsabs=1e-12, limit=200)[0]


@fast_step.cases
def _(rng):
    yield from ((0.0, 1.0), (1.0, 1.0), (-2.0, 1.0), (1.0, 2.0), (0.5, 4.0), (-3.0, 0.5))
    for _ in range(10):
        yield float(rng.normal(0, 2)), float(rng.uniform(0.5, 25))


@fast_step.wrong("the step begins at -1 and not at 0: the whole is not halved and moved", "The derivation")
def from_minus_one(zeta, alpha):
    return alpha * zeta / (1 + alpha * abs(zeta))


@fast_step.wrong("the step runs from -1/2 to 1/2: the area to the left of 0 is left out", "The derivation")
def no_half(zeta, alpha):
    return 0.5 * alpha * zeta / (1 + alpha * abs(zeta))


@fast_step.wrong("this is the slope, not the step", "The derivation")
def slope(zeta, alpha):
    return alpha / 2 / (1 + alpha * abs(zeta)) ** 2


@fast_step.wrong(
    "the magnitude in the denominator is left out: to the left of 0 it is wrong", "Core: the fast sigmoid"
)
def no_magnitude(zeta, alpha):
    return 0.5 + 0.5 * alpha * zeta / (1 + alpha * zeta)


@fast_step.wrong("the inner factor α is counted twice", "Core: the fast sigmoid")
def alpha_twice(zeta, alpha):
    return 0.5 + 0.5 * alpha**2 * zeta / (1 + alpha * abs(zeta))


@fast_step.wrong("the step has run from 1 to 0", "The derivation")
def falling(zeta, alpha):
    return 0.5 - 0.5 * alpha * zeta / (1 + alpha * abs(zeta))


# break it: no number
@task(8, "break it", rtol=1e-7, valid=lambda zeta, alpha: alpha > 0)
def sigmoid_slope(zeta, alpha):
    """The square of one over a hyperbolic cosine, which is infinite where the slope is 0."""
    with np.errstate(over="ignore"):
        return alpha / 4 / np.cosh(alpha * np.asarray(zeta, float) / 2) ** 2


@sigmoid_slope.cases
def _(rng):
    yield np.array([0.0]), 4.0
    yield np.array([1.0]), 4.0
    yield np.array([-1.0]), 4.0
    yield np.array([1.0]), 1.0
    yield np.array([-300.0]), 4.0
    yield np.array([300.0]), 4.0
    for _ in range(5):
        yield rng.normal(0, 2, 4), float(rng.uniform(0.5, 6))


@sigmoid_slope.wrong("for a potential far below the threshold infinity is divided by infinity", "Break it")
def planted(zeta, alpha):
    e = np.exp(-alpha * zeta)
    return alpha * e / (1 + e) ** 2


@sigmoid_slope.wrong("for a potential far above the threshold infinity is divided by infinity", "Break it")
def turned_round(zeta, alpha):
    e = np.exp(alpha * zeta)
    return alpha * e / (1 + e) ** 2


@sigmoid_slope.wrong("the factor α is left out", "The derivation")
def no_alpha(zeta, alpha):
    return sigmoid_slope(zeta, alpha) / alpha


@sigmoid_slope.wrong("this is the smooth step, not its slope", "The derivation")
def step(zeta, alpha):
    return 0.5 + 0.5 * np.tanh(alpha * zeta / 2)


@sigmoid_slope.wrong("the denominator is not squared", "The derivation")
def not_squared(zeta, alpha):
    e = np.exp(-alpha * abs(zeta))
    return alpha * e / (1 + e)


@sigmoid_slope.wrong("what overflows is replaced by the slope at the threshold; far away it is 0", "Break it")
def patched(zeta, alpha):
    e = np.exp(-alpha * zeta)
    return np.nan_to_num(alpha * e / (1 + e) ** 2, nan=alpha / 4)


@sigmoid_slope.wrong(
    "the magnitude has the harmful sign: now the exponential overflows on both sides", "Break it"
)
def both_sides(zeta, alpha):
    e = np.exp(alpha * abs(zeta))
    return alpha * e / (1 + e) ** 2


# explore: wide or narrow?
(
    choice(8, "explore", "narrower", "a")
    .wrong("b", "Read the right curve from right to left: does it fall?")
    .wrong("c", "Read the left curve from right to left: does it rise?")
)


# derive: a cosine
@task(8, "derive", rtol=1e-6, atol=1e-8, valid=lambda zeta, width: width > 0)
def cosine_step(zeta, width):
    """The slope integrated numerically, from the left end."""

    def h(x):
        return (1 + math.cos(math.pi * x / width)) / (2 * width)

    ends = np.clip(np.atleast_1d(zeta), -width, width)
    return np.array([quad(h, -width, end, epsabs=1e-12)[0] for end in ends]).reshape(np.shape(zeta))


@cosine_step.cases
def _(rng):
    yield np.array([0.0]), 1.0
    yield np.array([0.5]), 1.0
    yield np.array([-0.5]), 1.0
    yield np.array([2.0]), 1.0
    yield np.array([-2.0]), 1.0
    yield np.array([0.5]), 2.0
    for _ in range(5):
        yield rng.normal(0, 1, 4), float(rng.uniform(0.3, 2))


def _cosine(zeta, width, sine=1.0, half=0.5, inner=True, clip=True):
    x = np.clip(zeta, -width, width) if clip else zeta
    scale = 2 * np.pi if inner else 2 * width
    return half + x / (2 * width) + sine * np.sin(np.pi * x / width) / scale


@cosine_step.wrong("the inner factor of the cosine is not divided out", "Derive: a cosine")
def no_inner(zeta, width):
    return _cosine(zeta, width, inner=False)


@cosine_step.wrong("the sine has the wrong sign: the antiderivative of a cosine is plus a sine")
def minus(zeta, width):
    return _cosine(zeta, width, sine=-1.0)


@cosine_step.wrong("the area to the left of 0 is left out", "The derivation")
def no_half_cosine(zeta, width):
    return _cosine(zeta, width, half=0.0)


@cosine_step.wrong(
    "outside of the interval the formula goes on, where the step is 0 or 1", "Derive: a cosine"
)
def goes_on(zeta, width):
    return _cosine(zeta, width, clip=False)


@cosine_step.wrong("only the 1 in the bracket is integrated, and the cosine is left out")
def ramp(zeta, width):
    return _cosine(zeta, width, sine=0.0)


@cosine_step.wrong("the inner factor of the cosine multiplies, where it must divide", "Derive: a cosine")
def inner_multiplies(zeta, width):
    return _cosine(zeta, width, sine=(np.pi / width) ** 2)


@cosine_step.wrong("to the right of the interval the step is 0 again, where it is 1", "The derivation")
def falls_back(zeta, width):
    return np.where(abs(zeta) < width, _cosine(zeta, width), 0.0)


@cosine_step.wrong("this is the slope, not the step", "The derivation")
def cosine_slope(zeta, width):
    return np.where(abs(zeta) < width, (1 + np.cos(np.pi * zeta / width)) / (2 * width), 0)
