"""The tasks of chapter 14, prune rules."""

import math
from itertools import combinations

import numpy as np
from scipy.integrate import quad

from minisnn.course.declare import choice, number, task
from minisnn.structure.prune import prune_set

# warm-up: 0.1, 0.2, 0.3, -1, -2, -3, two pruned by SET
(
    number(14, "warm-up", "pruned_by_set", 1.1)
    .usual(0.3, "signs are not balanced: this is the magnitude rule", "The derivation")
    .usual(3.1, '"largest negative" is taken for the most negative: it is the one closest to 0', "Break it")
    .usual(3.3, "the largest weights of each sign go, not the smallest", "The question")
    .usual(-0.9, "weights are added up with their signs")
    .usual(3.0, "two negative weights go: each sign gives its share", "The derivation")
)


# core: the shares of SET
@task(
    14,
    "core",
    valid=lambda count, zeros, negatives, positives: (
        min(count, zeros, negatives, positives) >= 0 and count <= zeros + negatives + positives
    ),
)
def set_shares(count, zeros, negatives, positives):
    """Counted in what the library prunes."""
    weight = np.repeat([0.0, -1.0, 1.0], [zeros, negatives, positives])
    gone = weight[prune_set(weight, np.ones(len(weight), bool), count)]
    return int((gone == 0).sum()), int((gone < 0).sum()), int((gone > 0).sum())


@set_shares.cases
def _(rng):
    yield from (
        (4, 0, 4, 4),
        (1, 0, 3, 3),
        (3, 0, 3, 3),
        (5, 2, 1, 9),
        (3, 5, 4, 4),
        (4, 1, 6, 0),
        (2, 2, 0, 0),
        (3, 2, 0, 4),
    )
    yield from ((0, 0, 0, 0), (0, 1, 1, 1))
    for _ in range(40):
        zeros, negatives, positives = (int(n) for n in rng.integers(0, 9, 3))
        yield int(rng.integers(zeros + negatives + positives + 1)), zeros, negatives, positives


def _shares(count, zeros, negatives, positives, rounded=round, zeros_first=True):
    k_zero = min(count, zeros) if zeros_first else max(0, count - negatives - positives)
    rest = count - k_zero
    k_neg = rounded(rest * negatives / max(1, negatives + positives))
    return k_zero, k_neg, rest - k_neg


@set_shares.wrong("halves are rounded up: they go to the even number", "The derivation")
def half_up(count, zeros, negatives, positives):
    return _shares(count, zeros, negatives, positives, lambda x: int(x + 0.5))


@set_shares.wrong("the share of the negatives is rounded up", "The derivation")
def ceil(count, zeros, negatives, positives):
    return _shares(count, zeros, negatives, positives, math.ceil)


@set_shares.wrong("the share of the negatives is rounded down", "The derivation")
def floor(count, zeros, negatives, positives):
    return _shares(count, zeros, negatives, positives, math.floor)


@set_shares.wrong("the share of the positives is rounded, and the negatives get the rest", "The derivation")
def other_sign(count, zeros, negatives, positives):
    k_zero, k_pos, k_neg = _shares(count, zeros, positives, negatives)
    return k_zero, k_neg, k_pos


@set_shares.wrong("zeros are pruned last; they go first", "The derivation")
def zeros_last(count, zeros, negatives, positives):
    return _shares(count, zeros, negatives, positives, zeros_first=False)


@set_shares.wrong("each sign gives half, whatever its share of the weights", "The derivation")
def halves(count, zeros, negatives, positives):
    k_zero = min(count, zeros)
    rest = count - k_zero
    return k_zero, rest // 2, rest - rest // 2


@set_shares.wrong("a layer without positive and negative weights divides 0 by 0", "Core: the shares of SET")
def zero_by_zero(count, zeros, negatives, positives):
    k_zero = min(count, zeros)
    k_neg = round((count - k_zero) * negatives / (negatives + positives))
    return k_zero, k_neg, count - k_zero - k_neg


@set_shares.wrong("both shares are rounded, so that their sum may be off", "The derivation")
def both_rounded(count, zeros, negatives, positives):
    k_zero, k_neg, _ = _shares(count, zeros, negatives, positives)
    return k_zero, k_neg, round((count - k_zero) * positives / max(1, negatives + positives))


@set_shares.wrong(
    "the share is one of all weights, zeros among them: only signed ones count", "The derivation"
)
def share_of_all(count, zeros, negatives, positives):
    k_zero = min(count, zeros)
    k_neg = round(count * negatives / max(1, zeros + negatives + positives))
    return k_zero, k_neg, count - k_zero - k_neg


@set_shares.wrong("all zeros go, even where fewer are to be pruned", "The derivation")
def all_zeros(count, zeros, negatives, positives):
    rest = max(0, count - zeros)
    k_neg = round(rest * negatives / max(1, negatives + positives))
    return zeros, k_neg, rest - k_neg


@set_shares.wrong("negatives and positives have changed places", "Core: the shares of SET")
def swapped(count, zeros, negatives, positives):
    k_zero, k_neg, k_pos = _shares(count, zeros, negatives, positives)
    return k_zero, k_pos, k_neg


