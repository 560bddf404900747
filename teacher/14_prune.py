"""Chapter 14, prune rules: solutions, each in a second form, and what to know when it is taught."""

import math

import numpy as np

MINUTES = {
    "pruned_by_set": 3,
    "set_shares": 12,
    "prune_smallest": 6,
    "filters_scaled": 5,
    "share_of_the_sum": 12,
}
NOTES = """\
"Largest negative" is read in two ways by any class; take a vote before the definition. Ties look like pedantry until
someone asks how two machines get the same mask. The explore task is a bridge to chapter 17: magnitude does not know batch
norm."""
ANSWERS = (
    "They were grown last time and have learned nothing since; removing them changes nothing.",
    "The change of the potentials, for any input. How much the loss depends on these potentials is not in it.",
    "Because every later step depends on the mask: runs could not be repeated or compared otherwise.",
)

pruned_by_set = 0.1 + abs(-1)


def set_shares(count, zeros, negatives, positives):
    k_zero = min(count, zeros)
    rest = count - k_zero
    k_neg = round(rest * negatives / max(1, negatives + positives))
    return k_zero, k_neg, rest - k_neg


def set_shares_2(count, zeros, negatives, positives):
    rest, signed = max(0, count - zeros), negatives + positives
    share, remainder = divmod(rest * negatives, signed) if signed else (0, 0)
    if 2 * remainder > signed or (signed and 2 * remainder == signed and share % 2):
        share += 1
    return count - rest, share, rest - share


def prune_smallest(weight, mask, count):
    size = np.where(mask, abs(weight), np.inf)
    return np.sort(np.argsort(size, kind="stable")[:count])


def prune_smallest_2(weight, mask, count):
    positions = sorted(np.flatnonzero(mask).tolist(), key=lambda k: abs(weight[k]))  # sorted is stable
    return np.array(sorted(positions[:count]), int)


filters_scaled = "b"


def share_of_the_sum(f):
    return f + (1 - f) * math.log(1 - f)


def share_of_the_sum_2(f):
    x = -math.log1p(-f)  # the size up to which weights go
    return 1 - (1 + x) * math.exp(-x)
