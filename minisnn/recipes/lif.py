"""Networks of LIF neurons, dense or sparse from the first step (ESL Fig. 3, Fig. 4, Table 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

import numpy as np

from minisnn.backend import Array
from minisnn.batches.interface import About, Outline
from minisnn.lookup import register
from minisnn.networks.compose import Sequential
from minisnn.networks.shapes import weight_shapes
from minisnn.recipes.base import FEW, RECIPES, Recipe, Texts
from minisnn.recipes.connections import Connections
from minisnn.recipes.images import Images, with_stand_ins
from minisnn.recipes.settings import Named, again, setting
from minisnn.structure import masks
from minisnn.structure.learner import StructureLearner, Training
from minisnn.training.setup import Setup

TEXTS = Texts(
    help="any network of LIF neurons: multi-spike MLP, VGGSNN, ResNet-19, VGG16, or your own notation",
    description="Train a network of leaky (ESL) or plain (SCA) integrate-and-fire neurons, dense or sparse, with "
    "surrogate gradients, backpropagation through time and the TET loss (ESL Eq. 7-10, SCA Eq. 1-3).",
    epilog="""\
what happens
  The image is the input current of the first layer at each of --T steps (direct coding); a recording of an event
  camera is cut into --T frames with equal event counts, whose counts are the currents of the steps. In a notation nC3
  is a convolution of 3x3 to n channels with batch norm and neurons, AP2 and MP2 are pools, nFC is a linear layer, with
  neurons unless it is the last. The class is the output that is largest on average over time.

examples
  minisnn train lif                                           a small conv net on the embedded 8x8 digits
  minisnn train lif --data event-digits                       the digits before a simulated event camera
  minisnn train lif --net mlp --data mnist                    ESL's multi-spike MLP, 784-800-10
  minisnn train lif --net 16C3-AP2-32C3-AP2-10FC --data mnist
  minisnn train lif --net vggsnn --data mnist --T 2           TET's VGGSNN; takes hours on a CPU
  minisnn train lif --net 5conv --paper esl --data mnist      SCA's network with ESL's neurons
  minisnn train lif --density 0.1                             sparse from the first step, rewired while it learns
  minisnn train lif --density 0.1 --alpha 0                   the same with masks that never change
  minisnn train lif --net resnet19 --data mnist --accumulate 4
  minisnn train lif --device gpu                              where there is one

a run leaves in --out
  config.json, log.csv (a row for each epoch, with every layer's firing rate), checkpoint.npz, result.json
  and pictures
""",
    sweep="--density 0.01 0.1 1",
)


@register(RECIPES, "lif")
@dataclass(frozen=True, kw_only=True)
class LIFNet(Connections, Images):
    """Any LIF network of both papers, dense or with connections that are pruned and regrown.

    The pair of rules is the one that ESL finds most stable. alpha and T_end are not in the paper; 0.5 is
    sparse_learning's and ITOP's. The defaults are those for MNIST; `recipes.make` knows those of other data.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    texts: ClassVar[Texts] = TEXTS

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

    @classmethod
    def defaults(cls) -> Mapping[str, Recipe]:
        return LIF_DEFAULTS

    @classmethod
    def chosen(cls, data: Outline, given: Collection[str] = ()) -> dict[str, Any]:
        found = super().chosen(data, given)
        return found if "t_iter" in given else found | {"t_iter": 20 if data.n_train <= FEW else 100}

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
