"""The tasks of chapter 21, events."""

import math

import numpy as np

from minisnn.course.declare import choice, number, task

# warm-up: the brightness rises from 0.1 to 0.8, threshold 0.3
(
    number(21, "warm-up", "events_of_a_rise", 6)
    .usual(7, "a part of a threshold is counted as an event: the last one is not reached", "The derivation")
    .usual(2, "differences of the brightness are taken, not of its logarithm", "The question")
    .usual(math.log(8) / 0.3, "the number is not rounded down to whole events", "The derivation")
    .usual(3, "the logarithm is to base 10", "The question")
    .usual(12, "each crossing is counted twice, as ON and as OFF", "The question")
)


# core: the time surface
@task(21, "core", valid=lambda times, y, x, on, t, tau, size: tau > 0 and size > max([0, *y, *x]))
def surface(times, y, x, on, t, tau, size):
    """For each pixel and polarity by itself: the latest of its events that are not too late."""
    found = np.zeros((size, size, 2))
    for row, column, kind in np.ndindex(found.shape):
        here = times[(y == row) & (x == column) & (on == bool(kind)) & (times <= t)]
        if len(here):
            found[row, column, kind] = math.exp(-(t - int(here.max())) / tau)
    return found


def _events(rng, n, size=3):
    return rng.integers(0, 99, n).cumsum(), *rng.integers(0, size, (2, n), np.intp), rng.random(n) < 0.5


