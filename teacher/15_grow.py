"""Chapter 15, grow rules: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

from minisnn import first_spike_forward

MINUTES = {
    "longest_wait": 4,
    "absent_gradient": 15,
    "grow_largest": 6,
    "larger_batches": 5,
    "expected_fall": 10,
}
NOTES = """\
"How can something that is not there have a gradient?" is the question of this chapter; let a student answer it at the
board with a weight of 0 that is moved a little. In the core task the maximum with 0 and the causal sum are what most
forget. Ask at the end what gradient growth costs: the dense gradient."""
ANSWERS = (
    "Because it is a free position like any other; it must be allowed to if nearly all positions are active, "
    "as there would otherwise be too few.",
    "The gradient says what a small weight there would do to the loss, and that depends on the input and on the error.",
    "Random, random-unfired and longest-inactive: they read the masks and chance, not the loss.",
)

longest_wait = math.ceil((640 - 64) / 20)


def absent_gradient(z_in, w, i):
    z = first_spike_forward(z_in[None], w[:, None])[0][0, 0]
    A = w[z_in < z].sum()
    return 0.0 if np.isinf(z) else -max(0.0, z - z_in[i]) / (A - 1)


def absent_gradient_2(z_in, w, i):
    z = first_spike_forward(z_in.reshape(1, -1), w.reshape(-1, 1))[0].item()
    if z == math.inf or z_in[i] >= z:
        return 0.0
    return (z_in[i] - z) / (sum(w_k for w_k, z_k in zip(w, z_in, strict=True) if z_k < z) - 1)


def grow_largest(gradient, mask, count):
    score = np.where(mask, -np.inf, abs(gradient))
    return np.sort(np.argsort(-score, kind="stable")[:count])


def grow_largest_2(gradient, mask, count):
    free = np.flatnonzero(~mask)
    return np.array(sorted(sorted(free.tolist(), key=lambda k: -(gradient[k] ** 2))[:count]), int)


larger_batches = "a"


def expected_fall(gradient, mask, count, lr):
    free = gradient[~mask]
    return lr * count / len(free) * (free**2).sum()


def expected_fall_2(gradient, mask, count, lr):
    return lr * count * np.mean(gradient[np.flatnonzero(mask == 0)] ** 2)
