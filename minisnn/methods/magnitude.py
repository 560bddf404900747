"""Train, prune, fine-tune: magnitude pruning in one shot. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.arguments import one_of
from minisnn.backend import Array
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, TimedLearner, everything
from minisnn.structure.masks import highest_masks
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState

SCOPES = ("layer", "global")


@register(LEARNERS, "magnitude")
@dataclass(frozen=True)
class MagnitudePruning(TimedLearner):
    """Magnitude pruning after training, with fine-tuning (Han, Pool, Tran and Dally 2015), for comparison.

    Not part of the two papers. The network trains dense until iteration `at`. Then the largest |w| are kept, all others
    are pruned at once, and the rest of training is fine-tuning with these masks. Ties go by the index.

    densities:  d by key of params; other parameters stay dense.
    iterations: of the whole training.
    at:         when connections are pruned: a fraction of training, above 1 iterations. 1 leaves no fine-tuning.
    scope:      "layer": round(d n) of the n weights of each layer are kept. "global": the round(sum of d n) largest of
        all these layers together. Layers that are not in `densities` never take part: for recipes those that the
        distribution of the density leaves dense, none if it is uniform.

    One round of the usual baseline; Han et al. prune by a threshold, in several rounds (unverified). The learning rate
    goes on falling as it would have; the schedule "restarts" has a new start for the fine-tuning of `at` = 1/3 or 2/3.
    Raises ValueError for values out of range, or another scope.
    """

    at: float = 0.5
    scope: str = "layer"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.when("at")  # raises what is wrong with it
        one_of("scope", self.scope, SCOPES)

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        if state.iteration != self.when("at"):
            return 0
        size = {key: abs(state.params[key]) for key in self.densities}
        pruned = 0
        for part in [size] if self.scope == "global" else [{key: w} for key, w in size.items()]:
            count = round(sum(self.densities[key] * w.size for key, w in part.items()))
            for key, mask in highest_masks(part, count).items():
                pruned += int((state.masks[key] & ~mask).sum())
                state.masks[key][...] = mask
                self._seen(state, key)
        return pruned
