"""ADMM: the network learns to have few large weights, and is then pruned. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from minisnn.arguments import check
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, TimedLearner, everything
from minisnn.structure.masks import highest_masks
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


@register(LEARNERS, "admm")
@dataclass(frozen=True)
class ADMM(TimedLearner):
    r"""Pruning by the alternating direction method of multipliers (Zhang et al. 2018), for comparison.

    Not part of the two papers. Until t0 the network trains dense. Then the weights W of each layer are pulled to Z, a
    copy with only k weights, by the gradient of $\frac{\rho}{2} \lVert W - Z + U \rVert^2$:

    $$ g \leftarrow g + \rho\,(W - Z + U) \quad \text{in each step}, \qquad
       Z \leftarrow \mathrm{top}_k(W + U), \quad U \leftarrow U + W - Z \quad \text{after each epoch} $$

    with Z = top_k(W) and U = 0 at first; top_k keeps the k largest |w|, ties by the index. After step t1 all but
    top_k(W) are pruned, and the rest of training is fine-tuning with these masks.

    densities:  d by key of params, k = round(d n) of n weights; other parameters stay dense.
    iterations: of the whole training.
    rho:        strength of the pull. 1e-4 in the authors' MNIST script; 1e-3 here is for the user to tune.
    t0, t1:     ends of the first and the second phase: fractions of training, above 1 iterations. The defaults are
        thirds. The authors train 20,000 steps dense, 30 rounds of 5,000, and again 20,000.

    The authors start each phase with the whole learning rate: the schedule "restarts" does, for t0 and t1 as they are
    and a number of epochs that three divides. The moments of the optimiser go on. Z and U are updated after the epochs
    that end within the second phase. Update and pull are those of Zhang et al.'s code, where k comes from a percentile.
    Deng et al. 2021 train spiking networks so; their schedule we have not read. Limits on gradients do not see the
    pull. Raises ValueError for a negative rho, times out of range, or t1 before t0.
    """

    rho: float = 1e-3
    t0: float = 1 / 3
    t1: float = 2 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check("rho", self.rho, 0 <= self.rho < inf, "0 or more, and finite")
        check("t1", self.t1, self.when("t0") <= self.when("t1"), f"no earlier than t0 = {self.t0:g}")

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        if not self.when("t0") <= state.iteration < self.when("t1"):
            return
        for key in self.densities:
            weight, memory = state.params[key], state.structure
            if key + ".Z" not in memory:
                memory[key + ".Z"] = self._few(key, weight)
                memory[key + ".U"] = array_module(weight).zeros_like(weight)
            grads[key] += self.rho * (weight - memory[key + ".Z"] + memory[key + ".U"])

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        if state.iteration != self.when("t1"):
            return 0
        pruned = 0
        for key in self.densities:
            mask = state.masks[key]
            pruned += int(mask.sum())
            mask[...] = self._mask(key, state.params[key])
            pruned -= int(mask.sum())
            self._seen(state, key)
            for name in (key + ".Z", key + ".U"):
                state.structure.pop(name, None)
        return pruned

    def after_epoch(self, state: TrainingState) -> None:
        for key in self.densities if self.when("t0") < state.iteration < self.when("t1") else ():
            weight, Z, U = state.params[key], state.structure[key + ".Z"], state.structure[key + ".U"]
            Z[...] = self._few(key, weight + U)
            U += weight - Z

    def _mask(self, key: str, weight: Array) -> Array:
        """Where the k largest |w| of a layer are."""
        return highest_masks({key: abs(weight)}, round(self.densities[key] * weight.size))[key]

    def _few(self, key: str, weight: Array) -> Array:
        """top_k: the k largest weights of a layer, 0 elsewhere."""
        return array_module(weight).where(self._mask(key, weight), weight, 0)
