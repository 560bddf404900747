"""NumPy's `.npz`, read safely: no pickle, no more memory than its arrays need, every byte checked."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from data_loaders.common.errors import DataError
from data_loaders.common.files import fill
from data_loaders.formats.archive import DAMAGED, METHODS, Archive

MOST = 4 << 30  # bytes of all arrays of a file together
HEADER = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, RecursionError, MemoryError)
KINDS = "buifUS"  # of dtypes: booleans, integers, floats, texts


def read_npz(path: Path, known: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by their names.

    For each array the size in its header is compared with the archive's before it is read, and the archive's checksum
    afterwards. Raises DataError if it is no such file, if it is damaged, holds an array whose name is not known,
    objects or structured arrays, or more than 4 GiB in all.
    """
    archive = Archive(path)
    if archive.zip is None:
        raise DataError(f"{path}: expected a file, found a folder")
    members = archive.zip.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    if odd := [name for name in names if name not in known]:
        raise DataError(f"{path}: expected arrays named {', '.join(known)}, found {odd[0][:60]!r}")
    if len(set(names)) < len(names):
        raise DataError(f"{path}: expected each array once, found {max(names, key=names.count)!r} twice")
    if (size := sum(member.file_size for member in members)) > MOST:
        raise DataError(f"{path}: expected at most {MOST / 2**30:g} GiB of arrays, found {size / 2**30:,.1f}")
    arrays = {}
    for name, member in zip(names, members, strict=True):
        where = archive.where(member.filename)
        if member.compress_type not in METHODS:
            raise DataError(f"{where}: expected it stored or deflated, found another compression")
        try:
            with archive.zip.open(member) as file:
                arrays[name] = _read(file, member.file_size, where)
        except DAMAGED as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{where}: cannot be read from the archive ({error})") from error
    return arrays


def _read(file: IO[bytes], size: int, where: str) -> np.ndarray:
    """One array in the format `.npy`, `size` bytes long."""
    shape, fortran, dtype = _header(file, where)
    if dtype.kind not in KINDS:
        raise DataError(f"{where}: expected numbers or texts, found {dtype}")
    there, needed = size - file.tell(), prod(shape) * dtype.itemsize
    if needed != there:
        raise DataError(f"{where}: expected {needed:,} bytes for {list(shape)} {dtype}, found {there:,}")
    content = np.empty(needed, np.uint8)
    if (n := fill(file, content)) < needed:  # as the last byte is read, the archive compares its checksum
        raise DataError(f"{where}: expected {needed:,} bytes after the header, found {n:,}")
    array = content.view(dtype) if needed else np.empty(0, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype. Only version 1, whose header is short: NumPy writes no other for KINDS."""
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version}")
        with warnings.catch_warnings():  # of odd spellings in a header
            warnings.simplefilter("ignore")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except HEADER as error:
        raise DataError(
            f"{where}: expected an array as numpy.save writes it, found another header ({error})"
        ) from error
    if any(n < 0 for n in shape):
        raise DataError(f"{where}: expected a shape of 0 or more, found {shape}")
    return shape, fortran, dtype
