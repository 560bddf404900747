"""Chapter 11, charge, fire, reset: solutions, each in a second form, and what to know when it is taught."""

import numpy as np

MINUTES = {
    "normal_threshold": 4,
    "translated": 15,
    "reset_gate": 8,
    "late_is_the_same": 8,
    "weakest_current": 10,
}
NOTES = """\
Let students find out which convention their favourite library has before you show the table. Most stumble over the
normal form: it divides potentials by the gain, while the way back multiplies. "A soft reset one step late" is best
shown with a neuron on the board, two steps long."""
ANSWERS = (
    "`decay` 0.5 and `gain` 0.5: its input decays, too, unless `decay_input=False`.",
    "The second: whether the reset is part of the gradient.",
    "A sum of random weights hits the threshold with probability 0; whole grey levels and simple leaks hit it often.",
)

normal_threshold = (1 - (-0.2)) / (1 / 4)


def translated(decay, v_th, alpha):
    gain = 1 - decay
    return 1 / gain, v_th * gain, alpha / gain


def translated_2(decay, v_th, alpha):
    tau_m = 1 / (1 - decay)
    return tau_m, v_th / tau_m, alpha * tau_m


def reset_gate(u, a, h, v_reset):
    return (1 - a) + (v_reset - u) * h


def reset_gate_2(u, a, h, v_reset):
    from_reset = np.subtract(u, v_reset)
    return 1 - a - from_reset * h


late_is_the_same = "c"


def weakest_current(decay, gain, v_th, v_rest):
    return (1 - decay) * (v_th - v_rest) / gain


def weakest_current_2(decay, gain, v_th, v_rest):
    theta = (
        v_th - v_rest
    ) / gain  # the threshold of the normal form, whose potential ends at I / (1 - decay)
    return theta - decay * theta
