"""Interface of every data set: what recipes and training read of it. `data_loaders.DataSet` has it; yours may, too."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Samples(Protocol):
    """Interface of every split: samples and their classes."""

    @property
    def images(self) -> Any:
        """[N, H, W, C] uint8, or frames of events [N, T, H, W, 2] float32.

        An array, or an object with `shape`, `dtype` and `len` that gives an array of the samples at an array of
        positions.
        """

    @property
    def labels(self) -> np.ndarray:
        """[N] integers, the classes, from 0 on."""


class Splits(Protocol):
    """Interface of every data set that is trained on."""

    @property
    def train(self) -> Samples:
        """What weights are trained on."""

    @property
    def validation(self) -> Samples:
        """What settings are chosen on."""

    @property
    def test(self) -> Samples:
        """What a finished network is judged on, once."""


class Outline(Protocol):
    """What is known of a data set before it is loaded."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def n_classes(self) -> int:
        """How many classes there are."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image or a frame."""

    @property
    def is_sequence(self) -> bool:
        """Are the samples sequences of frames?"""

    @property
    def frames(self) -> int | None:
        """T of sequences; None for images."""

    @property
    def n_train(self) -> int:
        """Samples to train on."""


class About(Outline, Protocol):
    """What a recipe must know of its data: a `DataSet` has it, and so has its `DataInfo`."""

    @property
    def max_value(self) -> int:
        """The largest value that a pixel may have."""

    @property
    def mean(self) -> Any:
        """[C], of images scaled to 0 ... 1; None for sequences."""

    @property
    def std(self) -> Any:
        """Standard deviation of each channel, as `mean`."""
