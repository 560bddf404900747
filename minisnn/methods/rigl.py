"""RigL: connections grow where the gradient is largest, in iterations without a step. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.evolve import grow_layer, prune_layer
from minisnn.structure.grow import GrowthStatistics, grow_gradient
from minisnn.structure.learner import LEARNERS, TimedLearner, structure_rng
from minisnn.structure.masks import exact_mask
from minisnn.structure.prune import prune_magnitude
from minisnn.structure.schedule import cosine_fraction, round_down
from minisnn.training.optim import Optimizer, pushed
from minisnn.training.state import TrainingState


@register(LEARNERS, "rigl")
@dataclass(frozen=True)
class RigL(TimedLearner):
    r"""RigL (Evci, Gale, Menick, Castro and Elsen 2020), for comparison. Not part of the two papers.

    In iterations t = 0, every, 2 every, ... before `end`, each layer with n active connections drops k of them, those
    with the smallest |w|, and grows as many, those with the largest |dL/dw| among all that are left, the dropped ones
    included:

    $$ k = \lfloor f(t)\, n \rfloor, \quad f(t) = \frac{\alpha}{2} \left(1 + \cos \frac{\pi t}{t_\mathrm{end}}\right) $$

    What is dropped and grown at once keeps its weight; other new connections start at 0, with moments of 0. In these
    iterations the optimiser makes no step: no parameter moves, biases and batch norm's included. The number of
    connections of each layer is exact.

    densities:  by key of params; other parameters stay dense.
    iterations: of the whole training.
    sample:     how masks are drawn.
    alpha:      the fraction replaced at first, 0.3 in the authors' runs on CIFAR.
    every:      iterations from one update to the next, 100 there; below 1, a fraction of training.
    end:        when updates end, 0.75 of training there, about; above 1, iterations.

    Taken from the authors' code, which adds noise of 1e-5 to the score that is dropped by; here ties go by the index.
    `Evolve` with gradient growth, keep_weights and reset_moments differs: it rewires after a step, and rounds up. With
    Adam, the steps left out count for the correction of bias, and the first step is then about a quarter shorter.
    Raises ValueError for values out of range.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"sample"})

    sample: Callable[..., np.ndarray] = field(default=exact_mask)
    alpha: float = 0.3
    every: float = 100.0
    end: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        self.interval("every")  # raises what is wrong with it
        cosine_fraction(0, self.alpha, self.when("end"))  # raises what is wrong with alpha

    def dense_gradients(self) -> float:
        return len(range(0, self.when("end"), self.interval("every"))) / self.iterations

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, self.sample)

    def takes_step(self, state: TrainingState) -> bool:
        return not self._updates(state.iteration)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were dropped, including those that came back at once."""
        t, dropped = state.iteration - 1, 0
        if not self._updates(t):
            return 0
        fraction = cosine_fraction(t, self.alpha, self.when("end"))
        for key in self.densities:
            count = round_down(fraction * int(state.masks[key].sum()))
            if count:
                self._seen(state, key)
                self._replace(state, key, count, grads[key], optimizer)
                self._seen(state, key)
            dropped += count
        return dropped

    def _updates(self, t: int) -> bool:
        """Are masks updated in iteration t, counted from 0?"""
        return t < self.when("end") and t % self.interval("every") == 0

    def _replace(
        self, state: TrainingState, key: str, count: int, gradient: Array, optimizer: Optimizer
    ) -> None:
        """Drop and grow so many connections of one layer."""
        weight, mask = state.params[key], state.masks[key]
        before = mask.copy()
        momentum = pushed(optimizer, state.moments[key], key, weight)
        known = GrowthStatistics(gradient, momentum, state.structure[key + ".last_active"])
        pruned = prune_layer(weight, mask, count, prune_magnitude, key)
        grow_layer(
            weight,
            mask,
            known,
            pruned,
            count,
            grow_gradient,
            structure_rng(state),
            keep_weights=True,
            layer=key,
        )
        new = array_module(mask).flatnonzero(mask & ~before)
        for moment in state.moments[key]:
            array_module(moment).put(moment, new, 0)
