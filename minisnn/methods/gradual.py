"""Gradual magnitude pruning: small weights go while the network learns. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass

from minisnn.arguments import check
from minisnn.backend import Array
from minisnn.lookup import register
from minisnn.structure.evolve import prune_layer
from minisnn.structure.learner import LEARNERS, TimedLearner, everything
from minisnn.structure.prune import prune_magnitude
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


def cubic_sparsity(t: float, t0: float, t1: float, final: float, initial: float = 0.0) -> float:
    r"""The fraction of a layer's weights that is pruned at iteration t: fast at first, slowly at last.

    $$ s_t = s_f + (s_i - s_f) \Bigl(1 - \frac{t - t_0}{t_1 - t_0}\Bigr)^3, \qquad t_0 \le t \le t_1 $$

    t0, t1: of the first and the last pruning; before and after them s is s_i and s_f. final, initial: s_f and s_i, 0 to
    1. Returns a float. Raises ValueError for fractions outside 0 to 1, or t1 before t0.
    """
    check("final", final, 0 <= final <= 1, "a fraction, 0 to 1")
    check("initial", initial, 0 <= initial <= 1, "a fraction, 0 to 1")
    check("t1", t1, t0 <= t1, f"at least t0 = {t0}")
    if t >= t1:
        return final
    return final + (initial - final) * (1 - (t - t0) / (t1 - t0)) ** 3 if t > t0 else initial


@register(LEARNERS, "gmp")
@dataclass(frozen=True)
class GradualPruning(TimedLearner):
    r"""Gradual magnitude pruning (Zhu and Gupta 2017), for comparison. Not part of the two papers.

    Training starts dense. From t0 on, after every `every` steps and at last at t1, the smallest |w| of each layer are
    pruned, so that round(s_t n) of its n weights are gone; see `cubic_sparsity`. What is pruned does not return.

    densities:  d by key of params, s_f = 1 - d; other parameters stay dense.
    iterations: of the whole training.
    t0, t1:     the first and the last pruning: fractions of training, above 1 iterations. The defaults are those of
        RigL's authors on CIFAR, about: 20,000 and 75,000 of 97,656, every 1000.
    every:      iterations from one pruning to the next; below 1, a fraction of training.

    The equation is that of RigL's authors' code. Their pruned weights are said to be hidden and to return if they are
    large enough when it is pruned next (unverified); here they are 0 and stay so. Raises ValueError for values out of
    range, or t1 before t0.
    """

    t0: float = 0.2
    t1: float = 0.77
    every: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.interval("every")  # raises what is wrong with it
        check("t1", self.t1, self.when("t0") <= self.when("t1"), f"no earlier than t0 = {self.t0:g}")

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned."""
        t, t0, t1 = state.iteration, self.when("t0"), self.when("t1")
        due = (t - t0) % self.interval("every") == 0 or t == t1
        if t > t1 or not due:
            return 0
        pruned = 0
        for key, density in self.densities.items():
            weight, mask = state.params[key], state.masks[key]
            gone = round(mask.size * cubic_sparsity(t, t0, t1, 1 - density))
            count = max(0, gone - int((~mask).sum()))
            prune_layer(weight, mask, count, prune_magnitude, key)
            self._seen(state, key)
            pruned += count
        return pruned