@surface.cases
def _(rng):
    one = np.array([0])
    yield np.array([10]), one, one, np.array([True]), 10, 5.0, 2
    yield np.array([10]), one, one + 1, np.array([False]), 20, 5.0, 2
    yield np.array([10]), one, one, np.array([True]), 9, 5.0, 2
    yield np.array([10, 20]), np.array([0, 0]), np.array([0, 0]), np.array([True, True]), 20, 5.0, 2
    none = np.zeros(0, int)
    yield none, none, none, none > 0, 9, 300.0, 3
    for n in (5, 20, 50, 50, 50):
        times, y, x, on = _events(rng, n)
        yield times, y, x, on, int(times[n // 2]), 300.0, 3


@surface.wrong("events after t count, too", "Core: the time surface")
def from_the_future(times, y, x, on, t, tau, size):
    return np.exp(-(t - _last(times, y, x, on, math.inf, size)) / tau)


@surface.wrong("the event at t itself is left out", "Core: the time surface")
def before_only(times, y, x, on, t, tau, size):
    return np.exp(-(t - _last(times, y, x, on, t - 1, size)) / tau)


@surface.wrong("the first event of a pixel stays: a later one must overwrite it", "Core: the time surface")
def first_stays(times, y, x, on, t, tau, size):
    return np.exp(-(t - _last(times[::-1], y[::-1], x[::-1], on[::-1], t, size)) / tau)


@surface.wrong("ON stands before OFF", "The question")
def on_first(times, y, x, on, t, tau, size):
    return surface(times, y, x, on, t, tau, size)[..., ::-1]


@surface.wrong("rows and columns are swapped", "The question")
def swapped(times, y, x, on, t, tau, size):
    return surface(times, y, x, on, t, tau, size).swapaxes(0, 1)


@surface.wrong(
    "the surface is added up over all events: only the last of a pixel counts", "Core: the time surface"
)
def summed(times, y, x, on, t, tau, size):
    found = np.zeros((size, size, 2))
    early = times <= t
    np.add.at(found, (y[early], x[early], on[early].astype(int)), np.exp(-(t - times[early]) / tau))
    return found


@surface.wrong(
    "the exponent has the wrong sign: the older an event, the less is left", "Core: the time surface"
)
def growing(times, y, x, on, t, tau, size):
    last = _last(times, y, x, on, t, size)
    return np.where(np.isfinite(last), np.exp((t - last) / tau), 0)


@surface.wrong("a bool is used as an index, where NumPy takes it for a mask: turn it into 0 or 1")
def bool_index(times, y, x, on, t, tau, size):
    found = np.zeros((size, size, 2))
    for t_n, row, column, kind in zip(times, y, x, on, strict=True):
        if t_n <= t:
            found[row, column, kind] = np.exp(-(t - t_n) / tau)
    return found


def _last(times, y, x, on, until, size):
    last = np.full((size, size, 2), -np.inf)
    for t_n, row, column, kind in zip(times, y, x, on, strict=True):
        if t_n <= until:
            last[row, column, int(kind)] = t_n
    return last


# break it: frames by number
@task(21, "break it", valid=lambda y, x, on, T, size: 1 <= T <= len(y) and size > max([*y, *x]))
def frames_by_number(y, x, on, T, size):
    """One event after the other."""
    F = np.zeros((T, size, size, 2))
    each = len(y) // T
    for n, (row, column, kind) in enumerate(zip(y, x, on, strict=True)):
        F[T - 1 if n >= each * T else n // each, row, column, int(kind)] += 1
    return F


@frames_by_number.cases
def _(rng):
    yield np.array([0]), np.array([0]), np.array([True]), 1, 2
    yield np.array([0, 0]), np.array([1, 1]), np.array([True, True]), 1, 2
    yield np.array([0, 1, 0]), np.array([1, 1, 0]), np.array([True, False, True]), 2, 2
    for n, T in ((23, 10), (50, 4), (101, 7), (60, 6)):
        yield *_events(rng, n)[1:], T, 3


@frames_by_number.wrong("an index that occurs twice is counted once", "Break it")
def planted(y, x, on, T, size):
    return (frames_by_number(y, x, on, T, size) > 0).astype(float)


@frames_by_number.wrong(
    "the events that are left over are dropped: the last frame takes them", "The derivation"
)
def rest_dropped(y, x, on, T, size):
    whole = len(y) // T * T
    return frames_by_number(y[:whole], x[:whole], on[:whole], T, size)


@frames_by_number.wrong("the parts are rounded up, so that the last one gets fewer events", "The derivation")
def rounded_up(y, x, on, T, size):
    F, each = np.zeros((T, size, size, 2)), -(-len(y) // T)
    np.add.at(F, (np.arange(len(y)) // each, y, x, on.astype(int)), 1)
    return F


@frames_by_number.wrong("the polarity is flipped", "The question")
def flipped(y, x, on, T, size):
    return frames_by_number(y, x, ~on, T, size)


@frames_by_number.wrong("rows and columns are swapped", "The question")
def mirrored(y, x, on, T, size):
    return frames_by_number(x, y, on, T, size)


@frames_by_number.wrong(
    "the events left over are shared among the frames: the last one takes them", "The derivation"
)
def shared_out(y, x, on, T, size):
    F, n = np.zeros((T, size, size, 2)), len(y)
    np.add.at(F, (np.arange(n) * T // n, y, x, on.astype(int)), 1)
    return F


# explore: which change costs most?
(
    choice(21, "explore", "worst_change", "b")
    .wrong("a", "Its bar is nearly as high as that of the frames in order.")
    .wrong("c", "Its bar is nearly as high as that of the frames in order: the net adds up what it sees.")
    .wrong("d", "It costs a few points, as printed there. Read the bars once more.", "Break it")
)


# derive: the jitter of an event
@task(
    21, "derive", rtol=1e-5, atol=1e-8, valid=lambda theta, rise, sigma: abs(rise) > 0.05 and 0 <= theta <= 1
)
def jitter(theta, rise, sigma):
    """Central differences of θ, by both ends; the variances added up."""

    def crossing(first, last):
        return (theta * rise - first) / (rise + last - first)  # the level lies at θ rise above the first

    h = 1e-5 * abs(rise)
    slopes = [(crossing(h, 0) - crossing(-h, 0)) / (2 * h), (crossing(0, h) - crossing(0, -h)) / (2 * h)]
    return round(sigma * math.hypot(*slopes), 9)


@jitter.cases
def _(rng):
    yield from (
        (0.5, 1.0, 0.1),
        (0.0, 1.0, 0.1),
        (1.0, 1.0, 0.1),
        (0.5, 2.0, 0.1),
        (0.5, -1.0, 0.1),
        (0.25, 1.0, 0.0),
    )
    for _ in range(8):
        yield (
            float(rng.uniform(0, 1)),
            float(rng.choice([-1, 1]) * rng.uniform(0.3, 2)),
            float(rng.uniform(0, 0.2)),
        )


@jitter.wrong("the errors themselves are added, not their squares: independent errors cancel in part")
def added(theta, rise, sigma):
    return sigma / abs(rise)


@jitter.wrong("the root is left out: this is the variance")
def variance(theta, rise, sigma):
    return (sigma / rise) ** 2 * (theta**2 + (1 - theta) ** 2)


@jitter.wrong("a standard deviation has no sign: the slope's size counts")
def negative(theta, rise, sigma):
    return sigma * math.sqrt(theta**2 + (1 - theta) ** 2) / rise


@jitter.wrong("the error of Λ₀ is left out", "The gradients, checked")
def last_only(theta, rise, sigma):
    return sigma * theta / abs(rise)


@jitter.wrong("the error of Λ₁ is left out", "The gradients, checked")
def first_only(theta, rise, sigma):
    return sigma * (1 - theta) / abs(rise)


@jitter.wrong("the size of the step is left out: a slow change is moved more", "The gradients, checked")
def no_rise(theta, rise, sigma):
    return sigma * math.sqrt(theta**2 + (1 - theta) ** 2)
