"""The tasks of chapter 06, the first-spike loss."""

import math

import numpy as np
from scipy.special import logsumexp, softmax

from minisnn.course.declare import choice, number, task

# warm-up: the right neuron at z = 1, nine others at z = 3
(
    number(6, "warm-up", "loss_of_ten", math.log(1 + 9 * math.exp(-2)))
    .usual(
        math.log(1 + 9 * math.exp(2)),
        "the softmax is over z, not over -z: the right neuron counts as late",
        "The question",
    )
    .usual(math.log(4), "spike times t = ln z stand in place of z", "The question")
    .usual(
        1 / (1 + 9 * math.exp(-2)), "the logarithm is left out: this is the probability of the right neuron"
    )
    .usual(math.log(1 + math.exp(-2)), "the nine others are counted once", "The question")
    .usual(math.log(1 + 10 * math.exp(-2)), "ten others are counted: there are nine")
    .usual(1 + 9 * math.exp(-2), "the logarithm is left out: this is one over the probability")
    .usual(math.log10(1 + 9 * math.exp(-2)), "the logarithm is to base 10")
    .usual(
        -math.log(1 + 9 * math.exp(-2)), "the minus before the logarithm is left out: a loss is not negative"
    )
)


# core: two classes
@task(6, "core")
def loss_of_lead(lead):
    """The logarithm of a sum of exponentials, by SciPy."""
    return float(logsumexp([0.0, -lead]))


@loss_of_lead.cases
def _(rng):
    for lead in (0.0, 1.0, -1.0, 10.0, -10.0, 40.0, 800.0, -800.0, 1e5, -1e5):
        yield (lead,)
    for _ in range(10):
        yield (float(rng.normal(0, 5)),)


@loss_of_lead.wrong(
    "the lead has the wrong sign: a right neuron that fires first must have a small loss", "The question"
)
def sign(lead):
    return np.logaddexp(0, lead)


@loss_of_lead.wrong(
    "nothing is taken out of the sum: the exponential of a large number overflows", "The derivation"
)
def overflows(lead):
    return math.log(1 + math.exp(-lead))


@loss_of_lead.wrong("nothing is taken out of the sum, and the overflow becomes infinity", "The derivation")
def infinite(lead):
    return np.log1p(np.exp(-lead))


@loss_of_lead.wrong("what is taken out of the sum is not added again", "The derivation")
def not_added(lead):
    return math.log1p(math.exp(-abs(lead)))


@loss_of_lead.wrong(
    "only the largest term of the sum is left: the loss must be ln 2 at a lead of 0", "The derivation"
)
def hard(lead):
    return max(0.0, -lead)


@loss_of_lead.wrong("the loss is capped at 100: that is done when it is reported, not here", "The derivation")
def capped(lead):
    return min(100.0, loss_of_lead(lead))


@loss_of_lead.wrong("the logarithm is left out: this is the probability of the right neuron", "The question")
def probability(lead):
    return 1 / (1 + math.exp(-lead)) if lead > -700 else 0.0


# break it: clipping
@task(6, "break it", valid=lambda G, limit: limit > 0)
def clipped(G, limit):
    """The largest factor up to 1 that keeps the norm within the limit, by bisection."""
    low, high = 0.0, 1.0
    if math.sqrt(sum(x * x for x in np.ravel(G).tolist())) > limit:
        for _ in range(200):
            middle = (low + high) / 2
            inside = math.sqrt(sum((middle * x) ** 2 for x in np.ravel(G).tolist())) <= limit
            low, high = (middle, high) if inside else (low, middle)
    return np.asarray(G) * high


@clipped.cases
def _(rng):
    yield np.array([[3.0, 4.0]]), 1.0
    yield np.array([[0.3, 0.4]]), 1.0
    yield np.array([[0.6, 0.8]]), 1.0
    yield np.zeros((2, 2)), 1.0
    for scale in (0.01, 0.1, 1.0, 10.0, 100.0):
        yield scale * rng.normal(size=(3, 4)), 0.3


@clipped.wrong(
    "small gradients are scaled up to the limit: a limit must only make them smaller",
    "Silent neurons and small denominators",
)
def planted(G, limit):
    return G * limit / np.sqrt((G**2).sum())


