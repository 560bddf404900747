"""STDS: weights beyond a threshold that rises while training goes on. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, pi, sin
from typing import Any, ClassVar

from minisnn.arguments import check, one_of
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, StructureLearner, TimedLearner, Training, everything
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


def sine_threshold(D: float, part: float) -> float:
    r"""STDS's threshold after a part of the training, from 0 to D: $D_k = D \sin^2(\pi k / 2K)$.

    D: 0 or more. part: k / K, 0 to 1. Returns a float; raises ValueError for values outside these.
    """
    _check_threshold(D, part)
    return D * sin(pi * part / 2) ** 2


def linear_threshold(D: float, part: float) -> float:
    r"""A threshold that rises at one pace, $D_k = D k / K$. Arguments as for `sine_threshold`. Raises ValueError."""
    _check_threshold(D, part)
    return D * part


def _check_threshold(D: float, part: float) -> None:
    check("D", D, 0 <= D < inf, "0 or more, and finite")
    check("part", part, 0 <= part <= 1, "0 to 1")


THRESHOLDS = {"sine": sine_threshold, "linear": linear_threshold}
GRADIENTS = ("identity", "relu")
AUTHORS = 1e-4 * 6.4e6  # learning rate times steps in the authors' runs, where D is 1 to 5


@register(LEARNERS, "stds")
@dataclass(frozen=True)
class STDS(TimedLearner):
    r"""State transition of dendritic spines (Chen, Yu, Fang, Ma, Huang and Tian 2022), for comparison.

    Not part of the two papers. What is trained is theta; the weight in use is 0 where theta is small:

    $$ w = \mathrm{sign}(\theta) \max(|\theta| - D_k, 0), \qquad D_k = D \sin^2 \frac{\pi k}{2 K} $$

    The threshold is set after each of the K steps, so that the first one uses 0. Training starts dense. The gradient
    goes straight through to theta, in the dead zone |theta| <= D_k as well, so that pruned weights go on learning;
    signs may flip. A theta of exactly 0 gets no gradient: a weight that is 0 at the start stays pruned.

    densities:  by key of params; nothing counts connections, and nothing depends on them but the warning at the end
        of training. Hand over every weight, the first and the last layer too, as the authors do.
    iterations: K, of the whole training.
    D:          the threshold at the end; it alone decides how sparse the network gets. The authors' D is 1 to 5: theirs
        are 6.4 million steps of Adam at a learning rate of 1e-4, in which a weight can go up to 640 far. A shorter
        training needs a smaller D: recipes scale 1 by steps times learning rate where no D is given, which is our guess
        and leaves short trainings nearly dense. The density is lowest before the end, where D_k hardly rises any more
        and weights go on growing.
    schedule:   "sine", or "linear", D_k = D k / K.
    gradient:   "identity", or "relu", the true derivative, which is 0 in the dead zone: the authors' ablation.

    Update, threshold and constants are those of the authors' code. There K leaves out the last of the epochs, so that
    the linear threshold ends slightly above D; ours includes it. Penalties on weights see w, weight decay sees theta.
    Raises ValueError for a negative D, another schedule or gradient, or densities outside 0 to 1.
    """

    one_density: ClassVar[bool] = True

    D: float = 1.0
    schedule: str = "sine"
    gradient: str = "identity"

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with D in proportion to the way that weights can go unless it is given."""
        rate = sum(map(training.lr, range(training.epochs))) / training.epochs
        return super().made_for(densities, {"D": rate * training.iterations / AUTHORS, **options}, training)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_threshold(self.D, 0)
        one_of("schedule", self.schedule, THRESHOLDS)
        one_of("gradient", self.gradient, GRADIENTS)

    def dense_gradients(self) -> float:
        return 1.0 if self.gradient == "identity" else 0.0

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            mask &= weight != 0
            state.structure[key + ".initial"][...] = mask
            state.structure[key + ".last_active"][...] = array_module(mask).where(mask, 0, -1)
            state.structure[key + ".theta"] = weight.copy()

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        for key in self.densities:
            theta = state.structure[key + ".theta"]
            grads[key] *= state.masks[key] if self.gradient == "relu" else theta != 0
            state.params[key][...] = theta

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned; those that came back are not counted."""
        threshold = THRESHOLDS[self.schedule](self.D, min(1.0, state.iteration / self.iterations))
        pruned = 0
        for key in self.densities:
            weight, mask, theta = state.params[key], state.masks[key], state.structure[key + ".theta"]
            xp = array_module(weight)
            theta[...] = weight
            weight[...] = xp.sign(theta) * xp.maximum(abs(theta) - threshold, 0)
            active = weight != 0  # NaN stays in sight
            pruned += int((mask & ~active).sum())
            mask[...] = active
            self._seen(state, key)
        return pruned

    def missed_target(self, state: TrainingState) -> str:
        said = super().missed_target(state)
        return said and f"{said}. With STDS D alone decides: it was {self.D:g}, a larger one prunes more"
