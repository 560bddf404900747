"""Chapter 19, removing channels: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {
    "row_of_a_feature": 2,
    "remains": 12,
    "rows_left": 6,
    "half_of_the_channels": 3,
    "weights_left": 8,
}
NOTES = """\
Draw a chain of three layers and let the class say what goes when one channel goes; β and the rows after `Flatten` are
what is forgotten. The residual stream takes longest: ask who else writes to it, and who else reads it."""
ANSWERS = (
    "β is added at every step, adds up in the potential, and may make the channel fire.",
    "Its filter (last axis), bias and batch norm (their only axis), and the next layer's weight (its inputs).",
    "Its channel inside of that branch; the stream keeps channel 5, since the other branch writes to it.",
)

row_of_a_feature = 2 * 6 + 3


def remains(beta, weight, T):
    v, spikes = 0.0, []
    for _ in range(T):
        v += beta
        spikes.append(v >= 1)
        v *= v < 1
    return np.outer(spikes, weight.sum(0))


def remains_2(beta, weight, T):
    every = np.ceil(1 / beta) if beta > 0 else T + 1  # so many steps to the threshold, each time anew
    steps = np.arange(1, T + 1)
    return (steps % every == 0)[:, None] * weight.sum(axis=0)


def rows_left(weight, mask):
    return weight[np.tile(mask, len(weight) // len(mask))]


def rows_left_2(weight, mask):
    by_position = weight.reshape(-1, len(mask), weight.shape[1])
    return by_position[:, mask].reshape(-1, weight.shape[1])


half_of_the_channels = "b"


def weights_left(f, n):
    return (2 * f + (n - 1) * f**2) / (n + 1)


def weights_left_2(f, n):
    ends, inner = 2 / (n + 1), (n - 1) / (n + 1)
    return f * (ends + inner * f)
