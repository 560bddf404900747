"""The hooks by which a structure learner takes part in training."""

from __future__ import annotations

from minisnn.backend import Array
from minisnn.optim import Optimizer
from minisnn.state import TrainingState


class StructureLearner:
    """Dense training: the learner that does nothing. Others override the hooks they need.

    A learner is a description; what it must remember goes into `state.structure`, where a
    checkpoint saves it.
    """

    def start(self, state: TrainingState) -> None:
        """Called once, when the parameters are initialised."""

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        """Called before each optimiser step: may change gradients in place."""

    def after_step(self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer) -> int:
        """Called after each optimiser step, when masks are applied. Returns the number of connections replaced."""
        return 0

    def after_epoch(self, state: TrainingState) -> None:
        """Called after each epoch."""

    def explored(self, state: TrainingState) -> float:
        """The fraction of the learner's connections that have ever been active."""
        return 1.0