# break it: a threshold
@task(14, "break it", valid=lambda weight, mask, count: len(weight) == len(mask) and 0 <= count <= mask.sum())
def prune_smallest(weight, mask, count):
    """The best of all sets: the first in order of position of those with the smallest sum."""
    sets = combinations(np.flatnonzero(mask).tolist(), count)
    return np.array(min(sets, key=lambda chosen: sum(abs(weight[k]) for k in chosen)), int)


@prune_smallest.cases
def _(rng):
    both = np.array([True, True])
    yield np.array([2.0, 1.0]), both, 1
    yield np.array([1.0, 1.0]), both, 1
    yield np.array([0.0, 0.0, 0.0]), np.ones(3, bool), 1
    yield np.array([-2.0, 1.0]), both, 1
    yield np.array([0.0, 1.0, -2.0]), np.array([False, True, True]), 1
    yield np.array([1.0, 2.0]), both, 0
    yield np.array([2.0, 2.0, 1.0]), np.ones(3, bool), 2
    for _ in range(16):
        mask = rng.random(8) < 0.7
        yield mask * rng.integers(-3, 4, 8).astype(float), mask, int(rng.integers(mask.sum() + 1))
    for count in (1, 2, 3) * 2:  # NumPy's quick sort is stable up to 16 elements
        yield rng.integers(-2, 3, 40).astype(float), np.ones(40, bool), count


def _lowest(score, mask, count, last=False):
    active = [k for k in range(len(mask)) if mask[k]]
    active.sort(key=lambda k: (score[k], -k if last else k))
    return np.array(sorted(active[:count]), int)


@prune_smallest.wrong("everything up to a threshold goes, also what ties with it", "Break it")
def planted(weight, mask, count):
    size = np.where(mask, abs(weight), np.inf)
    return np.flatnonzero(size <= np.sort(size)[count - 1]) if count else np.array([], int)


@prune_smallest.wrong("the most negative weights go: their size counts", "The question")
def signed(weight, mask, count):
    return _lowest(weight, mask, count)


@prune_smallest.wrong("positions without a connection are pruned, too: they hold a 0", "The question")
def inactive_too(weight, mask, count):
    return _lowest(abs(weight), np.ones_like(mask), count)


@prune_smallest.wrong("positions are counted among the connections only, and not in the whole layer")
def among_connections(weight, mask, count):
    size = abs(weight[mask])
    return np.sort(np.argsort(size, kind="stable")[:count])


@prune_smallest.wrong("of equals the last goes", "The derivation")
def ties_to_the_last(weight, mask, count):
    return _lowest(abs(weight), mask, count, last=True)


@prune_smallest.wrong("the largest weights go", "The question")
def largest(weight, mask, count):
    return _lowest(-abs(weight), mask, count)


@prune_smallest.wrong(
    "of all up to the threshold the first go, so that a smaller weight behind them may stay"
)
def first_up_to_it(weight, mask, count):
    return planted(weight, mask, count)[:count]


@prune_smallest.wrong("what is as large as the threshold stays, also the one that it comes from", "Break it")
def below_it(weight, mask, count):
    size = np.where(mask, abs(weight), np.inf)
    return np.flatnonzero(size < np.sort(size)[count - 1]) if count else np.array([], int)


@prune_smallest.wrong("positions stand in the order of their weights", "Break it: a threshold")
def unsorted(weight, mask, count):
    return np.argsort(np.where(mask, abs(weight), np.inf), kind="stable")[:count]


# explore: the same function, another mask
(
    choice(14, "explore", "filters_scaled", "b")
    .wrong(
        "a",
        "The network computes the same, but the rule reads weights. The curves part.",
        "What remains of a filter",
    )
    .wrong("c", "Which curve lies below? And which weights are closest to 0?", "What remains of a filter")
)


# derive: how much goes?
@task(14, "derive", rtol=1e-6, atol=1e-9, valid=lambda f: 0 <= f < 1)
def share_of_the_sum(f):
    """Integrated numerically up to the quantile."""
    return quad(lambda x: x * math.exp(-x), 0, -math.log1p(-f), epsabs=1e-12)[0]


@share_of_the_sum.cases
def _(rng):
    for f in (0.5, 0.1, 0.9, 0.0, 0.3, 0.99):
        yield (f,)


@share_of_the_sum.wrong("weights are counted, not added up", "The derivation")
def counted(f):
    return f


@share_of_the_sum.wrong(
    "all sizes up to the largest are taken to be equally frequent", "Derive: how much goes?"
)
def uniform(f):
    return f**2


@share_of_the_sum.wrong(
    "f itself is taken for the size up to which weights go: it is the share of them below",
    "Derive: how much goes?",
)
def up_to_f(f):
    return 1 - (1 + f) * math.exp(-f)


@share_of_the_sum.wrong("the factor 1 − f before the logarithm is left out")
def no_factor(f):
    return f + math.log(1 - f)


@share_of_the_sum.wrong("this is what stays", "Derive: how much goes?")
def what_stays(f):
    return 1 - share_of_the_sum(f)


@share_of_the_sum.wrong("a sign is lost: the logarithm of a number below 1 is negative")
def sign(f):
    return f - (1 - f) * math.log(1 - f)


@share_of_the_sum.wrong(
    "f is taken for the share of the weights that are larger than x: it is that of the smaller ones",
    "Derive: how much goes?",
)
def larger_ones(f):
    return 1 - f * (1 - np.log(f))
