"""Experiments of the papers, each a frozen dataclass: what it names is what can be changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil, prod

import numpy as np

from minisnn import losses, networks, optim
from minisnn.backend import Array
from minisnn.compose import Sequential
from minisnn.data import LOADERS
from minisnn.data.augment import flip, in_turn, shift
from minisnn.data.dataset import DataSet
from minisnn.data.encode import direct_code, latency_code
from minisnn.fast import fast
from minisnn.stages import Shape
from minisnn.structure import masks
from minisnn.structure.choice import Structure, must, one_of
from minisnn.structure.masks import erdos_renyi_density
from minisnn.train import Objective, Penalty, Setup


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
            must("density", self.density, 0 < self.density <= 1, "above 0 and at most 1")
        if self.epsilon is not None:
            must("epsilon", self.epsilon, self.epsilon > 0, "above 0")
        must(
            "hidden",
            self.hidden,
            self.hidden and min(self.hidden) >= 1,
            "at least one layer of at least 1 neuron",
        )
        must("levels", self.levels, self.levels >= 2, "at least 2")
        one_of("device", self.device, DEVICES)
        for name in ("epochs", "batch_size", "accumulate"):
            must(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "lr_end", "limit"):
            value = getattr(self, name)
            must(name, value, value is None or 0 < value < np.inf, "above 0 and finite")
        for name in ("weight_sum", "shift", "seed"):
            must(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")

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
            encode=partial(latency_code, white=data.white, levels=self.levels),
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


@dataclass(frozen=True, kw_only=True)
class LIFNet(Structure):
    """Any LIF network of both papers, dense or sparse, on images by direct coding (ESL Fig. 3, Fig. 4, Table 2).

    net: a name in `networks.NETWORKS` or a notation such as "16C3-AP2-32C3-AP2-10FC".
    The pair of rules is the one that ESL finds most stable. alpha and T_end are not in the paper; 0.5 is
    sparse_learning's and ITOP's.
    Raises ValueError for a name or a value that makes no sense, saying what would.
    """

    data: str = "mnist"
    net: str = "16C3-AP2-32C3-AP2-10FC"
    width: float = 1.0  # of all layers but the last, as a multiple
    density: float = 1.0  # of all weights of convolutions and linear layers together; 1 is the dense net
    distribution: str = "erk"  # of the density over the layers
    same_size: bool = False  # a baseline: no masks, but so narrow that it has as many weights
    grow: str = "momentum"
    alpha: float = 0.5
    t_end: float = 1.0
    paper: str | None = None  # whose neurons, readout, loss and optimiser; None: the net's own, or ESL's
    T: int = 4  # time steps
    loss: str | None = None  # None: TET for ESL, of the mean over time for SCA
    lam: float = 0.0  # lambda of TET's second term
    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1  # parts in which a batch goes through, to save memory
    optimizer: str | None = None  # None: Adam for ESL, SGD for SCA
    schedule: str = "cosine"
    lr: float | None = None  # in the first epoch; None: 0.001 with Adam, 0.01 with SGD
    lr_end: float | None = None  # in the last epoch; None: 0, or lr / 100 if the schedule is exponential
    l1: float = 0.0  # price of the L1 norm
    l1_on: str = "conv"  # of what: convolutions (SCA's code) or batch norm's gamma
    shift: int = 0  # augmentation by random shifts of so many pixels
    flip: bool = False  # augmentation by mirror images
    fast: bool = True  # False walks the plain stages: the same numbers to rounding, slowly
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("data", self.data, LOADERS)
        one_of("distribution", self.distribution, masks.DISTRIBUTIONS)
        must("density", self.density, 0 < self.density <= 1, "above 0 and at most 1")
        must("width", self.width, 0 < self.width < np.inf, "above 0 and finite")
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
            must(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("lr", "lr_end"):
            value = getattr(self, name)
            must(name, value, value is None or 0 < value < np.inf, "above 0 and finite")
        must("lam", self.lam, 0 <= self.lam <= 1, "0 to 1")
        for name in ("l1", "shift", "seed"):
            must(name, getattr(self, name), 0 <= getattr(self, name) < np.inf, "0 or more, and finite")

    def plain(self, data: DataSet) -> Sequential:
        """The network for these data, as one reads it."""
        return self.build(data)[0]

    def build(self, data: DataSet) -> tuple[Sequential, str]:
        """The plain network for these data, and the paper whose training it has."""
        shape = data.train.images.shape[1:]

        def net(width: float) -> tuple[Sequential, str]:
            return networks.build(self.net, shape, data.n_classes, self.T, self.paper, width)

        def size(width: float) -> int:
            return sum(map(prod, weight_shapes(net(width)[0], shape).values()))

        if not self.same_size:
            return net(self.width)
        wanted = self.density * size(self.width)
        low, high = 0.0, self.width
        for _ in range(12):  # bisection, to a 4096th
            middle = (low + high) / 2
            low, high = (middle, high) if size(middle) < wanted else (low, middle)
        return net(min(low, high, key=lambda width: abs(size(width) - wanted)))

    def setup(self, data: DataSet) -> Setup:
        """Everything that training needs, for these data. ValueError if the net cannot be built for them."""
        shape = data.train.images.shape[1:]
        net, paper = self.build(data)
        density = 1.0 if self.same_size else self.density
        densities = masks.DISTRIBUTIONS[self.distribution](weight_shapes(net, shape), density)
        iterations = self.epochs * ceil(len(data.train.labels) / self.batch_size)
        loss = self.loss or {"esl": "tet", "sca": "mean"}[paper]
        optimizer = self.optimizer or {"esl": "adam", "sca": "sgd"}[paper]
        lr = self.lr or {"adam": 0.001, "sgd": 0.01}[optimizer]
        lr_end = self.lr_end or {"cosine": 0.0, "exponential": lr / 100}[self.schedule]
        mean, deviation = data.train.images.mean() / data.white, data.train.images.std() / data.white
        steps = [partial(shift, by=self.shift)] if self.shift else []
        return Setup(
            net=fast(net, shape) if self.fast else net,
            shape=shape,
            encode=partial(direct_code, white=data.white, mean=float(mean), deviation=float(deviation)),
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
            learner=self.structure_learner(densities, iterations),
            batch_size=self.batch_size,
            epochs=self.epochs,
            accumulate=self.accumulate,
            device=self.device,
        )  # fmt: skip


def weight_shapes(net: Sequential, shape: Shape) -> dict[str, tuple[int, ...]]:
    """Of all weights of convolutions and linear layers, by key: what can be sparse."""
    params, _ = net.init(np.random.default_rng(0), shape)
    return {key: w.shape for key, w in params.items() if w.ndim > 1}


FIRST_SPIKE = Objective(
    losses.first_spike_loss_forward, losses.first_spike_loss_backward, losses.first_spike_prediction
)
MEAN = Objective(losses.mean_loss_forward, losses.mean_loss_backward, losses.mean_prediction)


def tet(lam: float = 0.0) -> Objective:
    """TET's loss; the class is read from the mean over time."""
    return Objective(
        partial(losses.tet_loss_forward, lam=lam), losses.tet_loss_backward, losses.mean_prediction
    )


DEVICES = ("cpu", "gpu")


def _is_weight(key: str, weight: Array) -> bool:
    return True


def _is_conv(key: str, weight: Array) -> bool:
    """The 3x3 kernels, as in SCA's code; not a shortcut's 1x1."""
    return weight.ndim == 4 and len(weight) == 3


def _is_gamma(key: str, weight: Array) -> bool:
    return key.endswith(".gamma")


ESL_MLP = {
    "mnist": ESLMLP(),
    "digits": ESLMLP(
        data="digits", hidden=(200,), epsilon=8.0, levels=17, epochs=30, batch_size=25, t_iter=20
    ),
}
"""The defaults of `minisnn train esl-mlp`, by data set."""

LIF = {
    "mnist": LIFNet(),
    "cifar10": LIFNet(data="cifar10", net="vggsnn", T=2, epochs=100, shift=4, flip=True, t_iter=1000),
    "cifar100": LIFNet(data="cifar100", net="vggsnn", T=4, epochs=100, shift=4, flip=True, t_iter=1000),
    "digits": LIFNet(data="digits", epochs=20, batch_size=32, t_iter=20),
}
"""The defaults of `minisnn train lif`, by data set."""
