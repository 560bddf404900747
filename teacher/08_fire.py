"""Chapter 08, surrogate gradients: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {"slope_by_hand": 3, "fast_step": 10, "sigmoid_slope": 5, "narrower": 4, "cosine_step": 12}
NOTES = """\
"What is the derivative of this network?" — wait until somebody says 0, and insist that it is right. The noisy neuron makes
the surrogate believable. What a gradient check proves here, and what not, is worth five minutes: it tests the code, not
the choice of h."""
ANSWERS = (
    "0.",
    "Of the smooth network, in which each step is replaced by its smooth step, and of the mean of a noisy one.",
    "How far they reach: which neurons far from the threshold get a gradient.",
)

slope_by_hand = (0.5 - abs(0.8 - 1)) / 0.5**2


def fast_step(zeta, alpha):
    return 0.5 + 0.5 * alpha * zeta / (1 + alpha * abs(zeta))


def fast_step_2(zeta, alpha):
    tail = 0.5 / (1 + alpha * abs(zeta))  # the area beyond, on one side
    return np.where(zeta > 0, 1 - tail, tail)


def sigmoid_slope(zeta, alpha):
    e = np.exp(-alpha * abs(zeta))
    return alpha * e / (1 + e) ** 2


def sigmoid_slope_2(zeta, alpha):
    step = 0.5 + 0.5 * np.tanh(alpha * zeta / 2)
    return alpha * step * (0.5 - 0.5 * np.tanh(alpha * zeta / 2))


narrower = "a"


def cosine_step(zeta, width):
    x = np.clip(zeta, -width, width)
    return 0.5 + x / (2 * width) + np.sin(np.pi * x / width) / (2 * np.pi)


def cosine_step_2(zeta, width):
    x = np.pi * np.asarray(zeta) / width
    inside = (np.pi + x + np.sin(x)) / (2 * np.pi)
    return np.where(x < -np.pi, 0.0, np.where(x > np.pi, 1.0, inside))
