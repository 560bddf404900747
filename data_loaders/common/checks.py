"""Checks the arrays of a data set. What does not fit is refused in one sentence, before anything is trained."""

from __future__ import annotations

import numpy as np

from data_loaders.common.errors import check
from data_loaders.common.rows import Rows, Split, evenly, on_disk

LOOK = 16  # images that are read of an array on disk
ONE_OF = "DataSet.from_arrays converts"


def check_split(name: str, split: Split, max_value: int, n_classes: int) -> None:
    """Raise ValueError, naming the split, unless its images and labels are what a `Split` says they are.

    images: [N, H, W, C] uint8 from 0 to max_value, or [N, T, H, W, 2] float32, finite and 0 or more. labels: [N]
    integers from 0 to n_classes - 1. Of an array on disk at most 16 images are read.
    """
    check(name, _kind(split), isinstance(split, Split), f"a Split of images and labels; {ONE_OF} arrays")
    check_shape(f"{name} images", split.images)
    check_labels(name, split, n_classes)
    check_values(f"{name} images", split.images, max_value)


def check_shape(name: str, images: np.ndarray | Rows) -> None:
    """Raise ValueError unless images are [N, H, W, C], or [N, T, H, W, 2] of recordings, all of them above 0."""
    array = isinstance(images, (np.ndarray, Rows))
    check(name, _kind(images), array, f"an array of NumPy; {ONE_OF} lists")
    shape = images.shape
    text = " x ".join(map(str, shape)) or "a single number"
    fits = "[N, H, W, C], or [N, T, H, W, 2] for recordings"
    if len(shape) == 2:
        text += " (are they flat? images.reshape(-1, H, W, C))"
    elif len(shape) == 3:
        text += f" (is the channel axis missing? {ONE_OF} [N, H, W])"
    elif len(shape) == 4 and shape[1] in (1, 3) and shape[3] > 4:
        text += " (did you mean channels last? images.transpose(0, 2, 3, 1))"
    elif len(shape) == 5 and shape[2] == 2 and shape[4] != 2:
        text += " (did you mean channels last? images.transpose(0, 1, 3, 4, 2))"
    elif (len(shape) == 4 or (len(shape) == 5 and shape[4] == 2)) and min(shape) > 0:
        return
    elif shape and shape[0] == 0:
        text, fits = "none", "at least one"
    check(name, text, False, fits)


def check_labels(name: str, split: Split, n_classes: int) -> None:
    """Raise ValueError unless labels are [N] integers from 0 to n_classes - 1, one for each image."""
    images, labels = split
    what = f"{name} labels"
    check(what, _kind(labels), isinstance(labels, np.ndarray), f"an array of integers; {ONE_OF} lists")
    integers = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    found = f"{list(labels.shape)} {labels.dtype}{float_hint(labels)}"
    check(what, found, integers, f"[{len(images)}] integers")
    check(what, f"{len(labels):,}", len(labels) == len(images), f"as many as images, {len(images):,}")
    low, high = labels.min(), labels.max()
    check(what, f"{low} to {high}", 0 <= low <= high < n_classes, f"0 to {n_classes - 1}, as n_classes says")


def check_values(name: str, images: np.ndarray | Rows, max_value: int) -> None:
    """Raise ValueError unless images are uint8 from 0 to max_value, frames float32, finite and 0 or more."""
    if images.ndim == 4:
        uint8 = images.dtype == np.uint8
        check(name, images.dtype, uint8, f"uint8 from 0 to max_value; {ONE_OF} floats from 0 to 1")
        if max_value < 255:
            high = looked_at(images).max()
            check(name, high, high <= max_value, f"0 to max_value, {max_value}")
        return
    check(name, images.dtype, images.dtype == np.float32, f"float32 counts of events; {ONE_OF} other numbers")
    check_counts(name, images)


def check_counts(name: str, frames: np.ndarray | Rows) -> None:
    """Raise ValueError unless frames are finite and 0 or more."""
    few = looked_at(frames)
    fits = few.min() >= 0 and few.max() < np.inf  # False if there is a NaN
    check(name, fits or span(frames), fits, "counts of events, finite and 0 or more")


def span(images: np.ndarray | Rows) -> str:
    """Smallest and largest value as text; or that there is a NaN, and where the first is."""
    few = looked_at(images)
    nan = np.isnan(few)
    if not nan.any():
        return f"{few.min():g} to {few.max():g}"
    first, *rest = np.unravel_index(nan.argmax(), few.shape)
    sample = evenly(len(images), LOOK)[first] if on_disk(images) else first
    return f"NaN, the first at index [{', '.join(map(str, (sample, *rest)))}]"


def float_hint(labels: np.ndarray) -> str:
    """What to do about labels that are floats."""
    if labels.dtype.kind != "f" or not labels.size:
        return ""
    odd = labels[~np.isfinite(labels) | (labels != np.floor(labels))]
    return f", such as {odd[0]:g}: no class" if odd.size else ": labels.astype(int) makes them integers"


def looked_at(images: np.ndarray | Rows) -> np.ndarray:
    """All images in memory; a few of those on disk."""
    return images[evenly(len(images), LOOK)] if on_disk(images) else np.asarray(images)


def _kind(value: object) -> str:
    return type(value).__name__
