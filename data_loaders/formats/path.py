"""Your own data by their path: an `.npz` file, or a folder with a folder of pictures or recordings for each class."""

from __future__ import annotations

from os.path import expanduser
from pathlib import Path
from typing import Any

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.errors import DataError, check, one_of
from data_loaders.events.frames import BY
from data_loaders.formats.folders import SPLITS, load_folder
from data_loaders.formats.npz import read_npz

PREFIXES = {f"{split}_": part for split, part in SPLITS.items()}
NAMES = {
    "images": ("train", "images"),
    "labels": ("train", "labels"),
    **{prefix + what: (part, what) for prefix, part in PREFIXES.items() for what in ("images", "labels")},
    **{f"x_{split}": (part, "images") for split, part in SPLITS.items()},
    **{f"y_{split}": (part, "labels") for split, part in SPLITS.items()},
}
"""Name of an array in an `.npz` -> its split, and whether it holds images or labels."""
OPTIONS = ("class_names", "max_value")


def load_path(
    path: str | Path, T: int = 10, by: str = "number", progress: bool = True, verify: bool = False
) -> DataSet:
    """Your own data set, named after its file or folder.

    path: one of
      - an `.npz` file with `images` and `labels`; or `train_images`, `train_labels`, and likewise with `validation_` or
        `val_`, and `test_`; or `x_train`, `y_train` and so on, as in Keras; `max_value` and `class_names` may be added.
        `DataSet.from_arrays` says what these arrays may be;
      - a folder CLASS/*.png, .jpg, .jpeg or .bmp, all of one size; grey if all of them are, else in colour;
      - a folder CLASS/*.aedat of recordings of a DVS128 (AEDAT 2.0), as frames [T, 128, 128, 2];
      - a folder train/CLASS/..., validation/CLASS/... (or val/), test/CLASS/... of either.
    Classes are the folders' names, sorted. If there is no folder or array for validation or test, a tenth of the
    training set is held out for it. T, by: how many frames, and how recordings are cut into them, see
    `frames.count_frames`; an `.npz` has its own frames. Folders of more than 512 MiB of pixels are converted once to an
    array in the cache, which is memory-mapped; verify: compare it with the files.
    Raises FileNotFoundError if there is nothing, and DataError, naming the file, for what does not fit.
    """
    path = Path(expanduser(path))  # unlike Path's own, it raises no error for an unknown user
    check("T", T, T >= 1, "at least 1")
    one_of("by", by, BY)
    if path.is_dir():
        return load_folder(path, T, by, progress, verify)
    path.stat()  # raises FileNotFoundError
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise DataError(f"{path}: expected an .npz file or a folder of classes, found something else")
    return _from_npz(path)


def _from_npz(path: Path) -> DataSet:
    arrays = read_npz(path, (*NAMES, *OPTIONS))
    names: dict[tuple[str, str], str] = {}
    for name in filter(NAMES.__contains__, arrays):
        other = names.setdefault(NAMES[name], name)
        if other != name:
            raise DataError(f"{path}: expected one of {other} and {name}, found both")
    for split in ("train", *(split for split, _ in names)):
        for what in ("images", "labels"):
            if (split, what) not in names:
                raise DataError(
                    f"{path}: expected {what} for {split}, found none, only {', '.join(arrays) or 'an empty archive'}"
                )
    try:
        given: dict[str, Any] = {
            s: (arrays[names[s, "images"]], arrays[names[s, "labels"]]) for s, _ in names
        }
        images, labels = given.pop("train")
        return DataSet.from_arrays(images, labels, **given, name=path.stem, **_options(arrays))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _options(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "max_value" in arrays:
        value = arrays["max_value"]
        check("max_value", value, value.size == 1 and value.dtype.kind in "iu", "one integer")
        options["max_value"] = int(value.item())
    if "class_names" in arrays:
        names = arrays["class_names"]
        fits = names.ndim == 1 and names.dtype.kind in "Uiu"
        check("class_names", names.dtype, fits, "a list of texts, or of integers")
        options["class_names"] = tuple(names.tolist())
    return options
