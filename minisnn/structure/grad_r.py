"""Grad R: pruned connections go on learning out of sight, and may come back. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.optim import Optimizer
from minisnn.state import TrainingState
from minisnn.structure.learner import SparseLearner, times_sign


def laplace_location(density: float, alpha: float) -> float:
    r"""mu such that a Laplace variable with location mu and scale 1 / alpha is > 0 with probability `density`.

    $$ \mu = \begin{cases} \ln(2 d) / \alpha & d \le 1/2 \\ -\ln(2 - 2 d) / \alpha & d > 1/2 \end{cases} $$

    With d = 1 - p the first branch is the authors' ln(2 - 2 p) / alpha.
    """
    return (log(2 * density) if density <= 0.5 else -log(2 - 2 * density)) / alpha


@dataclass(frozen=True)
class GradR(SparseLearner):
    r"""Gradient Rewiring (Chen, Yu, Fang, Huang and Tian 2021), to compare with. Not part of the two papers.

    Every connection has a sign s for good, that of its initial weight (+ for 0), and a strength theta, at first
    |w|. It is active while theta > 0: w = s max(0, theta). The gradient is redefined so that inactive
    connections learn as if they were there, and a Laplace prior pulls all towards mu:

    $$ \theta \leftarrow \theta - \eta\, s\, \frac{\partial L}{\partial w} - \eta\,\alpha\,
       \mathrm{sign}(\theta - \mu) $$

    The optimiser moves u = s theta, everywhere: `.latent` keeps u where the weight is masked. Training starts
    dense.

    densities: targets 1 - p, by key of params; other parameters stay dense, and so does a layer of density 1,
        for which mu is infinite. They give mu, see `laplace_location`, and no more: nothing counts connections. For
        d < 1/2, mu is ln(2 d) / alpha, -1609 for d = 0.1 and alpha = 0.001, which no weight reaches. What is left
        of the prior is a steady pull of lr alpha downwards, the same for all d: then alpha sets how sparse it gets.
    alpha: strength of the prior, 1e-3 in the authors' README; 0 is none, densities then mean nothing.

    Update, prior, mu for d <= 1/2 and w from theta are those of the authors' code
    (github.com/Yanqi-Chen/Gradient-Rewiring), with three differences: it compares theta with mu before the
    gradient step, it divides alpha's step by Adam's 1 - beta1^k, and weights of 0 stay 0. It refuses d > 1/2; that
    branch is derived here. The equations are from memory, not compared with the paper's text.
    Raises ValueError for a negative alpha, or densities not above 0 and at most 1.
    """

    alpha: float = 1e-3

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ValueError(f"alpha must not be negative, found {self.alpha}")
        for key, density in self.densities.items():
            if not 0 < density <= 1:
                raise ValueError(f"density of {key} must be above 0 and at most 1, found {density}")

    @property
    def _rewired(self) -> list[str]:
        return [key for key, density in self.densities.items() if density < 1]

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, lambda shape, density, rng: np.ones(shape, bool))
        for key in self._rewired:
            weight = state.params[key]
            state.structure[key + ".positive"] = weight >= 0
            state.structure[key + ".latent"] = array_module(weight).zeros_like(weight)

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        for key in self._rewired:
            state.params[key] += state.structure[key + ".latent"]

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned; those that came back are not counted."""
        pruned = 0
        for key in self._rewired:
            u, mask, positive = state.params[key], state.masks[key], state.structure[key + ".positive"]
            xp, theta = array_module(u), times_sign(positive, u)
            if self.alpha:
                theta -= lr * self.alpha * xp.sign(theta - laplace_location(self.densities[key], self.alpha))
            active = ~(theta <= 0)  # NaN stays in sight
            pruned += int((mask & ~active).sum())
            mask[...] = active
            u[...] = times_sign(positive, theta)
            state.structure[key + ".latent"][...] = u * ~mask
            self._seen(state, key)
        return pruned
