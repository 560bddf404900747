"""Networks of LIF neurons, dense or sparse from the first step (ESL Fig. 3, Fig. 4, Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from minisnn.backend import Array
from minisnn.batches.interface import About
from minisnn.networks.compose import Sequential
from minisnn.networks.shapes import weight_shapes
from minisnn.recipes.connections import Connections
from minisnn.recipes.images import Images, with_stand_ins
from minisnn.recipes.settings import Named, again, setting
from minisnn.structure import masks
from minisnn.structure.learner import StructureLearner, Training
from minisnn.training.loop import Setup


@dataclass(frozen=True, kw_only=True)
class LIFNet(Connections, Images):
    """Any LIF network of both papers, dense or with connections that are pruned and regrown.

    The pair of rules is the one that ESL finds most stable. alpha and T_end are not in the paper; 0.5 is
    sparse_learning's and ITOP's. The defaults are those for MNIST; `recipes.make` knows those of other data.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    density: float = setting(
        1.0,
        "of all weights of convolutions and linear layers together; 1 is the dense net",
        above=0,
        at_most=1,
        group="connections",
    )
    distribution: str = setting(
        "erk", "of the density over the layers", choices=masks.DISTRIBUTIONS, group="connections"
    )
    same_size: bool = setting(
        False,
        "a baseline: no masks, but so narrow that it has as many weights as --density would leave",
        group="connections",
    )
    grow: Named = again(Connections, "grow", "momentum")
    alpha: float = again(Connections, "alpha", 0.5)
    t_end: float = again(Connections, "t_end", 1.0)

    def build(self, data: About) -> tuple[Sequential, str]:
        """The plain network for these data, and the paper whose training it has."""
        if not self.same_size:
            return self._network(data, self.width)
        shape = data.shape

        def size(width: float) -> int:
            return sum(map(prod, weight_shapes(self._network(data, width)[0], shape).values()))

        wanted = self.density * size(self.width)
        low, high = 0.0, self.width
        for _ in range(12):  # bisection, to a 4096th
            middle = (low + high) / 2
            low, high = (middle, high) if size(middle) < wanted else (low, middle)
        return self._network(data, min(low, high, key=lambda width: abs(size(width) - wanted)))

    def setup(self, data: About) -> Setup:
        """Everything that training needs, for these data. ValueError if the net cannot be built for them."""
        net, paper = self.build(data)
        density = 1.0 if self.same_size else self.density
        shapes, iterations = weight_shapes(net, data.shape), self.iterations(data)
        if getattr(self.found("learner"), "one_density", False):
            densities = dict.fromkeys(shapes, density)
        else:
            densities = masks.DISTRIBUTIONS[self.distribution](shapes, density)
        setup = self.training(data, net, paper, StructureLearner())

        def weights() -> Mapping[str, Array]:
            return net.init(np.random.default_rng(self.seed), setup.shape)[0]

        training = Training({}, iterations, self.epochs, setup.optimizer, setup.lr, weights)
        return replace(setup, learner=self.structure_learner(densities, training))


CIFAR = LIFNet(data="cifar10", net="vggsnn", T=2, epochs=100, shift=4, flip=True, t_iter=1000)
DVS = replace(CIFAR, data="cifar10-dvs", T=10, shift=5)  # TET's frames and augmentation
LIF_DEFAULTS = with_stand_ins(
    {
        "digits": LIFNet(data="digits", epochs=20, batch_size=32, t_iter=20),
        "mnist": LIFNet(),
        "fashion-mnist": LIFNet(data="fashion-mnist"),
        "cifar10": CIFAR,
        "cifar100": replace(CIFAR, data="cifar100", T=4),
        "tiny-imagenet": replace(CIFAR, data="tiny-imagenet", T=4),
        "event-digits": LIFNet(
            data="event-digits", T=5, epochs=20, batch_size=32, lr=0.01, shift=1, t_iter=20
        ),
        "cifar10-dvs": DVS,
        "cifar10-dvs-simulated": replace(DVS, data="cifar10-dvs-simulated"),
    }
)
"""The defaults of `minisnn train lif`, by data set."""
