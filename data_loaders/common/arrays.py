"""Converts the arrays that people have to those of a data set: uint8 images, float32 frames, labels from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_loaders.common.checks import check_counts, check_shape, float_hint, looked_at, span
from data_loaders.common.errors import check
from data_loaders.common.info import ClassNames
from data_loaders.common.rows import Rows

FEW = 16  # a brightest pixel of at most this is taken as max_value: binary images, 17 grey levels


def as_images(name: str, images: Any, max_value: int | None = None) -> tuple[np.ndarray | Rows, int]:
    """Images [N, H, W, C] uint8, or frames [N, T, H, W, 2] float32; and max_value. Arrays of that form are not copied.

    images: the same, or grey ones [N, H, W]; integers or booleans from 0 to 255, or floats from 0 to 1, which become
    0 to 255; frames of any numbers. A memory map stays on disk. max_value: None is 255 for floats and 1 for frames;
    for integers the brightest pixel where that is at most 16, else 255. Raises ValueError for anything else.
    """
    if isinstance(images, Rows):
        return images, _guess(images) if max_value is None else max_value
    mapped = isinstance(images, np.memmap) and images.dtype in (np.uint8, np.float32)
    try:
        images = np.asarray(images)
    except ValueError:
        raise ValueError(f"{name} must be of one size, found {_sizes(images)}") from None
    check(name, images.dtype, images.dtype.kind in "buif", "real numbers")
    if images.ndim == 3:
        images = images[..., None]
    check_shape(name, images)
    if images.ndim == 5:
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
            images = images.astype(np.float32, copy=False)
    elif images.dtype != np.uint8:
        if images.dtype.kind == "f":
            check(
                "max_value", max_value, max_value in (None, 255), f"255 where {name} are floats from 0 to 1"
            )
            max_value = 255
        mapped, images = False, _as_uint8(name, images)
    if mapped:
        images = Rows(images, np.arange(len(images)))
    elif images.ndim == 5:
        check_counts(name, images)
    return images, _guess(images) if max_value is None else max_value


def _as_uint8(name: str, images: np.ndarray) -> np.ndarray:
    low, high = images.min(), images.max()  # NaN, if there is one
    if images.dtype.kind == "f":
        fits = low >= 0 and high <= 1
        check(name, fits or span(images), fits, "floats from 0 to 1, or integers from 0 to 255")
        return np.round(images * images.dtype.type(255)).astype(np.uint8)
    check(name, f"{low} to {high}", low >= 0 and high <= 255, "integers from 0 to 255, or floats from 0 to 1")
    return images.astype(np.uint8)


def _sizes(images: Any) -> str:
    """The sizes of images in a list, as text."""
    try:
        found = dict.fromkeys("x".join(map(str, np.shape(image))) for image in images)
    except ValueError:
        return "lists of several lengths in one image"
    few = list(found)[:3]
    return f"{', '.join(few)}{' and others' if len(found) > len(few) else ''}"


def _guess(images: np.ndarray | Rows) -> int:
    brightest = 1 if images.ndim == 5 else max(1, int(looked_at(images).max()))
    return brightest if brightest <= FEW else 255


def as_labels(
    labels: dict[str, Any], class_names: ClassNames
) -> tuple[dict[str, np.ndarray], ClassNames, int]:
    """Labels of each split as [N] int64 from 0 to n_classes - 1; the classes' names; n_classes.

    labels: integers or texts, [N] or [N, 1]. Texts are class names; if none are given, those that occur, sorted.
    Integers are 0 to n_classes - 1; if others occur (1 to 10, or -1 and 1), those that occur become class names, as
    integers. If class_names are given, integers are positions in them.
    Raises ValueError for other labels, and if there is only one class.
    """
    arrays = {split: _one_axis(f"{split} labels", values) for split, values in labels.items()}
    texts = {array.dtype.kind == "U" for array in arrays.values()}
    check("labels", "both", len(texts) == 1, "either integers or texts in all splits")
    if class_names and texts == {False}:
        return arrays, class_names, len(class_names)
    found = np.unique(np.concatenate(list(arrays.values())))
    check("labels", f"only {found[0]!s}" if len(found) else "none", len(found) > 1, "of at least 2 classes")
    if not class_names and texts == {False} and found[0] == 0 and found[-1] == len(found) - 1:
        return arrays, (), len(found)
    names: ClassNames = class_names or tuple(found.tolist())
    place = {str(name): k for k, name in enumerate(names)}
    unknown = next((str(name) for name in found if str(name) not in place), None)
    check("labels", repr(unknown), unknown is None, f"one of class_names, {', '.join(map(str, names[:20]))}")
    numbers = np.array([place[str(name)] for name in found], np.int64)
    return {split: numbers[np.searchsorted(found, a)] for split, a in arrays.items()}, names, len(names)


def _one_axis(name: str, labels: Any) -> np.ndarray:
    """Labels as [N] integers or texts."""
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise ValueError(f"{name} must be one label for each image, found lists of several lengths") from None
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        raise ValueError(f"{name} must be [N], found {list(labels.shape)} (one-hot? labels.argmax(1))")
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    kind = labels.dtype.kind in "biuU"
    found = f"{list(labels.shape)} {labels.dtype}{float_hint(labels)}"
    check(name, found, kind and labels.ndim == 1, "[N] integers or texts")
    if labels.dtype.kind == "U":
        return labels
    high = int(labels.max(initial=0))
    check(name, high, high < 1 << 63, "below 2**63")
    return labels.astype(np.int64)
