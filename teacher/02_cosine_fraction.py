"""Chapter 02, the cosine fraction: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

from minisnn import cosine_fraction, round_up

MINUTES = {
    "down_to_a_tenth": 3,
    "replaced_in_total": 8,
    "fractions_of_a_run": 6,
    "gain_of_the_cosine": 6,
    "cubic_fraction": 10,
}
NOTES = """\
Let the class guess first by how much the total changes if the cosine is replaced by a straight line: not at all, by the
same pairing. The rounding error of 0.07 · 100 surprises everyone; type it live. In "break it" half of the class mends one
of the two places only, and the check says which. Ask at the end who would prefer the cubic, and why nobody noticed
that it is nearly the cosine."""
ANSWERS = (
    "The values α and 0 at the two ends, and a slope of 0 at both. A linear schedule has the two values.",
    "Ten of them replace something, on average 0.2 each: 2 times.",
    "A product that should be a whole number can come out a rounding error above it, and `ceil` then replaces one "
    "connection too many.",
)

down_to_a_tenth = math.acos(2 * 0.1 / 0.3 - 1) / math.pi


def replaced_in_total(connections, alpha, t_iter, t_end):
    times = range(t_iter, t_end, t_iter)
    return sum(round_up(cosine_fraction(t, alpha, t_end) * connections) for t in times)


def replaced_in_total_2(connections, alpha, t_iter, t_end):
    times = np.arange(1, (t_end - 1) // t_iter + 1) * t_iter
    fractions = alpha / 2 * (1 + np.cos(np.pi * times / t_end))
    return int(np.ceil(fractions * connections - 1e-9).sum())


def fractions_of_a_run(epochs, batches, t_iter, alpha, t_end):
    found, t = [], 0
    for _ in range(epochs):
        for _ in range(batches):
            t += 1
            if t % t_iter == 0:
                found.append(cosine_fraction(t, alpha, t_end))
    return np.array(found)


def fractions_of_a_run_2(epochs, batches, t_iter, alpha, t_end):
    return cosine_fraction(np.arange(1, epochs * batches // t_iter + 1) * t_iter, alpha, t_end)


gain_of_the_cosine = "b"


def cubic_fraction(nu, alpha, t_end):
    if nu >= t_end:
        return 0.0
    part = nu / t_end
    return alpha * (1 - 3 * part**2 + 2 * part**3)


def cubic_fraction_2(nu, alpha, t_end):
    left = 1 - min(nu / t_end, 1)
    return alpha * left**2 * (3 - 2 * left)  # the same, counted from the end
