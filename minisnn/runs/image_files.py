"""Image files as a trained network takes them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from data_loaders.common.errors import DataError
from data_loaders.common.info import DataInfo
from data_loaders.formats.npz import read_npz
from data_loaders.formats.pictures import SUFFIXES, decode
from minisnn.runs.prediction import as_batch

ARRAYS = (".npy", ".npz")
NPZ = ("images", "labels", "class_names", "max_value")  # what an .npz may hold, as for own data


def as_images(images: Any, info: DataInfo) -> np.ndarray:
    """`prediction.as_batch` of images, or of those in a file or in a list of files.

    Raises ValueError for images that do not fit, DataError, naming the file, for one that cannot be read.
    """
    if isinstance(images, (str, PathLike)):
        return read_images(Path(images), info)
    if isinstance(images, (list, tuple)) and images and all(isinstance(x, (str, PathLike)) for x in images):
        return np.concatenate([read_images(Path(path), info) for path in images])
    return as_batch(images, info)


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
