"""Chapter 03, the membrane: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {"half_arrived": 3, "event_driven": 15, "potential": 5, "less_than_one": 5, "top": 10}
NOTES = """\
Draw the three curves of the circuit and ask what jumps where. That the potential ends at the sum of all weights, whatever
their times, surprises most. The event-driven form is what a chip does, and a good moment to speak of one."""
ANSWERS = (
    "The current and the slope of the potential, which is the current; the potential does not.",
    "It ends at the sum of all weights that have come: what is not on the membrane yet is still in the synapses.",
    "They become straight pieces between the arrivals, and the level threshold becomes the line U = z.",
)

half_arrived = math.log(2)


def event_driven(t, t_in, weight):
    V = current = last = 0.0
    for i in np.argsort(t_in):
        if t_in[i] < t:
            passed = current * (1 - math.exp(-(t_in[i] - last)))
            V, current, last = V + passed, current - passed + weight[i], t_in[i]
    passed = current * (1 - math.exp(-(t - last)))
    return V + passed, current - passed


def event_driven_2(t, t_in, weight):
    came = sorted(zip(t_in, weight, strict=True))
    current, arrived, now = 0.0, 0.0, None
    for t_i, w_i in came:
        if t_i >= t:
            break
        current = w_i + (current * math.exp(now - t_i) if now is not None else 0.0)
        arrived, now = arrived + w_i, t_i
    current = current * math.exp(now - t) if now is not None else 0.0
    return arrived - current, current  # V + I is what has arrived


def potential(t, t_in, weight):
    came = t_in < t
    return (weight[came] * (1 - np.exp(-(t - t_in[came])))).sum()


def potential_2(t, t_in, weight):
    since = np.where(t_in < t, t - t_in, 0.0)
    return -weight @ np.expm1(-since)


less_than_one = "b"


def top(w_1, w_2, t_2):
    return w_1 * (1 - math.exp(-t_2))


def top_2(w_1, w_2, t_2):
    return -w_1 * math.expm1(-t_2)
