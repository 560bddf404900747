"""The IDX format of MNIST: 0, 0, type, number of axes, their sizes as big-endian uint32, then the data.

A data set is four such files: images and labels for training, images and labels for the test.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.download import Remote, find_or_fetch
from data_loaders.common.errors import DataError
from data_loaders.common.files import fill
from data_loaders.common.rows import Split, hold_out

UINT8 = 0x08
NAMES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip
HELD_OUT = 0.1  # of the training set, for validation: 6,000


def remotes(url: str, checksums: Sequence[str], sizes: Sequence[int]) -> tuple[Remote, ...]:
    """The four files of a data set like MNIST, which lie in one folder of the web."""
    return tuple(Remote(n, url + n, c, size) for n, c, size in zip(NAMES, checksums, sizes, strict=True))


def load_files(
    name: str, files: Sequence[Remote], class_names: tuple[str, ...] = (), apart: bool = False
) -> DataSet:
    """A data set like MNIST. apart: look for its files only in a folder of its name.

    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    train, test = _split(name, files[:2], 60_000, apart), _split(name, files[2:], 10_000, apart)
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet(name, kept, held, test, 255, 10, class_names)


def _split(name: str, files: Sequence[Remote], n: int, apart: bool) -> Split:
    images = read_idx(find_or_fetch(name, files[0], apart), (n, 28, 28))
    path = find_or_fetch(name, files[1], apart)
    labels = read_idx(path, (n,))
    if labels.max() > 9:
        raise DataError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    return Split(images[..., None], labels.astype(np.int64))


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The uint8 array in an IDX file, plain or (with a name ending in .gz) compressed.

    shape: what the header must say. Raises DataError, and never reads more than the shape needs.
    """
    with path.open("rb") as raw:
        try:
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
            header = file.read(4 + 4 * len(shape))
            expected = bytes([0, 0, UINT8, len(shape)])
            if header[:4] != expected:
                raise DataError(
                    f"{path}: expected an IDX file starting {expected.hex()}, found {header[:4].hex()}"
                )
            found = tuple(np.frombuffer(header[4:], ">u4")) if len(header) == 4 + 4 * len(shape) else ()
            if found != shape:
                raise DataError(
                    f"{path}: expected an array of {shape}, its header says {tuple(map(int, found))}"
                )
            data = np.empty(shape, np.uint8)
            there = fill(file, data) + len(file.read(1))
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: not a readable gzip file ({error})") from error
        except EOFError as error:
            raise DataError(f"{path}: truncated, the gzip stream ends too early") from error
    if there != data.size:
        more = "more" if there > data.size else f"{there:,}"
        raise DataError(f"{path}: expected {data.size:,} bytes of data after the header, found {more}")
    return data
