"""What SD-SNN and DPAP share: rows of weights, and masks that bite when an epoch ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from minisnn.arguments import check, whole
from minisnn.backend import Array, array_module
from minisnn.structure.learner import SparseLearner, StructureLearner, Training, everything
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


def scaled_to_one(x: Array, high: float | None = None) -> Array:
    """(x - min) / (high - min), cut off at 0 and 1; 1/2 everywhere where that is 0 / 0. high: by default the maximum.

    In float64, so that sums of equal numbers are equal on every array library.
    """
    x = array_module(x).asarray(x, "float64")
    low, high = float(x.min()), float(x.max()) if high is None else high
    return array_module(x).clip((x - low) / (high - low), 0, 1) if high != low else 0 * x + 0.5


def row_sums(x: Array) -> Array:
    """Of everything that belongs to a row, the weights of one filter or output: [..., n_out] -> [n_out]."""
    return x.reshape(-1, x.shape[-1]).sum(0)


@dataclass(frozen=True)
class RowLearner(SparseLearner):
    """Base of learners that take whole rows, the weights of one filter or output, once an epoch.

    Masks are kept in `.book` of `state.structure`. They are applied after each epoch; within an epoch all weights
    learn. The last of the layers stays dense, as the authors' does; its outputs are only counted.

    densities: which layers, by key of params in the order of the network; their values mean nothing, for no density
    is asked for. Raises ValueError for fewer than two layers, a pace below 1, and at the
    start for weights of other layers than convolutions and linear ones.
    """

    authors_epochs: ClassVar[int]  # of training
    one_density: ClassVar[bool] = True  # no layer may be left out

    pace: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("pace", self.pace, 1)
        n = len(self.densities)
        check("densities", f"{n}", n >= 2, "of at least two layers, of which the last stays dense")

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with the pace at which the authors' schedule ends with this training."""
        found: dict[str, Any] = {"pace": max(1, round(cls.authors_epochs / training.epochs))}
        return cls(densities, **(found | dict(options)))

    @property
    def hidden(self) -> list[str]:
        """Keys of the layers that change, all but the last."""
        return list(self.densities)[:-1]

    def dense_gradients(self) -> float:
        """All weights learn within an epoch: forwards, too, the network is then a dense one."""
        return 1.0

    def target_density(self, state: TrainingState) -> float | None:
        return None

    def start(self, state: TrainingState) -> None:
        self.draw_masks(state, everything)
        for key in self.densities:
            shape = state.params[key].shape
            check(f"{key}", shape, len(shape) in (2, 4), "the weight of a convolution or of a linear layer")
        for key in self.hidden:
            state.structure[key + ".book"] = state.masks[key].copy()

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Returns 0: what is pruned after an epoch is not counted."""
        for key in self.hidden:
            state.masks[key][...] = True
        return 0

    def _apply(self, state: TrainingState) -> None:
        """Make the masks what the books say; the loop multiplies the weights."""
        for key in self.hidden:
            state.masks[key][...] = state.structure[key + ".book"]
            self._seen(state, key)
