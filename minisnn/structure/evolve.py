"""ESL Algorithm 1: a network that rewires while it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from minisnn.arguments import whole
from minisnn.backend import Array, array_module
from minisnn.lookup import called, register
from minisnn.structure.answers import checked_counts, checked_positions
from minisnn.structure.grow import (
    GrowRule,
    GrowthStatistics,
    grow_gradient,
    grow_longest_inactive,
    grow_random,
    grow_random_unfired,
)
from minisnn.structure.learner import LEARNERS, SparseLearner, StructureLearner, Training, structure_rng
from minisnn.structure.masks import bernoulli_mask
from minisnn.structure.prune import PruneRule, prune_magnitude
from minisnn.structure.redistribute import (
    Layer,
    RedistributionRule,
    draw_binomially,
    return_what_was_lost,
)
from minisnn.structure.schedule import cosine_fraction, round_up
from minisnn.training.optim import Optimizer, pushed
from minisnn.training.state import TrainingState

BY_CHANCE = (grow_random, grow_random_unfired, grow_longest_inactive)  # these look at no gradient
BY_NUMBER = (return_what_was_lost, draw_binomially)


def prune_layer(weight: Array, mask: Array, count: int, rule: PruneRule, layer: str = "a layer") -> Array:
    """Prune `count` connections: line 10 of ESL's Algorithm 1 (chapter 16).

    weight: floating, any shape; mask: bool, of its shape, changed in place. layer: its name, for messages. Returns the
    positions pruned, [count] indices into the flattened weight, ascending. Raises ValueError for what `rule` returns
    unless it is `count` different positions of active connections; the mask is then as before.
    """
    xp = array_module(mask)
    found = called("prune rule", rule, _locked(weight), _locked(mask), count)
    pruned = xp.sort(checked_positions("prune", rule, layer, found, count, mask))
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
    layer: str = "a layer",
) -> Array:
    """Grow `count` connections where there are none: line 11 of ESL's Algorithm 1 (chapter 16).

    weight: floating, any shape; mask: bool, of its shape. Changes both in place: new connections start at weight 0,
    and so do those just pruned, unless keep_weights. Other inactive weights are left to the caller's W = M * W.
    pruned: the positions just pruned. exclude_pruned: these grow only when nothing else is left, the strongest first.
    layer: its name, for messages. Returns the positions grown, [count] indices into the flattened
    weight. Raises ValueError for what `rule` returns unless it is as many different candidates as it was asked for;
    mask and weight are then as before.
    """
    xp = array_module(mask)
    candidates = xp.flatnonzero(~mask)
    last_resort = candidates[:0]
    if exclude_pruned:
        candidates = candidates[~_among(candidates, pruned, mask.size)]
        strongest = xp.argsort(-abs(weight.ravel()[pruned]), kind="stable")
        last_resort = pruned[strongest[: max(0, count - len(candidates))]]
    wanted = count - len(last_resort)
    allowed = xp.zeros(mask.size, bool)
    xp.put(allowed, candidates, True)
    found = called("grow rule", rule, statistics, candidates, wanted, rng)
    new = checked_positions("grow", rule, layer, found, wanted, allowed)
    grown = xp.concatenate([new, last_resort])
    xp.put(mask, grown, True)
    xp.put(weight, grown[~_among(grown, pruned, mask.size)] if keep_weights else grown, 0)
    return grown


def _locked(x: Array) -> Array:
    """The same array, which a rule can read but not change (where the library knows how)."""
    if isinstance(x, np.ndarray):
        x = x.view()
        x.flags.writeable = False
    return x


def _among(positions: Array, others: Array, size: int) -> Array:
    """bool: which positions are among the others?"""
    xp = array_module(positions)
    there = xp.zeros(size, bool)
    xp.put(there, others, True)
    return there[positions]


@register(LEARNERS, "evolve")
@dataclass(frozen=True)
class Evolve(SparseLearner):
    """ESL-SNN: random masks of the given densities, rewired every `t_iter` iterations (Algorithm 1, chapter 16).

    densities: by key of params; other parameters stay dense. A full layer is left alone: it would only lose weights.
    t_end:     the iteration at which the fraction replaced reaches eta_min. Where eta_min is 0, as in ESL,
        rewiring ends there; where it is above 0, eta_min of the connections go on being replaced to the end.
    t_iter:    iterations from one rewiring to the next.
    alpha:     the fraction replaced at the start, following `cosine_fraction` down to eta_min; 0 keeps the masks:
        random static ones, the usual baseline.
    prune, grow:    rules of `prune.py` and `grow.py`, or your own; what they return is checked.
    sample:    how masks are drawn, `bernoulli_mask` or `exact_mask`.
    redistribute:   how many connections each layer gets back; as many as it lost, or see `redistribute.py`.
    exclude_pruned: connections just pruned do not grow as long as there are others.
    keep_weights:   connections that are pruned and grown at once keep their weight (ITOP, RigL); ESL says 0.
    reset_moments:  new connections start with the optimiser's moments at 0 (RigL); else they keep those gathered while
        inactive.

    The number of connections is exact at every step, unless `redistribute` is right only on average. Raises ValueError
    for values out of range, a state without a random stream or one of the weights, and for a rule that
    returns anything but what it was asked for, naming rule and layer.
    """

    reads: ClassVar[frozenset[str]] = frozenset(
        {"sample", "prune", "grow", "alpha", "eta_min", "t_iter", "t_end", "redistribute", "exclude_pruned",
         "keep_weights", "reset_moments"}
    )  # fmt: skip

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

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("t_iter", self.t_iter, 1)
        cosine_fraction(0, self.alpha, self.t_end, self.eta_min)  # raises what is wrong with them

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's; t_iter below 1 and t_end up to 1 are fractions of the training."""
        found, K = dict(training.settings), training.iterations
        t_iter, t_end = found["t_iter"], found["t_end"]
        found["t_iter"] = max(1, round(t_iter if t_iter >= 1 else t_iter * K))
        found["t_end"] = round(t_end if t_end > 1 else t_end * K)
        return super().made_for(densities, options, training._replace(settings=found))

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, self.sample)

    def dense_gradients(self) -> float:
        """Every step for momentum, each rewiring for gradients, no step for what grows by chance.

        The moments that new connections have gathered while inactive are not counted: `reset_moments` does without.
        """
        if not self.alpha or (self.grow in BY_CHANCE and self.redistribute in BY_NUMBER):
            return 0.0
        return 1 / self.t_iter if self.grow is grow_gradient and self.redistribute in BY_NUMBER else 1.0

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        if state.iteration % self.t_iter:
            return 0
        fraction = cosine_fraction(state.iteration, self.alpha, self.t_end, self.eta_min)
        rng = structure_rng(state)
        pruned: dict[str, Array] = {}
        layers: dict[str, Layer] = {}
        momenta: dict[str, Array] = {}
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            active = int(mask.sum())
            count = round_up(fraction * active)
            if count and active < mask.size:
                self._seen(state, key)
                momenta[key] = pushed(optimizer, state.moments[key], key, weight)
                momentum = float((momenta[key] * mask).sum()) / active
                pruned[key] = prune_layer(weight, mask, count, self.prune, key)
                layers[key] = Layer(count, mask.size - active + count, momentum)
        counts = called("redistribute rule", self.redistribute, layers, rng)
        for key, count in checked_counts(self.redistribute, layers, counts).items():
            weight, mask = state.params[key], state.masks[key]
            statistics = GrowthStatistics(grads[key], momenta[key], state.structure[key + ".last_active"])
            grown = grow_layer(
                weight, mask, statistics, pruned[key], count, self.grow, rng,
                self.exclude_pruned, self.keep_weights, key,
            )  # fmt: skip
            if self.reset_moments:
                new = grown[~_among(grown, pruned[key], mask.size)]
                for moment in state.moments[key]:
                    array_module(moment).put(moment, new, 0)
            self._seen(state, key)
        return sum(layer.lost for layer in layers.values())
