"""What a training run is made of: everything that does not change while it trains."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from minisnn.backend import Array
from minisnn.networks.compose import Sequential
from minisnn.networks.stages.base import Shape
from minisnn.structure.learner import StructureLearner
from minisnn.training.losses import Objective
from minisnn.training.optim import Optimizer


class Penalty(NamedTuple):
    """A cost that weights have whatever the data."""

    forward: Callable[[Array], tuple[Array, Any]]  # weight -> cost, cache
    backward: Callable[[float, Any], Array]  # (dcost, cache) -> dweight
    weight: float
    applies_to: Callable[[str, Array], bool]  # (key, weight)


@dataclass(frozen=True)
class Setup:
    """A training run, ready to go: everything that does not change."""

    net: Sequential
    shape: Shape  # of one sample, for net.init
    encode: Callable[[Array], Array]  # images -> the network's input
    augment: Callable[..., Array]  # (images, rng=...) -> images
    objective: Objective
    penalties: tuple[Penalty, ...]
    optimizer: Optimizer
    normalise: Callable[..., None]  # (grads, masks), in place
    lr: Callable[[int], float]  # of the epoch
    learner: StructureLearner
    batch_size: int
    epochs: int
    accumulate: int = 1  # a batch is processed in this many parts: the same gradient with less memory
    device: str = "cpu"
    fires_once: bool = False  # neurons fire at most once: a layer in which all fire is not saturated
    around: Callable[[], AbstractContextManager[Any]] = nullcontext  # what every step and evaluation runs in