@clipped.wrong(
    "the limit holds for each number and not for the norm", "Silent neurons and small denominators"
)
def by_element(G, limit):
    return np.clip(G, -limit, limit)


@clipped.wrong(
    "each neuron's column is clipped by itself: the library has this form too, but here the layer is meant"
)
def by_column(G, limit):
    norms = np.sqrt((G**2).sum(0))
    return G * np.minimum(1, limit / np.where(norms, norms, 1))


@clipped.wrong("the root of the sum of squares is left out", "Silent neurons and small denominators")
def no_root(G, limit):
    return G * min(1, limit / ((G**2).sum() or 1))


@clipped.wrong("the largest element is taken for the norm", "Silent neurons and small denominators")
def largest(G, limit):
    return G * min(1, limit / (abs(G).max() or 1))


@clipped.wrong("a large gradient is scaled to the norm 1, and not to the limit")
def to_one(G, limit):
    norm = np.sqrt((G**2).sum())
    return G / norm if norm > limit else G


@clipped.wrong(
    "the larger of 1 and the factor is taken, so that nothing gets smaller",
    "Silent neurons and small denominators",
)
def larger_factor(G, limit):
    return G * max(1, limit / (np.sqrt((G**2).sum()) or limit))


@clipped.wrong("the factor is upside down: a large gradient becomes larger still")
def upside_down(G, limit):
    return G * max(1, np.sqrt((G**2).sum()) / limit)


# explore: what does a common factor change?
(
    choice(6, "explore", "what_a_factor_changes", "b")
    .wrong("a", "The order of the spikes decides the answer, and a factor keeps the order.", "The picture")
    .wrong("c", "Look at the right curve: is it a curve?")
    .wrong("d", "A *shift* of all spike times changes no difference. A factor does.", "The derivation")
)


# derive: by the temperature
@task(
    6, "derive", rtol=1e-5, atol=1e-7, valid=lambda z, y, temperature: 0 <= y < len(z) and temperature > 0.05
)
def slope_by_temperature(z, y, temperature):
    """Central differences of the loss."""

    def loss(divisor):
        return z[y] / divisor + logsumexp(-np.asarray(z) / divisor)

    h = 1e-4 * temperature
    return round((loss(temperature + h) - loss(temperature - h)) / (2 * h), 9)


@slope_by_temperature.cases
def _(rng):
    yield np.array([1.0, 2.0]), 0, 1.0
    yield np.array([1.0, 2.0]), 1, 1.0
    yield np.array([1.0, 2.0]), 0, 2.0
    yield np.array([2.0, 2.0, 2.0]), 1, 1.0
    for _ in range(10):
        yield rng.uniform(1, 9, 5), int(rng.integers(5)), float(rng.uniform(0.5, 3))


@slope_by_temperature.wrong("the sign is lost: the derivative of one over the temperature is negative")
def sign_lost(z, y, temperature):
    return (z[y] - softmax(-z / temperature) @ z) / temperature**2


@slope_by_temperature.wrong("the temperature is not squared: the derivative of 1 / x is -1 / x²")
def not_squared(z, y, temperature):
    return (softmax(-z / temperature) @ z - z[y]) / temperature


@slope_by_temperature.wrong("the probabilities are those without a temperature", "The derivation")
def without_temperature(z, y, temperature):
    return (softmax(-z) @ z - z[y]) / temperature**2


@slope_by_temperature.wrong(
    "the mean counts all neurons equally: the logarithm's derivative weights them by p_k", "The derivation"
)
def plain_mean(z, y, temperature):
    return (z.mean() - z[y]) / temperature**2


@slope_by_temperature.wrong("the term of the right neuron is left out", "The derivation")
def no_label(z, y, temperature):
    return softmax(-z / temperature) @ z / temperature**2


@slope_by_temperature.wrong(
    "this is the derivative by the factor, one over the temperature", "Derive: the slope of that curve"
)
def by_the_factor(z, y, temperature):
    return z[y] - softmax(-z / temperature) @ z


@slope_by_temperature.wrong(
    "only the first term is differentiated, and the logarithm is left out", "The derivation"
)
def first_term(z, y, temperature):
    return -z[y] / temperature**2


@slope_by_temperature.wrong("the softmax is over z and not over -z", "The question")
def late_first(z, y, temperature):
    return (softmax(z / temperature) @ z - z[y]) / temperature**2
