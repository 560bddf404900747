"""How many connections each layer gets back after pruning. One rule is one function:

    rule(layers, rng) -> counts

layers: what is known of each sparse layer, by key. counts: how many connections grow there, by the same keys, never
more than are free, and in all as many as were lost unless the rule is `right_on_average`. `answers.py` checks that.
ESL does not say how; its Fig. 3b shows layers whose densities change, which `return_what_was_lost` cannot do and the
other two can. `register` gives a rule its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minisnn.arguments import generator
from minisnn.lookup import register, unwrapped


class Layer(NamedTuple):
    """A sparse layer between pruning and growing."""

    lost: int  # connections just pruned
    free: int  # inactive positions, these included
    momentum: float  # mean momentum of the connections that were active before


Layers = Mapping[str, Layer]
RedistributionRule = Callable[[Layers, np.random.Generator], dict[str, int]]

RULES: dict[str, RedistributionRule] = {}
"""By name. In place of a name recipes take any function, and `module:name`."""


def right_on_average(rule: RedistributionRule) -> RedistributionRule:
    """A decorator for rules that give back what was lost only on average: their sum is not checked."""
    rule.right_on_average = True  # type: ignore[attr-defined]
    return rule


def is_right_on_average(rule: Callable[..., Any]) -> bool:
    """Was this rule, or what it is a `functools.partial` of, declared `right_on_average`?"""
    return getattr(unwrapped(rule), "right_on_average", False)


@register(RULES, "none")
def return_what_was_lost(layers: Layers, rng: np.random.Generator) -> dict[str, int]:
    """Every layer gets exactly as many as it lost: densities never move (SET, RigL).

    layers: by key. rng: not used. Returns counts by key.
    """
    return {key: layer.lost for key, layer in layers.items()}


@register(RULES, "bernoulli")
@right_on_average
def draw_binomially(layers: Layers, rng: np.random.Generator) -> dict[str, int]:
    """Each free position grows with probability lost / free, independently (sparse_learning, ITOP).

    The number of connections is right only on average: each layer's density makes a random walk. layers: by key.
    Returns counts by key. Raises ValueError for a seed in place of rng.
    """
    rng = generator("rng", rng)
    return {
        key: int(rng.binomial(layer.free, layer.lost / layer.free)) if layer.free else 0
        for key, layer in layers.items()
    }


@register(RULES, "momentum")
def share_by_momentum(layers: Layers, rng: np.random.Generator) -> dict[str, int]:
    """All that was pruned is shared in proportion to mean momentum (Dettmers and Zettlemoyer 2019).

    Connections move to layers whose weights have large momentum; the network's total is exact. No layer is
    filled beyond 99 % of what is free, as in sparse_learning, unless all are; what a layer
    cannot take is shared among the others, again by momentum (sparse_learning spreads it evenly). layers: by key.
    rng: not used. Returns counts by key.
    """
    left = sum(layer.lost for layer in layers.values())
    room = {key: int(0.99 * layer.free) for key, layer in layers.items()}
    if left > sum(room.values()):
        room = {key: layer.free for key, layer in layers.items()}
    counts = dict.fromkeys(layers, 0)
    while left:
        open_ = [key for key in layers if counts[key] < room[key]]
        weight = np.array([layers[key].momentum for key in open_])
        share = weight / weight.sum() if weight.sum() > 0 else np.full(len(open_), 1 / len(open_))
        for key, n in zip(open_, _apportion(left, share), strict=True):
            taken = min(n, room[key] - counts[key])
            counts[key] += taken
            left -= taken
    return counts


def _apportion(total: int, share: np.ndarray) -> list[int]:
    """Whole numbers that sum to `total`, closest to total * share: the largest remainders are rounded up."""
    exact = total * share
    whole = np.floor(exact).astype(int)
    up = np.argsort(whole - exact, kind="stable")[: total - whole.sum()]
    whole[up] += 1
    return whole.tolist()
