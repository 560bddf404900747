"""Chapter 06, the first-spike loss: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {
    "loss_of_ten": 3,
    "loss_of_lead": 12,
    "clipped": 6,
    "what_a_factor_changes": 6,
    "slope_by_temperature": 15,
}
NOTES = """\
The sign before z is the stumbling block: ask twice which neuron should have the largest probability. In the core task
most first answers overflow at a lead of -800; let the check say so before you do. The runs without a limit are worth
a discussion: what would a fair comparison need?"""
ANSWERS = (
    "0: moving all spikes together changes nothing, so the gradient has no part in that direction.",
    "Those of the other neurons and of the layers below, none of its own. The cost of its weight sum wakes it.",
    "Its spike is late, and its gradient grows with the inverse square of the excess over 1: one step can throw it far "
    "away, and clipping then leaves next to nothing of the other gradients.",
)

loss_of_ten = math.log(1 + 9 * math.exp(-2))


def loss_of_lead(lead):
    return max(0.0, -lead) + math.log1p(math.exp(-abs(lead)))


def loss_of_lead_2(lead):
    return np.logaddexp(0.0, -lead)


def clipped(G, limit):
    norm = np.sqrt((G**2).sum())
    return G * min(1, limit / norm) if norm else G.copy()


def clipped_2(G, limit):
    return G * (limit / max(limit, np.linalg.norm(G)))


what_a_factor_changes = "b"


def slope_by_temperature(z, y, temperature):
    p = np.exp((z.min() - z) / temperature)
    p /= p.sum()
    return (p @ z - z[y]) / temperature**2


def slope_by_temperature_2(z, y, temperature):
    weights = [math.exp(-(z_k - min(z)) / temperature) for z_k in z]
    mean = sum(w * z_k for w, z_k in zip(weights, z, strict=True)) / sum(weights)
    return (mean - z[y]) / temperature / temperature
