"""The common part of the recipes for LIF networks on images: network, neurons, loss, data."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from typing import Any, ClassVar, Self, TypeVar

from data_loaders import catalogue
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import SPLITS
from data_loaders.events.frames import BY
from minisnn import lookup
from minisnn.arguments import check
from minisnn.backend import Array
from minisnn.batches.augment import Augmentation, flip, in_turn, roll, shift
from minisnn.batches.encode import direct_code, event_code
from minisnn.batches.interface import About, Outline
from minisnn.networks.build import build
from minisnn.networks.compose import Sequential
from minisnn.networks.describe import to_text
from minisnn.networks.notation import STYLES
from minisnn.networks.registry import NETWORKS
from minisnn.ops.surrogate import SURROGATES, Surrogate
from minisnn.ops.surrogate.base import check_slope
from minisnn.recipes.base import FEW, Recipe
from minisnn.recipes.settings import Named, setting
from minisnn.structure.learner import StructureLearner
from minisnn.training import losses, optim
from minisnn.training.losses import LOSSES, Objective
from minisnn.training.setup import Penalty, Setup


@dataclass(frozen=True, kw_only=True)
class Images(Recipe):
    """A LIF network of either paper, trained on images by direct coding, or on frames of an event camera.

    net: a name of `NETWORKS`, a notation such as "16C3-AP2-32C3-AP2-10FC", the text of a network (`to_text`), or yours:
    a function as `network` registers them, its "module:name", or a `Sequential`.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    convolutions: ClassVar[int] = 1  # before each pool of a network that is chosen for some data
    pool: ClassVar[str] = "AP2"

    T: int = setting(4, "time steps; of recordings, frames", at_least=1, metavar="N", group="data")
    by: str = setting(
        "number", "frames of recordings have equal event counts, or equal durations", choices=BY, group="data"
    )
    split: str = setting(
        "tet",
        "test set of CIFAR10-DVS: each class's last files, its first, or the last in the order of names",
        choices=SPLITS,
        group="data",
    )
    images: int | None = setting(
        None, "train on this many images, the first ones (default all)", at_least=1, metavar="N", group="data"
    )
    flip: bool = setting(False, "augment by mirror images", group="data")
    net: Named = setting(
        "16C3-AP2-32C3-AP2-10FC",
        f"{', '.join(NETWORKS)}, or a notation such as 64C3-AP2-10FC",
        group="network",
        own=True,
    )
    width: float = setting(1.0, "multiplies the width of all layers but the last", above=0, group="network")
    paper: str | None = setting(
        None,
        "whose neurons and training (default the net's own; esl for a notation)",
        choices=STYLES,
        group="network",
    )
    decay: float | None = setting(
        None,
        "of the potential from step to step, ESL's tau; 1 is no leak (default 0.5 for esl, 1 for sca)",
        at_least=0,
        at_most=1,
        group="neurons",
    )
    v_th: float | None = setting(None, "threshold (default 1)", above=0, group="neurons")
    v_reset: float | None = setting(
        None, "potential after a spike (default 0)", valid=(lambda x: abs(x) < 1e9, "finite"), group="neurons"
    )
    soft_reset: bool = setting(
        False, "a spike subtracts the threshold, in place of --v-reset", group="neurons"
    )
    surrogate: Named | Surrogate | None = setting(
        None,
        "whose slope stands for the derivative of firing (default triangle for esl, sigmoid for sca)",
        table=SURROGATES,
        group="neurons",
    )
    loss: Named | Objective | None = setting(
        None,
        "at each step, or of the mean over time (default tet for esl, mean for sca)",
        choices=LOSSES,
        own=True,
    )
    smoothing: float = setting(
        0.0,
        "label smoothing: the fraction of each label that is shared among all classes",
        valid=(lambda x: 0 <= x < 1, "at least 0 and below 1"),
        metavar="F",
    )
    lam: float = setting(0.0, "lambda of TET's second term", at_least=0, at_most=1)
    l1: float = setting(0.0, "weight of the L1 norm in the loss", at_least=0)
    l1_on: str = setting(
        "conv", "of convolutions (SCA's code), or of batch norm's gamma", choices=("conv", "gamma")
    )

    def __post_init__(self) -> None:
        if isinstance(self.net, Sequential):
            with suppress(
                ValueError
            ):  # stages defined in a function have no name: such a net is kept as it is
                object.__setattr__(self, "net", to_text(self.net))
        super().__post_init__()
        check(
            "v_reset", self.v_reset, self.v_reset is None or not self.soft_reset, "left out with soft_reset"
        )

    @classmethod
    def chosen(cls, data: Outline, given: Collection[str] = ()) -> dict[str, Any]:
        """For data without defaults: convolutions with a pool of 2x2 behind each (behind each pair for sca-vgg16), two
        of them, three from 48 pixels on, as far as at least 2x2 is left; without room for one, linear layers. Up to
        5,000 samples batches of 32 and 20 epochs, else 64 and 10."""
        few = data.n_train <= FEW
        found: dict[str, Any] = {
            "T": data.frames if data.is_sequence else 4, "batch_size": 32 if few else 64, "epochs": 20 if few else 10,
        }  # fmt: skip
        found = {"net": cls._notation(min(data.shape[:2]), data.n_classes), **found}
        return {name: value for name, value in found.items() if name not in given}

    @classmethod
    def _notation(cls, side: int, n_classes: int) -> str:
        pools = 0
        while side >= 4 and pools < (3 if side * 2**pools >= 48 else 2):
            side, pools = side // 2, pools + 1
        layers = [f"{16 * 2**n}C3-" * cls.convolutions + cls.pool for n in range(pools)]
        return "-".join([*(layers or ["200FC"]), f"{n_classes}FC"])

    def refuse_idle(self, given: Collection[str]) -> None:
        """Raise ValueError for a choice that needs another setting."""
        super().refuse_idle(given)
        if "l1_on" in given and not self.l1:
            raise ValueError("l1_on needs l1 above 0")
        smooth = [name for name, made in LOSSES.items() if "smoothing" in signature(made.forward).parameters]
        if "smoothing" in given and self.loss not in (None, *smooth):
            raise ValueError(f"smoothing needs loss {' or '.join(smooth)}, found {self.loss}")

    def load(self) -> DataSet:
        """The data. Raises ValueError for more images than there are."""
        return self.part(catalogue.load(self.data, self.T, by=self.by, split=self.split))

    def part(self, data: DataSet) -> DataSet:
        """The data with the first `images` of the training set. Raises ValueError if there are fewer."""
        if self.images is None:
            return data
        n = len(data.train.labels)
        check("images", self.images, self.images <= n, f"at most {n} for {data.name}")
        return replace(data, train=data.train.take(slice(self.images)))

    def whole(self) -> Self:
        """The same recipe, for all images."""
        return replace(self, images=None)

    def plain(self, data: About) -> Sequential:
        """The network for these data, as one reads it."""
        return self.build(data)[0]

    def build(self, data: About) -> tuple[Sequential, str]:
        """The plain network for these data, and the paper whose training it has."""
        return self._network(data, self.width)

    def _network(self, data: About, width: float) -> tuple[Sequential, str]:
        T = None if data.is_sequence else self.T
        net = lookup.imported("net", str(self.net)) if lookup.is_own(self.net) else self.net
        return build(net, data.shape, data.n_classes, T, self.paper, width, self._neuron_changes())

    def _neuron_changes(self) -> dict[str, Any]:
        """Fields of `Neuron` that differ from the paper's."""
        found: dict[str, Any] = {"decay": self.decay, "v_th": self.v_th, "v_reset": self.v_reset}
        changes = {name: value for name, value in found.items() if value is not None}
        if self.soft_reset:
            changes["v_reset"] = None
        if self.surrogate is not None:
            surrogate = self.found("surrogate")
            made = lookup.called("surrogate", surrogate) if isinstance(surrogate, type) else surrogate
            fits = hasattr(made, "step") and hasattr(made, "slope")
            check("surrogate", repr(self.surrogate), fits, "something with a step and a slope")
            if self.device == "cpu":  # one for a GPU alone may take no array of NumPy
                check_slope(made)
            changes["surrogate"] = made
        return changes

    def _objective(self, paper: str) -> Objective:
        """The loss, and how a class is read. Raises ValueError for one of your own that lacks a part."""
        loss: Any = self.loss or {"esl": "tet", "sca": "mean"}[paper]
        if isinstance(loss, str) and loss in LOSSES:
            made = LOSSES[loss]
            settings = {"lam": self.lam, "smoothing": self.smoothing}
            taken = {name: settings[name] for name in signature(made.forward).parameters if name in settings}
            return replace(made, forward=partial(made.forward, **taken))
        made = lookup.find("loss", loss, {})
        parts = [getattr(made, part, None) for part in ("forward", "backward", "predict")]
        found = [lookup.find("loss", part, {}) for part in parts]  # of a run that was kept: names
        check("loss", repr(loss), all(map(callable, found)), "an Objective: forward, backward and predict")
        return Objective(*found)

    def training(self, data: About, net: Sequential, paper: str, learner: StructureLearner) -> Setup:
        """Everything that training this network, with this learner, needs."""
        if data.is_sequence and data.frames is not None:
            check(
                "T", self.T, data.frames == self.T, f"{data.frames}, the frames of a recording in {data.name}"
            )
        optimizer = self.make_optimizer({"esl": "adam", "sca": "sgd"}[paper])
        encode: Callable[[Array], Array] = event_code
        if not data.is_sequence:
            encode = partial(direct_code, max_value=data.max_value, mean=data.mean, std=data.std)
        move: Augmentation = roll if data.is_sequence else shift
        steps = [partial(move, by=self.shift)] if self.shift else []
        return self.prepared(
            net=net,
            shape=data.shape,
            encode=encode,
            augment=in_turn(*steps, *([flip] if self.flip else [])),
            objective=self._objective(paper),
            penalties=(L1[self.l1_on]._replace(weight=self.l1),) if self.l1 else (),
            optimizer=optimizer,
            normalise=optim.unlimited,
            lr=self.learning_rates(optimizer),
            learner=learner,
        )


def _is_conv(key: str, weight: Array) -> bool:
    """The 3x3 kernels, as in SCA's code; not a shortcut's 1x1."""
    return weight.ndim == 4 and len(weight) == 3


def _is_gamma(key: str, weight: Array) -> bool:
    return key.endswith(".gamma")


L1 = {
    name: Penalty(losses.l1_cost_forward, losses.l1_cost_backward, 1.0, applies_to)
    for name, applies_to in (("conv", _is_conv), ("gamma", _is_gamma))
}

AnyImages = TypeVar("AnyImages", bound=Images)


def with_stand_ins(defaults: dict[str, AnyImages]) -> dict[str, AnyImages]:
    """Defaults by data set, and the same for every stand-in of a data set among them."""
    stand_ins = {f"{name}-stand-in": recipe for name, recipe in defaults.items()}
    return defaults | {
        name: replace(recipe, data=name) for name, recipe in stand_ins.items() if name in catalogue.DATA_SETS
    }
