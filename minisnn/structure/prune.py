"""Prune rules: which connections are removed. One rule is one function (chapter 14):

    rule(weight, mask, count) -> positions

weight: any shape. mask: bool, the same shape. count: exactly how many of the active connections to prune.
positions: [count] indices into the flattened weight. Equal weights are pruned in order of their index, so
the same weights give the same masks on every array library. What a rule returns is checked in `answers.py`.
`register` gives a rule the name that recipes and the command line have for it.
"""

from __future__ import annotations

from collections.abc import Callable

from minisnn.arguments import bools, floating, whole
from minisnn.backend import Array, array_module
from minisnn.lookup import register

PruneRule = Callable[[Array, Array, int], Array]

RULES: dict[str, PruneRule] = {}
"""By name. In place of a name recipes take any function, and `module:name`."""


@register(RULES, "magnitude")
def prune_magnitude(weight: Array, mask: Array, count: int) -> Array:
    """The `count` active weights with the smallest |w| (Han et al. 2015; chapter 14).

    weight: floating, any shape; mask: bool, of its shape. Returns positions [count]. Raises ValueError for more than
    are active, weights that are not finite, or another shape or dtype.
    """
    active, w = _active(weight, mask, count)
    return active[_lowest(abs(w), count)]


@register(RULES, "set")
def prune_set(weight: Array, mask: Array, count: int) -> Array:
    """SET (Mocanu et al. 2018): the smallest positive and the least negative weights, each sign in its share.

    Active weights that are exactly 0, grown and not yet trained, are pruned first. Of the remaining r,
    round(r n_neg / (n_neg + n_pos)), halves to even, are the negatives closest to 0; the rest positives (chapter 14).

    weight: floating, any shape; mask: bool, of its shape. Returns positions [count]. Raises ValueError for more than
    are active, weights that are not finite, or another shape or dtype.
    """
    active, w = _active(weight, mask, count)
    xp = array_module(w)
    zero, negative, positive = (xp.flatnonzero(sign) for sign in (w == 0, w < 0, w > 0))
    zero = zero[:count]
    rest = count - len(zero)
    k_neg = round(rest * len(negative) / max(1, len(negative) + len(positive)))
    least_negative = negative[_lowest(-w[negative], k_neg)]
    smallest_positive = positive[_lowest(w[positive], rest - k_neg)]
    return active[xp.concatenate([zero, smallest_positive, least_negative])]


def _active(weight: Array, mask: Array, count: int) -> tuple[Array, Array]:
    """Positions of the active connections, ascending, and their weights."""
    (weight,) = floating(weight=weight)
    (mask,) = bools(mask=mask, like=weight)
    if mask.shape != weight.shape:
        raise ValueError(f"mask must have the weight's shape {weight.shape}, found {mask.shape}")
    count = whole("count", count)
    active = array_module(mask).flatnonzero(mask)
    if not 0 <= count <= len(active):
        raise ValueError(f"cannot prune {count} of {len(active)} active connections")
    w = weight.ravel()[active]
    if not array_module(w).isfinite(w).all():
        raise ValueError("weights are not finite: training has diverged, there is nothing to rank")
    return active, w


def _lowest(score: Array, count: int) -> Array:
    """Positions of the `count` lowest scores; ties go to the lowest position."""
    return array_module(score).argsort(score, kind="stable")[:count]
