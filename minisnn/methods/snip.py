"""SNIP: one batch decides which connections there are, before training. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minisnn.backend import Array
from minisnn.lookup import register
from minisnn.notices import warn
from minisnn.structure.learner import LEARNERS, SparseLearner, everything
from minisnn.structure.masks import highest_masks
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


@register(LEARNERS, "snip")
@dataclass(frozen=True)
class Snip(SparseLearner):
    r"""SNIP (Lee, Ajanthan and Torr 2019), for comparison. Not part of the two papers.

    The first batch goes through the dense network, and no weight moves. Of all weights of all layers together those
    with the highest sensitivity are kept:

    $$ s_i = |w_i\, \partial L / \partial w_i|, \qquad \mathrm{mask} = \text{the } \mathrm{round}(d\,n)
       \text{ highest} $$

    The masks then stay, and training begins with the initial weights that were kept.

    densities: by key of params; their mean over all weights is d. How many each layer keeps the scores decide.

    Taken from the authors' code, which differs: it scores biases, too (they start at 0 and all go), the batch has 100
    samples, and the masks go on a second set of initial weights. Here the batch is the training's, batch norm uses its
    statistics, and penalties and limits on gradients count. The first batch counts as an iteration; with Adam the first
    step is therefore about a quarter shorter. Raises ValueError for densities outside 0 to 1; warns of a layer that
    keeps nothing.
    """

    one_density: ClassVar[bool] = True

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def takes_step(self, state: TrainingState) -> bool:
        return state.iteration > 0

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were removed."""
        if state.iteration > 1:
            return 0
        scores = {key: abs(state.params[key] * grads[key]) for key in self.densities}
        size = sum(score.size for score in scores.values())
        count = round(sum(self.densities[key] * score.size for key, score in scores.items()))
        for key, mask in highest_masks(scores, count).items():
            state.masks[key][...] = mask
            if not mask.any():
                warn(
                    f"{key}: SNIP kept no connection; no weight of it had a high |w dL/dw| in the first batch"
                )
        return size - count
