"""Grow rules: which connections are added. One rule is one function (chapter 15):

    rule(statistics, candidates, count, rng) -> positions

statistics: what is known of every position of the layer, active or not. candidates: indices of the
inactive positions, ascending, those just pruned included. count: exactly how many of them grow.
positions: [count] indices into the flattened weight. Random numbers are drawn on the host and ties go to the
lowest index, so the same statistics give the same masks on every array library. What a rule returns is
checked in `answers.py`. `register` gives a rule the name that recipes and the command line have for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minisnn.arguments import generator, integers, numbers, whole
from minisnn.backend import Array, array_module
from minisnn.lookup import register


class GrowthStatistics(NamedTuple):
    """What a grow rule may look at: arrays of the weight's shape, dense."""

    gradient: Array  # dL/dW of the last batch, taken before the step
    momentum: Array  # how strongly the optimiser wants to move each weight, >= 0
    last_active: Array  # int: the iteration at which a connection was last seen active, -1 for never

    @property
    def fired(self) -> Array:
        """Has this connection ever been active? bool."""
        return self.last_active >= 0


GrowRule = Callable[[GrowthStatistics, Array, int, np.random.Generator], Array]

RULES: dict[str, GrowRule] = {}
"""By name. In place of a name recipes take any function, and `module:name`."""


@register(RULES, "random")
def grow_random(
    statistics: GrowthStatistics, candidates: Array, count: int, rng: np.random.Generator
) -> Array:
    """Any of the candidates, all equally likely (Mocanu et al. 2018).

    Returns positions [count]. Raises ValueError for more than there are candidates.
    """
    candidates = _checked(candidates, count)
    chosen = generator("rng", rng).choice(len(candidates), count, replace=False)
    return candidates[array_module(candidates).asarray(chosen)]


@register(RULES, "random-unfired")
def grow_random_unfired(
    statistics: GrowthStatistics, candidates: Array, count: int, rng: np.random.Generator
) -> Array:
    """Candidates that were never active; when these run out, any of the others (ITOP, Liu et al. 2021).

    Returns positions [count]. Raises ValueError for more than there are candidates.
    """
    candidates = _checked(candidates, count)
    (last_active,) = integers(last_active=statistics.last_active, like=candidates)
    fired = last_active.ravel()[candidates] >= 0
    unfired = candidates[~fired]
    if count <= len(unfired):
        return grow_random(statistics, unfired, count, rng)
    others = grow_random(statistics, candidates[fired], count - len(unfired), rng)
    return array_module(candidates).concatenate([unfired, others])


@register(RULES, "longest-inactive")
def grow_longest_inactive(
    statistics: GrowthStatistics, candidates: Array, count: int, rng: np.random.Generator
) -> Array:
    """The candidates inactive for longest, never active ones first; ties are broken at random.

    ESL wants "the connections not activated for a long time to grow": random-unfired is ITOP's reading
    of that, this one is the literal one. Returns positions [count]. Raises ValueError for more than there are
    candidates.
    """
    candidates = _checked(candidates, count)
    shuffled = candidates[
        array_module(candidates).asarray(generator("rng", rng).permutation(len(candidates)))
    ]
    (last_active,) = integers(last_active=statistics.last_active, like=candidates)
    return _highest(-last_active, shuffled, count)


@register(RULES, "gradient")
def grow_gradient(
    statistics: GrowthStatistics, candidates: Array, count: int, rng: np.random.Generator
) -> Array:
    """The candidates with the largest |dL/dW| (Evci et al. 2020).

    Returns positions [count]. Raises ValueError for more than there are candidates, or gradients that are NaN.
    """
    candidates = _checked(candidates, count)
    (gradient,) = numbers(gradient=statistics.gradient, like=candidates)
    return _highest(abs(gradient), candidates, count)


@register(RULES, "momentum")
def grow_momentum(
    statistics: GrowthStatistics, candidates: Array, count: int, rng: np.random.Generator
) -> Array:
    """The candidates with the largest momentum (Dettmers and Zettlemoyer 2019).

    Returns positions [count]. Raises ValueError for more than there are candidates, or momenta that are NaN.
    """
    candidates = _checked(candidates, count)
    (momentum,) = numbers(momentum=statistics.momentum, like=candidates)
    return _highest(momentum, candidates, count)


def _highest(score: Array, candidates: Array, count: int) -> Array:
    """The `count` candidates with the highest scores; ties go to the first."""
    score = score.ravel()[candidates]
    xp = array_module(score)
    if xp.isnan(score).any():
        raise ValueError("scores hold NaN: training has diverged, there is nothing to rank")
    return candidates[xp.argsort(-score, kind="stable")[:count]]


def _checked(candidates: Array, count: int) -> Array:
    """Candidates as an array of at least `count` positions."""
    (candidates,) = integers(candidates=candidates)
    count = whole("count", count)
    if not 0 <= count <= len(candidates):
        raise ValueError(f"cannot grow {count} of {len(candidates)} inactive connections")
    return candidates
