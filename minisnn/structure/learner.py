"""The hooks by which a structure learner takes part in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from math import inf
from typing import Any, ClassVar, NamedTuple, get_type_hints

import numpy as np

from minisnn.arguments import check, whole
from minisnn.backend import Array, array_module
from minisnn.lookup import called
from minisnn.networks.compose import Sequential
from minisnn.notices import warn
from minisnn.structure.answers import checked_mask
from minisnn.training.optim import Optimizer
from minisnn.training.state import TrainingState


class Training(NamedTuple):
    """What a learner may need to know of the training that it is made for."""

    settings: Mapping[str, Any]  # of the recipe, those that the learner `reads`; rules are functions
    iterations: int
    epochs: int
    optimizer: Optimizer
    lr: Callable[[int], float]  # of the epoch
    # initial ones of a LIF network, by key of params
    weights: Callable[[], Mapping[str, Array]] | None = None


class StructureLearner:
    """Dense training: the learner that does nothing. Others override the hooks they need.

    A learner is a description; what it has to remember goes into `state.structure`, where a
    checkpoint saves it.

    For recipes its class says what it is made of: `reads` names settings of the recipe that are fields of the class;
    all other fields but `densities` are its options (`learner_options`), which need defaults. one_density: every
    layer has the density asked for, in place of a distribution over the layers.
    """

    reads: ClassVar[frozenset[str]] = frozenset()
    one_density: ClassVar[bool] = False

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """The learner for one training: the class, called with densities, options and the settings that it reads.

        densities: below 1, by key of params. Override it where something follows from the training.
        """
        return cls(densities, **training.settings, **options)  # type: ignore[call-arg]

    @classmethod
    def options(cls) -> dict[str, Any]:
        """The types of its options by name; none for a class that is no dataclass."""
        if not is_dataclass(cls):
            return {}
        hints = get_type_hints(cls)
        own = [f.name for f in fields(cls) if f.init and f.name not in {"densities", *cls.reads}]
        return {name: hints[name] for name in own}

    def start(self, state: TrainingState) -> None:
        """Called once, when the parameters are initialised."""

    def after_forward(self, state: TrainingState, net: Sequential, cache: Any, samples: int) -> None:
        """Called after each forward pass in training, with the net's caches and the number of images in it."""

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        """Called before each optimiser step: may change gradients and weights in place."""

    def takes_step(self, state: TrainingState) -> bool:
        """Called after `before_step`: does the optimiser step? Without a step weights and moments stay as they are, and
        the iteration counts all the same: for learners that spend a gradient on masks alone."""
        return True

    def after_step(
        self, state: TrainingState, grads: dict[str, Array], optimizer: Optimizer, lr: float
    ) -> int:
        """Called after each optimiser step, before W = M * W: masks may change here and in `after_epoch` only.

        Returns the number of connections replaced.
        """
        return 0

    def after_epoch(self, state: TrainingState) -> None:
        """Called after each epoch, before W = M * W and the evaluation: masks may change.

        It is the only place where channel masks may.
        """

    def parameters(self, state: TrainingState) -> dict[str, Array]:
        """What an evaluation runs with; for most learners, simply the parameters."""
        return state.params

    def exploration_rate(self, state: TrainingState) -> float:
        """The fraction of the learner's connections that have ever been active."""
        return 1.0

    def dense_gradients(self) -> float:
        """In what share of the steps it needs gradients of connections that are not there, 0 to 1: what they cost."""
        return 0.0

    def target_density(self, state: TrainingState) -> float | None:
        """The density asked for, of all the learner's weights together; None without a target."""
        return None

    def density(self, state: TrainingState) -> float | None:
        """The density that these weights have now; None for a learner without a target."""
        return None

    def missed_target(self, state: TrainingState) -> str:
        """A sentence for the user if the density asked for was not reached; else empty."""
        return ""


