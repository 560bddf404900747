"""ESL's multi-layer network on first spikes (Table 1, Fig. 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, ClassVar

from minisnn.arguments import check
from minisnn.backend import Array
from minisnn.batches.augment import in_turn, shift
from minisnn.batches.encode import latency_code
from minisnn.batches.interface import About, Outline
from minisnn.lookup import register
from minisnn.networks import architectures
from minisnn.networks.compose import Sequential
from minisnn.recipes.base import FEW, RECIPES, Recipe, Texts
from minisnn.recipes.connections import Connections
from minisnn.recipes.settings import Named, again, setting
from minisnn.structure.learner import Training
from minisnn.structure.masks import erdos_renyi_density
from minisnn.training import losses, optim
from minisnn.training.losses import Objective
from minisnn.training.optim import SGD, Adam, Optimizer
from minisnn.training.setup import Penalty, Setup

TEXTS = Texts(
    help="ESL-SNNs' multi-layer network of neurons that fire once",
    description="Train ESL-SNNs' multi-layer first-spike network, sparse from the first step "
    "(ESL Eq. 1-6, Algorithm 1).",
    epilog="""\
what happens
  Images become spike times (bright pixels spike first), layers of neurons that fire at most once answer
  with the class whose output neuron fires first, and gradients of that time train the weights.
  The weights into each hidden layer start as an Erdős-Rényi random graph; every --t-iter iterations a
  shrinking fraction of its connections, initially --alpha, is pruned and as many are grown.

examples
  minisnn train esl-mlp                                 sparse, on the embedded 8x8 digits, in seconds
  minisnn train esl-mlp --density 1                     the dense net, for comparison
  minisnn train esl-mlp --data mnist --epsilon 60       the sparse net of ESL's Table 1
  minisnn train esl-mlp --grow momentum                 another pair of rules
  minisnn train esl-mlp --alpha 0                       a random graph that is never rewired
  minisnn train --resume runs/esl-mlp                   go on where a run was interrupted
  MINISNN_DATA=~/data minisnn train esl-mlp --data mnist   with MNIST files that you have already

a run leaves in --out
  config.json, log.csv (a row for each epoch), checkpoint.npz, result.json and pictures
""",
    sweep="--epsilon 4 8",
)


@register(RECIPES, "esl-mlp")
@dataclass(frozen=True, kw_only=True)
class ESLMLP(Connections, Recipe):
    """ESL's multi-layer network on first spikes, dense or sparse (Table 1, Fig. 2).

    The paper leaves most settings open; these were chosen on MNIST's validation set, see docs/results. The defaults are
    those for MNIST; `recipes.make` knows those of other data.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    texts: ClassVar[Texts] = TEXTS

    hidden: tuple[int, ...] = setting(
        (800,),
        "neurons of the hidden layers",
        valid=(lambda x: x and min(x) >= 1, "at least one layer of at least 1 neuron"),
        metavar="N",
        group="network",
    )
    epsilon: float | None = setting(
        60.0,
        "how many connections lead into each hidden layer, Eq. 1: epsilon (n_in + n_out)",
        above=0,
        group="connections",
    )
    density: float | None = setting(
        None,
        "the same as a fraction of the weights into each hidden layer, in place of --epsilon; 1 is the dense net. The "
        "output layer is always dense",
        above=0,
        at_most=1,
        group="connections",
    )
    batch_size: int = again(Recipe, "batch_size", 100)
    optimizer: Named | Optimizer | None = again(Recipe, "optimizer", "sgd")
    schedule: Named = again(Recipe, "schedule", "exponential")
    lr: float | None = again(
        Recipe,
        "lr",
        None,
        "learning rate in the first epoch (default for sgd 0.3 dense, 0.45 sparse; for adam 0.01)",
    )
    normalise: str = setting("layers", "which norm of the gradient is limited", choices=optim.NORMALISATIONS)
    limit: float = setting(0.3, "the limit of that norm", above=0)
    weight_sum: float = setting(
        1.0, "weight K of the cost of incoming weights that sum to less than 1", at_least=0, metavar="K"
    )
    levels: int = setting(
        4,
        "grey levels of the input, each its own spike time; 2 binarises",
        at_least=2,
        metavar="N",
        group="data",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.epsilon is None) == (self.density is None):
            raise ValueError("give either epsilon or density: each decides the other")

    @classmethod
    def defaults(cls) -> Mapping[str, Recipe]:
        return ESL_MLP_DEFAULTS

    @classmethod
    def chosen(cls, data: Outline, given: Collection[str] = ()) -> dict[str, Any]:
        """For data without defaults: up to 256 inputs 200 hidden neurons and 17 grey levels, else 800 and 4, at a
        density of 0.16. Up to 5,000 samples batches of 25 and 30 epochs, else 100 and 10."""
        small, few = prod(data.shape) <= 256, data.n_train <= FEW
        found: dict[str, Any] = {
            "hidden": (200,) if small else (800,), "epsilon": None, "density": 0.16, "levels": 17 if small else 4,
            "batch_size": 25 if few else 100, "epochs": 30 if few else 10, "t_iter": 20 if few else 100,
        }  # fmt: skip
        if "epsilon" in given:
            del found["epsilon"], found["density"]
        return {name: value for name, value in found.items() if name not in given}

    @classmethod
    def completed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Epsilon in place of a density, and the other way round: each decides the other."""
        found = dict(settings)
        for name, other in (("density", "epsilon"), ("epsilon", "density")):
            if found.get(name) is not None:
                found.setdefault(other, None)
        return found

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

    def plain(self, data: About) -> Sequential:
        """The network for these data."""
        densities = self.densities(prod(data.shape))
        return architectures.first_spike_mlp(self.hidden, data.n_classes, densities)

    def setup(self, data: About) -> Setup:
        """Everything that training needs, for these data. ValueError for recordings, which have no spike times here."""
        check(
            "data",
            data.name,
            not data.is_sequence,
            "images: this network has no time steps for the frames of recordings",
        )
        n_in = prod(data.shape)
        densities = self.densities(n_in)
        net = self.plain(data)
        keys = [f"{name}.weight" for name, _ in net.stages]
        optimizer = self.make_optimizer()
        lr = self.learning_rates(optimizer, {SGD: 0.45 if min(densities) < 1 else 0.3, Adam: 0.01})
        training = Training({}, self.iterations(data), self.epochs, optimizer, lr)
        learner = self.structure_learner(dict(zip(keys, densities, strict=False)), training)
        return self.prepared(
            net=net,
            shape=(n_in,),
            encode=partial(latency_code, max_value=data.max_value, levels=self.levels),
            augment=in_turn(*([partial(shift, by=self.shift)] if self.shift else [])),
            objective=FIRST_SPIKE,
            penalties=(WEIGHT_SUM._replace(weight=self.weight_sum),),
            optimizer=optimizer,
            normalise=partial(optim.NORMALISATIONS[self.normalise], limit=self.limit),
            lr=lr,
            learner=learner,
            fires_once=True,
        )


def _is_weight(key: str, weight: Array) -> bool:
    return True


FIRST_SPIKE = Objective(
    losses.first_spike_loss_forward, losses.first_spike_loss_backward, losses.first_spike_prediction
)
WEIGHT_SUM = Penalty(losses.weight_sum_cost_forward, losses.weight_sum_cost_backward, 1.0, _is_weight)

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
