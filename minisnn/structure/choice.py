"""What a recipe can choose about its connections, and the learner that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minisnn.arguments import check, one_of
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.deep_r import DeepR
from minisnn.structure.evolve import Evolve
from minisnn.structure.grad_r import GradR
from minisnn.structure.learner import StructureLearner

LEARNERS = ("evolve", "deep-r", "grad-r")


@dataclass(frozen=True, kw_only=True)
class Structure:
    """How connections are drawn, and how they change: the part of a recipe that all networks share.

    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    sample: str = "bernoulli"  # how masks are drawn
    prune: str = "set"
    grow: str = "random"
    alpha: float = 0.3  # fraction of connections replaced at first; 0 keeps the first mask
    eta_min: float = 0.0  # fraction of connections replaced at last
    t_iter: float = 100  # iterations from one rewiring to the next; below 1, as a fraction of training
    t_end: float = 0.75  # when rewiring ends, as a fraction of training; above 1, in iterations
    redistribute: str = "none"  # how many connections each layer gets back
    exclude_pruned: bool = False  # what was pruned a moment ago may not grow
    keep_weights: bool = False  # what grows again at once keeps its weight
    reset_moments: bool = False  # new connections start without the optimiser's moments
    learner: str = "evolve"  # or deep-r, grad-r, of neither paper: they heed nothing of the above
    deep_r_l1: float = 1e-5  # Deep R's pull towards 0; it heeds `sample`, too
    deep_r_temperature: float = 0.0  # of Deep R's random walk
    grad_r_alpha: float = 1e-3  # strength of Grad R's prior

    def __post_init__(self) -> None:
        one_of("sample", self.sample, masks.SAMPLERS)
        one_of("prune", self.prune, prune.RULES)
        one_of("grow", self.grow, grow.RULES)
        one_of("redistribute", self.redistribute, redistribute.RULES)
        one_of("learner", self.learner, LEARNERS)
        for name in ("deep_r_l1", "deep_r_temperature", "grad_r_alpha"):
            check(name, getattr(self, name), 0 <= getattr(self, name) < np.inf, "0 or more, and finite")
        check("alpha", self.alpha, 0 <= self.alpha <= 1, "0 to 1")
        check("eta_min", self.eta_min, 0 <= self.eta_min <= self.alpha, f"0 to alpha = {self.alpha}")
        check("t_end", self.t_end, 0 <= self.t_end < np.inf, "0 or more")
        check("t_iter", self.t_iter, 0 < self.t_iter < np.inf, "above 0")
        for name, value in (("t_iter", self.t_iter), ("t_end", self.t_end)):
            check(
                name, value, value <= 1 or value == int(value), "a fraction, or a whole number of iterations"
            )

    def structure_learner(self, densities: Mapping[str, float], iterations: int) -> StructureLearner:
        """Of a network with these densities, trained so long."""
        sparse = {key: density for key, density in densities.items() if density < 1}
        if not sparse:
            return StructureLearner()
        if self.learner == "deep-r":
            return DeepR(sparse, self.deep_r_l1, self.deep_r_temperature, masks.SAMPLERS[self.sample])
        if self.learner == "grad-r":
            return GradR(sparse, self.grad_r_alpha)
        t_iter = self.t_iter if self.t_iter >= 1 else self.t_iter * iterations
        t_end = self.t_end if self.t_end > 1 else self.t_end * iterations
        return Evolve(
            sparse,
            t_end=round(t_end),
            t_iter=max(1, round(t_iter)),
            alpha=self.alpha,
            eta_min=self.eta_min,
            prune=prune.RULES[self.prune],
            grow=grow.RULES[self.grow],
            sample=masks.SAMPLERS[self.sample],
            redistribute=redistribute.RULES[self.redistribute],
            exclude_pruned=self.exclude_pruned,
            keep_weights=self.keep_weights,
            reset_moments=self.reset_moments,
        )
