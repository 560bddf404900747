"""ESL Algorithm 1: a network that rewires while it learns. The only place where a connection mask changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.optim import Optimizer
from minisnn.state import TrainingState
from minisnn.structure.grow import GrowRule, GrowthStatistics, grow_random
from minisnn.structure.learner import SparseLearner
from minisnn.structure.masks import bernoulli_mask
from minisnn.structure.prune import PruneRule, prune_magnitude
from minisnn.structure.redistribute import Layer, RedistributionRule, return_what_was_lost
from minisnn.structure.schedule import cosine_fraction, round_up


def prune_layer(weight: Array, mask: Array, count: int, rule: PruneRule) -> Array:
    """Take `count` connections away: line 10 of ESL's Algorithm 1 (chapter 16).

    Changes `mask` in place. Returns the positions pruned, indices into the flattened weight, ascending.
    """
    xp = array_module(mask)
    pruned = xp.sort(rule(weight, mask, count))
    xp.put(mask, pruned, False)
    return pruned


def grow_layer(
    weight: Array,
    mask: Array,
    statistics: GrowthStatistics,
    pruned: Array,
    count: int,
    rule: GrowRule,
    rng: np.random.Generator,
    exclude_pruned: bool = False,
    keep_weights: bool = False,
) -> Array:
    """Let `count` connections grow where none is now: line 11 of ESL's Algorithm 1 (chapter 16).

    Changes `mask` and `weight` in place: new connections start at weight 0, and so do those
    pruned a moment ago, unless keep_weights. exclude_pruned: these come back only when nothing else is left,
    the strongest first. Other inactive weights are left to the caller's W = M * W.
    Returns the positions grown, [count] indices into the flattened weight.
    """
    xp = array_module(mask)
    candidates = xp.flatnonzero(~mask)
    last_resort = candidates[:0]
    if exclude_pruned:
        candidates = candidates[~_among(candidates, pruned, mask.size)]
        strongest = xp.argsort(-abs(weight.ravel()[pruned]), kind="stable")
        last_resort = pruned[strongest[: max(0, count - len(candidates))]]
    grown = xp.concatenate([rule(statistics, candidates, count - len(last_resort), rng), last_resort])
    xp.put(mask, grown, True)
    xp.put(weight, grown[~_among(grown, pruned, mask.size)] if keep_weights else grown, 0)
    return grown


def _among(positions: Array, others: Array, size: int) -> Array:
    """bool: which positions are among the others?"""
    xp = array_module(positions)
    there = xp.zeros(size, bool)
    xp.put(there, others, True)
    return there[positions]


@dataclass(frozen=True)
class Evolve(SparseLearner):
    """ESL-SNN: random masks of the given densities, rewired every `t_iter` iterations until `t_end`.

    densities: by key of params; other parameters stay dense. A full layer is left alone: it would only lose weights.
    alpha:     the fraction replaced at the start, following `cosine_fraction` down to eta_min; 0 keeps the masks.
    sample:    how masks are drawn, `bernoulli_mask` or `exact_mask`.
    redistribute:   how many connections each layer gets back; as many as it lost, or see `redistribute.py`.
    exclude_pruned: the just-pruned may not grow at once, as long as there are others.
    keep_weights:   the just-pruned that do grow at once keep their weight (ITOP, RigL); ESL says 0.
    reset_moments:  new connections start with the optimiser's moments at 0 (RigL); else these are
        those that the absent connection has gathered.
    """

    t_end: int
    t_iter: int = 100
    alpha: float = 0.3
    eta_min: float = 0.0
    prune: PruneRule = prune_magnitude
    grow: GrowRule = grow_random
    sample: Callable[..., np.ndarray] = field(default=bernoulli_mask)
    redistribute: RedistributionRule = field(default=return_what_was_lost)
    exclude_pruned: bool = False
    keep_weights: bool = False
    reset_moments: bool = False

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, self.sample)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        if state.iteration % self.t_iter:
            return 0
        fraction = cosine_fraction(state.iteration, self.alpha, self.t_end, self.eta_min)
        rng = state.rngs["structure"]
        pruned: dict[str, Array] = {}
        layers: dict[str, Layer] = {}
        momenta: dict[str, Array] = {}
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            active = int(mask.sum())
            count = round_up(fraction * active)
            if count and active < mask.size:
                self._seen(state, key)
                momenta[key] = optimizer.momentum(state.moments[key])
                momentum = float((momenta[key] * mask).sum()) / active
                pruned[key] = prune_layer(weight, mask, count, self.prune)
                layers[key] = Layer(count, mask.size - active + count, momentum)
        for key, count in self.redistribute(layers, rng).items():
            weight, mask = state.params[key], state.masks[key]
            statistics = GrowthStatistics(grads[key], momenta[key], state.structure[key + ".last_active"])
            grown = grow_layer(
                weight, mask, statistics, pruned[key], count, self.grow, rng,
                self.exclude_pruned, self.keep_weights,
            )  # fmt: skip
            if self.reset_moments:
                new = grown[~_among(grown, pruned[key], mask.size)]
                for moment in state.moments[key]:
                    array_module(moment).put(moment, new, 0)
            self._seen(state, key)
        return sum(layer.lost for layer in layers.values())
