"""ESL's multi-layer network on first spikes (Table 1, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np

from minisnn import losses, networks, optim
from minisnn.arguments import check, one_of
from minisnn.backend import Array
from minisnn.compose import Sequential
from minisnn.data import LOADERS
from minisnn.data.augment import in_turn, shift
from minisnn.data.dataset import DataSet
from minisnn.data.encode import latency_code
from minisnn.recipes.images import DEVICES
from minisnn.structure.choice import Structure
from minisnn.structure.masks import erdos_renyi_density
from minisnn.training import Objective, Penalty, Setup


@dataclass(frozen=True, kw_only=True)
class ESLMLP(Structure):
    """ESL's multi-layer network on first spikes, dense or sparse (Table 1, Fig. 2).

    The paper leaves most settings open; these were chosen on MNIST's validation set, see docs/results.
    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    data: str = "mnist"
    hidden: tuple[int, ...] = (800,)  # neurons of each hidden layer
    epsilon: float | None = 60.0  # Eq. 1, for the weights into each hidden layer
    density: float | None = None  # of the same weights, in place of epsilon; 1 is the dense net
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
    accumulate: int = 1  # parts in which a batch goes through, to save memory
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data", self.data, LOADERS)
        one_of("optimizer", self.optimizer, optim.OPTIMIZERS)
        one_of("schedule", self.schedule, optim.SCHEDULES)
        one_of("normalise", self.normalise, optim.NORMALISATIONS)
        if (self.epsilon is None) == (self.density is None):
            raise ValueError("give either epsilon or density: each decides the other")
        if self.density is not None:
            check("density", self.density, 0 < self.density <= 1, "above 0 and at most 1")
        if self.epsilon is not None:
            check("epsilon", self.epsilon, self.epsilon > 0, "above 0")
        check(
            "hidden",
            self.hidden,
            self.hidden and min(self.hidden) >= 1,
            "at least one layer of at least 1 neuron",
        )
        check("levels", self.levels, self.levels >= 2, "at least 2")
        one_of("device", self.device, DEVICES)
        for name in ("epochs", "batch_size", "accumulate"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "lr_end", "limit"):
            value = getattr(self, name)
            check(name, value, value is None or 0 < value < np.inf, "above 0 and finite")
        for name in ("weight_sum", "shift", "seed"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")

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

    def load(self) -> DataSet:
        """The data."""
        return LOADERS[self.data]()

    def plain(self, data: DataSet) -> Sequential:
        """The network for these data."""
        densities = self.densities(data.train.images[0].size)
        return networks.first_spike_mlp(self.hidden, data.n_classes, densities)

    def setup(self, data: DataSet) -> Setup:
        """Everything that training needs, for these data."""
        n_in = data.train.images[0].size
        densities = self.densities(n_in)
        net = self.plain(data)
        keys = [f"{name}.weight" for name, _ in net.stages]
        iterations = self.epochs * ceil(len(data.train.labels) / self.batch_size)
        learner = self.structure_learner(dict(zip(keys, densities, strict=False)), iterations)
        sparse = min(densities) < 1
        lr = self.lr or {"sgd": 0.45 if sparse else 0.3, "adam": 0.01}[self.optimizer]
        return Setup(
            net=net,
            shape=(n_in,),
            encode=partial(latency_code, max_value=data.max_value, levels=self.levels),
            augment=in_turn(*([partial(shift, by=self.shift)] if self.shift else [])),
            objective=FIRST_SPIKE,
            penalties=(
                Penalty(
                    losses.weight_sum_cost_forward,
                    losses.weight_sum_cost_backward,
                    self.weight_sum,
                    _is_weight,
                ),
            ),
            optimizer=optim.OPTIMIZERS[self.optimizer],
            normalise=partial(optim.NORMALISATIONS[self.normalise], limit=self.limit),
            lr=partial(
                optim.SCHEDULES[self.schedule], epochs=self.epochs, lr=lr, lr_end=self.lr_end or lr / 100
            ),
            learner=learner,
            batch_size=self.batch_size,
            epochs=self.epochs,
            accumulate=self.accumulate,
            device=self.device,
            fires_once=True,
        )


FIRST_SPIKE = Objective(
    losses.first_spike_loss_forward, losses.first_spike_loss_backward, losses.first_spike_prediction
)


def _is_weight(key: str, weight: Array) -> bool:
    return True


ESL_MLP_DEFAULTS = {
    "digits": ESLMLP(
        data="digits", hidden=(200,), epsilon=8.0, levels=17, epochs=30, batch_size=25, t_iter=20
    ),
    "mnist": ESLMLP(),
    "fashion-mnist": ESLMLP(data="fashion-mnist"),
    "mnist-stand-in": ESLMLP(data="mnist-stand-in"),
    "fashion-mnist-stand-in": ESLMLP(data="fashion-mnist-stand-in"),
}
"""The defaults of `minisnn train esl-mlp`, by data set."""
