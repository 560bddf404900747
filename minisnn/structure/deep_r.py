"""Deep R: weights that never change sign, and that rewire whenever one wants to. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.optim import Optimizer
from minisnn.state import TrainingState
from minisnn.structure.learner import SparseLearner, times_sign
from minisnn.structure.masks import exact_mask


@dataclass(frozen=True)
class DeepR(SparseLearner):
    r"""Deep Rewiring (Bellec, Kappel, Maass and Legenstein 2018), to compare with. Not part of the two papers.

    Every connection has a sign s for good, that of its initial weight (+ for 0). While it is active,
    w = s theta with theta >= 0. After each step of the optimiser, which is the gradient's part,

    $$ \theta \leftarrow \theta - \eta\,\lambda_1 + \sqrt{2 \eta T}\,\nu, \qquad \nu \sim N(0, 1) $$

    Connections with theta < 0 become dormant, and as many dormant ones, these included, become active at theta = 0,
    all equally likely: the number of connections is exact. If the first gradient pulls a new one below 0
    it goes again at once. A full layer has no other dormant ones, so that all come back: its mask stays, its
    weights stop at 0 and keep their signs.

    densities:   by key of params; other parameters stay dense.
    l1:          lambda_1, 1e-5 in the authors' MNIST script.
    temperature: T of the random walk; 0 is none. The script's noise is lr * 1e-5 * N(0, 1) with lr = 0.5, hence
        T = 2.5e-11: next to none.
    sample:      how masks are drawn; `exact_mask`, as the algorithm fixes the number.

    The paper has plain gradient descent, whose gradient is 0 for dormant connections. Here moments are dense, so with
    momentum or Adam a new connection starts with what it has gathered. Adam does not scale l1 and noise.
    Taken from the authors' code (github.com/guillaumeBellec/deep_rewiring), which starts new connections at 1e-12; the
    equation with T is from memory. Raises ValueError for a negative l1 or temperature, or densities outside 0 to 1.
    """

    l1: float = 1e-5
    temperature: float = 0.0
    sample: Callable[..., np.ndarray] = field(default=exact_mask)

    def __post_init__(self) -> None:
        for name in ("l1", "temperature"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        for key, density in self.densities.items():
            if not 0 <= density <= 1:
                raise ValueError(f"density of {key} must be 0 to 1, found {density}")

    def start(self, state: TrainingState) -> None:
        for key in self.densities:  # before the masks: dormant connections have a sign, too
            state.structure[key + ".positive"] = state.params[key] >= 0
        self.draw_masks(state, self.sample)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections became dormant, including those that came back at once."""
        rng, replaced = state.rngs["structure"], 0
        for key in self.densities:
            weight, mask, positive = state.params[key], state.masks[key], state.structure[key + ".positive"]
            xp = array_module(weight)
            theta = times_sign(positive, weight) - lr * self.l1
            if self.temperature:
                noise = rng.standard_normal(weight.shape).astype(weight.dtype)
                theta += (2 * lr * self.temperature) ** 0.5 * xp.asarray(noise)
            lost = mask & (theta < 0)
            count = int(lost.sum())
            mask &= ~lost
            weight[...] = times_sign(positive, theta) * mask
            dormant = xp.flatnonzero(~mask)
            chosen = rng.choice(len(dormant), count, replace=False)
            xp.put(mask, dormant[xp.asarray(chosen)], True)
            self._seen(state, key)
            replaced += count
        return replaced
