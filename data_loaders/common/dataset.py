"""What every loader returns: three splits that fit together, and facts about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from data_loaders.common.arrays import as_images, as_labels
from data_loaders.common.checks import check_split
from data_loaders.common.errors import check, spelt
from data_loaders.common.info import ClassNames, DataInfo, check_class_names
from data_loaders.common.measure import digest, mean_and_std
from data_loaders.common.rows import Split, stratified


@dataclass(frozen=True, eq=False)
class DataSet:
    """Train, validation and test, of images or of recordings.

    Raises ValueError, naming the split, for what does not fit: no samples, images or labels that are not what `Split`
    says, labels that are no class, fewer labels than images, splits of different shapes, training labels of only one
    class. Of images on disk only a few are read for that. `from_arrays` converts arrays of other forms.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    max_value: int  # the largest value of a pixel: 255 for MNIST, 16 for the digits; 1 for counts of events
    n_classes: int = 10
    class_names: ClassNames = ()  # empty: classes are 0 to n_classes - 1

    def __post_init__(self) -> None:
        for name, low, high in (("max_value", 1, 255), ("n_classes", 2, 1 << 31)):
            value = getattr(self, name)
            fits = isinstance(value, (int, np.integer)) and low <= value <= high
            check(name, repr(value), fits, f"an integer from {low} to {high:,}")
        check_class_names(self.class_names, self.n_classes)
        for name, split in self.splits.items():
            check_split(name, split, self.max_value, self.n_classes)
            shape, first = split.images.shape[1:], self.train.images.shape[1:]
            check(f"{name} images", list(shape), shape == first, f"{list(first)}, as train images are")
        first = self.train.labels[0]
        check(
            "train labels", f"only class {first}", (self.train.labels != first).any(), "of at least 2 classes"
        )

    @classmethod
    @spelt
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        name: str = "own",
        max_value: int | None = None,
        class_names: Sequence[str] | Sequence[int] = (),
        seed: int = 0,
    ) -> DataSet:
        """A data set of one's own arrays or lists.

        images: [N, H, W, C] or grey [N, H, W], of any size: integers from 0 to max_value, booleans, or floats from 0 to
        1, which become 0 to 255; or frames of events [N, T, H, W, 2], any counts, which become float32. labels: [N],
        integers or texts. Texts are class names, sorted. Integers other than 0 to n_classes - 1 are class names, too,
        and stay integers; if class_names are given, integers are positions in them.
        validation, test: pairs of images and labels likewise. If one is not given, a tenth of the samples is held out
        for it, every class in proportion, drawn with the seed: without either, 80 % are for training, 10 % for
        validation and 10 % for the test. The training set keeps at least one sample of every class.
        max_value: None is the largest integer that occurs, where that is at most 16, else 255; 1 for frames.
        uint8 images and float32 frames are not copied unless a part is held out; a memory map stays on disk.
        Raises ValueError for anything else, naming the split, what was found and what was expected; TypeError for a
        misspelt argument, with the nearest one.
        """
        given = {"train": (images, labels), "validation": validation, "test": test}
        pairs = {split: _pair(split, value) for split, value in given.items() if value is not None}
        pictures, scales = {}, []
        for split, pair in pairs.items():
            pictures[split], scale = as_images(f"{split} images", pair[0], max_value)
            scales.append(scale)
        given_names: Any = tuple(n.item() if isinstance(n, np.generic) else n for n in class_names)
        numbers, names, n_classes = as_labels({s: pair[1] for s, pair in pairs.items()}, given_names)
        for split, array in numbers.items():
            n = len(pictures[split])
            check(f"{split} labels", f"{len(array):,}", len(array) == n, f"as many as images, {n:,}")
        splits = {split: Split(pictures[split], numbers[split]) for split in pairs}
        missing = [split for split in given if split not in splits]
        if missing:
            rest = stratified(splits["train"], len(missing), np.random.default_rng(seed))
            splits |= dict(zip(["train", *missing], rest, strict=True))
        return cls(name, **splits, max_value=max(scales), n_classes=n_classes, class_names=names)

    @property
    def splits(self) -> dict[str, Split]:
        """Train, validation and test by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def __repr__(self) -> str:
        counts = "+".join(f"{len(split.labels):,}" for split in self.splits.values())
        shape = "x".join(map(str, self.train.images.shape[1:]))
        return f"<DataSet {self.name}: {counts} samples of {shape}, {self.n_classes} classes>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture or a frame."""
        H, W, C = self.train.images.shape[-3:]
        return H, W, C

    @property
    def is_sequence(self) -> bool:
        """Are the samples sequences of frames?"""
        return self.train.images.ndim == 5

    @property
    def frames(self) -> int | None:
        """T of sequences; None for images."""
        return self.train.images.shape[1] if self.is_sequence else None

    @property
    def n_train(self) -> int:
        """Samples to train on."""
        return len(self.train.labels)

    @property
    def mean(self) -> np.ndarray | None:
        """Mean of each channel, [C] float64, over the training images scaled to 0 ... 1. None for sequences."""
        return self._moments[0]

    @property
    def std(self) -> np.ndarray | None:
        """Standard deviation of each channel, as `mean`; 1 where a channel is the same everywhere."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        if self.is_sequence:
            return None, None
        mean, std = mean_and_std(self.train.images, self.max_value)
        std[std == 0] = 1
        mean.flags.writeable = std.flags.writeable = False  # they are handed out more than once
        return mean, std

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ, almost certainly, for other data; the name does not count.

        They begin the SHA-256 of max_value, the classes, and the shape, dtype, labels and images of each split. Of
        more than 64 MiB of images, 64 MiB of evenly spaced ones are read.
        """
        sha = hashlib.sha256(
            f"{self.max_value} {self.n_classes} {tuple(map(str, self.class_names))}".encode()
        )
        for split in self.splits.values():
            sha.update(split.labels.astype("<i8").tobytes())
            digest(split.images, sha)
        return sha.hexdigest()[:16]

    @property
    def info(self) -> DataInfo:
        """What a network trained on these data needs to know of them."""
        return DataInfo(
            name=self.name,
            shape=self.shape,
            n_classes=int(self.n_classes),
            class_names=self.class_names,
            max_value=int(self.max_value),
            is_sequence=self.is_sequence,
            frames=self.frames,
            n_train=self.n_train,
            mean=None if self.mean is None else tuple(self.mean.tolist()),
            std=None if self.std is None else tuple(self.std.tolist()),
            fingerprint=self.fingerprint,
        )


def _pair(split: str, value: Any) -> tuple[Any, Any]:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    check(split, type(value).__name__, pair, "a pair of images and labels")
    return value[0], value[1]
