"""Settings of every recipe: data, optimiser, learning rate, batches, device, seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from math import ceil, inf
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

from data_loaders import catalogue
from data_loaders.common.dataset import DataSet
from minisnn import faster, lookup
from minisnn.arguments import check, number
from minisnn.batches.interface import About, Outline
from minisnn.faster import adam
from minisnn.faster.blocks import hold_blas
from minisnn.networks.compose import Sequential
from minisnn.recipes.settings import Named, Settings, setting
from minisnn.training import optim
from minisnn.training.losses import LOSSES
from minisnn.training.optim import Optimizer
from minisnn.training.setup import Setup

DEVICES = ("cpu", "gpu")
lookup.import_all("minisnn.training", optim.OPTIMIZERS, LOSSES)


FEW = 5000  # training samples, below which batches are small and epochs many


class Texts(NamedTuple):
    """What the command line says of a kind of network."""

    help: str  # a line
    description: str
    epilog: str  # what happens, examples, what a run leaves
    sweep: str  # an example of options with several values


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """Every recipe: data, optimiser, learning rate, batches, device, seed; and what a recipe of your own must have.

    A recipe is a frozen dataclass whose fields are made with `setting`, all with defaults, and that says by `plain` and
    `setup` what is trained. The other methods are for the command line and for data that it has no defaults for.
    Raises ValueError that names the setting, what was found and what was expected.
    """

    texts: ClassVar[Texts | None] = None

    @classmethod
    def defaults(cls) -> Mapping[str, Recipe]:
        """Recipes of this class by the name of the data set that they are for."""
        return {}

    @classmethod
    def chosen(cls, data: Outline, given: Collection[str] = ()) -> dict[str, Any]:
        """Settings that follow from the shape of data without defaults, but for those that are given."""
        return {}

    @classmethod
    def completed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are given, with those that must change with them."""
        return dict(settings)

    def plain(self, data: About) -> Sequential:
        """The network for these data, as one reads it."""
        raise NotImplementedError(f"{type(self).__name__} has no method plain(data) that returns its network")

    def setup(self, data: About) -> Setup:
        """Everything that training needs, for these data. `quickened` makes the fast network of the plain one."""
        raise NotImplementedError(f"{type(self).__name__} has no method setup(data) that returns a Setup")

    data: str = setting(
        "mnist",
        "data set, see minisnn data list; or your own: a path, or module:name",
        metavar="NAME",
        group="data",
    )
    shift: int = setting(
        0,
        "augment by random shifts of up to this many pixels; frames are rolled",
        at_least=0,
        metavar="N",
        group="data",
    )
    epochs: int = setting(10, "passes over the training data", at_least=1, metavar="N")
    batch_size: int = setting(64, "images in a step", at_least=1, metavar="N")
    accumulate: int = setting(
        1,
        "process a batch in this many parts, to save memory: one step with their summed gradient; batch norm sees "
        "each part by itself",
        at_least=1,
        metavar="N",
    )
    optimizer: Named | Optimizer | None = setting(
        None, "how weights follow the gradient", table=optim.OPTIMIZERS
    )
    momentum: float | None = setting(
        None, "of SGD (default 0.9)", valid=(lambda x: 0 <= x < 1, "at least 0 and below 1")
    )
    weight_decay: float = setting(
        0.0,
        "pull of all parameters towards 0: weight_decay * w is added to the gradient; with adamw subtracted from w, "
        "times the learning rate",
        at_least=0,
    )
    schedule: Named = setting("cosine", "how the learning rate falls", table=optim.SCHEDULES)
    lr: float | None = setting(None, "learning rate in the first epoch (default the optimizer's)", above=0)
    lr_end: float | None = setting(
        None, "learning rate in the last epoch (default 0 if cosine, else a hundredth of --lr)", above=0
    )
    fast: bool = setting(
        True, "with --no-fast the plain stages: the same numbers to rounding, slowly", group="network"
    )
    device: str = setting("cpu", "where to compute; gpu needs CuPy (see minisnn doctor)", choices=DEVICES)
    seed: int = setting(0, "of weights, masks and the order of the data", at_least=0)

    def load(self) -> DataSet:
        """The data. Raises ValueError for a name that is not known, DataError for files that do not fit."""
        return catalogue.load(self.data)

    def part(self, data: DataSet) -> DataSet:
        """What the recipe takes of data that are handed over: all of them."""
        return data

    def whole(self) -> Self:
        """The same recipe, for all of the data."""
        return self

    def iterations(self, data: About) -> int:
        """Optimiser steps in all of training."""
        return self.epochs * ceil(data.n_train / self.batch_size)

    def prepared(self, **parts: Any) -> Setup:
        """The setup that consists of these parts and of the recipe's batches, epochs and device, `quickened`."""
        names = ("batch_size", "epochs", "accumulate", "device")
        return self.quickened(Setup(**parts, **{name: getattr(self, name) for name in names}))

    def quickened(self, setup: Setup) -> Setup:
        """The setup of a plain network, with fast twins in place of network and optimiser unless `fast` is False."""
        if not self.fast:
            return setup
        net, optimizer = faster.fast(setup.net, setup.shape, setup.device), adam.twin(setup.optimizer)
        return replace(setup, net=net, optimizer=optimizer, around=hold_blas)

    def as_run(self, plain: Sequential) -> Sequential:
        """A plain network as it runs stage by stage, for what looks inside: with the fast twin of each stage's pair."""
        return faster.twins(plain) if self.fast else plain

    def make_optimizer(self, default: str = "sgd") -> Optimizer:
        """The optimiser, with momentum and weight decay. ValueError for one that has no such setting."""
        name = default if self.optimizer is None else self.optimizer
        made = lookup.find("optimizer", name, optim.OPTIMIZERS)
        wanted = {
            "momentum": ("mu", self.momentum),
            "weight_decay": ("weight_decay", self.weight_decay or None),
        }
        given = {key: (field, value) for key, (field, value) in wanted.items() if value is not None}
        known = {f.name for f in fields(made)} if is_dataclass(made) and isinstance(made, type) else ()
        for key, (field, value) in given.items():
            check(
                key, value, field in known, f"left out, because the optimizer {_shown(name)} does not take it"
            )
        if isinstance(made, type) or not hasattr(made, "step"):
            made = lookup.called("optimizer", partial(made, **dict(given.values())))
        fits = all(hasattr(made, method) for method in ("init", "step", "momentum"))
        check("optimizer", repr(self.optimizer), fits, "something with init, step and momentum")
        return made

    def learning_rates(
        self, optimizer: Optimizer, defaults: Mapping[type, float] = MappingProxyType({})
    ) -> Callable[[int], float]:
        """The learning rate of each epoch. defaults: of the first, by optimiser, in place of its `default_lr`."""
        lr = self.lr or defaults.get(type(optimizer)) or getattr(optimizer, "default_lr", None)
        name = type(optimizer).__name__
        check("lr", lr, lr is not None, f"given, because {name} has no default_lr")
        assert lr is not None
        schedule = self.found("schedule")
        lr_end = self.lr_end or (0.0 if schedule is optim.cosine_lr else lr / 100)
        return partial(_learning_rate, schedule, self.epochs, lr, lr_end)


RECIPES: dict[str, type[Recipe]] = {}
"""By the name that the command line and a run's config.json have for them. Files beside this one put theirs in with
`register`; a class of your own goes by `module:name`."""


def _learning_rate(
    schedule: Callable[..., float], epochs: int, lr: float, lr_end: float, epoch: int
) -> float:
    """Of one epoch. Raises ValueError for what a schedule returns unless it is a number of at least 0."""
    found = lookup.called("schedule", schedule, epoch, epochs, lr, lr_end)
    what = f"what the schedule {lookup.shown(schedule)} returns for epoch {epoch}"
    check(what, repr(found), 0 <= number(what, found) < inf, "at least 0 and finite")
    return found


def _shown(name: object) -> str:
    return name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)
