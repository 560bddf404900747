"""The tasks of chapter 16, rewiring during training."""

from fractions import Fraction

import numpy as np

from minisnn.course.declare import choice, number, task

# warm-up: 500 positions, 105 connections, a tenth pruned: 11
(
    number(16, "warm-up", "free_positions", 406)
    .usual(395, "those just pruned are left out: they are free, too", "The derivation")
    .usual(405, "the number to prune is rounded down: Algorithm 1 rounds it up", "The derivation")
    .usual(405.5, "the number to prune is not rounded", "The derivation")
    .usual(384, "those just pruned are subtracted once more", "The derivation")
    .usual(11, "this is how many grow, not among how many")
)


# core: shared by momentum
@task(
    16,
    "core",
    valid=lambda lost, momentum: (
        len(lost) == len(momentum) > 0 and min(momentum) >= 0 < sum(momentum) and min(lost) >= 0
    ),
)
def shares(lost, momentum):
    """One connection after the other, in exact fractions: to the layer that is furthest below its share."""
    total, parts = int(sum(lost)), [Fraction(float(m)) for m in momentum]
    exact = [total * part / sum(parts) for part in parts]
    counts = [int(share) for share in exact]
    while sum(counts) < total:
        missing = [share - count for share, count in zip(exact, counts, strict=True)]
        counts[missing.index(max(missing))] += 1
    return np.array(counts)


@shares.cases
def _(rng):
    yield np.array([4, 0]), np.array([1.0, 1.0])
    yield np.array([3, 0]), np.array([1.0, 1.0])
    yield np.array([10, 0, 1]), np.array([1.0, 1.0, 1.0])
    yield np.array([1, 0, 0]), np.array([1.0, 1.0, 2.0])
    yield np.array([0, 0]), np.array([1.0, 3.0])
    for _ in range(25):
        yield rng.integers(0, 50, 4), rng.integers(1, 9, 4) / 4


def _exact(lost, momentum):
    return lost.sum() * momentum / momentum.sum()


@shares.wrong("each share is rounded by itself, so that their sum may be off", "Core: shared by momentum")
def rounded(lost, momentum):
    return np.rint(_exact(lost, momentum)).astype(int)


@shares.wrong("what is left after rounding down is given to nobody", "Core: shared by momentum")
def floored(lost, momentum):
    return np.floor(_exact(lost, momentum)).astype(int)


@shares.wrong(
    "what is left goes to the layers with the largest momentum, not with the largest remainder",
    "Core: shared by momentum",
)
def to_the_largest(lost, momentum):
    counts = floored(lost, momentum)
    counts[np.argsort(-momentum, kind="stable")[: lost.sum() - counts.sum()]] += 1
    return counts


@shares.wrong("what is left goes to the smallest remainders", "Core: shared by momentum")
def smallest(lost, momentum):
    exact, counts = _exact(lost, momentum), floored(lost, momentum)
    counts[np.argsort(exact - counts, kind="stable")[: lost.sum() - counts.sum()]] += 1
    return counts


@shares.wrong("each layer gets back what it has lost", "The derivation")
def own(lost, momentum):
    return lost.copy()


@shares.wrong("of equal remainders the last gets one first", "Core: shared by momentum")
def last_first(lost, momentum):
    return shares(lost, momentum[::-1])[::-1]


@shares.wrong("shares are left as fractions: connections are whole", "Core: shared by momentum")
def fractions_left(lost, momentum):
    return _exact(lost, momentum)


@shares.wrong("all that is left over goes to one layer: each gets one at most", "Core: shared by momentum")
def all_to_one(lost, momentum):
    counts = floored(lost, momentum)
    counts[np.argmax(_exact(lost, momentum) - counts)] += lost.sum() - counts.sum()
    return counts


# break it: a rewiring that loses connections
@task(
    16,
    "break it",
    valid=lambda weight, mask, score, n: len(weight) == len(mask) == len(score) and 0 <= n <= mask.sum(),
)
def rewired_mask(weight, mask, score, n):
    """Sets, one position at a time."""
    active = {k for k in range(len(mask)) if mask[k]}
    for _ in range(n):
        active.remove(min(active, key=lambda k: (abs(weight[k]), k)))
    for _ in range(n):
        active.add(max(set(range(len(mask))) - active, key=lambda k: (score[k], -k)))
    return np.isin(np.arange(len(mask)), list(active))


@rewired_mask.cases
def _(rng):
    on = np.array([True, False])
    yield np.array([1.0, 0.0]), on, np.array([1.0, 2.0]), 1
    yield np.array([1.0, 0.0]), on, np.array([2.0, 1.0]), 1
    yield np.array([1.0, 2.0]), np.array([True, True]), np.array([1.0, 2.0]), 1
    yield (
        np.array([1.0, 2.0, -3.0, 0.0]),
        np.array([True, True, True, False]),
        np.array([5.0, 1.0, 1.0, 2.0]),
        2,
    )
    yield np.array([1.0, 0.0, 0.0]), np.array([True, False, False]), np.array([-1.0, 1.0, -2.0]), 1
    for _ in range(16):
        mask = rng.random(7) < rng.choice([0.3, 0.8])
        yield (
            mask * rng.normal(size=7),
            mask,
            rng.permutation(7) - 3.0,
            int(rng.integers(mask.sum() + 1)),
        )


