"""STDS: weights are thresholded strengths, and the threshold grows. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, pi, sin
from typing import Any

from minisnn.arguments import check, one_of
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, SparseLearner, StructureLearner, Training, everything
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState

AUTHORS = 1e-4 * 6.4e6  # lr * steps of the authors' runs, in which D is 1 to 5


def spine_threshold(k: float, D: float, iterations: int, schedule: str = "sine") -> float:
    r"""The width of the dead zone after step k (Chen et al. 2022).

    $$ D_k = \frac{D}{2} \Bigl(1 + \sin \pi \Bigl(\frac{k}{N} - \frac12\Bigr)\Bigr) \quad\text{or}\quad D \frac{k}{N} $$

    k: steps made; iterations: N; D: at the end, 0 or more. schedule: "sine" or "linear".
    """
    return D * k / iterations if schedule == "linear" else D / 2 * (1 + sin(pi * (k / iterations - 0.5)))


@register(LEARNERS, "stds")
@dataclass(frozen=True)
class STDS(SparseLearner):
    """State transition of dendritic spines (Chen, Yu, Fang, Ma, Huang and Tian 2022), for comparison.

    Strengths theta are trained, and a soft threshold makes weights of them:

        w = sign(theta) max(|theta| - D_k, 0)

    The gradient goes straight through: dL/dtheta = dL/dw wherever theta is not 0, also inside the dead zone, so that a
    pruned connection may return, with either sign. `.theta` keeps the strengths. Starts dense. From the authors' code.

    densities: which weights are concerned; their values mean nothing, for D alone decides. Connectivity even rises at
        the end of the authors' runs, when the learning rate is constant and the threshold hardly grows.
    D: the threshold at the end. The authors' are 1 to 5, for 6.4 million steps of Adam at 1e-4. None scales 1 by
        learning rate times steps, which is a guess.
    iterations: N. Recipes know it.
    schedule: "sine", or "linear", which the authors compare with.
    gradient: "identity", or "relu", the true gradient of the threshold: an ablation of theirs.

    Raises ValueError for values out of range. Not part of the two papers.
    """

    D: float | None = None
    iterations: int = 0
    schedule: str = "sine"
    gradient: str = "identity"

    def __post_init__(self) -> None:
        super().__post_init__()
        check("D", self.D, self.D is None or 0 <= self.D < inf, "0 or more, and finite")
        check("iterations", self.iterations, self.iterations >= 0, "0 or more")
        one_of("schedule", self.schedule, ("sine", "linear"))
        one_of("gradient", self.gradient, ("identity", "relu"))

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with N, and D in proportion to learning rate times steps unless it is given."""
        rate = sum(map(training.lr, range(training.epochs))) / training.epochs
        found: dict[str, Any] = {"D": rate * training.iterations / AUTHORS, "iterations": training.iterations}
        return cls(densities, **(found | dict(options)))

    def dense_gradients(self) -> float:
        return 1.0 if self.gradient == "identity" else 0.0

    def target_density(self, state: TrainingState) -> float | None:
        return None

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)
        for key in self.densities:
            state.structure[key + ".theta"] = state.params[key].copy()

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        for key in self.densities:
            weight, theta = state.params[key], state.structure[key + ".theta"]
            grads[key] *= (theta if self.gradient == "identity" else weight) != 0
            weight[...] = theta

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned; those that came back are not counted."""
        pruned = 0
        D = spine_threshold(state.iteration, self.D or 0.0, max(1, self.iterations), self.schedule)
        for key in self.densities:
            weight, mask, theta = state.params[key], state.masks[key], state.structure[key + ".theta"]
            xp = array_module(weight)
            theta[...] = weight
            weight[...] = xp.sign(theta) * xp.maximum(abs(theta) - weight.dtype.type(D), 0)
            active = weight != 0
            pruned += int((mask & ~active).sum())
            mask[...] = active
            self._seen(state, key)
        return pruned
