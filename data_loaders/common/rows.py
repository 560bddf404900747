"""Samples and their classes, in memory or on disk, and how they are cut into parts."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from data_loaders.common.errors import check


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
        """Some of these rows, in the order of `which`: nothing is read."""
        return Rows(self.array, self.index[which])


class Split(NamedTuple):
    """Images or recordings, and their classes."""

    images: np.ndarray | Rows  # [N, H, W, C] uint8, or frames of events [N, T, H, W, 2] float32
    labels: np.ndarray  # [N] int64

    def take(self, index: np.ndarray | slice) -> Split:
        """Some of the samples; what is on disk stays there."""
        images = self.images
        return Split(images.take(index) if isinstance(images, Rows) else images[index], self.labels[index])


def on_disk(images: np.ndarray | Rows) -> bool:
    """May reading all of it take long?"""
    return isinstance(images, (Rows, np.memmap))


def bytes_of(images: np.ndarray | Rows) -> int:
    """Bytes of the array, wherever it is."""
    return prod(images.shape) * images.dtype.itemsize


def evenly(n: int, most: int) -> np.ndarray:
    """Up to `most` of the positions 0 ... n - 1, evenly spaced; all of them if there are no more."""
    return np.arange(min(n, most)) * n // max(1, min(n, most))


def hold_out(split: Split, fraction: float, rng: np.random.Generator) -> tuple[Split, Split]:
    """Two parts, the second `fraction` of the samples, drawn without regard to class. Both keep the order."""
    n = len(split.labels)
    held = np.zeros(n, bool)
    held[rng.choice(n, round(fraction * n), replace=False)] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def stratified(split: Split, parts: int, rng: np.random.Generator) -> list[Split]:
    """The rest, then `parts` parts of a tenth of the samples each, at least one; every class in proportion.

    The samples are put in a row, class after class, in random order within each; the parts take evenly spaced
    places in turn. Of a class with n samples a part has n/10, one more or less. No two places are neighbours, so the
    rest has every class; a class with a single sample stays there. All parts keep the order of the samples.
    Raises ValueError if there are fewer than 2 * parts samples of classes with two or more.
    """
    labels = split.labels
    row = rng.permutation(len(labels))
    row = row[np.argsort(labels[row], kind="stable")]
    row = row[np.bincount(labels)[labels[row]] > 1]
    n = len(row)
    check(
        "samples",
        n,
        n >= 2 * parts,
        f"at least {2 * parts}, of classes with two or more, to hold out a tenth",
    )
    each = max(1, round(n / 10))
    places = np.arange(parts * each) * n // (parts * each)
    part = np.zeros(len(labels), int)
    part[row[places]] = 1 + np.arange(parts * each) % parts
    return [split.take(np.flatnonzero(part == k)) for k in range(parts + 1)]
