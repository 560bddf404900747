"""Chapter 16, rewiring during training: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {"free_positions": 4, "shares": 15, "rewired_mask": 8, "why_they_last": 5, "still_active": 15}
NOTES = """\
Play the film, or step through it with the slider, and ask where the connections go before anybody reads on. The gain in
accuracy is not more than chance: let the class compute how many seeds it would take. Rounding shares to whole numbers
looks easy and is where most first solutions lose a connection."""
ANSWERS = (
    "Exact: each layer's count. Binomial: each layer's mean only. By momentum: the count of the whole network.",
    "Its pixel spikes last; neurons that have fired by then give it no gradient, it stays at 0 and is pruned first.",
    "The exploration rate: how many connections were ever tried. The number of connections does not reveal it.",
)

free_positions = 500 - 105 + math.ceil(0.1 * 105)


def shares(lost, momentum):
    exact = lost.sum() * momentum / momentum.sum()
    counts = np.floor(exact + 1e-12).astype(int)
    remainders = np.round(exact - counts, 9)
    counts[np.argsort(-remainders, kind="stable")[: lost.sum() - counts.sum()]] += 1
    return counts


def shares_2(lost, momentum):
    total = int(lost.sum())
    exact = [total * m / sum(momentum) for m in momentum]
    counts = [math.floor(share + 1e-12) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: -round(exact[i] - counts[i], 9))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return np.array(counts)


def rewired_mask(weight, mask, score, n):
    size = np.where(mask, abs(weight), np.inf)
    new = mask.copy()
    new[np.argsort(size, kind="stable")[:n]] = False
    candidates = np.flatnonzero(~new)
    new[candidates[np.argsort(-score[candidates], kind="stable")[:n]]] = True
    return new


def rewired_mask_2(weight, mask, score, n):
    active = np.flatnonzero(mask).tolist()
    kept = sorted(active, key=lambda k: (abs(weight[k]), k))[n:]
    free = [k for k in range(len(mask)) if k not in kept]
    kept += sorted(free, key=lambda k: (-score[k], k))[:n]
    return np.isin(np.arange(len(mask)), kept)


why_they_last = "a"


def still_active(N, active, fractions):
    p = 1.0
    for f in fractions:
        count = f * active
        kept = p * (1 - f)
        p = kept + (1 - kept) * count / (N - active + count)
    return p


def still_active_2(N, active, fractions):
    away = 0.0  # the probability that it is off
    for f in fractions:
        away += (1 - away) * f
        away *= (N - active) / (N - active + f * active)  # the free positions that stay free
    return 1 - away
