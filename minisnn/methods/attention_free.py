"""The rewiring of attention-guided compression, without the attention. Not part of the two papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from minisnn.lookup import register
from minisnn.structure.evolve import Evolve
from minisnn.structure.grow import GrowRule, grow_momentum
from minisnn.structure.learner import LEARNERS, StructureLearner, Training
from minisnn.structure.redistribute import RedistributionRule, share_by_momentum


@register(LEARNERS, "attention-free")
@dataclass(frozen=True)
class AttentionFree(Evolve):
    """What of Spike-Thrift (Kundu et al. 2021) concerns connections: `Evolve` with three rules chosen.

    The smallest weights are pruned, the masked positions with the largest momentum grow, and layers share what was lost
    in proportion to their mean momentum. It is called attention-free, because that method's first half is missing:
    there an ANN is compressed so while its attention maps follow an uncompressed ANN's (`attention_distance_forward`
    is their distance), then becomes a spiking network by conversion, which is trained further. Here the spiking network
    is rewired while it is trained from the start. Do not compare its accuracy with the paper's.

    As for `Evolve`, with all of its other fields. For recipes connections are rewired after every epoch. What is pruned
    each time follows `alpha` and `eta_min` of the recipe. The rules, and once an epoch, are from memory, unverified
    against the paper's text; its fraction we do not know. Raises ValueError as `Evolve` does. Not part of the two
    papers.
    """

    reads: ClassVar[frozenset[str]] = Evolve.reads - {"prune", "grow", "redistribute", "t_iter"}

    grow: GrowRule = grow_momentum
    redistribute: RedistributionRule = field(default=share_by_momentum)

    @classmethod
    def options(cls) -> dict[str, Any]:
        """None: the rules are what it is."""
        return {}

    @classmethod
    def made_for(
        cls, densities: Mapping[str, float], options: Mapping[str, Any], training: Training
    ) -> StructureLearner:
        """As its parent's, with a rewiring in the last step of each epoch."""
        once = {"t_iter": max(1, training.iterations // training.epochs)}
        return super().made_for(densities, options, training._replace(settings={**training.settings, **once}))
