"""What a network costs: connections, operations and joules. Walks over the weights, runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minisnn.backend import Array

# Constants recovered from ESL's Table 1; the origin of the second is unknown (published figures for
# TrueNorth range from 2.5 to 26 pJ).
E_GPU = 250 / 14e12  # J per operation: 250 W at 14 TFLOPS
E_TRUENORTH = 12.52e-12  # J per synaptic operation


@dataclass(frozen=True)
class Cost:
    """Of one pass of one sample, counted as ESL's Table 1 does: one operation for each connection.

    A first-spike neuron reads each input at most once, so this bounds its real synaptic operations.
    """

    connections: int
    possible: int

    @property
    def density(self) -> float:
        return self.connections / self.possible

    @property
    def operations(self) -> int:
        return self.connections

    @property
    def joules_gpu(self) -> float:
        return self.operations * E_GPU

    @property
    def joules_truenorth(self) -> float:
        return self.operations * E_TRUENORTH


def cost(params: Mapping[str, Array], masks: Mapping[str, Array]) -> Cost:
    """Connections of all weights, those under a mask and those without."""
    weights = {key: w for key, w in params.items() if w.ndim > 1}
    active = sum(int(masks[key].sum()) if key in masks else w.size for key, w in weights.items())
    return Cost(active, sum(w.size for w in weights.values()))
