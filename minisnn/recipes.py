"""Experiments of the papers, each a frozen dataclass: what it names is what can be changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np

from minisnn import networks, optim
from minisnn.backend import Array
from minisnn.data import LOADERS
from minisnn.data.augment import shift
from minisnn.data.dataset import DataSet
from minisnn.data.encode import latency_code
from minisnn.structure import grow, masks, prune
from minisnn.structure.evolve import Evolve
from minisnn.structure.learner import StructureLearner
from minisnn.structure.masks import erdos_renyi_density
from minisnn.train import Setup


@dataclass(frozen=True)
class ESLMLP:
    """ESL's multi-layer network on first spikes, dense or sparse (Table 1, Fig. 2).

    The paper leaves most settings open; these were chosen on MNIST's validation set, see docs/results.
    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    data: str = "mnist"
    hidden: tuple[int, ...] = (800,)  # neurons of each hidden layer
    epsilon: float | None = 60.0  # Eq. 1, for the weights into each hidden layer
    density: float | None = None  # of the same weights, in place of epsilon; 1 is the dense net
    sample: str = "bernoulli"  # how masks are drawn
    prune: str = "set"
    grow: str = "random"
    alpha: float = 0.3  # fraction of connections replaced at first; 0 keeps the first mask
    t_iter: int = 100  # iterations from one rewiring to the next
    t_end: float = 0.75  # when rewiring ends, as a fraction of training
    epochs: int = 10
    batch_size: int = 100
    optimizer: str = "sgd"
    schedule: str = "exponential"
    lr: float | None = None  # in the first epoch; None: 0.3 dense and 0.45 sparse with SGD, 0.01 with Adam
    lr_end: float | None = None  # in the last epoch; None: lr / 100
    normalise: str = "layers"
    limit: float = 0.3  # of the gradient norm
    weight_sum: float = 1.0  # K, the price of weights that sum to less than 1
    levels: int = 4  # grey levels of the input; 2 is binarised
    shift: int = 0  # augmentation by random shifts of so many pixels
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("data", self.data, LOADERS)
        _one_of("sample", self.sample, masks.SAMPLERS)
        _one_of("prune", self.prune, prune.RULES)
        _one_of("grow", self.grow, grow.RULES)
        _one_of("optimizer", self.optimizer, optim.OPTIMIZERS)
        _one_of("schedule", self.schedule, optim.SCHEDULES)
        _one_of("normalise", self.normalise, optim.NORMALISATIONS)
        if (self.epsilon is None) == (self.density is None):
            raise ValueError("give either epsilon or density: each decides the other")
        if self.density is not None:
            _must("density", self.density, 0 < self.density <= 1, "above 0 and at most 1")
        if self.epsilon is not None:
            _must("epsilon", self.epsilon, self.epsilon > 0, "above 0")
        _must(
            "hidden",
            self.hidden,
            self.hidden and min(self.hidden) >= 1,
            "at least one layer of at least 1 neuron",
        )
        _must("alpha", self.alpha, 0 <= self.alpha <= 1, "0 to 1")
        _must("t_end", self.t_end, 0 <= self.t_end <= 1, "0 to 1, a fraction of training")
        _must("levels", self.levels, self.levels >= 2, "at least 2")
        for name in ("t_iter", "epochs", "batch_size"):
            _must(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "lr_end", "limit"):
            value = getattr(self, name)
            _must(name, value, value is None or 0 < value < np.inf, "above 0 and finite")
        for name in ("weight_sum", "shift", "seed"):
            _must(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")

    def densities(self, n_in: int) -> tuple[float, ...]:
        """Of the weights into each hidden layer, for n_in inputs. ValueError if epsilon overfills one."""
        if self.density is not None:
            return (self.density,) * len(self.hidden)
        assert self.epsilon is not None
        found = []
        for before, after in zip((n_in, *self.hidden), self.hidden, strict=False):
            full = before * after / (before + after)
            if self.epsilon > full:
                raise ValueError(
                    f"epsilon {self.epsilon:g} overfills the layer {before}-{after}: "
                    f"it must be above 0 and at most {full:.4g}, where the layer is dense"
                )
            found.append(erdos_renyi_density(before, after, self.epsilon))
        return tuple(found)

    def setup(self, data: DataSet) -> Setup:
        """Everything that training needs, for these data."""
        densities = self.densities(data.train.images[0].size)
        net = networks.first_spike_mlp(self.hidden, data.n_classes, densities)
        keys = [f"{name}.weight" for name, _ in net.stages]
        sparse = {key: d for key, d in zip(keys, densities, strict=False) if d < 1}
        iterations = self.epochs * ceil(len(data.train.labels) / self.batch_size)
        learner = StructureLearner()
        if sparse:
            learner = Evolve(
                sparse,
                t_end=round(self.t_end * iterations),
                t_iter=self.t_iter,
                alpha=self.alpha,
                prune=prune.RULES[self.prune],
                grow=grow.RULES[self.grow],
                sample=masks.SAMPLERS[self.sample],
            )
        lr = self.lr or {"sgd": 0.45 if sparse else 0.3, "adam": 0.01}[self.optimizer]
        return Setup(
            net=net,
            encode=partial(latency_code, white=data.white, levels=self.levels),
            augment=partial(shift, by=self.shift) if self.shift else _unchanged,
            optimizer=optim.OPTIMIZERS[self.optimizer],
            normalise=partial(optim.NORMALISATIONS[self.normalise], limit=self.limit),
            lr=partial(
                optim.SCHEDULES[self.schedule], epochs=self.epochs, lr=lr, lr_end=self.lr_end or lr / 100
            ),
            learner=learner,
            weight_sum=self.weight_sum,
            batch_size=self.batch_size,
            epochs=self.epochs,
        )


def _unchanged(images: Array, rng: np.random.Generator) -> Array:
    return images


def _one_of(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, found {value!r}")


def _must(name: str, value: object, holds: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}, found {value}")


ESL_MLP = {
    "mnist": ESLMLP(),
    "digits": ESLMLP(
        data="digits", hidden=(200,), epsilon=8.0, levels=17, epochs=30, batch_size=25, t_iter=20
    ),
}
"""The defaults of `minisnn train esl-mlp`, by data set."""
