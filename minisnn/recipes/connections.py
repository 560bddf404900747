"""What a recipe can choose about its connections, and the learner that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import partial
from math import isfinite
from typing import Any

from minisnn import lookup
from minisnn.arguments import check, one_of
from minisnn.notices import warn
from minisnn.recipes.settings import Named, Options, Settings, check_type, plain_value, setting
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.learner import LEARNERS, StructureLearner, Training

lookup.import_all("minisnn.structure", LEARNERS)
lookup.import_all("minisnn.methods", LEARNERS)

WHOLE = (
    lambda x: x >= 0 and isfinite(x) and (x <= 1 or x == int(x)),
    "a fraction, or a whole number of iterations",
)


@dataclass(frozen=True, kw_only=True)
class Connections(Settings):
    """How connections are drawn, and how they change: the part of a recipe that all networks share.

    Raises ValueError that names the setting, what was found and what was expected.
    """

    learner: Named = setting(
        "evolve",
        "how connections change: evolve is ESL's way, with --alpha 0 random masks that stay; the others are of "
        "neither paper and do not read the settings below, but deep-r and rigl --sample",
        table=LEARNERS,
        group="connections",
    )
    learner_options: Options = setting(
        Options(),
        "what the learner alone has: "
        + "; ".join(f"{name} {', '.join(cls.options())}" for name, cls in LEARNERS.items() if cls.options()),
        metavar="NAME=VALUE",
        group="connections",
    )
    sample: Named = setting(
        "bernoulli",
        "draw each connection independently, or draw their exact number",
        table=masks.SAMPLERS,
        group="connections",
    )
    prune: Named = setting("set", "prune rule", table=prune.RULES, group="connections")
    grow: Named = setting("random", "grow rule", table=grow.RULES, group="connections")
    alpha: float = setting(
        0.3,
        "initial fraction of connections replaced; 0 never rewires",
        at_least=0,
        at_most=1,
        group="connections",
    )
    eta_min: float = setting(
        0.0, "final fraction replaced, from --t-end on", at_least=0, at_most=1, group="connections"
    )
    t_iter: float = setting(
        100.0,
        "iterations between rewirings; below 1, that fraction of training",
        valid=(lambda x: x > 0 and WHOLE[0](x), "above 0: a fraction, or a whole number of iterations"),
        metavar="N",
        group="connections",
    )
    t_end: float = setting(
        0.75,
        "when the fraction replaced reaches --eta-min: a fraction of training; above 1, iterations",
        valid=WHOLE,
        metavar="F",
        group="connections",
    )
    redistribute: Named = setting(
        "none",
        "how many connections grow in a layer: as many as it lost, that number on average, or by momentum",
        table=redistribute.RULES,
        group="connections",
    )
    exclude_pruned: bool = setting(False, "what was just pruned may not grow", group="connections")
    keep_weights: bool = setting(
        False, "what is pruned and grows at once keeps its weight", group="connections"
    )
    reset_moments: bool = setting(
        False, "new connections start without the optimiser's moments", group="connections"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check("eta_min", self.eta_min, self.eta_min <= self.alpha, f"0 to alpha = {self.alpha}")
        if not lookup.is_own(self.learner):
            self._check_options()

    def _check_options(self) -> None:
        """Raise ValueError for options that the learner's class does not have, or of another type."""
        learner = self.found("learner")
        if not self.learner_options or not hasattr(learner, "options"):
            return  # what a function takes its arguments say
        name, known = self._name_of_learner(), learner.options()
        if not known:
            raise ValueError(f"learner_options must be left out: the learner {name} has none")
        found = Options()
        for option, value in self.learner_options.items():
            one_of(f"an option of the learner {name}", option, known)
            found[option] = plain_value(value, known[option])
            check_type(f"option {option} of the learner {name}", found[option], known[option])
        object.__setattr__(self, "learner_options", found)

    def _name_of_learner(self) -> str:
        return self.learner if isinstance(self.learner, str) else lookup.shown(self.learner)

    def structure_learner(self, densities: Mapping[str, float], training: Training) -> StructureLearner:
        """The learner for a network with these densities; the one that does nothing if all are 1.

        Raises ValueError for options that it does not have, or if it cannot be made for this training.
        """
        sparse = {key: density for key, density in densities.items() if density < 1}
        if not sparse:
            return StructureLearner()
        self._check_options()
        learner, options = self.found("learner"), self.learner_options
        if hasattr(learner, "made_for"):
            training = training._replace(settings={name: self.found(name) for name in learner.reads})
            made = lookup.called("learner", learner, sparse, options, training, method="made_for")
        else:
            made = lookup.called("learner", partial(learner, **options), sparse)
        fits = all(hasattr(made, hook) for hook in ("start", "before_step", "after_step", "after_epoch"))
        check(f"what the learner {lookup.shown(learner)} returns", repr(made), fits, "a StructureLearner")
        return made

    def refuse_idle(self, given: Collection[str]) -> None:
        """Raise ValueError for connections of a dense network, and for settings that the learner does not read.

        A learner of your own is warned of.
        """
        super().refuse_idle(given)
        idle = [name for name in given if name in OF_CONNECTIONS]
        if idle and self.density == 1:  # type: ignore[attr-defined]
            raise ValueError(
                f"{', '.join(idle)}: a dense network has no connections to choose; it needs density below 1"
            )
        learner = self.found("learner") if idle else None
        read = {"learner", "learner_options", "distribution", *getattr(learner, "reads", ())}
        ignored = [name for name in idle if name not in read]
        if ignored and learner in LEARNERS.values():
            others = [name for name, cls in LEARNERS.items() if ignored[0] in cls.reads]
            raise ValueError(
                f"{ignored[0]} needs learner {' or '.join(others)}, found {self._name_of_learner()}"
            )
        if ignored:
            warn(
                f"{', '.join(ignored)}: the learner {self._name_of_learner()} does not see these; "
                f"it is given {', '.join(['the densities', *sorted(getattr(learner, 'reads', ()))])} only"
            )


OF_CONNECTIONS = frozenset({f.name for f in fields(Connections)} | {"distribution"})
"""Settings that do nothing in a dense network."""

NOT_READ = "–"
"""In tables and pictures, the value of a setting that a run does not use."""


def is_read(recipe: Any, name: str) -> bool:
    """Does training depend on this setting? A dense network has no connections to choose."""
    return name not in OF_CONNECTIONS or getattr(recipe, "density", None) != 1
