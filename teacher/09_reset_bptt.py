"""Chapter 09, reset and backpropagation through time: solutions, each in a second form, and how to teach it."""

import numpy as np

MINUTES = {"first_delta": 5, "half_gate": 8, "deltas": 6, "furthest_back": 6, "decay_gradient": 10}
NOTES = """\
Draw the unrolled neuron first, and let the class mark all ways from u_1 to a_3. Most students forget the path through the
reset, and some count it twice. "Detached" should be said as what it is: the gradient of another neuron, whose resets
come when they came."""
ANSWERS = (
    "Its own spike, and the potential after the reset.",
    "The steps at which it resets: they come when they came, whatever the input does.",
    "It cannot explode in time: each step back multiplies it by at most τ in size.",
)

first_delta = 1 * 0.5 + 0.5 * (1 - 0.5 * 0.5) * (2 * 0.25)


def half_gate(u, a, h):
    return (1 - a / 2) - u / 2 * h


def half_gate_2(u, a, h):
    by_u, by_a = 1 - np.multiply(a, 0.5), np.multiply(u, -0.5)
    return by_u + by_a * h


def deltas(g, u, a, h, decay):
    gate = (1 - a) - u * h
    delta = g * h
    for t in reversed(range(len(g) - 1)):
        delta[t] += decay * gate[t] * delta[t + 1]
    return delta


def deltas_2(g, u, a, h, decay):
    following, found = 0.0, []
    for g_t, u_t, a_t, h_t in zip(g[::-1], u[::-1], a[::-1], h[::-1], strict=True):
        following = g_t * h_t + decay * following * (1 - a_t - u_t * h_t)
        found.append(following)
    return np.array(found[::-1])


furthest_back = "d"


def decay_gradient(delta, v):
    return delta[1:] @ v[:-1]


def decay_gradient_2(delta, v):
    before = np.concatenate([[0.0], v[:-1]])
    return (delta * before).sum()
