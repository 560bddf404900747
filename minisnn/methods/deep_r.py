"""Deep R: weights never change sign, and a connection whose weight would is replaced. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from minisnn.arguments import check
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, SparseLearner, bias_corrected, structure_rng, times_sign
from minisnn.structure.masks import exact_mask
from minisnn.structure.schedule import round_down
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


@register(LEARNERS, "deep-r")
@dataclass(frozen=True)
class DeepR(SparseLearner):
    r"""Deep Rewiring (Bellec, Kappel, Maass and Legenstein 2018), for comparison. Not part of the two papers.

    Every connection has a fixed sign s, that of its initial weight (+ for 0). While it is active,
    w = s theta with theta >= 0. After each step of the optimiser, which is the gradient's part,

    $$ \theta \leftarrow \theta - \eta\,\lambda_1 + \sqrt{2 \eta T}\,\nu \quad \text{(paper)}, \qquad
       \theta \leftarrow \theta - \eta\,\lambda_1 + \eta\,c\,\nu \quad \text{(code)}, \qquad \nu \sim N(0, 1) $$

    Connections with theta < 0 become dormant, and as many dormant ones, these included, become active at theta = 0,
    all equally likely: the number of connections is exact. If the first gradient pulls a new one below 0
    it is pruned again at once. A full layer has no other dormant ones, so that all return: its mask stays, its weights
    stop at 0 and keep their signs.

    densities:   by key of params; other parameters stay dense.
    l1:          lambda_1, 1e-5 in the authors' MNIST script.
    temperature: T of the paper's random walk, whose noise falls as the root of the learning rate; 0 is none.
    noise:       c of the code's random walk, whose noise falls as the learning rate; 1e-5 in the MNIST script, where
        lr = 0.5, hardly any. At a fixed learning rate both are the same if T = lr c^2 / 2. 0 is none.
    sample:      how masks are drawn; by default int(d n) connections as in the code, all choices equally likely.

    A dormant connection learns nothing, as in the paper: a new one starts with moments of 0, whatever gradients it had
    until then. With Adam, eta is lr / (1 - beta1^k) for l1 and noise, as in the Deep R of the spiking-network
    literature (Chen et al. 2021); neither is divided by Adam's second moment. Signs are those of symmetric initial
    weights instead of random ones, which has the same distribution. Taken from the authors' code
    (github.com/guillaumeBellec/deep_rewiring), which starts new connections at 1e-12; the equation with T is from
    memory. The variant with one number of connections for all layers and the soft one are not here. Raises ValueError
    for a negative l1, temperature or noise, temperature and noise together, or densities outside 0 to 1.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"sample"})

    l1: float = 1e-5
    temperature: float = 0.0
    sample: Callable[..., np.ndarray] = field(default=partial(exact_mask, whole=round_down))
    noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("l1", "temperature", "noise"):
            check(name, getattr(self, name), 0 <= getattr(self, name) < np.inf, "0 or more, and finite")
        check("noise", self.noise, not (self.noise and self.temperature), "0 where temperature is not")

    def start(self, state: TrainingState) -> None:
        positive = {key: weight >= 0 for key, weight in state.params.items() if key in self.densities}
        self.draw_masks(state, self.sample)  # after the signs: dormant connections have one, too
        state.structure |= {f"{key}.positive": sign for key, sign in positive.items()}

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections became dormant, including those that came back at once."""
        rng, replaced = structure_rng(state), 0
        rate = bias_corrected(lr, optimizer, state.iteration)
        std = (2 * rate * self.temperature) ** 0.5 if self.temperature else rate * self.noise
        for key in self.densities:
            weight, mask, positive = state.params[key], state.masks[key], state.structure[key + ".positive"]
            xp = array_module(weight)
            theta = times_sign(positive, weight) - rate * self.l1
            if std:
                theta += std * xp.asarray(rng.standard_normal(weight.shape).astype(weight.dtype))
            lost = mask & (theta < 0)
            count = int(lost.sum())
            mask &= ~lost
            weight[...] = times_sign(positive, theta) * mask
            dormant = xp.flatnonzero(~mask)
            new = dormant[xp.asarray(rng.choice(len(dormant), count, replace=False))]
            xp.put(mask, new, True)
            for moment in state.moments[key]:
                xp.put(moment, new, 0)
            self._seen(state, key)
            replaced += count
        return replaced
