"""The tasks of chapter 15, grow rules."""

import math
from itertools import combinations

import numpy as np

from minisnn.course.declare import choice, number, task

# warm-up: 640 positions, 64 active, 20 at a time
(
    number(15, "warm-up", "longest_wait", 29)
    .usual(
        28, "the last part of the queue is left out: a part of a rewiring is a whole one", "The derivation"
    )
    .usual(32, "the whole layer stands in the queue; the active positions do not", "The derivation")
    .usual(28.8, "the number is left as a fraction: rewirings are whole", "The derivation")
    .usual(30, "those that were pruned at the same time are counted once more", "The derivation")
    .usual(4, "the active positions stand in the queue, in place of the absent ones", "The derivation")
)


# core: the gradient of an absent synapse
@task(
    15,
    "core",
    rtol=1e-4,
    atol=1e-6,
    valid=lambda z_in, w, i: 0 <= i < len(w) == len(z_in) and _clear(z_in, w, i),
)
def absent_gradient(z_in, w, i):
    """Central differences of the firing time, which is found interval by interval."""
    h, moved = 1e-6, []
    for step in (h, -h):
        changed = np.array(w, float)
        changed[i] += step
        moved.append(_first(z_in, changed))
    return 0.0 if math.isinf(moved[0]) else round((moved[0] - moved[1]) / (2 * h), 8)


def _first(z_in, w):
    """The first crossing of a neuron: in each interval between two arrivals its potential is a line."""
    order = np.argsort(z_in, kind="stable")
    A = Q = 0.0
    for n, k in enumerate(order):
        A, Q = A + w[k], Q + w[k] * z_in[k]
        until = z_in[order[n + 1]] if n + 1 < len(order) else math.inf
        if A > 1 and z_in[k] <= Q / (A - 1) <= until:
            return Q / (A - 1)
    return math.inf


def _clear(z_in, w, i):
    """Whether the neuron is far from kinks: from other causal sets, from silence."""
    z = _first(z_in, np.asarray(w))
    A = w[z_in < z].sum()
    near = [_first(z_in, w + e * (np.arange(len(w)) == i)) for e in (1e-4, -1e-4)]
    if math.isinf(z):
        return all(math.isinf(other) for other in near)
    return A - 1 > 0.15 and min(abs(z_in - z)) > 0.05 and max(abs(other - z) for other in near) < 0.05


@absent_gradient.cases
def _(rng):
    late, early, w = np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, 3.0]), np.array([0.8, 0.6, 0.0])
    yield from ((late, w, 0), (late, w, 2), (early, w, 2), (late, w / 2, 2))
    found = 0
    while found < 25:
        case = 1 + 5 * rng.random(6), (rng.random(6) < 0.6) * rng.normal(0.5, 0.5, 6), int(rng.integers(6))
        if _clear(*case):
            found += 1
            yield case


def _by_formula(z_in, w, i, sign=-1.0, causal=True, late=0.0, below=1.0, silent=0.0):
    z = _first(z_in, w)
    if math.isinf(z):
        return silent
    A = w[z_in < z].sum() if causal else w.sum()
    return sign * (late if z < z_in[i] and late is not None else z - z_in[i]) / (A - below)


@absent_gradient.wrong("the sign is lost: a larger weight makes the spike earlier", "The derivation")
def later(z_in, w, i):
    return _by_formula(z_in, w, i, sign=1.0)


@absent_gradient.wrong("all weights are added up, and not those that came before the spike", "The derivation")
def all_weights(z_in, w, i):
    return _by_formula(z_in, w, i, causal=False)


@absent_gradient.wrong(
    "an input that comes after the spike moves it, too: the maximum with 0 is left out", "The derivation"
)
def no_maximum(z_in, w, i):
    return _by_formula(z_in, w, i, late=None)


@absent_gradient.wrong(
    "the 1 is left out of the denominator: the line that the potential must cross rises, too",
    "The derivation",
)
def no_one(z_in, w, i):
    return _by_formula(z_in, w, i, below=0.0)


@absent_gradient.wrong("a neuron that never fires has no gradient, and here it is not 0")
def silent_is_nan(z_in, w, i):
    return _by_formula(z_in, w, i, silent=math.nan)


@absent_gradient.wrong(
    "a neuron that never fires is not looked for: its gradient is 0, and here it is infinite"
)
def silent_is_infinite(z_in, w, i):
    A = w.sum()
    return _by_formula(z_in, w, i) if math.isfinite(_first(z_in, w)) else -math.inf / (A - 1)


@absent_gradient.wrong(
    "an absent synapse is taken to have no gradient: that of its weight is not 0", "The derivation"
)
def masked(z_in, w, i):
    return _by_formula(z_in, w, i) * (w[i] != 0)


# break it: growth by the largest gradient
@task(
    15,
    "break it",
    valid=lambda gradient, mask, count: len(gradient) == len(mask) and 0 <= count <= (~mask).sum(),
)
def grow_largest(gradient, mask, count):
    """The best of all sets: the first in order of position of those with the largest sum of squares."""
    sets = list(combinations(np.flatnonzero(~mask).tolist(), count))
    best = max(sets, key=lambda chosen: sum(gradient[k] ** 2 for k in chosen))
    return np.array(best, int)


