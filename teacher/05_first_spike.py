"""Chapter 05, the first spike: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

from minisnn import first_spike_backward, first_spike_forward

MINUTES = {"spike_of_three": 4, "time_slopes": 15, "weight_slopes": 6, "a_smaller_weight": 5, "curvature": 10}
NOTES = """\
Let the class guess the sign of every slope before it is derived. That an absent synapse has a gradient is the point to
which chapter 15 returns. The jump is worth ten minutes with the sliders: no gradient says that it is near."""
ANSWERS = (
    "F rises through 0 there, and its slope is A - 1.",
    "Yes, and yes: the causal set is a matter of time, and a small weight there would move the spike.",
    "The spike comes later by the same time; its z is multiplied by exp of that time.",
)

spike_of_three = (1 * 1 + 2 * 2) / (1 + 2 - 1)


def time_slopes(t, w):
    z = np.exp(t)[None]
    z_out, cache = first_spike_forward(z, w[:, None])
    dz_in, _ = first_spike_backward(np.ones((1, 1)), cache)
    return (dz_in * z / z_out)[0]


def time_slopes_2(t, w):
    z_out = first_spike_forward(np.exp(t)[None], w[:, None])[0].item()
    causal = np.exp(t) < z_out
    return causal * w * np.exp(t - np.log(z_out)) / (w[causal].sum() - 1)


def weight_slopes(z_in, w, z_out):
    A = w[z_in < z_out].sum()
    return -np.maximum(0, z_out - z_in) / (A - 1)


def weight_slopes_2(z_in, w, z_out):
    causal = z_in < z_out
    return causal * (z_in - z_out) / ((causal * w).sum() - 1)


a_smaller_weight = "b"


def curvature(z_i, z_j, A):
    return 2 * (z_j - z_i) / (A - 1) ** 2


def curvature_2(z_i, z_j, A):
    slope = (z_i - z_j) / (A - 1)
    return -(slope + slope) / (A - 1)
