"""What a recipe can choose about its connections, and the learner that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from minisnn import lookup
from minisnn.arguments import check
from minisnn.networks.compose import Sequential
from minisnn.recipes.settings import Named, Settings, setting
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.deep_r import DeepR
from minisnn.structure.evolve import Evolve
from minisnn.structure.grad_r import GradR, alpha_to_reach
from minisnn.structure.learner import StructureLearner
from minisnn.training.optim import Adam
from minisnn.training.setup import Setup

LEARNERS = {"evolve": Evolve, "deep-r": DeepR, "grad-r": GradR}
"""By name. In place of a name any function of the densities that returns a `StructureLearner`."""

WHOLE = (
    lambda x: x >= 0 and isfinite(x) and (x <= 1 or x == int(x)),
    "a fraction, or a whole number of iterations",
)


@dataclass(frozen=True, kw_only=True)
class Connections(Settings):
    """How connections are drawn, and how they change: the part of a recipe that all networks share.

    Raises ValueError that names the setting, what was found and what was expected.
    """

    learner: Named = setting(
        "evolve",
        "how connections change: ESL's way, or, from neither paper, Deep R or Grad R, which ignore the settings "
        "below but their own and --sample",
        table=LEARNERS,
        group="connections",
    )
    sample: str = setting(
        "bernoulli",
        "draw each connection independently, or draw their exact number",
        choices=masks.SAMPLERS,
        group="connections",
    )
    prune: Named = setting("set", "prune rule", table=prune.RULES, group="connections")
    grow: Named = setting("random", "grow rule", table=grow.RULES, group="connections")
    alpha: float = setting(
        0.3,
        "initial fraction of connections replaced; 0 never rewires",
        at_least=0,
        at_most=1,
        group="connections",
    )
    eta_min: float = setting(
        0.0, "final fraction replaced, from --t-end on", at_least=0, at_most=1, group="connections"
    )
    t_iter: float = setting(
        100.0,
        "iterations between rewirings; below 1, that fraction of training",
        valid=(lambda x: x > 0 and WHOLE[0](x), "above 0: a fraction, or a whole number of iterations"),
        metavar="N",
        group="connections",
    )
    t_end: float = setting(
        0.75,
        "when the fraction replaced reaches --eta-min: a fraction of training; above 1, iterations",
        valid=WHOLE,
        metavar="F",
        group="connections",
    )
    redistribute: Named = setting(
        "none",
        "how many connections grow in a layer: as many as it lost, that number on average, or by momentum",
        table=redistribute.RULES,
        group="connections",
    )
    exclude_pruned: bool = setting(False, "what was just pruned may not grow", group="connections")
    keep_weights: bool = setting(
        False, "what is pruned and grows at once keeps its weight", group="connections"
    )
    reset_moments: bool = setting(
        False, "new connections start without the optimiser's moments", group="connections"
    )
    deep_r_l1: float = setting(1e-5, "Deep R's pull towards 0", at_least=0, group="connections")
    deep_r_temperature: float = setting(0.0, "of Deep R's random walk", at_least=0, group="connections")
    deep_r_noise: float = setting(
        0.0,
        "of Deep R's random walk in its code: falls with the learning rate",
        at_least=0,
        group="connections",
    )
    grad_r_alpha: float | None = setting(
        None,
        "strength of Grad R's prior, which decides how sparse it gets (default near the density, with LIF and Adam)",
        at_least=0,
        group="connections",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check("eta_min", self.eta_min, self.eta_min <= self.alpha, f"0 to alpha = {self.alpha}")

    def structure_learner(
        self, densities: Mapping[str, float], iterations: int, alpha: Callable[[float], float] | None = None
    ) -> StructureLearner:
        """The learner for a network with these densities, trained for this long.

        alpha: the strength of Grad R's prior that comes near a density, where that can be said (`reaching`). Raises
        ValueError where it is needed.
        """
        sparse = {key: density for key, density in densities.items() if density < 1}
        if not sparse:
            return StructureLearner()
        learner = self.found("learner")
        if learner is DeepR:
            sample = masks.SAMPLERS[self.sample]
            return DeepR(sparse, self.deep_r_l1, self.deep_r_temperature, sample, self.deep_r_noise)
        if learner is GradR:
            if self.grad_r_alpha is None and alpha is None:
                raise ValueError(
                    "learner grad-r needs grad_r_alpha: for LIF networks trained by adam alone the density decides it"
                )
            (density,) = set(sparse.values())
            return GradR(sparse, alpha(density) if self.grad_r_alpha is None else self.grad_r_alpha)  # type: ignore[misc]
        if learner is not Evolve:
            made: StructureLearner = lookup.called("learner", learner, sparse)
            fits = all(hasattr(made, hook) for hook in ("start", "before_step", "after_step", "after_epoch"))
            check(f"what the learner {lookup.shown(learner)} returns", repr(made), fits, "a StructureLearner")
            return made
        t_iter = self.t_iter if self.t_iter >= 1 else self.t_iter * iterations
        t_end = self.t_end if self.t_end > 1 else self.t_end * iterations
        return Evolve(
            sparse,
            t_end=round(t_end),
            t_iter=max(1, round(t_iter)),
            alpha=self.alpha,
            eta_min=self.eta_min,
            prune=self.found("prune"),
            grow=self.found("grow"),
            sample=masks.SAMPLERS[self.sample],
            redistribute=self.found("redistribute"),
            exclude_pruned=self.exclude_pruned,
            keep_weights=self.keep_weights,
            reset_moments=self.reset_moments,
        )


def reaching(
    setup: Setup, plain: Sequential, keys: Collection[str], iterations: int, seed: int
) -> Callable[[float], float] | None:
    """The alpha with which Grad R comes near a density in this training; None for optimisers other than Adam."""
    optimizer = setup.optimizer
    if not isinstance(optimizer, Adam):
        return None

    def alpha(density: float) -> float:
        params, _ = plain.init(np.random.default_rng(seed), setup.shape)
        lr = sum(map(setup.lr, range(setup.epochs))) / setup.epochs
        return alpha_to_reach(density, [params[key] for key in keys], lr, iterations, optimizer.beta1)

    return alpha
