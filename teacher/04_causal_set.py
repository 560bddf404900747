"""Chapter 04, the causal set: solutions, each in a second form, and what to know when it is taught."""

import math
from itertools import pairwise

import numpy as np

from minisnn.ops.first_spike import Z_MAX

MINUTES = {"how_many_caused_it": 4, "causal_set": 20, "spike_time": 8, "more_spread": 4, "just_enough": 8}
NOTES = """\
Begin with the second neuron by hand: two inputs promise a spike at 14, and the third spoils it. "To know who caused it we
must know when it was": let the class say why that is no contradiction. Ties and `>=` take most of the time in the core task."""
ANSWERS = (
    "In every gap the potential is known, since it depends only on what has arrived. The gaps are searched in order of time, "
    "and the first spike is the only one.",
    "No: the set is strict. It adds w · 0 at that moment, so the spike is the same.",
    "Minus its time; at most 0 if the line never rises again, and in any case too little to reach 0 by z_max.",
)

how_many_caused_it = 3


def causal_set(z, w):
    z = np.minimum(z, Z_MAX)
    order = np.argsort(z, kind="stable")
    ends = np.append(z[order], Z_MAX)
    A, F = 0.0, -ends[0]
    for n, i in enumerate(order):
        A += w[i]
        F += (A - 1) * (ends[n + 1] - ends[n])
        if F >= 0:
            return z <= ends[n]
    return np.zeros(len(z), bool)


def causal_set_2(z, w):
    late = z >= Z_MAX
    times = np.append(np.unique(z[~late]), Z_MAX)
    for now, end in pairwise(times):
        if (w * np.maximum(0, end - z.clip(max=Z_MAX))).sum() - end >= 0:  # F at the end of the gap
            return z <= now
    return late & False


def spike_time(z, w):
    A = np.cumsum(w)
    Q = np.cumsum(w * z)
    ends = np.append(z[1:], math.inf)
    for n in range(len(z)):
        if A[n] > 1 and Q[n] / (A[n] - 1) <= ends[n]:
            return Q[n] / (A[n] - 1)
    return math.inf


def spike_time_2(z, w):
    A = Q = 0.0
    for n, (z_n, w_n) in enumerate(zip(z, w, strict=True)):
        A, Q = A + w_n, Q + w_n * z_n
        following = z[n + 1] if n < len(z) - 1 else math.inf
        if A > 1 and (A - 1) * following >= Q:
            return Q / (A - 1)
    return math.inf


more_spread = "b"


def just_enough(z_1, z_2):
    return z_2 / (z_2 - z_1)


def just_enough_2(z_1, z_2):
    return 1 / (1 - z_1 / z_2)