@dataclass(frozen=True)
class SparseLearner(StructureLearner):
    """Base of learners with masks: draws the first masks, and counts which connections were ever active.

    densities: by key of params; other parameters stay dense. Raises ValueError for one outside 0 to 1.
    """

    densities: Mapping[str, float]

    def __post_init__(self) -> None:
        for key, density in self.densities.items():
            check(f"density of {key}", density, 0 <= density <= 1, "0 to 1")

    def draw_masks(self, state: TrainingState, sample: Callable[..., np.ndarray]) -> None:
        """The masks training starts with: `sample(shape, density, rng)` of `masks.py` for each layer.

        Raises ValueError for a state without a structure stream or one of the weights, or a mask that does not fit.
        """
        rng = structure_rng(state)
        for key, density in self.densities.items():
            if key not in state.params:
                raise ValueError(
                    f"densities name {key}, expected one of the parameters: {', '.join(state.params)}"
                )
            weight = state.params[key]
            found = called("sampler", sample, weight.shape, density, rng)
            drawn = checked_mask(sample, key, found, weight.shape)
            mask = array_module(weight).asarray(drawn)
            state.masks[key] = mask
            state.structure[key + ".initial"] = mask.copy()
            state.structure[key + ".last_active"] = array_module(mask).where(mask, 0, -1).astype("int32")
            weight *= mask
            if not mask.any():
                warn(f"{key}: no connection was drawn at density {density:g}")

    def _seen(self, state: TrainingState, key: str) -> None:
        """Record which connections are active now."""
        last = state.structure[key + ".last_active"]
        last[...] = array_module(last).where(state.masks[key], state.iteration, last)

    def exploration_rate(self, state: TrainingState) -> float:
        last = [state.structure[key + ".last_active"] for key in self.densities]
        return float(sum((a >= 0).sum() for a in last)) / sum(a.size for a in last)

    def target_density(self, state: TrainingState) -> float | None:
        sizes = {key: state.params[key].size for key in self.densities}
        total = sum(sizes.values())
        return sum(self.densities[key] * n for key, n in sizes.items()) / total if total else None

    def density(self, state: TrainingState) -> float | None:
        found = [state.masks[key] for key in self.densities]
        total = sum(mask.size for mask in found)
        return float(sum(mask.sum() for mask in found)) / total if total else None

    def missed_target(self, state: TrainingState) -> str:
        """Missed is a density more than a tenth of the target off, unless a random mask may be that far off by
        chance."""
        wanted, found = self.target_density(state), self.density(state)
        if wanted is None or found is None:
            return ""
        total = sum(state.params[key].size for key in self.densities)
        by_chance = 4 * (wanted * (1 - wanted) / total) ** 0.5
        if abs(found - wanted) <= max(NEAR * wanted, by_chance):
            return ""
        return f"the density asked for, {wanted:.3g}, was not reached: {type(self).__name__} ended at {found:.3g}"


@dataclass(frozen=True)
class TimedLearner(SparseLearner):
    """Base of learners that follow a plan over the whole training.

    iterations: of the whole training. Recipes know it: it is no option. Raises ValueError unless it is at least 1.
    """

    iterations: int

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        return super().made_for(densities, {"iterations": training.iterations, **options}, training)

    @classmethod
    def options(cls) -> dict[str, Any]:
        return {name: kind for name, kind in super().options().items() if name != "iterations"}

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("iterations", self.iterations, 1)

    def when(self, name: str) -> int:
        """The iteration that the field `name` means, a fraction of training or a number of iterations; at least 1.

        Raises ValueError for one that is neither, or after the end of training.
        """
        time = getattr(self, name)
        is_time = 0 <= time < inf and (time <= 1 or time == int(time))
        check(name, time, is_time, "a fraction of training, or a whole number of iterations")
        found = max(1, in_iterations(time, self.iterations))
        check(name, time, found <= self.iterations, f"at most {self.iterations}, the iterations of training")
        return found

    def interval(self, name: str) -> int:
        """The interval that the field `name` means, in iterations; below 1 it is a fraction of training.

        Raises ValueError for one that is neither.
        """
        every = getattr(self, name)
        is_interval = 0 < every < inf and (every < 1 or every == int(every))
        check(name, every, is_interval, "above 0: a fraction, or a whole number of iterations")
        return max(1, round(every if every >= 1 else every * self.iterations))


LEARNERS: dict[str, type[StructureLearner]] = {}
"""By name. Files beside this one put their classes in with `register`. In place of a name recipes take any function of
the densities (and of options) that returns a `StructureLearner`."""

NEAR = 0.1  # of the target: a density no further off is reached


def structure_rng(state: TrainingState) -> np.random.Generator:
    """The random stream that structure learners draw from. Raises ValueError if the state has none."""
    if "structure" not in state.rngs:
        raise ValueError(
            f"state.rngs must hold a stream named 'structure', found {list(state.rngs)}: add "
            "state.rngs['structure'] = numpy.random.default_rng(seed)"
        )
    return state.rngs["structure"]


def everything(shape: tuple[int, ...], density: float, rng: np.random.Generator) -> np.ndarray:
    """The mask of a training that starts dense, whatever density it ends with; a sampler as those of `masks.py`."""
    return np.ones(shape, bool)


def in_iterations(when: float, iterations: int) -> int:
    """A fraction of training, or above 1 a number of iterations, as iterations."""
    return round(when if when > 1 else when * iterations)


def bias_corrected(lr: float, optimizer: Optimizer, k: int) -> float:
    """The rate at which Adam's uncorrected first moment moves weights, lr / (1 - beta1^k); lr without beta1."""
    return lr / (1 - getattr(optimizer, "beta1", 0.0) ** k)


def times_sign(positive: Array, x: Array) -> Array:
    """s x, with s = 1 where `positive` and -1 elsewhere: from w = s theta to theta, and back."""
    return array_module(x).where(positive, x, -x)
