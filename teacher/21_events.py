"""Chapter 21, events: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {"events_of_a_rise": 3, "surface": 12, "frames_by_number": 8, "worst_change": 6, "jitter": 12}
NOTES = """\
Pass one line of bytes round and let the class decode it before you show the code. `F[i] += 1` surprises everyone who
has not met it.
The explore task is a good place to ask what an accuracy proves. With a quarter of the events left out, multiply the
frames by 4/3: from 75 to 90 %. What the net missed was the scale."""
ANSWERS = (
    "The cloud changes the logarithm of every pixel while one looks; at a constant half of the light nothing changes.",
    "100 in each of the first nine, 103 in the last.",
    "Next to nothing: the net learns the flipped frames as well. A good accuracy is no check of a reader.",
)

events_of_a_rise = math.floor(math.log(0.8 / 0.1) / 0.3)


def surface(times, y, x, on, t, tau, size):
    found = np.zeros((size, size, 2))
    for t_n, row, column, kind in zip(times, y, x, on, strict=True):
        if t_n <= t:
            found[row, column, int(kind)] = math.exp((t_n - t) / tau)
    return found


def surface_2(times, y, x, on, t, tau, size):
    last = np.full((size, size, 2), -np.inf)
    early = times <= t
    np.maximum.at(last, (y[early], x[early], on[early].astype(int)), times[early])
    return np.exp((last - t) / tau)


def frames_by_number(y, x, on, T, size):
    n = len(y)
    part = np.minimum(np.arange(n) // (n // T), T - 1)
    F = np.zeros((T, size, size, 2))
    np.add.at(F, (part, y, x, on.astype(int)), 1)
    return F


def frames_by_number_2(y, x, on, T, size):
    part = (np.arange(len(y)) // (len(y) // T)).clip(max=T - 1)
    place = ((part * size + y) * size + x) * 2 + on
    return np.bincount(place, minlength=T * size * size * 2).reshape(T, size, size, 2).astype(float)


worst_change = "b"


def jitter(theta, rise, sigma):
    return sigma * math.sqrt(theta**2 + (1 - theta) ** 2) / abs(rise)


def jitter_2(theta, rise, sigma):
    return abs(sigma / rise) * np.hypot(theta, 1 - theta)
