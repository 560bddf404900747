"""Pruning by magnitude, gradually or at once. Not part of the two papers: baselines that start dense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from minisnn.arguments import check, one_of
from minisnn.backend import Array, array_module, to_host
from minisnn.lookup import register
from minisnn.structure.learner import (
    LEARNERS,
    SparseLearner,
    StructureLearner,
    Training,
    everything,
    in_iterations,
)
from minisnn.structure.prune import prune_magnitude
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


def cubic_sparsity(t: float, final: float, start: float, end: float) -> float:
    r"""The fraction of connections that gradual pruning has removed at iteration t (Zhu and Gupta 2017).

    $$ s(t) = s_f - s_f \left(1 - \frac{t - t_0}{t_1 - t_0}\right)^3 $$

    t: in iterations; s is 0 before start, t_0, and final, s_f, from end, t_1, on. final: 0 to 1. Raises ValueError for
    a final outside, or an end before start.
    """
    check("final", final, 0 <= final <= 1, "a fraction, 0 to 1")
    check("end", end, start <= end < inf, f"start = {start} or later")
    if t >= end:
        return final
    return final * (1 - (1 - (t - start) / (end - start)) ** 3) if t > start else 0.0


@register(LEARNERS, "gmp")
@dataclass(frozen=True)
class GradualPruning(SparseLearner):
    """Gradual magnitude pruning (Zhu and Gupta 2017), for comparison. Not part of the two papers.

    Training starts dense. Every `every` iterations from `start` to `end` the smallest weights of each layer go, until
    `cubic_sparsity` of them are gone: round(s n) of n, halves to even. What is gone stays away.

    densities: 1 - s_f, by key of params; other parameters stay dense.
    t_start, t_end: when pruning begins and ends, in iterations; for recipes fractions of training, or above 1
        iterations. In the CIFAR runs of RigL's code 0.2 and 0.77 of training.
    every: iterations between two prunings; for recipes below 1 a fraction of training, 0.01 in that code.

    There, pruned weights are hidden and keep their value (from memory); here they are 0. Raises ValueError for an end
    before the start, or values below 0.
    """

    t_start: float = 0.2
    t_end: float = 0.77
    every: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check("t_start", self.t_start, 0 <= self.t_start < inf, "0 or more, and finite")
        check("t_end", self.t_end, self.t_start <= self.t_end < inf, f"t_start = {self.t_start} or later")
        check("every", self.every, 0 < self.every < inf, "above 0, and finite")

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with all three in iterations."""
        given, K = cls(densities, **options), training.iterations
        every = given.every if given.every >= 1 else given.every * K
        t_start, t_end = (max(1, in_iterations(t, K)) for t in (given.t_start, given.t_end))
        return cls(densities, t_start, t_end, max(1, round(every)))

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        t = state.iteration
        if not (t == self.t_end or (self.t_start <= t < self.t_end and not (t - self.t_start) % self.every)):
            return 0
        pruned = 0
        for key, density in self.densities.items():
            weight, mask = state.params[key], state.masks[key]
            gone = round(cubic_sparsity(t, 1 - density, self.t_start, self.t_end) * mask.size)
            count = max(0, gone - int((~mask).sum()))
            array_module(mask).put(mask, prune_magnitude(weight, mask, count), False)
            self._seen(state, key)
            pruned += count
        return pruned


@register(LEARNERS, "magnitude")
@dataclass(frozen=True)
class MagnitudePruning(SparseLearner):
    """Train dense, prune the smallest weights once, train on (Han et al. 2015), for comparison. Not of the two papers.

    densities: what is left, by key of params: round(d n) of n weights of each layer, or of all layers together.
    at: the iteration of the pruning; for recipes a fraction of training, or above 1 iterations. What follows is the
        fine-tuning. The learning rate follows the recipe's schedule and does not start again.
    scope: "layer" or "global". Global pruning compares weights of different layers as they are.

    Raises ValueError for a scope that is not known, or an `at` below 0.
    """

    at: float = 0.5
    scope: str = "layer"

    def __post_init__(self) -> None:
        super().__post_init__()
        check("at", self.at, 0 <= self.at < inf, "0 or more, and finite")
        one_of("scope", self.scope, ("layer", "global"))

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with `at` in iterations."""
        given = cls(densities, **options)
        return cls(densities, max(1, in_iterations(given.at, training.iterations)), given.scope)

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        if state.iteration != self.at:
            return 0
        if self.scope == "global":
            return keep_highest(self, state, {key: abs(state.params[key]) for key in self.densities})
        return sum(
            keep_highest(replace(self, densities={key: density}), state, {key: abs(state.params[key])})
            for key, density in self.densities.items()
        )


def keep_highest(learner: SparseLearner, state: TrainingState, scores: Mapping[str, Array]) -> int:
    """Keep the connections with the highest scores, of all these layers together; the others' masks become False.

    Their number is round(sum of d n), halves to even; ties go to the lowest index. Compared on the host, so that equal
    scores give equal masks on every array library. Returns how many connections were pruned. Raises ValueError for
    scores that are not finite.
    """
    flat = np.concatenate([to_host(score).ravel() for score in scores.values()])
    if not np.isfinite(flat).all():
        raise ValueError("scores are not finite: training has diverged, there is nothing to rank")
    count = round(sum(learner.densities[key] * score.size for key, score in scores.items()))
    kept = np.zeros(flat.size, bool)
    kept[np.argsort(-flat, kind="stable")[:count]] = True
    pruned, n = 0, 0
    for key, score in scores.items():
        mask = state.masks[key]
        new = array_module(mask).asarray(kept[n : n + score.size].reshape(score.shape))
        pruned += int((mask & ~new).sum())
        mask &= new
        learner._seen(state, key)
        n += score.size
    return pruned
