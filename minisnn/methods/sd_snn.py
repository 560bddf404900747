"""SD-SNN: spines that grow and shrink decide which neurons are pruned. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp
from typing import Any, ClassVar

import numpy as np

from minisnn.arguments import check
from minisnn.backend import Array, array_module, to_host
from minisnn.lookup import register
from minisnn.methods.rows import RowLearner, row_sums, scaled_to_one
from minisnn.structure.learner import LEARNERS, StructureLearner, Training
from minisnn.training.state import TrainingState

FEW = {4: 20, 2: 50}  # a row with fewer live weights counts as pruned: of a filter, of an output
BASE = {4: 65.0, 2: 60.0}  # percentile above which kernels and single weights grow, at first
LEVEL = {4: 0.5, 2: 2.0}  # percentage of rows pruned, at first
SHRUNK = 0.75


def growth_percentile(when: float, base: float) -> float:
    """The percentile that a masked unit must exceed to grow: min(99, base + 1.1^when). when: epochs since the first."""
    return 99.0 if when > 40 else min(99.0, base + 1.1**when)


def level_rise(when: int, ndim: int) -> float:
    """How fast the percentage of pruned rows rises, `when` of the authors' epochs after the first.

    ndim: 4 for a convolution, exp(-when / 5); 2 for a linear layer, exp(-when) / 2, from the 24th epoch on 0.0005.
    """
    if ndim == 4:
        return exp(-when / 5)
    return 0.5 * exp(-when) if when <= 23 else 0.0005


@register(LEARNERS, "sd-snn")
@dataclass(frozen=True)
class SDSNN(RowLearner):
    r"""Structural development of spiking networks (Han, Zeng et al. 2022), for comparison. Not part of the two papers.

    Each weight of a layer has a range [r-, r+], at first -+ the layer's largest weight. After each epoch:

    1. A weight at or above r+ in K + 1 epochs in a row widens it by the mean of what it was above, and starts to count
       again; below r- likewise. One whose magnitude fell K + 1 times in a row has both multiplied by 3/4.
    2. After K epochs weights are cut off at their ranges.
    3. After 2 K epochs masked units may grow, the kernels of a filter or the single weights of a linear layer: those
       whose sum of weights, with its sign, is above `growth_percentile` of the layer in K + 2 epochs in a row.
    4. Then rows go, the filters and outputs with the smallest range: the sum over the row of M (r+ - r-), scaled to 0
       to 1 in the layer. Of the int(C rho / 100) lowest of C those go that never went before. rho then rises by
       `level_rise` times (C - P) / (C' - P'), where P have hardly a live weight, and a prime means the next layer.

    Masks are applied after each epoch; within an epoch masked weights learn, which is what growth is decided by. So
    weights are 0 off the mask in each evaluation, but training costs as much as dense.

    densities: see `RowLearner`. No density is asked for: the schedule of rho alone decides.
    window: K, 18. pace: how many of the authors' epochs one of ours stands for, in the schedules of the percentile and
    of rho; for recipes as many as make 600, and K is 18 divided by it. Both are ours, for short trainings.

    From the authors' code (BrainCog, examples/Structural_Development/SD-SNN), which has convolutions and one hidden
    linear layer. What differs: its ranges change in the linear layer alone, because a line is indented too far, and
    all filters of a convolution tie; ours change everywhere. They begin after the first epoch, as there. A row of
    fewer weights than count as "hardly" is pruned when none is left. Several hidden linear layers, and other shapes,
    follow the same rules. One row at least stays. Raises ValueError for values below 1.
    """

    authors_epochs: ClassVar[int] = 600

    window: int = 18

    def __post_init__(self) -> None:
        super().__post_init__()
        check("window", self.window, self.window >= 1, "at least 1")

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with a K that shrinks as the pace grows."""
        pace = options.get("pace", max(1, round(cls.authors_epochs / training.epochs)))
        found: dict[str, Any] = {"window": max(1, round(18 / pace))}
        return super().made_for(densities, found | dict(options), training)

    def after_epoch(self, state: TrainingState) -> None:
        epoch = state.epoch - 1  # the authors' first is 0
        if not epoch:
            for key in self.hidden:
                self._begin(state, key)
        else:
            for key in self.hidden:
                self._move_ranges(state, key)
            if epoch > self.window:
                self._cut(state)
            if epoch > 2 * self.window:
                when = (epoch - 2 * self.window - 1) * self.pace
                for key in self.hidden:
                    self._grow(state, key, when)
                for key, following in pairwise(self.densities):
                    self._prune(state, key, following, when)
        self._apply(state)

    def _begin(self, state: TrainingState, key: str) -> None:
        """Ranges from the weights as they are, and counters at 0."""
        weight, memory = state.params[key], state.structure
        xp = array_module(weight)
        limit = xp.full_like(weight, float(weight.max()))
        memory |= {f"{key}.upper": limit, f"{key}.lower": -limit, f"{key}.size": abs(weight)}
        shapes = dict.fromkeys(("above", "below", "shrinking"), weight.shape)
        for name, shape in (shapes | {"growing": weight.shape[-2:]}).items():
            memory[f"{key}.{name}"] = xp.zeros(shape, bool)
            memory[f"{key}.{name}.count"] = xp.zeros(shape, "int32")
        for name in ("above", "below"):
            memory[f"{key}.{name}.sum"] = xp.zeros_like(weight)
        memory[f"{key}.pruned"] = xp.zeros(weight.shape[-1], bool)
        memory[f"{key}.level"] = xp.full(1, LEVEL[weight.ndim], "float64")

    def _count(self, state: TrainingState, name: str, now: Array, limit: int) -> Array:
        """Which are so in limit + 1 epochs in a row; these begin to count again."""
        count = state.structure[f"{name}.count"]
        count[...] = (count + 1) * (now & state.structure[name])
        state.structure[name] = now
        done = count >= limit
        count *= ~done
        return done

    def _move_ranges(self, state: TrainingState, key: str) -> None:
        """Step 1. Masked weights count as 0."""
        memory, K = state.structure, self.window
        weight = state.params[key] * memory[f"{key}.book"]
        for name, bound, beyond in (
            ("above", memory[f"{key}.upper"], weight >= memory[f"{key}.upper"]),
            ("below", memory[f"{key}.lower"], weight <= memory[f"{key}.lower"]),
        ):
            total = memory[f"{key}.{name}.sum"]
            total[...] = (total + weight - bound) * (beyond & memory[f"{key}.{name}"])
            done = self._count(state, f"{key}.{name}", beyond, K)
            bound += total / K * done
            total *= ~done
        done = self._count(state, f"{key}.shrinking", abs(weight) < memory[f"{key}.size"], K)
        for name in ("upper", "lower"):
            memory[f"{key}.{name}"] *= array_module(weight).where(done, weight.dtype.type(SHRUNK), 1)
        memory[f"{key}.size"] = abs(weight)

    def _cut(self, state: TrainingState) -> None:
        """Step 2. As in the code, masked weights are cut off, too."""
        for key in self.hidden:
            weight, xp = state.params[key], array_module(state.params[key])
            upper, lower = state.structure[f"{key}.upper"], state.structure[f"{key}.lower"]
            weight[...] = xp.maximum(xp.minimum(weight, upper), lower)

    def _grow(self, state: TrainingState, key: str, when: int) -> None:
        """Step 3. Ranked on the host, so that equal weights give equal masks on every array library."""
        weight, book = state.params[key], state.structure[f"{key}.book"]
        axes = tuple(range(weight.ndim - 2))
        score = to_host(weight).sum(axes, dtype="float64")
        high = np.percentile(score, growth_percentile(when, BASE[weight.ndim]))
        xp = array_module(weight)
        now = xp.asarray(score > high) & ~book.any(axes)
        book |= self._count(state, f"{key}.growing", now, self.window + 1)

    def _prune(self, state: TrainingState, key: str, following: str, when: int) -> None:
        """Step 4. First rows go, then rho rises."""
        memory = state.structure
        book, gone, level = memory[f"{key}.book"], memory[f"{key}.pruned"], memory[f"{key}.level"]
        ndim, xp, C = book.ndim, array_module(book), book.shape[-1]
        ranges = to_host(memory[f"{key}.upper"]) + abs(to_host(memory[f"{key}.lower"]))
        score = row_sums(scaled_to_one(ranges) * to_host(book))
        lowest = np.argsort(score, kind="stable")[: min(C - 1, int(C * float(level[0]) / 100))]
        chosen = np.zeros(C, bool)
        chosen[lowest] = True
        new = xp.asarray(chosen) & ~gone
        book &= ~new
        gone |= new
        live = self._live(state, key, ndim), self._live(state, following, ndim)
        rise = sum(level_rise(when + n, ndim) for n in range(self.pace))
        level += rise * live[0] / max(1, live[1])

    def _live(self, state: TrainingState, key: str, ndim: int) -> int:
        """C - P: the rows that have enough live weights. ndim: of the layer whose level is about to rise."""
        memory = state.structure
        book: Array = memory[f"{key}.book"] if f"{key}.book" in memory else state.masks[key]
        few = min(FEW[ndim], book.size // book.shape[-1])
        return int((row_sums(book) >= few).sum())
