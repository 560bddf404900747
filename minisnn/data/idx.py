"""The IDX format of MNIST: 0, 0, type, number of axes, their sizes as big-endian uint32, then the data."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO

import numpy as np

UINT8 = 0x08
PIECE = 1 << 20  # bytes that are read at once: what unpacks them hands them on through the cache


class DataError(ValueError):
    """A data file is not what it should be. The message names the file, what was found and what was expected."""


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


def fill(file: IO[bytes], array: np.ndarray) -> int:
    """Read a file's next bytes into a uint8 array, straight to their place. Returns how many there were, if too few."""
    place, n = array.reshape(-1).data, 0
    while more := file.readinto(place[n : n + PIECE]):  # type: ignore[attr-defined]
        n += more
    return n
