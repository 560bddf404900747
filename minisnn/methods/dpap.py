"""DPAP: traces of spikes and BCM plasticity decide which neurons die. Not part of the two papers."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any, ClassVar

import numpy as np

from minisnn.backend import Array, array_module, to_host
from minisnn.lookup import register
from minisnn.methods.rows import RowLearner, row_sums, scaled_to_one
from minisnn.networks.compose import Sequential, leaf_caches
from minisnn.structure.learner import LEARNERS
from minisnn.training.state import TrainingState

DECAY = 0.5  # of traces
FIRST = 5  # the authors' first epoch of pruning
RESERVE = 10.0  # at first
KEPT = 0.999
SHIFT = {4: 0.65, 2: 1.5}  # of convolutions, of linear layers
BONUS = {4: 5.0, 2: 2.0}
STAIR = {4: 12, 2: 13}  # epochs


def mean_trace(x: Array, samples: int, merged: bool = False) -> Array:
    r"""Traces at the last step, over T: $tr_t = tr_{t-1} / 2 + x_t$, summed over positions.

    x: [T, B, ..., C], or [T*B, ..., C] if time and batch are merged; samples: B. Returns [B, C], float64.
    """
    T = len(x) // samples if merged else len(x)
    steps = x.reshape(T, samples, -1, x.shape[-1]).sum(2, dtype="float64")
    trace = 0 * steps[0]
    for step in steps:
        trace = DECAY * trace + step
    return trace / len(steps)


def change(score: np.ndarray, ndim: int) -> np.ndarray:
    """How the reserve changes at first: 2 u - 0.65, and 5 more where that is positive; 1.5 and 2 in linear layers.

    u: the score, scaled to 0 to 1 between its minimum and its 75th percentile. ndim: 4 for a convolution, 2 else.
    """
    delta = 2 * scaled_to_one(score, float(np.percentile(score, 75))) - SHIFT[ndim]
    return delta + BONUS[ndim] * (delta > 0)


@register(LEARNERS, "dpap")
@dataclass(frozen=True)
class DPAP(RowLearner):
    r"""Developmental plasticity-inspired adaptive pruning (Han et al. 2024), for comparison. Not of the two papers.

    In each forward pass a neuron has a trace of its spikes, tr_t = tr_{t-1} / 2 + a_t. c is tr_T / T, summed over the
    positions of a channel, and BCM adds up how it goes with the c' of the layer's inputs, over the samples:

    $$ \mathrm{BCM} \mathrel{+}= c' \, c\, (c - \theta) $$

    theta is the mean of c so far. Nothing is ever reset. A row, the filter of a channel or the weights of an output,
    has the score D, the product of the row sum of BCM and of the sum of c, each scaled to 0 to 1 in its layer. From
    the 6th epoch e = 5 on each row has a reserve R, at first 10, which changes after each epoch, see `change`:

    $$ R \leftarrow 0.999 R + \delta \, \exp\bigl(-\lfloor (e - 5) / 12 \rfloor\bigr) $$

    Rows with R < 0 go for good. In linear layers the stairs are 13 epochs wide, and single weights go, too, in the same
    way, with their BCM as D. The stairs bound what can be lost in all: filters die only if u is below about 0.06,
    outputs and weights of linear layers below about 0.5.

    Masks are applied after each epoch; within an epoch masked weights learn, as in the authors' code, though they
    never return. So weights are 0 off the mask in each evaluation, but training costs as much as dense.

    densities: see `RowLearner`. No density is asked for: the scores alone decide.
    pace: how many of the authors' epochs one of ours stands for, in e and in the number of changes of R; for recipes
        as many as make 300. This is ours, for short trainings.

    From the authors' code (BrainCog, examples/Structural_Development/DPAP), which has convolutions and one hidden
    linear layer. What differs: theta is there that of each place in the batch, here one for each channel, so that
    batches may have any size; a batch that is processed in parts counts part by part. Where the network repeats a
    static image only later, or sums in a pool, c' has another scale, which D does not depend on. In other networks a
    layer has the neurons that come next and are as many as its channels; one without is left alone. Raises ValueError
    for a pace below 1.
    """

    authors_epochs: ClassVar[int] = 300

    def start(self, state: TrainingState) -> None:
        super().start(state)
        for key in self.hidden:
            weight, memory = state.params[key], state.structure
            xp, C = array_module(weight), weight.shape[-1]
            # of a filter only the row sum matters
            memory[f"{key}.bcm"] = xp.zeros(C if weight.ndim == 4 else weight.shape, "float64")
            memory[f"{key}.trace"] = xp.zeros(C, "float64")
            memory[f"{key}.samples"] = np.zeros(1, int)
            memory[f"{key}.reserve"] = xp.full(C, RESERVE, "float64")
            if weight.ndim == 2:
                memory[f"{key}.weights.reserve"] = xp.full(weight.shape, RESERVE, "float64")

    def after_forward(self, state: TrainingState, net: Sequential, cache: Any, samples: int) -> None:
        """Add up traces and BCM of the batch."""
        inputs: dict[str, Array] = {}  # of layers whose neurons have not come yet
        for name, found in leaf_caches(net, cache):
            key = f"{name}.weight"
            if key in self.hidden and hasattr(found, "x"):
                inputs[key] = found.x
            elif hasattr(found, "firing_rate"):
                for key in [k for k in inputs if state.params[k].shape[-1] == found.spikes.shape[-1]]:
                    self._add(state, key, inputs.pop(key), found.spikes, samples)

    def _add(self, state: TrainingState, key: str, x: Array, spikes: Array, samples: int) -> None:
        memory = state.structure
        merged = state.params[key].ndim == 4  # a convolution's input
        before, c = mean_trace(x, samples, merged), mean_trace(spikes, samples)
        n, trace, bcm = memory[f"{key}.samples"], memory[f"{key}.trace"], memory[f"{key}.bcm"]
        theta = trace / max(1, int(to_host(n)[0]))
        before = before if bcm.ndim == 2 else before.sum(1, keepdims=True)
        bcm += (before.T @ (c * (c - theta))).reshape(bcm.shape)
        trace += c.sum(0)
        memory[f"{key}.samples"] = n + samples

    def after_epoch(self, state: TrainingState) -> None:
        epoch, first = state.epoch - 1, max(1, round(FIRST / self.pace))  # the authors' first epoch is 0
        for key in self.hidden if epoch >= first else ():
            if not int(to_host(state.structure[f"{key}.samples"])[0]):
                continue  # no neurons follow
            # on the host, so that equal sums give equal masks on every array library
            bcm, trace = (to_host(state.structure[f"{key}.{name}"]) for name in ("bcm", "trace"))
            rows = row_sums(bcm) if bcm.ndim == 2 else bcm
            when = (epoch - first) * self.pace
            self._wear(state, key, "reserve", scaled_to_one(rows) * scaled_to_one(trace), when)
            if bcm.ndim == 2:
                self._wear(state, key, "weights.reserve", bcm, when)
        self._apply(state)

    def _wear(self, state: TrainingState, key: str, name: str, score: np.ndarray, when: int) -> None:
        """Change reserves by their score, `when` of the authors' epochs after their first; what has none left goes."""
        reserve, book = state.structure[f"{key}.{name}"], state.structure[f"{key}.book"]
        delta = array_module(reserve).asarray(change(score, book.ndim))
        for n in range(when, when + self.pace):
            reserve[...] = KEPT * reserve + delta * exp(-(n // STAIR[book.ndim]))
            book &= ~(reserve < 0)
