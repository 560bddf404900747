"""Chapter 07, the leaky membrane: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {"steps_to_a_tenth": 3, "steps_to_fire": 15, "leak_to_rest": 8, "order_is_lost": 7, "ramp_step": 20}
NOTES = """\
Most questions come from the two meanings of τ in the literature: a fraction here, a time constant in SpikingJelly.
Write both on the board before the derivation. Many students type `ceil`: the threshold must be exceeded, so that a
whole number of steps is one too few. The case $I = 0$, $\\tau = 1$ divides by zero in most first attempts."""
ANSWERS = (
    "A fraction: $\\tau^k$ of an input is left after $k$ steps, whatever the unit of time.",
    "$I / (1 - \\tau) = 4$, so the threshold must lie below 4.",
    "The leak, backwards in time: the matrix $\\mathbf K$ of the forward is transposed, and a sum over the past "
    "becomes a sum over the future.",
)


steps_to_a_tenth = math.log(0.1) / math.log(0.8)


def steps_to_fire(I, decay, v_th):
    if (1 - decay) * v_th >= I:
        return math.inf
    if decay == 0:
        return 1
    if decay == 1:
        return math.floor(v_th / I) + 1
    return math.floor(math.log(1 - (1 - decay) * v_th / I) / math.log(decay)) + 1


def steps_to_fire_2(I, decay, v_th):
    if decay < 1 and I / (1 - decay) <= v_th:
        return float("inf")
    if decay == 1 and I <= 0:
        return float("inf")
    return next(t for t in range(1, 10**6) if sum(decay**k for k in range(t)) * I > v_th)


def leak_to_rest(current, decay, rest):
    u, potentials = rest, []
    for I_t in current:
        u = rest + decay * (u - rest) + I_t
        potentials.append(u)
    return np.array(potentials)


def leak_to_rest_2(current, decay, rest):
    u = np.full(current.shape[1:], float(rest))
    result = np.empty(current.shape)
    for t in range(len(current)):
        u = decay * u + (1 - decay) * rest + current[t]
        result[t] = u
    return result


order_is_lost = "c"


def ramp_step(u_0, a, x):
    tau = math.exp(-x)
    return tau * u_0 + a * (1 - (1 - tau) / x)


def ramp_step_2(u_0, a, x):
    return (
        (u_0 + a / x) * np.exp(-x) + a - a / x
    )  # the steady rise a (s - 1) / x, and what is left of the start
