"""ESL Algorithm 1: a network that rewires while it learns. The only place where a connection mask changes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.optim import Optimizer
from minisnn.state import TrainingState
from minisnn.structure.grow import Evidence, GrowRule, grow_random
from minisnn.structure.learner import StructureLearner
from minisnn.structure.masks import bernoulli_mask
from minisnn.structure.prune import PruneRule, prune_magnitude
from minisnn.structure.schedule import cosine_fraction, round_up


def rewire(
    weight: Array,
    mask: Array,
    evidence: Evidence,
    count: int,
    prune: PruneRule,
    grow: GrowRule,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Replace `count` connections of one layer: lines 10-13 of ESL's Algorithm 1 (chapter 16).

    Changes `mask` and `weight` in place. The number of connections stays exactly the same, new ones
    start at weight 0, also those pruned and grown at once, and inactive weights are 0.
    Returns the positions pruned and grown, [count] each, indices into the flattened weight.
    """
    xp = array_module(mask)
    pruned = prune(weight, mask, count)
    xp.put(mask, pruned, False)
    grown = grow(evidence, xp.flatnonzero(~mask), count, rng)
    xp.put(mask, grown, True)
    xp.put(weight, pruned, 0)
    return pruned, grown


@dataclass(frozen=True)
class Evolve(StructureLearner):
    """ESL-SNN: Erdős-Rényi masks of the given densities, rewired every `t_iter` iterations until `t_end`.

    densities: by key of params; other parameters stay dense. A density of 1 is left alone.
    alpha:     the fraction replaced at the start, following `cosine_fraction`; 0 keeps the masks as they are.
    sample:    how masks are drawn, `bernoulli_mask` or `exact_mask`.
    """

    densities: Mapping[str, float]
    t_end: int
    t_iter: int = 100
    alpha: float = 0.3
    prune: PruneRule = prune_magnitude
    grow: GrowRule = grow_random
    sample: Callable[..., np.ndarray] = field(default=bernoulli_mask)

    def start(self, state: TrainingState) -> None:
        rng = state.rngs["structure"]
        for key, density in self.densities.items():
            weight = state.params[key]
            mask = array_module(weight).asarray(self.sample(weight.shape, density, rng))
            state.masks[key] = mask
            state.structure |= {key + ".initial": mask.copy(), key + ".fired": mask.copy()}
            weight *= mask
            if not mask.any():
                warnings.warn(f"{key}: no connection was drawn at density {density:g}", stacklevel=2)

    def after_step(self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer) -> int:
        if state.iteration % self.t_iter:
            return 0
        fraction = cosine_fraction(state.iteration, self.alpha, self.t_end)
        replaced = 0
        for key in self.densities:
            mask, fired = state.masks[key], state.structure[key + ".fired"]
            active = int(mask.sum())
            count = round_up(fraction * active)
            if count and active < mask.size:  # a full layer would only lose its weights
                evidence = Evidence(grads[key], optimizer.momentum(state.moments[key]), fired)
                rewire(
                    state.params[key], mask, evidence, count, self.prune, self.grow, state.rngs["structure"]
                )
                fired |= mask
                replaced += count
        return replaced

    def explored(self, state: TrainingState) -> float:
        fired = [state.structure[key + ".fired"] for key in self.densities]
        return float(sum(f.sum() for f in fired)) / sum(f.size for f in fired)