def _rewire(weight, mask, score, n, size=abs, among=None, sign=1, forget=False):
    size = np.where(mask, size(weight), np.inf)
    new = mask.copy()
    new[np.argsort(size, kind="stable")[:n]] = False
    free = np.flatnonzero(~new if among is None else among)
    grown = free[np.argsort(-sign * score[free], kind="stable")[:n]]
    if forget:
        new = mask.copy()
    new[grown] = True
    return new


@rewired_mask.wrong(
    "the free positions are those before pruning: those just pruned may grow again", "The derivation"
)
def planted(weight, mask, score, n):
    return _rewire(weight, mask, score, n, among=~mask)


@rewired_mask.wrong("the largest weights are pruned", "Break it: a rewiring that loses connections")
def prunes_largest(weight, mask, score, n):
    return _rewire(weight, mask, score, n, size=lambda w: -abs(w))


@rewired_mask.wrong(
    "the lowest weights are pruned, not the smallest in size: a strong negative weight counts",
    "Break it: a rewiring that loses connections",
)
def signed_size(weight, mask, score, n):
    return _rewire(weight, mask, score, n, size=lambda w: w)


@rewired_mask.wrong("the lowest scores grow", "Break it: a rewiring that loses connections")
def grows_lowest(weight, mask, score, n):
    return _rewire(weight, mask, score, n, sign=-1)


@rewired_mask.wrong(
    "connections are looked for among all positions, also among those that are active", "The derivation"
)
def among_all(weight, mask, score, n):
    return _rewire(weight, mask, score, n, among=np.ones_like(mask))


@rewired_mask.wrong("what is pruned is not switched off", "The derivation")
def not_switched_off(weight, mask, score, n):
    return _rewire(weight, mask, score, n, forget=True)


@rewired_mask.wrong("scores are compared by size: a negative one is low")
def size_of_scores(weight, mask, score, n):
    return _rewire(weight, mask, abs(score), n)


@rewired_mask.wrong(
    "fewer are pruned where too few were free before: n go, and are free themselves", "The derivation"
)
def prunes_fewer(weight, mask, score, n):
    return _rewire(weight, mask, score, min(n, (~mask).sum()), among=~mask)


@rewired_mask.wrong("the number is made up by the first pruned, whatever their scores", "The derivation")
def refilled(weight, mask, score, n):
    new = planted(weight, mask, score, n)
    new[np.argsort(np.where(mask, abs(weight), np.inf))[: mask.sum() - new.sum()]] = True
    return new


# explore: how long do the first connections last?
(
    choice(16, "explore", "why_they_last", "a")
    .wrong("b", "The blue curve counts only connections that were never off.")
    .wrong("c", "The cosine is in both curves: they have the same numbers of pruned connections.")
)


# derive: is it still there?
@task(
    16,
    "derive",
    valid=lambda N, active, fractions: (
        0 < active <= N
        and len(fractions) > 0
        and all(0 <= f <= 1 for f in fractions)
        and (active < N or min(fractions) > 0)
    ),
)
def still_active(N, active, fractions):
    """A chain of two states, on and off: its matrices multiplied."""
    state = np.array([1.0, 0.0])
    for f in fractions:
        grow = f * active / (N - active + f * active)
        prune_step = np.array([[1 - f, f], [0, 1]])
        grow_step = np.array([[1, 0], [grow, 1 - grow]])
        state = state @ prune_step @ grow_step
    return float(state[0])


@still_active.cases
def _(rng):
    yield 10, 2, [0.5]
    yield 10, 2, [0.5, 0.5]
    yield 10, 8, [0.5]
    yield 10, 2, [0.0]
    yield 10, 2, [1.0]
    for _ in range(8):
        N = int(rng.integers(20, 200))
        yield N, int(rng.integers(2, N)), [float(f) for f in rng.uniform(0, 1, int(rng.integers(1, 6)))]


def _chance(N, active, fractions, free):
    p = 1.0
    for f in fractions:
        p *= 1 - f
        p += (1 - p) * f * active / free(f)
    return p


@still_active.wrong(
    "what was pruned never comes back: a free position may grow again", "Derive: is it still there?"
)
def for_good(N, active, fractions):
    return float(np.prod(1 - np.array(fractions)))


@still_active.wrong("those just pruned are not counted among the free positions", "The derivation")
def free_before(N, active, fractions):
    return _chance(N, active, fractions, lambda f: max(N - active, 1e-300))


@still_active.wrong(
    "new connections are drawn from all positions, also from those that are active", "The derivation"
)
def from_all(N, active, fractions):
    return _chance(N, active, fractions, lambda f: N)


@still_active.wrong(
    "those just pruned are left out among those that may grow: they are free, and may grow at once",
    "The derivation",
)
def not_at_once(N, active, fractions):
    p = 1.0
    for f in fractions:
        p = p * (1 - f) + (1 - p) * f * active / (N - active + f * active)
    return p


@still_active.wrong("fractions are added up, where what is left must be multiplied")
def added(N, active, fractions):
    return 1 - sum(fractions)


@still_active.wrong("only those pruned in the last rewiring can come back")
def last_only(N, active, fractions):
    *before, last = fractions
    p = float(np.prod(1 - np.array(before)))
    return p * (1 - last) + p * last * last * active / (N - active + last * active) if last else p
