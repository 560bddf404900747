"""Image files as a trained network takes them, and what it sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_loaders.common.errors import DataError
from data_loaders.common.info import DataInfo
from data_loaders.formats.npz import read_npz
from data_loaders.formats.pictures import SUFFIXES, decode
from minisnn.runs.prediction import as_batch
from minisnn.runs.start import Run

ARRAYS = (".npy", ".npz")
NPZ = (
    "images",
    "labels",
    "class_names",
    "max_value",
)  # arrays that an .npz may hold, as one of own data has them


def predict_files(run: Run, files: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each image in files: file, index in it, of how many, class, score (None if no neuron fires).

    All files are read before the first row is made. Raises DataError, naming the file, for one that cannot be read or
    does not fit.
    """
    rows, classes = [], run.classes.tolist()
    for file, images in [(file, read_images(file, run.info)) for file in files]:
        for n, (name, scores) in enumerate(zip(run.predict(images), run.scores(images), strict=True)):
            label = name.item() if isinstance(name, np.generic) else name
            fires = label in classes
            rows.append(
                {
                    "file": str(file),
                    "index": n,
                    "of": len(images),
                    "class": label,
                    "score": float(scores.max()) if fires else None,
                }
            )
    return rows


def read_images(path: Path, info: DataInfo) -> np.ndarray:
    """The images in a file as a network with these data takes them: [B, H, W, C], or frames [B, T, H, W, 2].

    Raises DataError, naming the file.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES + ARRAYS:
        raise DataError(f"{path}: expected a file with the ending {', '.join(SUFFIXES + ARRAYS)}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if kind in SUFFIXES and info.is_sequence:
        raise DataError(f"{path}: the network takes recordings: give their frames in .npy or .npz")
    found = _picture(path, info) if kind in SUFFIXES else _array(path)
    try:
        return as_batch(found, info)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _picture(path: Path, info: DataInfo) -> np.ndarray:
    """One picture [H, W, C], values from 0 to 1, in as many channels as the network takes."""
    H, W, channels = info.shape
    if channels not in (1, 3):
        raise DataError(
            f"{path}: the network takes {channels} channels, a picture has 1 or 3: give .npy or .npz"
        )
    x = decode(path, grey=channels == 1)
    if x.shape != info.shape:
        raise DataError(f"{path}: expected a picture of {H}x{W}, found {x.shape[0]}x{x.shape[1]}")
    return x / 255


def _array(path: Path) -> np.ndarray:
    """The array in a .npy, or the one named "images" in a .npz."""
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, NPZ)
        if "images" not in arrays:
            raise DataError(f"{path}: expected an array named images, found {', '.join(arrays) or 'none'}")
        return arrays["images"]
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError) as error:
        raise DataError(f"{path}: cannot be read as an array of numpy.save ({error})") from error
