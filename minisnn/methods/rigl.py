"""RigL: rewiring by magnitude and gradient, as its authors' code does it. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import numpy as np

from minisnn.arguments import check
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, SparseLearner, StructureLearner, Training, in_iterations
from minisnn.structure.masks import bernoulli_mask
from minisnn.structure.prune import prune_magnitude
from minisnn.structure.schedule import cosine_fraction, round_down
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


@register(LEARNERS, "rigl")
@dataclass(frozen=True)
class RigL(SparseLearner):
    """RigL (Evci, Gale, Menick, Castro and Elsen 2020), for comparison. Not part of the two papers.

    Sparse from the first step. Every `every` iterations until `t_end` each layer drops its int(f n) smallest active
    weights, of n, and grows as many: those with the largest |dL/dW| among all that are not kept, what was just dropped
    included. f falls as `cosine_fraction`. A connection that is dropped and grown keeps its weight and its moments;
    others start with 0 and without moments. On these iterations no weight moves, biases and batch norm included: the
    optimiser's step is taken back. The number of connections is exact.

    densities: by key of params; other parameters stay dense. sample: how the first masks are drawn.
    alpha: f at the start, 0.3 in the authors' CIFAR runs. every: iterations between rewirings, 100 there; for recipes
        below 1 a fraction of training. t_end: the last, 0.77 of training there; for recipes a fraction, or above 1
        iterations.

    `evolve` with growth by gradient differs: it rewires after a step, rounds the number up, and by default sets what is
    pruned and grown at once to 0. The authors add noise of 1e-5 to magnitudes and rewire before the first step, too.
    Raises ValueError for values out of range.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"sample"})

    alpha: float = 0.3
    every: float = 100
    t_end: float = 0.77
    sample: Callable[..., np.ndarray] = field(default=bernoulli_mask)

    def __post_init__(self) -> None:
        super().__post_init__()
        check("alpha", self.alpha, 0 <= self.alpha <= 1, "a fraction, 0 to 1")
        check("every", self.every, 0 < self.every < inf, "above 0, and finite")
        check("t_end", self.t_end, 0 <= self.t_end < inf, "0 or more, and finite")

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with every and t_end in iterations."""
        given, K = cls(densities, **training.settings, **options), training.iterations
        every = max(1, round(given.every if given.every >= 1 else given.every * K))
        return cls(densities, given.alpha, every, in_iterations(given.t_end, K), given.sample)

    def dense_gradients(self) -> float:
        return 1 / self.every if self.alpha else 0.0

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, self.sample)

    def _is_due(self, iteration: int) -> bool:
        return iteration % self.every == 0 and iteration <= self.t_end

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        if not self._is_due(state.iteration + 1):
            return
        for key, weight in state.params.items():
            state.structure[key + ".held"] = weight.copy()
            for n, moment in enumerate(state.moments[key]):
                state.structure[f"{key}.held_moment{n}"] = moment.copy()

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were dropped, those that grew again included."""
        if not self._is_due(state.iteration):
            return 0
        for key, weight in state.params.items():  # the step is taken back
            weight[...] = state.structure.pop(key + ".held")
            for n, moment in enumerate(state.moments[key]):
                moment[...] = state.structure.pop(f"{key}.held_moment{n}")
        f, replaced = cosine_fraction(state.iteration, self.alpha, self.t_end), 0
        for key in self.densities:
            mask = state.masks[key]
            count = round_down(f * int(mask.sum()))
            new = rewire(state.params[key], mask, grads[key], count)
            for array in (state.params[key], *state.moments[key]):
                array_module(array).put(array, new, 0)
            self._seen(state, key)
            replaced += count
        return replaced


def rewire(weight: Array, mask: Array, gradient: Array, count: int) -> Array:
    """Drop the `count` smallest active weights and grow the largest gradients of all that are not kept; mask changes.

    Returns the positions that are active now and were not before, indices into the flattened weight. Ties go to the
    lowest index.
    """
    xp, before = array_module(mask), mask.copy()
    xp.put(mask, prune_magnitude(weight, mask, count), False)
    others = xp.flatnonzero(~mask)
    order = xp.argsort(-abs(gradient.ravel()[others]), kind="stable")[:count]
    xp.put(mask, others[order], True)
    return xp.flatnonzero(mask & ~before)
