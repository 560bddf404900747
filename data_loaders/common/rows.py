"""Samples and their classes, in memory or on disk, and how they are cut into parts."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from data_loaders.common.errors import generator


class Rows:
    """Some samples of an array on disk, in some order. Only those that an index asks for are read."""

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
        """Some of these samples, in the order of `which`; nothing is read."""
        return Rows(self.array, self.index[which])


class Split(NamedTuple):
    """Images or recordings, and their classes."""

    images: np.ndarray | Rows  # [N, H, W, C] uint8, or frames of events [N, T, H, W, 2] float32
    labels: np.ndarray  # [N] int64

    def take(self, index: np.ndarray | slice) -> Split:
        """Some of the samples; images on disk stay there."""
        images = self.images
        return Split(images.take(index) if isinstance(images, Rows) else images[index], self.labels[index])


def on_disk(images: np.ndarray | Rows) -> bool:
    """Are the images on disk, so that reading all of them may take long?"""
    return isinstance(images, (Rows, np.memmap))


def bytes_of(images: np.ndarray | Rows) -> int:
    """The array's size in bytes, in memory or on disk."""
    return prod(images.shape) * images.dtype.itemsize


def evenly(n: int, most: int) -> np.ndarray:
    """Up to `most` of the positions 0 ... n - 1, evenly spaced; all of them if there are no more."""
    return np.arange(min(n, most), dtype=np.int64) * n // max(1, min(n, most))


def hold_out(split: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """Two parts: the rest, and `fraction` of the samples, drawn whatever their class. Both keep the order.

    Raises ValueError for a seed in place of rng.
    """
    n = len(split.labels)
    held = np.zeros(n, bool)
    held[generator("rng", rng).choice(n, round(fraction * n), replace=False)] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def stratified(split: Split, parts: int, rng: np.random.Generator) -> list[Split]:
    """The rest, then `parts` parts of a tenth of the samples each, at least one; every class in proportion.

    The samples are lined up, class after class, in random order within each class; the parts take evenly spaced places
    in turn. Of a class with n samples a part gets n/10, one more or less. No two places are neighbours, so that the
    rest keeps every class; a class with a single sample stays there. All parts keep the order of the samples.
    Raises ValueError if there are fewer than 2 * parts samples in classes with two or more, or for a
    seed in place of rng.
    """
    labels = split.labels
    row = generator("rng", rng).permutation(len(labels))
    row = row[np.argsort(labels[row], kind="stable")]
    row = row[np.bincount(labels.astype(np.intp))[labels[row]] > 1]  # no wider: an index may have 32 bits
    n = len(row)
    if n < 2 * parts:
        raise ValueError(
            f"samples must be at least {2 * parts} in classes with two or more, so that a tenth can be held out, "
            f"found {n}: give more of each class, or validation and test samples"
        )
    each = max(1, round(n / 10))
    places = np.arange(parts * each, dtype=np.int64) * n // (parts * each)
    part = np.zeros(len(labels), int)
    part[row[places]] = 1 + np.arange(parts * each) % parts
    return [split.take(np.flatnonzero(part == k)) for k in range(parts + 1)]
