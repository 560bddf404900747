"""What all recipes for LIF networks on images share: network, data, loss, optimiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import TypeVar

import numpy as np

from minisnn import losses, networks, optim
from minisnn.arguments import check, one_of
from minisnn.backend import Array
from minisnn.compose import Sequential
from minisnn.data import EVENT_LOADERS, LOADERS
from minisnn.data.augment import Augmentation, flip, in_turn, roll, shift
from minisnn.data.cifar10_dvs import SPLITS
from minisnn.data.dataset import DataSet
from minisnn.data.encode import direct_code, event_code
from minisnn.data.frames import BY
from minisnn.fast import fast
from minisnn.structure.learner import StructureLearner
from minisnn.training import Objective, Penalty, Setup

DEVICES = ("cpu", "gpu")


@dataclass(frozen=True, kw_only=True)
class Images:
    """A LIF network of either paper, trained on images by direct coding, or on frames of an event camera.

    net: a name in `networks.NETWORKS`, a notation such as "16C3-AP2-32C3-AP2-10FC", or a `describe.to_text`.
    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    data: str = "mnist"
    by: str = "number"  # how recordings are cut into frames: so many events, or microseconds, in each
    split: str = "tet"  # whose test set of CIFAR10-DVS
    net: str = "16C3-AP2-32C3-AP2-10FC"
    width: float = 1.0  # of all layers but the last, as a multiple
    paper: str | None = None  # whose neurons, readout, loss and optimiser; None: the net's own, or ESL's
    T: int = 4  # time steps; of recordings, frames
    loss: str | None = None  # None: TET for ESL, of the mean over time for SCA
    lam: float = 0.0  # lambda of TET's second term
    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1  # parts in which a batch goes through, to save memory
    optimizer: str | None = None  # None: Adam for ESL, SGD for SCA
    schedule: str = "cosine"
    lr: float | None = None  # in the first epoch; None: 0.001 with Adam, 0.01 with SGD
    lr_end: float | None = None  # in the last epoch; None: 0 if the schedule is cosine, else lr / 100
    l1: float = 0.0  # price of the L1 norm
    l1_on: str = "conv"  # of what: convolutions (SCA's code) or batch norm's gamma
    images: int | None = None  # of the training set, the first so many; None: all
    shift: int = 0  # augmentation by random shifts of so many pixels; frames are rolled
    flip: bool = False  # augmentation by mirror images
    fast: bool = True  # False walks the plain stages: the same numbers to rounding, slowly
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("data", self.data, (*LOADERS, *EVENT_LOADERS))
        one_of("by", self.by, BY)
        one_of("split", self.split, SPLITS)
        check("width", self.width, 0 < self.width < np.inf, "above 0 and finite")
        if self.paper is not None:
            one_of("paper", self.paper, networks.STYLES)
        if self.loss is not None:
            one_of("loss", self.loss, ("tet", "mean"))
        if self.optimizer is not None:
            one_of("optimizer", self.optimizer, optim.OPTIMIZERS)
        one_of("schedule", self.schedule, optim.SCHEDULES)
        one_of("l1_on", self.l1_on, ("conv", "gamma"))
        one_of("device", self.device, DEVICES)
        for name in ("T", "epochs", "batch_size", "accumulate"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "lr_end"):
            value = getattr(self, name)
            check(name, value, value is None or 0 < value < np.inf, "above 0 and finite")
        check("lam", self.lam, 0 <= self.lam <= 1, "0 to 1")
        check("images", self.images, self.images is None or self.images >= 1, "at least 1")
        for name in ("l1", "shift", "seed"):
            check(name, getattr(self, name), 0 <= getattr(self, name) < np.inf, "0 or more, and finite")

    def load(self) -> DataSet:
        """The data. ValueError for more images than there are."""
        if self.data in EVENT_LOADERS:
            divided = {} if self.data == "event-digits" else {"split": self.split}
            data = EVENT_LOADERS[self.data](self.T, by=self.by, **divided)
        else:
            data = LOADERS[self.data]()
        there = len(data.train.labels)
        check("images", self.images, (self.images or 1) <= there, f"at most {there} for {self.data}")
        return replace(data, train=data.train.take(slice(self.images))) if self.images else data

    def plain(self, data: DataSet) -> Sequential:
        """The network for these data, as one reads it."""
        return self.build(data)[0]

    def build(self, data: DataSet) -> tuple[Sequential, str]:
        """The plain network for these data, and the paper whose training it has."""
        return self._network(data, self.width)

    def _network(self, data: DataSet, width: float) -> tuple[Sequential, str]:
        T = None if data.is_sequence else self.T
        return networks.build(self.net, data.shape, data.n_classes, T, self.paper, width)

    def iterations(self, data: DataSet) -> int:
        """Optimiser steps in all of training."""
        return self.epochs * ceil(len(data.train.labels) / self.batch_size)

    def training(self, data: DataSet, net: Sequential, paper: str, learner: StructureLearner) -> Setup:
        """Everything that training this network, with this learner, needs."""
        loss = self.loss or {"esl": "tet", "sca": "mean"}[paper]
        optimizer = self.optimizer or {"esl": "adam", "sca": "sgd"}[paper]
        lr = self.lr or {"adam": 0.001, "sgd": 0.01}[optimizer]
        lr_end = self.lr_end or (0.0 if self.schedule == "cosine" else lr / 100)
        encode: Callable[[Array], Array] = event_code
        if data.mean is not None and data.std is not None:  # not of sequences
            encode = partial(direct_code, max_value=data.max_value, mean=data.mean, std=data.std)
        move: Augmentation = roll if data.is_sequence else shift
        steps = [partial(move, by=self.shift)] if self.shift else []
        return Setup(
            net=fast(net, data.shape) if self.fast else net,
            shape=data.shape,
            encode=encode,
            augment=in_turn(*steps, *([flip] if self.flip else [])),
            objective=tet(self.lam) if loss == "tet" else MEAN,
            penalties=(
                Penalty(
                    losses.l1_cost_forward, losses.l1_cost_backward, self.l1,
                    {"conv": _is_conv, "gamma": _is_gamma}[self.l1_on],
                ),
            ) if self.l1 else (),
            optimizer=optim.OPTIMIZERS[optimizer],
            normalise=optim.unlimited,
            lr=partial(optim.SCHEDULES[self.schedule], epochs=self.epochs, lr=lr, lr_end=lr_end),
            learner=learner,
            batch_size=self.batch_size,
            epochs=self.epochs,
            accumulate=self.accumulate,
            device=self.device,
        )  # fmt: skip


MEAN = Objective(losses.mean_loss_forward, losses.mean_loss_backward, losses.mean_prediction)


def tet(lam: float = 0.0) -> Objective:
    """TET's loss; the class is read from the mean over time."""
    return Objective(
        partial(losses.tet_loss_forward, lam=lam), losses.tet_loss_backward, losses.mean_prediction
    )


def _is_conv(key: str, weight: Array) -> bool:
    """The 3x3 kernels, as in SCA's code; not a shortcut's 1x1."""
    return weight.ndim == 4 and len(weight) == 3


def _is_gamma(key: str, weight: Array) -> bool:
    return key.endswith(".gamma")


AnyImages = TypeVar("AnyImages", bound=Images)


def with_stand_ins(defaults: dict[str, AnyImages]) -> dict[str, AnyImages]:
    """Defaults by data set, and the same for every stand-in of a data set among them."""
    stand_ins = {f"{name}-stand-in": recipe for name, recipe in defaults.items()}
    return defaults | {
        name: replace(recipe, data=name) for name, recipe in stand_ins.items() if name in LOADERS
    }