@grow_largest.cases
def _(rng):
    none = np.zeros(2, bool)
    yield np.array([-3.0, 1.0]), none, 1
    yield np.array([3.0, 1.0]), none, 1
    yield np.array([2.0, -2.0]), none, 1
    yield np.array([1.0, -3.0, 5.0]), np.array([False, False, True]), 1
    yield np.array([1.0, -3.0, 2.0]), np.zeros(3, bool), 0
    for _ in range(12):
        mask = rng.random(8) < 0.4
        yield rng.integers(-4, 5, 8).astype(float), mask, int(rng.integers((~mask).sum() + 1))


def _top(score, mask, count, last=False):
    free = [k for k in range(len(mask)) if not mask[k]]
    free.sort(key=lambda k: (-score[k], -k if last else k))
    return np.array(sorted(free[:count]), int)


@grow_largest.wrong("negative gradients are left aside: their size counts", "The question")
def planted(gradient, mask, count):
    return _top(gradient, mask, count)


@grow_largest.wrong("the smallest gradients grow", "The question")
def smallest(gradient, mask, count):
    return _top(-abs(gradient), mask, count)


@grow_largest.wrong("positions that are active grow again", "The question")
def among_all(gradient, mask, count):
    return _top(abs(gradient), np.zeros_like(mask), count)


@grow_largest.wrong("positions are counted among the free ones only, and not in the whole layer")
def among_free(gradient, mask, count):
    return np.sort(np.argsort(-abs(gradient[~mask]), kind="stable")[:count])


@grow_largest.wrong("of equal gradients the last is taken, not the first")
def ties_to_the_last(gradient, mask, count):
    return _top(abs(gradient), mask, count, last=True)


@grow_largest.wrong("the gradient is masked before it is read: free positions then have none", "Break it")
def masked_gradient(gradient, mask, count):
    return _top(abs(gradient * mask), mask, count)


@grow_largest.wrong("active positions are marked by −∞, whose magnitude is the largest of all")
def infinite_size(gradient, mask, count):
    return _top(abs(np.where(mask, -np.inf, gradient)), np.zeros_like(mask), count)


@grow_largest.wrong("positions stand in the order of their gradients")
def unsorted(gradient, mask, count):
    return np.argsort(-np.where(mask, -np.inf, abs(gradient)), kind="stable")[:count]


# explore: what a larger batch does
(
    choice(15, "explore", "larger_batches", "a")
    .wrong("b", "The dashed line is what two *random* choices have in common. The curve lies elsewhere.")
    .wrong("c", "A choice at random lies on the dashed line. Does the curve go towards it?")
)


# derive: what random growth is worth
@task(
    15,
    "derive",
    valid=lambda gradient, mask, count, lr: len(gradient) == len(mask) and 0 <= count <= (~mask).sum() > 0,
)
def expected_fall(gradient, mask, count, lr):
    """The mean over all sets."""
    sets = list(combinations(gradient[~mask].tolist(), count))
    return lr * sum(sum(g * g for g in chosen) for chosen in sets) / len(sets)


@expected_fall.cases
def _(rng):
    yield np.array([1.0, 2.0]), np.array([False, False]), 1, 1.0
    yield np.array([1.0, 2.0, 3.0]), np.array([False, False, True]), 1, 1.0
    yield np.array([1.0, -2.0, 3.0]), np.array([False, False, True]), 2, 0.5
    yield np.array([1.0, -2.0, 3.0]), np.array([False, False, True]), 0, 0.5
    for _ in range(8):
        mask = np.arange(8) < rng.integers(1, 5)
        yield rng.normal(size=8), mask, int(rng.integers(1, 4)), float(rng.uniform(0.1, 1))


@expected_fall.wrong("the squares are left out", "The derivation")
def not_squared(gradient, mask, count, lr):
    return lr * count * abs(gradient[~mask]).mean()


@expected_fall.wrong("active positions are counted among those that can grow", "The derivation")
def all_positions(gradient, mask, count, lr):
    return lr * count * (gradient**2).mean()


@expected_fall.wrong("the mean is squared: it is the squares that are averaged", "The derivation")
def squared_mean(gradient, mask, count, lr):
    return lr * count * gradient[~mask].mean() ** 2


@expected_fall.wrong(
    "a free position is taken to be drawn with count / N: active positions cannot be drawn", "The question"
)
def drawn_from_all(gradient, mask, count, lr):
    return lr * count * (gradient[~mask] ** 2).sum() / len(gradient)


@expected_fall.wrong("the number that grow is left out: this is the worth of one connection")
def of_one(gradient, mask, count, lr):
    return lr * (gradient[~mask] ** 2).mean()


@expected_fall.wrong("the largest gradients are taken: that is gradient growth", "The question")
def largest(gradient, mask, count, lr):
    return lr * np.sort(gradient[~mask] ** 2)[::-1][:count].sum()


@expected_fall.wrong("all free positions grow")
def all_free(gradient, mask, count, lr):
    return lr * (gradient[~mask] ** 2).sum()


@expected_fall.wrong("the learning rate is left out", "The derivation")
def no_rate(gradient, mask, count, lr):
    return count * (gradient[~mask] ** 2).mean()
