"""Chapter 13, batch norm: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {
    "normalised_outlier": 3,
    "one_layer": 10,
    "normalised": 5,
    "four_times_the_batch": 4,
    "rms_backward": 15,
}
NOTES = """\
Do the derivation on the board with N = 2: everything is ±1, and both corrections can be seen. The check of ones is the
most instructive failure of the course: four wrong backwards pass it. Ask what batch norm does to causality in time."""
ANSWERS = (
    "A constant added to all values, so the gradient sums to 0; a stretch about the mean, so the gradient is nearly "
    "orthogonal to the normalised values.",
    "The sum of all outputs is N β whatever the input is: its gradient is 0, and many wrong backwards give 0 there.",
    "In evaluation mean and variance are constants, so both corrections are gone.",
)

normalised_outlier = (4 - 1) / math.sqrt(3)


def one_layer(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var + 1e-5)
    return np.vstack([weight * a, beta - mean * a])


def one_layer_2(weight, gamma, beta, mean, var):
    whole = np.concatenate([weight, -mean[None]])  # the input has a 1 more
    folded = whole @ np.diag(gamma * (var + 1e-5) ** -0.5)
    folded[-1] += beta
    return folded


def normalised(x):
    mean = x.mean((0, 1))
    return (x - mean) / np.sqrt(x.var((0, 1)) + 1e-5)


def normalised_2(x):
    flat = x.reshape(-1, x.shape[2])
    centred = flat - flat.sum(0) / len(flat)
    return (centred / ((centred**2).sum(0) / len(flat) + 1e-5) ** 0.5).reshape(x.shape)


four_times_the_batch = "a"


def rms_backward(x, gamma, g):
    r = 1 / np.sqrt((x**2).mean() + 1e-5)
    hat = x * r
    return gamma * r * (g - hat * (g * hat).mean())


def rms_backward_2(x, gamma, g):
    N, r = len(x), (np.mean(x * x) + 1e-5) ** -0.5
    jacobian = gamma * (r * np.eye(N) - r**3 / N * np.outer(x, x))
    return jacobian @ g
