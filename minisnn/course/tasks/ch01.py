"""The tasks of chapter 01, Erdős–Rényi."""

import math

import numpy as np
from scipy.optimize import brentq

from minisnn.course.declare import choice, number, task

CHANCE = "How much does chance matter?"
BUDGET = "Convolutions, and a budget for all layers"

# warm-up: 64 inputs, 100 neurons, density 0.2: 1,280 connections of 164 neurons
(
    number(1, "warm-up", "which_epsilon", 0.2 * 6400 / 164)
    .usual(
        0.2 * 164 / 6400, "the fraction stands upside down: this is the density for ε = 0.2", "The question"
    )
    .usual(
        0.2 * 6400 / 100, "the connections are shared among the neurons of one side only", "The derivation"
    )
    .usual(0.2 * 6400 / 64, "the connections are shared among the inputs only", "The derivation")
    .usual(1280, "this is the number of connections; ε is connections per neuron", "The derivation")
    .usual(6400 / 164, "the layer is full: this is ε for a density of 1", "The derivation")
    .usual(0.2 * 164, "a fifth of the neurons is taken, not of the connections", "The derivation")
)


# core: how many different positions D draws hit
@task(1, "core", valid=lambda N, D: N >= 1 and D >= 0)
def distinct(N, D):
    """The distribution of the number of different positions, draw by draw."""
    taken = np.arange(min(N, D) + 1)
    probability = (taken == 0).astype(float)
    for _ in range(D):
        old, new = probability * taken / N, probability * (N - taken) / N
        probability = old
        probability[1:] += new[:-1]
    return float(probability @ taken)


@distinct.cases
def _(rng):
    yield from ((1, 1), (2, 2), (1, 5), (6, 3), (6, 0), (3, 10), (100, 300), (1000, 250))
    for _ in range(10):
        yield int(rng.integers(1, 50)), int(rng.integers(0, 100))


@distinct.wrong(
    "every draw counts as a connection, also of a position that has one already",
    "Core: drawn with replacement",
)
def every_draw(N, D):
    return D


@distinct.wrong(
    "a position is never drawn twice, as if draws were not put back", "Core: drawn with replacement"
)
def without_replacement(N, D):
    return min(N, D)


@distinct.wrong(
    "it stops at the probability of one position: the expectation is a sum over all of them", "The derivation"
)
def one_position(N, D):
    return 1 - (1 - 1 / N) ** D


@distinct.wrong("positions that stay free are counted: connections are the others")
def still_free(N, D):
    return N * (1 - 1 / N) ** D


@distinct.wrong("the misses are added up: a position is missed by the first draw *and* by the second …")
def added_up(N, D):
    return N * max(0.0, 1 - D * (1 - 1 / N))


@distinct.wrong("one draw is subtracted for each pair of draws that agree: three that agree make three pairs")
def pairs(N, D):
    return D - D * (D - 1) / (2 * N)


@distinct.wrong("the power is replaced by an exponential, which is only close to it if N is large")
def exponential(N, D):
    return N * (1 - math.exp(-D / N))


@distinct.wrong("positions and draws have changed places")
def changed_places(N, D):
    return D * (1 - (1 - 1 / D) ** N)


# break it: a budget for all layers
@task(
    1,
    "break it",
    valid=lambda omega, size, density: (
        len(omega) == len(size) and (omega > 0).all() and (size > 0).all() and 0 < density <= 1
    ),
)
def keep_budget(omega, size, density):
    """The one ε for which min(1, ε ω) meets the budget, found as a root."""
    total = size.sum()
    epsilon = brentq(
        lambda e: np.minimum(1, e * omega) @ size - density * total,
        0,
        2 / omega.min(),
        xtol=1e-15,
        rtol=1e-15,
    )
    return np.minimum(1, epsilon * omega)


@keep_budget.cases
def _(rng):
    for shapes, density in (
        ([(20, 40)], 0.1),
        ([(20, 40), (40, 20)], 0.1),
        ([(2, 4), (40, 50)], 0.1),
        ([(2, 4), (40, 50)], 1.0),
        ([(2, 4), (8, 10), (60, 80)], 0.148),
        ([(3, 3, 2, 64), (3, 3, 64, 128), (3, 3, 128, 256), (4608, 10)], 0.1),
        ([(3, 3, 2, 64), (3, 3, 64, 128), (3, 3, 128, 256), (4608, 10)], 0.5),
    ):
        yield *_shaped(shapes), density
    for _ in range(20):
        shapes = rng.integers(1, 60, (int(rng.integers(2, 7)), 2)).tolist()
        yield *_shaped(shapes), float(rng.uniform(0.02, 0.9))


def _shaped(shapes):
    size = np.array([math.prod(shape) for shape in shapes])
    return np.array([sum(shape) for shape in shapes]) / size, size


def _rounds(omega, size, budget, most=10**6):
    """Round by round, with what can go wrong."""
    dense = np.zeros(len(size), bool)
    for _ in range(most):
        epsilon = budget(dense) / (omega * size)[~dense].sum()
        above = ~dense & (epsilon * omega > 1 + 1e-12)
        if not above.any():
            break
        dense |= above
    return np.where(dense, 1.0, np.minimum(1, epsilon * omega))


@keep_budget.wrong(
    "the layers that are not dense get their share of the density, and the dense ones come on top", BUDGET
)
def planted(omega, size, density):
    return _rounds(omega, size, lambda dense: density * size[~dense].sum())


