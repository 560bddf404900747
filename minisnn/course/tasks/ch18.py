"""The tasks of chapter 18, channel pruning and regrowth."""

import math

import numpy as np

from minisnn.course.declare import number, task
from minisnn.ops.lif import lif_backward, lif_forward
from minisnn.ops.neuron import integrate_and_fire
from minisnn.ops.surrogate.sigmoid import Sigmoid

# warm-up: 20 channels, p = 0.3, q = 0.15
(
    number(18, "warm-up", "channels_on", 14)
    .usual(11, "the regrown channels are left out: they are on, too", "The question")
    .usual(3, "only the regrown channels are counted", "The question")
    .usual(6, "these are the channels that stay masked", "The question")
    .usual(17, "only the regrown fraction is subtracted from all channels", "The question")
    .usual(13, "a product that is a whole number is rounded down once too often")
)


# core: carried by momentum
@task(18, "core", valid=lambda m, lr, mu, steps: 0 <= mu < 1 and steps >= 0)
def carried(m, lr, mu, steps):
    """Step by step."""
    w = 0 * m
    for _ in range(steps):
        m = mu * m
        w = w - lr * m
    return w


@carried.cases
def _(rng):
    one = np.array([1.0])
    yield from (
        (one, 1.0, 0.5, 1),
        (one, 1.0, 0.5, 2),
        (one, 1.0, 0.5, 0),
        (one, 1.0, 0.0, 3),
        (-one, 0.5, 0.5, 2),
    )
    for mu in (0.5, 0.9, 0.99):
        for steps in (1, 3, 30):
            yield rng.normal(size=3), 0.05, mu, steps


@carried.wrong("the sign is lost: weights move against the momentum", "The derivation")
def sign(m, lr, mu, steps):
    return -carried(m, lr, mu, steps)


@carried.wrong(
    "the sum begins with the momentum itself; it is multiplied by μ before it moves anything",
    "The derivation",
)
def from_one(m, lr, mu, steps):
    return -lr * m * (1 - mu**steps) / (1 - mu)


@carried.wrong("this is where the weights end up after very many steps", "The derivation")
def for_ever(m, lr, mu, steps):
    return -lr * m * mu / (1 - mu)


@carried.wrong("only the last step is counted, not the sum of all", "The derivation")
def last_only(m, lr, mu, steps):
    return -lr * m * mu**steps


@carried.wrong("the sum has one term too many", "The derivation")
def one_more(m, lr, mu, steps):
    return carried(m, lr, mu, steps + 1)


@carried.wrong("the momentum does not decay", "The derivation")
def no_decay(m, lr, mu, steps):
    return -lr * m * mu * steps


@carried.wrong("the learning rate is left out", "The derivation")
def no_rate(m, lr, mu, steps):
    return carried(m, 1.0, mu, steps)


# break it: an update of one layer
@task(
    18,
    "break it",
    valid=lambda scores, dgamma, kept, regrown: (
        _different(scores, dgamma)
        and kept >= 0
        and regrown >= 0
        and kept + regrown <= len(scores) == len(dgamma)
    ),
)
def updated(scores, dgamma, kept, regrown):
    """One channel after the other: the best that is left."""
    on = []
    for _ in range(kept):
        on.append(max((k for k in range(len(scores)) if k not in on), key=lambda k: scores[k]))
    for _ in range(regrown):
        on.append(max((k for k in range(len(scores)) if k not in on), key=lambda k: abs(dgamma[k])))
    return np.isin(np.arange(len(scores)), on)


def _different(scores, dgamma):
    return len(set(scores.tolist())) == len(scores) and len(set(abs(dgamma).tolist())) == len(dgamma)


@updated.cases
def _(rng):
    yield np.array([2.0, 1.0]), np.array([1.0, 2.0]), 1, 1
    yield np.array([3.0, 1.0, 2.0]), np.array([3.0, 2.0, 1.0]), 1, 1
    yield np.array([3.0, 1.0, 2.0]), np.array([3.0, -2.0, 1.0]), 1, 1
    yield np.array([3.0, 1.0, 2.0]), np.array([3.0, -2.0, 1.0]), 1, 0
    yield np.array([3.0, 1.0, 2.0]), np.array([3.0, 0.0, 1.0]), 1, 2
    for _ in range(12):
        n = int(rng.integers(3, 9))
        kept = int(rng.integers(1, n))
        yield rng.normal(size=n), rng.normal(size=n), kept, int(rng.integers(n - kept + 1))


def _update(scores, dgamma, kept, regrown, among_all=False):
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores)[:kept]] = True
    order = [k for k in np.argsort(-dgamma) if among_all or not mask[k]]
    mask[order[:regrown]] = True
    return mask


