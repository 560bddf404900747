"""SNIP: connections are chosen once, before training, by one batch. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.backend import Array
from minisnn.lookup import register
from minisnn.methods.gradual import keep_highest
from minisnn.structure.learner import LEARNERS, SparseLearner, everything
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


@register(LEARNERS, "snip")
@dataclass(frozen=True)
class Snip(SparseLearner):
    r"""Single-shot pruning by connection sensitivity (Lee, Ajanthan and Torr 2019), for comparison.

    $$ s_j = \frac{|w_j \, \partial L / \partial w_j|}{\sum_i |w_i \, \partial L / \partial w_i|} $$

    on the first batch. The round(d n) connections with the highest sensitivity, of all layers together, stay; the masks
    then never change. The first step only scores: its gradients are set to 0, for parameters of every kind.

    densities: by key of params; they only set the total, and a layer may end far from its own, or empty.

    The authors also score biases, which are 0 and so all go, keep the network in evaluation mode for this, and train a
    second set of initial weights with the mask of the first (from their code). Here the weights are the same, and
    running statistics see the batch. Not part of the two papers.
    """

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        if state.iteration:
            return
        for key in self.densities:
            state.structure[key + ".sensitivity"] = abs(state.params[key] * grads[key])
        for g in grads.values():
            g[...] = 0

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        if state.iteration != 1:
            return 0
        return keep_highest(
            self, state, {key: state.structure.pop(key + ".sensitivity") for key in self.densities}
        )
