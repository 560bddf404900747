"""What every loader returns, and how it is cut into parts."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from minisnn.arguments import check


class Rows:
    """Some rows, in some order, of an array on disk. Nothing is read but what an index asks for."""

    def __init__(self, array: np.ndarray, index: np.ndarray) -> None:
        self.array, self.index = array, index  # [N, ...], [n]
        self.shape, self.dtype, self.ndim = (len(index), *array.shape[1:]), array.dtype, array.ndim

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, which: Any) -> np.ndarray:
        return self.array[self.index[which]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array[self.index], dtype)

    def take(self, which: np.ndarray | slice) -> Rows:
        return Rows(self.array, self.index[which])


class Split(NamedTuple):
    """Images or recordings, and their classes."""

    images: np.ndarray | Rows  # [N, H, W, C] uint8, or frames of events [N, T, H, W, 2] float32
    labels: np.ndarray  # [N] int64

    def take(self, index: np.ndarray | slice) -> Split:
        """Some of the samples; what is on disk stays there."""
        images = self.images
        return Split(images.take(index) if isinstance(images, Rows) else images[index], self.labels[index])


class DataSet(NamedTuple):
    """Train, validation and test, and the value that a max_value pixel has."""

    name: str
    train: Split
    validation: Split
    test: Split
    max_value: int  # 255 for MNIST, 16 for the digits; 1 for counts of events
    n_classes: int = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture or a frame."""
        H, W, C = self.train.images.shape[-3:]
        return H, W, C

    @property
    def is_sequence(self) -> bool:
        """Are the samples sequences of frames?"""
        return self.train.images.ndim == 5


def hold_out(split: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """Two parts, the second `fraction` of the samples, drawn without regard to class. Both keep the order."""
    n = len(split.labels)
    held = np.zeros(n, bool)
    held[rng.choice(n, round(fraction * n), replace=False)] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


BLOCK = 1000  # images that are looked at together


def mean_and_std(images: np.ndarray | Rows, max_value: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, images scaled to 0 ... 1: two [C] float64.

    Exact: from counts of grey values, a block of images at a time. images: [N, ..., C] uint8, 0 to
    max_value. Raises ValueError for brighter ones.
    """
    levels = np.arange(max_value + 1)
    sums, squares = np.zeros((2, images.shape[-1]), np.int64)
    for k in range(0, len(images), BLOCK):
        x = images[k : k + BLOCK].reshape(-1, images.shape[-1])
        check("images", x.max(), x.max() <= max_value, f"0 to {max_value}")
        counts = [np.bincount(channel, minlength=max_value + 1) for channel in x.T]
        sums += counts @ levels
        squares += counts @ levels**2
    n = prod(images.shape[:-1])
    variance = [(n * int(b) - int(a) ** 2) / n**2 for a, b in zip(sums, squares, strict=True)]  # 0 if it is 0
    return sums / n / max_value, np.sqrt(variance) / max_value
