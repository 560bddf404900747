"""What every loader returns, and how it is cut into parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Images and their classes."""

    images: np.ndarray  # [N, H, W, C] uint8
    labels: np.ndarray  # [N] int64

    def take(self, index: np.ndarray) -> Split:
        return Split(self.images[index], self.labels[index])


class DataSet(NamedTuple):
    """Train, validation and test, and the value that a white pixel has."""

    name: str
    train: Split
    validation: Split
    test: Split
    white: int  # 255 for MNIST, 16 for the digits
    n_classes: int = 10


def hold_out(split: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """Two parts, the second `fraction` of the samples, drawn without regard to class. Both keep the order."""
    n = len(split.labels)
    held = np.zeros(n, bool)
    held[rng.choice(n, round(fraction * n), replace=False)] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))
