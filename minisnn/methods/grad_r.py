"""Grad R: pruned connections keep learning in the background, and may return. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, log
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from minisnn.arguments import check, floating, whole
from minisnn.backend import Array, array_module, to_host
from minisnn.lookup import register
from minisnn.notices import warn
from minisnn.structure.learner import (
    LEARNERS,
    SparseLearner,
    StructureLearner,
    Training,
    bias_corrected,
    everything,
)
from minisnn.training.optim import Adam, Optimizer
from minisnn.training.state import TrainingState

NONE = 1e-8  # a prior no stronger than this is ignored, as in the authors' code


def laplace_location(density: float, alpha: float) -> float:
    r"""mu such that a Laplace variable with location mu and scale 1 / alpha is > 0 with probability `density`.

    $$ \mu = \frac{\ln(2 d)}{\alpha} = \frac{\ln(2 - 2 p)}{\alpha}, \qquad d = 1 - p \le \frac12 $$

    density: d, above 0 and at most 1/2; alpha: above 0. Raises ValueError for others. Beyond 1/2 mu would be positive,
    and a prior that is centred there pulls strengths up without end instead of pruning 1 - d of them.
    """
    check(
        "density",
        density,
        0 < density <= 0.5,
        "above 0 and at most 1/2 for Grad R, whose prior else has mu > 0",
    )
    check("alpha", alpha, 0 < alpha < inf, "above 0 and finite")
    return log(2 * density) / alpha


def alpha_to_reach(
    density: float,
    weights: Iterable[Array],
    lr: float,
    iterations: int,
    beta1: float = 0.9,
    spread: float = 0.35,
) -> float:
    r"""The alpha with which Grad R comes near a density in a given number of steps of Adam.

    Without gradients all strengths fall alike, so that theta ends at |w_0| - alpha L with

    $$ L = \sum_{k=1}^{K} \frac{\eta}{1 - \beta_1^k}, \quad \text{about } \eta (K + 27) \text{ for } \beta_1 = 0.9 $$

    Adam's normalised steps move it by x L besides, where x, from -1 to 1, is the mean over training of the weight's
    normalised gradient, against its sign. A connection is active at the end if |w_0| / L + x > alpha: alpha is the
    (1 - d)-quantile of |w_0| / L + x. Here x, the only thing not known before training, is assumed normal with mean 0
    and standard deviation `spread`, the same for all weights. For long trainings L is large and the initial weights
    hardly matter; for short ones they decide.

    density: d, above 0 and at most 1/2. weights: the initial ones of all layers that are to be sparse, floating. lr:
    eta, its mean over training if there is a schedule. iterations: K. beta1: Adam's. spread: 0.35 was chosen on
    LIF networks on the digits, where the targets 0.1, 0.2 and 0.3 ended at 0.18, 0.25 and 0.31 after 820 steps at a
    learning rate of 0.001, at 0.13, 0.19 and 0.26 at 0.003; 0.1 ended at 0.08 to 0.26 with other networks and lengths.
    Raises ValueError for values outside these.
    """
    check("density", density, 0 < density <= 0.5, "above 0 and at most 1/2 for Grad R")
    check("lr", lr, 0 < lr < inf, "above 0 and finite")
    check("spread", spread, 0 <= spread < inf, "0 or more, and finite")
    iterations = whole("iterations", iterations, 1)
    found = floating(**{f"weight {n}": w for n, w in enumerate(weights)})
    check(
        "weights",
        f"{len(found)} arrays",
        any(w.size for w in found),
        "the initial weights of a layer or more",
    )
    size = np.concatenate([abs(to_host(w)).ravel() for w in found])
    k = np.arange(1, iterations + 1)
    travel = lr * float((1 / (1 - beta1**k)).sum())
    middle = (np.arange(100) + 0.5) / 100
    normal = np.array([NormalDist().inv_cdf(p) for p in middle])
    held = np.quantile(size, middle)[:, None] / travel + spread * normal
    return float(np.quantile(held, 1 - density))


@register(LEARNERS, "grad-r")
@dataclass(frozen=True)
class GradR(SparseLearner):
    r"""Gradient Rewiring (Chen, Yu, Fang, Huang and Tian 2021), for comparison. Not part of the two papers.

    Every connection has a fixed sign s, that of its initial weight, and a strength theta, initially |w|. It is active
    while theta > 0: w = s max(0, theta). The gradient is redefined so that inactive connections learn as if they were
    there, and a Laplace prior pulls all towards mu:

    $$ \theta_k = \theta_{k-1} - a_k\, s\, \frac{m_k}{\sqrt{\hat v_k} + \epsilon}
       - a_k\,\alpha\, \mathrm{sign}(\theta_{k-1} - \mu), \qquad a_k = \frac{\eta}{1 - \beta_1^k} $$

    where m and v are Adam's moments, so that the first two terms are Adam's step on u = s theta. Training starts dense.
    A weight that is 0 at the start has no sign: it stays 0 and masked. `.latent` keeps u where the weight is masked.

    densities: 1 - p by key of params, one value for all of them, above 0 and at most 1/2. Hand over every weight of the
        network, the first and the last layer too, as the authors do: GradR(dict.fromkeys(keys, density), alpha).
        Other parameters stay dense. They only set mu, see `laplace_location`: nothing counts connections.
        For d = 0.05 and alpha = 1e-3, the authors', mu is -2303, which no weight reaches. What is left of the prior
        is a steady pull downwards of a_k alpha, the same for every d. So alpha alone sets how sparse the network gets,
        over the authors' 6.4 million steps. For a short training see `alpha_to_reach`.
    alpha: strength of the prior, 1e-3 in the authors' README; up to 1e-8 is none, and densities then mean nothing. It
        is relative to Adam's step, which is normalised: a weight whose gradients all have one sign moves by the
        learning rate in each step, however small they are, and withstands the pull of any alpha below 1. With SGD,
        whose steps are as long as gradients are, alpha means something else in every layer: the first step warns.

    Update, prior, mu and w from theta are those of the authors' code (github.com/Yanqi-Chen/Gradient-Rewiring), which
    counts weights below 1e-10 as absent. The equations are from memory, not compared with the paper's text.
    Raises ValueError for a negative alpha, densities that differ, or one outside 0 to 1/2.
    """

    one_density: ClassVar[bool] = True

    alpha: float = 1e-3

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """Without an alpha among the options the one that comes near the density (`alpha_to_reach`), where that can
        be said."""
        if "alpha" in options:
            return super().made_for(densities, options, training)
        optimizer = training.optimizer
        if training.weights is None or not isinstance(optimizer, Adam):
            raise ValueError(
                "learner grad-r needs alpha among learner_options: for LIF networks trained by adam alone the density "
                "decides it"
            )
        params, epochs = training.weights(), training.epochs
        lr = sum(map(training.lr, range(epochs))) / epochs
        weights = [params[key] for key in densities]
        alpha = alpha_to_reach(min(densities.values()), weights, lr, training.iterations, optimizer.beta1)
        return super().made_for(densities, {"alpha": alpha}, training)

    def __post_init__(self) -> None:
        check("alpha", self.alpha, 0 <= self.alpha < inf, "0 or more, and finite")
        for key, density in self.densities.items():
            check(
                f"density of {key}", density, 0 < density <= 0.5,
                "above 0 and at most 1/2: beyond it Grad R's prior has mu > 0, and pulls weights up without end",
            )  # fmt: skip
        found = sorted(set(self.densities.values()))
        check("densities", f"{found}", len(found) < 2, "one and the same for all layers of Grad R")

    def target_density(self, state: TrainingState) -> float | None:
        return super().target_density(state) if self.alpha > NONE else None

    def missed_target(self, state: TrainingState) -> str:
        said = super().missed_target(state)
        return (
            said
            and f"{said}. With Grad R alpha alone decides: it was {self.alpha:g}, a larger one prunes more"
        )

    def dense_gradients(self) -> float:
        return 1.0

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            xp = array_module(weight)
            mask &= weight != 0
            state.structure[key + ".initial"][...] = mask
            state.structure[key + ".last_active"][...] = xp.where(mask, 0, -1)
            state.structure[key + ".sign"] = xp.sign(weight).astype("int8")
            state.structure[key + ".latent"] = xp.zeros_like(weight)

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        for key, density in self.densities.items():
            u, sign = state.params[key], state.structure[key + ".sign"]
            u += state.structure[key + ".latent"]
            if self.alpha > NONE:  # the prior looks at theta as it is before the step
                mu = laplace_location(density, self.alpha)
                state.structure[key + ".pull"] = array_module(u).sign(sign * u - mu)

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns how many connections were pruned; those that came back are not counted."""
        if state.iteration == 1 and self.alpha > NONE and not hasattr(optimizer, "beta2"):
            warn(
                f"Grad R's alpha is relative to Adam's normalised step, found {type(optimizer).__name__}: "
                f"its steps are as long as gradients are, and alpha = {self.alpha:g} may prune nothing, or everything"
            )
        pruned, rate = 0, bias_corrected(lr, optimizer, state.iteration)
        for key in self.densities:
            u, mask, sign = state.params[key], state.masks[key], state.structure[key + ".sign"]
            theta = sign * u
            if self.alpha > NONE:
                theta -= rate * self.alpha * state.structure.pop(key + ".pull")
            active = ~(theta <= 0)  # NaN stays in sight; without a sign theta is never above 0
            pruned += int((mask & ~active).sum())
            mask[...] = active
            u[...] = sign * theta
            state.structure[key + ".latent"][...] = u * ~mask
            self._seen(state, key)
        return pruned