@keep_budget.wrong("ε is solved for once, and what exceeds 1 is cut off and lost", BUDGET)
def cut_off(omega, size, density):
    return _rounds(omega, size, lambda dense: density * size.sum(), most=1)


@keep_budget.wrong("the connections of the dense layers are not taken from the budget", BUDGET)
def nothing_taken(omega, size, density):
    return _rounds(omega, size, lambda dense: density * size.sum())


@keep_budget.wrong("the step is not repeated: once some layers are dense, others may exceed 1", BUDGET)
def two_rounds(omega, size, density):
    first = density * size.sum() / (omega * size).sum()
    dense = first * omega > 1 + 1e-12
    if dense.all():
        return np.ones(len(size))
    rest = (density * size.sum() - size[dense].sum()) / (omega * size)[~dense].sum()
    return np.where(dense, 1.0, np.minimum(1, rest * omega))


@keep_budget.wrong("the layers' densities are averaged, whatever their sizes", BUDGET)
def averaged(omega, size, density):
    return keep_budget(omega, np.ones(len(size)), density)


@keep_budget.wrong(
    "what is lost at 1 is spread over all layers, also over the dense ones, which then exceed 1", BUDGET
)
def scaled_up(omega, size, density):
    found = cut_off(omega, size, density)
    return found * density * size.sum() / (found @ size)


@keep_budget.wrong("the dense layers are counted, and not their connections", BUDGET)
def layers_counted(omega, size, density):
    return _rounds(omega, size, lambda dense: density * size.sum() - dense.sum())


# explore: who is cut off?
(
    choice(1, "explore", "who_is_cut_off", "b")
    .wrong(
        "a",
        "Go up at one density, say 0.02: the curves of 16, 64 and 256 inputs are far apart there.",
        "Explore: cut off from the image",
    )
    .wrong(
        "c",
        "Two of the layers have 64 inputs, and one of them has four times the connections of the other. "
        "How do their curves differ?",
        "Explore: cut off from the image",
    )
)


# derive: the number of inputs of one neuron, under exact sampling
@task(
    1,
    "derive",
    valid=lambda n_in, n_out, count: (
        n_in >= 1 and n_out >= 1 and n_in * n_out > 1 and 0 <= count <= n_in * n_out
    ),
)
def variance_of_inputs(n_in, n_out, count):
    """All masks counted by how many ones they have in the neuron's column."""
    N, most = n_in * n_out, min(n_in, count)
    masks = [math.comb(n_in, k) * math.comb(N - n_in, count - k) for k in range(most + 1)]
    mean = sum(k * some for k, some in enumerate(masks)) / sum(masks)
    return sum((k - mean) ** 2 * some for k, some in enumerate(masks)) / sum(masks)


@variance_of_inputs.cases
def _(rng):
    yield from ((1, 2, 1), (2, 2, 2), (2, 1, 1), (3, 4, 0), (3, 4, 12), (3, 4, 1), (4, 3, 6), (1, 6, 2))
    for _ in range(15):
        n_in, n_out = (int(n) for n in rng.integers(2, 8, 2))
        yield n_in, n_out, int(rng.integers(1, n_in * n_out))


def _variance(n_in, n_out, count, pairs, covariance=None):
    N = n_in * n_out
    rho = count / N
    if covariance is None:
        covariance = rho * (count - 1) / (N - 1) - rho**2
    return n_in * rho * (1 - rho) + pairs * covariance


@variance_of_inputs.wrong("the covariances are left out: so it is when coins are tossed", CHANCE)
def independent(n_in, n_out, count):
    return _variance(n_in, n_out, count, 0)


@variance_of_inputs.wrong(
    "the covariances are added with the wrong sign: where one is taken, fewer are left", CHANCE
)
def plus(n_in, n_out, count):
    return _variance(n_in, n_out, count, -n_in * (n_in - 1))


@variance_of_inputs.wrong("each pair of entries is counted once: their covariance comes in twice")
def unordered(n_in, n_out, count):
    return _variance(n_in, n_out, count, n_in * (n_in - 1) / 2)


@variance_of_inputs.wrong(
    "an entry is paired with itself, too: that part is its variance, which is in already"
)
def with_itself(n_in, n_out, count):
    return _variance(n_in, n_out, count, n_in * n_in)


@variance_of_inputs.wrong(
    "the second entry is drawn from all positions, and not from those that the first one leaves", CHANCE
)
def second_of_all(n_in, n_out, count):
    N = n_in * n_out
    return _variance(n_in, n_out, count, n_in * (n_in - 1), count / N * (count - 1) / N - (count / N) ** 2)


@variance_of_inputs.wrong(
    "the probability of two ones is taken for their covariance: the product of the means is missing", CHANCE
)
def not_centred(n_in, n_out, count):
    N = n_in * n_out
    return _variance(n_in, n_out, count, n_in * (n_in - 1), count / N * (count - 1) / (N - 1))


@variance_of_inputs.wrong("inputs and neurons are mixed up: this is the variance of the outputs of one input")
def outputs(n_in, n_out, count):
    return variance_of_inputs(n_out, n_in, count)


@variance_of_inputs.wrong("this is the standard deviation")
def deviation(n_in, n_out, count):
    return math.sqrt(variance_of_inputs(n_in, n_out, count))