@updated.wrong("channels that are kept by their score are regrown once more", "The question")
def planted(scores, dgamma, kept, regrown):
    return _update(scores, abs(dgamma), kept, regrown, among_all=True)


@updated.wrong("negative gradients are left aside: the sign does not matter", "The derivation")
def signed(scores, dgamma, kept, regrown):
    return _update(scores, dgamma, kept, regrown)


@updated.wrong("the channels of the lowest scores are kept", "The question")
def lowest(scores, dgamma, kept, regrown):
    return _update(-scores, abs(dgamma), kept, regrown)


@updated.wrong("channels are regrown by their score, not by their gradient", "The question")
def by_score(scores, dgamma, kept, regrown):
    return _update(scores, scores, kept, regrown)


@updated.wrong("the smallest gradients grow", "The question")
def smallest(scores, dgamma, kept, regrown):
    return _update(scores, -abs(dgamma), kept, regrown)


@updated.wrong("the kept channels are given the gradient 0, which another may have, too: leave them out")
def zero_for_kept(scores, dgamma, kept, regrown):
    mask = _update(scores, dgamma, kept, 0)
    mask[np.argsort(-np.where(mask, 0, abs(dgamma)), kind="stable")[:regrown]] = True
    return mask


@updated.wrong("positions are counted among the other channels only, and not in the whole layer")
def among_others(scores, dgamma, kept, regrown):
    mask = _update(scores, dgamma, kept, 0)
    mask[np.argsort(-abs(dgamma[~mask]))[:regrown]] = True
    return mask


# explore: how wide should the surrogate be? The slope (1 - 1/w)/w is largest at w = 2
(
    number(18, "explore", "width_of_most_signal", 2.0, rtol=1e-6)
    .usual(
        1.0, "this is where the signal begins: the triangle ends at the resting potential", "The derivation"
    )
    .usual(4.0, "the triangle's two sides together are taken for its width, which is that of one side")
    .usual(5.0, "the widest triangle is taken to give most; look at the right end of the curve")
    .usual(0.5, "the highest triangle is taken; it does not reach the resting potential", "The derivation")
    .usual(0.25, "this is the slope at that width, not the width")
    .usual(2.05, "a point of the curve is read off: the peak lies beside it")
    .usual(1.9, "a point of the curve is read off: the peak lies beside it")
)


# derive: what a silent neuron passes on
@task(18, "derive", rtol=1e-7, valid=lambda g, alpha: alpha > 0 and len(g) > 0)
def passed_on(g, alpha):
    """By the library's backward, at a neuron without any input."""
    neuron = integrate_and_fire(surrogate=Sigmoid(alpha))
    return float(lif_backward(np.asarray(g, float), lif_forward(np.zeros(len(g)), neuron)[1]).sum())


@passed_on.cases
def _(rng):
    yield np.array([1.0]), 4.0
    yield np.array([1.0, 0.0]), 4.0
    yield np.array([0.0, 1.0]), 4.0
    yield np.array([1.0, 1.0]), 1.0
    for _ in range(8):
        yield rng.normal(size=int(rng.integers(2, 9))), float(rng.uniform(1, 5))


def _slope(alpha, at=1.0):
    s = 1 / (1 + math.exp(alpha * at))
    return alpha * s * (1 - s)


@passed_on.wrong(
    "every step is counted once: a late gradient passes back through all steps before it", "The derivation"
)
def counted_once(g, alpha):
    return _slope(alpha) * g.sum()


@passed_on.wrong("the first step is counted most, where it is the last", "The derivation")
def turned_round(g, alpha):
    return _slope(alpha) * (g * np.arange(len(g), 0, -1)).sum()


@passed_on.wrong("the slope is that at the threshold, where the neuron is not", "The derivation")
def at_threshold(g, alpha):
    return alpha / 4 * (g * np.arange(1, len(g) + 1)).sum()


@passed_on.wrong("steps are counted from 0, so that the first passes on nothing", "The derivation")
def from_zero(g, alpha):
    return _slope(alpha) * (g * np.arange(len(g))).sum()


@passed_on.wrong("the factor α of the sigmoid's derivative is left out", "The derivation")
def no_alpha(g, alpha):
    return _slope(alpha) / alpha * (g * np.arange(1, len(g) + 1)).sum()


@passed_on.wrong("the mean over the steps is taken, where their sum is asked for")
def mean(g, alpha):
    return passed_on(g, alpha) / len(g)


@passed_on.wrong("α is left out inside the sigmoid: its argument is −α V_th", "The derivation")
def no_alpha_inside(g, alpha):
    return alpha * _slope(1.0) * (g * np.arange(1, len(g) + 1)).sum()
