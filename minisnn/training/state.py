"""Everything that changes while a network trains, and nothing else. A checkpoint saves exactly this."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minisnn.backend import Array


@dataclass
class TrainingState:
    """Flat dictionaries with common keys such as `hidden.weight`, and where training stands."""

    params: dict[str, Array]
    buffers: dict[str, Array] = field(default_factory=dict)
    masks: dict[str, Array] = field(default_factory=dict)  # bool; a subset of the keys of params
    channels: dict[str, Array] = field(default_factory=dict)  # bool [C]; by the names of neurons' stages
    moments: dict[str, tuple[Array, ...]] = field(default_factory=dict)  # the optimiser's, never masked
    structure: dict[str, Array] = field(default_factory=dict)  # the structure learner's memory
    rngs: dict[str, np.random.Generator] = field(default_factory=dict)  # one stream for each use of chance
    iteration: int = 0  # training steps made, with or without the optimiser
    epoch: int = 0  # epochs completed
