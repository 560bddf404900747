"""ADMM: weights are pulled to the nearest sparse ones, then pruned. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from minisnn.arguments import check
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, SparseLearner, StructureLearner, Training, everything
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


def largest(weight: Array, count: int) -> Array:
    """bool: the `count` entries with the largest magnitudes, the nearest sparse array; ties go to the lowest index."""
    xp = array_module(weight)
    kept = xp.zeros(weight.size, bool)
    xp.put(kept, xp.argsort(-abs(weight.ravel()), kind="stable")[:count], True)
    return kept.reshape(weight.shape)


@register(LEARNERS, "admm")
@dataclass(frozen=True)
class ADMM(SparseLearner):
    r"""Systematic pruning by ADMM (Zhang et al. 2018; for spiking networks Deng et al. 2021), for comparison.

    Training starts dense, and has three phases. In the second, weights W are pulled towards sparse ones, Z:

    $$ g \leftarrow g + \rho (W - Z + U), \qquad Z = \mathrm{top}_k(W + U), \qquad U \leftarrow U + W - Z $$

    in each step; Z and U are updated after each epoch, and begin as top_k(W) and 0. At the beginning of the third,
    all but the k = round(d n) largest weights of each layer go, and the others are trained on.

    densities: d by key of params; other parameters stay dense.
    rho: how strong the pull is, 1e-4 in the authors' MNIST run. With Adam it is relative to the gradient.
    pull_from, prune_after: epochs that are complete when the second and the third phase begin; for recipes by default
        a third and two thirds of all.

    The authors start the learning rate again in each phase; here it follows the recipe's schedule. Their MNIST run has
    20,000, 30 x 5,000 and 20,000 steps, and thresholds at a percentile, where ties may leave more. Deng's schedule is
    unknown to us. Raises ValueError for values out of range. Not part of the two papers.
    """

    rho: float = 1e-3
    pull_from: int | None = None
    prune_after: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check("rho", self.rho, 0 <= self.rho < inf, "0 or more, and finite")
        first, last = self.phases
        check("prune_after", last, 0 <= first <= last, f"pull_from = {first} or later")

    @property
    def phases(self) -> tuple[int, int]:
        """Epochs that are complete when the second and the third phase begin."""
        first = 0 if self.pull_from is None else self.pull_from
        return first, first + 1 if self.prune_after is None else self.prune_after

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with thirds of training for phases that are not given."""
        third = training.epochs / 3
        found: dict[str, Any] = {"pull_from": round(third), "prune_after": round(2 * third)}
        return cls(densities, **(found | dict(options)))

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def _kept(self, key: str, size: int) -> int:
        return round(self.densities[key] * size)

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        first, last = self.phases
        if not first <= state.epoch < last:
            return
        for key in self.densities:
            weight = state.params[key]
            if f"{key}.Z" not in state.structure:
                state.structure[f"{key}.Z"] = weight * largest(weight, self._kept(key, weight.size))
                state.structure[f"{key}.U"] = array_module(weight).zeros_like(weight)
            pull = weight - state.structure[f"{key}.Z"] + state.structure[f"{key}.U"]
            grads[key] += pull.dtype.type(self.rho) * pull

    def after_epoch(self, state: TrainingState) -> None:
        for key in self.densities:
            if f"{key}.Z" in state.structure:
                weight, Z, U = state.params[key], state.structure[f"{key}.Z"], state.structure[f"{key}.U"]
                Z[...] = (weight + U) * largest(weight + U, self._kept(key, weight.size))
                U += weight - Z

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned: all in the first step of the third phase."""
        if state.epoch < self.phases[1] or "pruned" in state.structure:
            return 0
        pruned = 0
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            mask &= largest(weight, self._kept(key, weight.size))
            pruned += int((~mask).sum())
            self._seen(state, key)
            for name in ("Z", "U"):
                state.structure.pop(f"{key}.{name}", None)
        state.structure["pruned"] = array_module(weight).ones(1, bool)
        return pruned
