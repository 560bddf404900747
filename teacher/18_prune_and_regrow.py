"""Chapter 18, channel pruning and regrowth: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {"channels_on": 3, "carried": 10, "updated": 6, "width_of_most_signal": 8, "passed_on": 15}
NOTES = """\
The trap is the best five minutes of the course: zero everything, and ask which gradients are left. Students tend to say
β and stop there. Then ask what an optimiser with momentum does in the next step. A small network does not show whether
regrowth helps; say so."""
ANSWERS = (
    "The filter and γ. One alone would not do: then the other has a gradient. β does not matter.",
    "Because γ can move either way: the loss falls along one of the two directions.",
    "Channels that are on score more than 0, masked ones score 0, and as many are kept as are on.",
)

channels_on = math.floor((1 - 0.3 - 0.15) * 20 + 1e-9) + math.floor(0.15 * 20)


def carried(m, lr, mu, steps):
    return -lr * m * mu * (1 - mu**steps) / (1 - mu)


def carried_2(m, lr, mu, steps):
    return -lr * m * (mu ** np.arange(1, steps + 1)).sum()


def updated(scores, dgamma, kept, regrown):
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-scores)[:kept]] = True
    signal = np.where(mask, -np.inf, abs(dgamma))
    mask[np.argsort(-signal)[:regrown]] = True
    return mask


def updated_2(scores, dgamma, kept, regrown):
    order = np.argsort(scores)[::-1]
    on, off = order[:kept].tolist(), order[kept:].tolist()
    on += sorted(off, key=lambda k: -abs(dgamma[k]))[:regrown]
    return np.array([k in on for k in range(len(scores))])


width_of_most_signal = 2.0


def passed_on(g, alpha):
    s = 1 / (1 + math.exp(alpha))
    return alpha * s * (1 - s) * (g * np.arange(1, len(g) + 1)).sum()


def passed_on_2(g, alpha):
    slope = alpha * math.exp(-alpha) / (1 + math.exp(-alpha)) ** 2
    delta = slope * np.cumsum(g[::-1])  # from the last step to the first
    return delta.sum()
