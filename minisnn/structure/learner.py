"""The hooks by which a structure learner takes part in training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.compose import Sequential
from minisnn.optim import Optimizer
from minisnn.state import TrainingState


class StructureLearner:
    """Dense training: the learner that does nothing. Others override the hooks they need.

    A learner is a description; what it must remember goes into `state.structure`, where a
    checkpoint saves it.
    """

    def start(self, state: TrainingState) -> None:
        """Called once, when the parameters are initialised."""

    def after_forward(self, state: TrainingState, net: Sequential, cache: Any, samples: int) -> None:
        """Called after each forward pass in training, with the net's caches and the number of images in it."""

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        """Called before each optimiser step: may change gradients and weights in place."""

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Called after each optimiser step, before W = M * W: the only place where masks may change.

        Returns the number of connections replaced.
        """
        return 0

    def after_epoch(self, state: TrainingState) -> None:
        """Called after each epoch: the only place where channel masks may change."""

    def parameters(self, state: TrainingState) -> dict[str, Array]:
        """What an evaluation runs with; for most learners, simply the parameters."""
        return state.params

    def exploration_rate(self, state: TrainingState) -> float:
        """The fraction of the learner's connections that have ever been active."""
        return 1.0


@dataclass(frozen=True)
class SparseLearner(StructureLearner):
    """What learners with masks have in common: the masks at the start, and the count of what was tried.

    densities: by key of params; other parameters stay dense.
    """

    densities: Mapping[str, float]

    def draw_masks(self, state: TrainingState, sample: Callable[..., np.ndarray]) -> None:
        """The masks training starts with: `sample(shape, density, rng)` of `masks.py` for each layer."""
        rng = state.rngs["structure"]
        for key, density in self.densities.items():
            weight = state.params[key]
            mask = array_module(weight).asarray(sample(weight.shape, density, rng))
            state.masks[key] = mask
            state.structure[key + ".initial"] = mask.copy()
            state.structure[key + ".last_active"] = array_module(mask).where(mask, 0, -1).astype("int32")
            weight *= mask
            if not mask.any():
                warnings.warn(f"{key}: no connection was drawn at density {density:g}", stacklevel=3)

    def _seen(self, state: TrainingState, key: str) -> None:
        """Note which connections are active now."""
        last = state.structure[key + ".last_active"]
        last[...] = array_module(last).where(state.masks[key], state.iteration, last)

    def exploration_rate(self, state: TrainingState) -> float:
        last = [state.structure[key + ".last_active"] for key in self.densities]
        return float(sum((a >= 0).sum() for a in last)) / sum(a.size for a in last)


def times_sign(positive: Array, x: Array) -> Array:
    """s x, with s = 1 where `positive` and -1 elsewhere: from w = s theta to theta, and back."""
    return array_module(x).where(positive, x, -x)
