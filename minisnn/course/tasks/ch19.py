"""The tasks of chapter 19, removing channels."""

from itertools import pairwise

import numpy as np

from minisnn.course.declare import choice, number, task
from minisnn.ops.lif import lif_forward
from minisnn.ops.neuron import integrate_and_fire

# warm-up: channel 3 of 6 at position 2 of 4
(
    number(19, "warm-up", "row_of_a_feature", 15)
    .usual(14, "channels come first: all positions of a channel in one block", "The derivation")
    .usual(16, "rows are counted from 1")
    .usual(9, "positions are counted from 1, so that position 2 is taken for the second")
    .usual(20, "position and channel have changed places: three times 6 and 2", "The derivation")
    .usual(11, "position and channel are multiplied by the number of positions", "The derivation")
)


# core: the currents of a channel whose input does not depend on the image
@task(19, "core", valid=lambda beta, weight, T: T > 0 and len(weight) > 0)
def remains(beta, weight, T):
    """All positions simulated by the library's neuron, and multiplied by the weights."""
    return lif_forward(np.full((T, len(weight)), beta), integrate_and_fire())[0] @ weight


@remains.cases
def _(rng):
    yield 1.0, np.array([[2.0]]), 1
    yield 0.5, np.array([[2.0]]), 3
    yield 0.5, np.array([[2.0, -1.0], [1.0, 1.0]]), 4
    for beta in (0.25, 0.375, 0.75, 1.0, 2.0, 0.0, -0.5):
        yield beta, rng.normal(size=(4, 3)), 8


def _volleys(beta, weight, T, fires=lambda v: v >= 1, reset=lambda v, spike: 0.0 if spike else v):
    v, rows = 0.0, []
    for _ in range(T):
        v += beta
        rows.append(fires(v) * weight.sum(0))
        v = reset(v, fires(v))
    return np.array(rows)


@remains.wrong(
    "a neuron at the threshold does not fire: here it does", "Core: what remains of a constant channel"
)
def above_only(beta, weight, T):
    return _volleys(beta, weight, T, fires=lambda v: v > 1)


@remains.wrong("the threshold is subtracted: the reset is to 0", "Core: what remains of a constant channel")
def soft(beta, weight, T):
    return _volleys(beta, weight, T, reset=lambda v, spike: v - spike)


@remains.wrong("the neuron is never reset", "Core: what remains of a constant channel")
def no_reset(beta, weight, T):
    return _volleys(beta, weight, T, reset=lambda v, spike: v)


@remains.wrong("the mean over the positions is taken: each position brings its own row", "The derivation")
def mean(beta, weight, T):
    return _volleys(beta, weight / len(weight), T)


@remains.wrong("the potential itself is passed on in place of the spike", "The derivation")
def potential(beta, weight, T):
    return np.outer(beta * np.arange(1, T + 1), weight.sum(0))


@remains.wrong("the current passes without a neuron", "The derivation")
def no_neuron(beta, weight, T):
    return np.outer(np.full(T, beta), weight.sum(0))


@remains.wrong("the neuron fires a step late: the current is added first, then the potential is compared")
def late(beta, weight, T):
    return np.vstack([0 * weight[:1], _volleys(beta, weight, T)[:-1]])


# break it: the rows of a linear layer after Flatten
@task(
    19, "break it", valid=lambda weight, mask: len(mask) > 0 and len(weight) % len(mask) == 0 and mask.any()
)
def rows_left(weight, mask):
    """Row by row: its channel is its number modulo the number of channels."""
    return np.array([row for i, row in enumerate(weight) if mask[i % len(mask)]])


@rows_left.cases
def _(rng):
    yield np.array([[1.0], [2.0]]), np.array([True, False])
    yield np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([True, False])
    yield np.arange(12.0).reshape(6, 2), np.array([True, False, True])
    for _ in range(10):
        C, P = (int(n) for n in rng.integers(2, 6, 2))
        yield rng.normal(size=(P * C, 3)), rng.permutation(C) <= rng.integers(C - 1)


@rows_left.wrong("channels come first: a channel's rows are one block", "The derivation")
def planted(weight, mask):
    return weight[np.repeat(mask, len(weight) // len(mask))]


@rows_left.wrong("the channels that are off are kept", "The question")
def complement(weight, mask):
    return weight[np.tile(~mask, len(weight) // len(mask))]


@rows_left.wrong("the rows are set to 0 and not removed", "The question")
def zeroed(weight, mask):
    return weight * np.tile(mask, len(weight) // len(mask))[:, None]


@rows_left.wrong("the rows are the right ones, but sorted by channel", "The derivation")
def by_channel(weight, mask):
    C = len(mask)
    return weight.reshape(-1, C, weight.shape[1]).swapaxes(0, 1)[mask].reshape(-1, weight.shape[1])


@rows_left.wrong("only the rows of the first position are kept", "The derivation")
def first_position(weight, mask):
    return weight[: len(mask)][mask]


# explore: half of the channels
(
    choice(19, "explore", "half_of_the_channels", "b")
    .wrong("a", "That would be a straight line. Read the curve at 0.5.")
    .wrong("c", "Read the curve at 0.5; a weight has two sides, not three.", "The derivation")
    .wrong("d", "Read the curve at 0.5.")
)


# derive: a chain that keeps its ends
@task(19, "derive", valid=lambda f, n: 0 <= f <= 1 and n >= 1)
def weights_left(f, n):
    """Counted: products of neighbouring widths."""
    widths = [1.0] + [f] * n + [1.0]
    return sum(a * b for a, b in pairwise(widths)) / (n + 1)


@weights_left.cases
def _(rng):
    yield from ((0.5, 1), (0.5, 2), (0.5, 3), (1.0, 4), (0.0, 3))
    for _ in range(8):
        yield float(rng.uniform(0, 1)), int(rng.integers(1, 12))


@weights_left.wrong(
    "all convolutions are cut on both sides; the first and the last are not", "The derivation"
)
def all_squared(f, n):
    return f**2


@weights_left.wrong("all convolutions are cut on one side only", "The derivation")
def all_once(f, n):
    return f


@weights_left.wrong("only one end is left uncut", "Derive: a chain that keeps its ends")
def one_end(f, n):
    return (f + n * f**2) / (n + 1)


@weights_left.wrong("there are n convolutions in the denominator: n hidden layers have n + 1")
def one_too_few(f, n):
    return (2 * f + (n - 1) * f**2) / n


@weights_left.wrong("both ends are counted as one convolution")
def ends_once(f, n):
    return (f + (n - 1) * f**2) / (n + 1)


@weights_left.wrong(
    "n convolutions are cut on both sides: it is one less", "Derive: a chain that keeps its ends"
)
def one_too_many(f, n):
    return (2 * f + n * f**2) / (n + 1)


@weights_left.wrong(
    "the first and the last are not cut at all: each has a side that is cut", "The derivation"
)
def ends_whole(f, n):
    return (2 + (n - 1) * f**2) / (n + 1)


@weights_left.wrong("this is the fraction that goes, not the one that is left")
def what_goes(f, n):
    return 1 - weights_left(f, n)
