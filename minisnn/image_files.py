"""Image files as a trained network takes them, and what it sees in them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisnn.data.idx import DataError
from minisnn.data.info import DataInfo
from minisnn.extras import needs
from minisnn.prediction import NONE, as_batch
from minisnn.runs import Run

PICTURES = (".png", ".jpg", ".jpeg")
ARRAYS = (".npy", ".npz")


def predict_files(run: Run, files: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each image in files: file, index in it, of how many, class, score (None if no neuron fires).

    All files are read before the first row is made. Raises DataError, naming the file, for one that cannot be read or
    does not fit.
    """
    rows = []
    for file, images in [(file, read_images(file, run.info)) for file in files]:
        for n, (name, scores) in enumerate(zip(run.predict(images), run.scores(images), strict=True)):
            fires = str(name) not in (NONE, "-1")
            rows.append(
                {
                    "file": str(file),
                    "index": n,
                    "of": len(images),
                    "class": name.item(),
                    "score": float(scores.max()) if fires else None,
                }
            )
    return rows


def read_images(path: Path, info: DataInfo) -> np.ndarray:
    """The images in a file as a network with these data takes them: [B, H, W, C], or frames [B, T, H, W, 2].

    Raises DataError, naming the file.
    """
    kind = path.suffix.lower()
    if kind not in PICTURES + ARRAYS:
        raise DataError(f"{path}: expected a file with the ending {', '.join(PICTURES + ARRAYS)}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if kind in PICTURES and info.is_sequence:
        raise DataError(f"{path}: the network takes recordings: give their frames in .npy or .npz")
    found = _picture(path, info) if kind in PICTURES else _array(path)
    try:
        return as_batch(found, info)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _picture(path: Path, info: DataInfo) -> np.ndarray:
    """One image [H, W, C] with grey values from 0 to 1, in the number of channels that the data have."""
    image = needs("PIL.Image", "data")
    channels = info.shape[-1]
    if channels not in (1, 3):
        raise DataError(
            f"{path}: the network takes {channels} channels, a picture has 1 or 3: give .npy or .npz"
        )
    try:
        with image.open(path, formats=("PNG", "JPEG")) as picture:
            most = 65535 if picture.mode.startswith("I") else 255
            if picture.size[::-1] != info.shape[:2]:
                height, width = picture.size[::-1]
                raise DataError(
                    f"{path}: expected a picture of {info.shape[0]}x{info.shape[1]}, found {height}x{width}"
                )
            if most > 255:
                x = np.asarray(picture)[..., None].repeat(channels, -1)
            else:
                x = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a readable picture ({error})") from error
    return x.reshape(*info.shape) / most


def _array(path: Path) -> np.ndarray:
    """The array in a .npy, or the one named "images" in a .npz."""
    try:
        with path.open("rb") as raw:
            found = np.load(raw, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            if "images" not in found.files:
                raise DataError(
                    f"{path}: expected an array named images, found {', '.join(found.files) or 'none'}"
                )
            images: np.ndarray = found["images"]
            return images
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a readable array ({type(error).__name__}: {error})") from error
