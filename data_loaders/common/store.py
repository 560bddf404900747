"""Data sets larger than memory: converted once to an array on disk, of which only what is asked for is read."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from tokenize import TokenError

import numpy as np

from data_loaders.common.errors import DataError
from data_loaders.common.extras import needs
from data_loaders.common.files import write_atomically
from data_loaders.common.machine import in_browser
from data_loaders.common.progress import tqdm

SAFE_EVERY = 256  # rows, after which an interrupted conversion need not repeat them


def converted(
    path: Path,
    shape: tuple[int, ...],
    dtype: type,
    row: Callable[[int], np.ndarray],
    title: str,
    progress: bool = True,
    verify: bool = False,
) -> np.ndarray:
    """The array [N, ...] at `path`, memory-mapped and read-only; made from row(0) ... row(N - 1) if it is not there.

    It appears whole or not at all; an interrupted conversion goes on where it stopped, and a second process waits for
    the first. verify: if it is there, make every row again and compare. Raises OSError if the disk is too small, or in
    a browser, which writes no mapped files; DataError if the file at `path` is something else.
    """
    if in_browser():
        raise OSError(f"{title}: data larger than memory is kept in a mapped file, which a browser cannot write: "
                      "use Python outside of it")  # fmt: skip
    verify = verify and path.exists()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with needs("filelock", "data").FileLock(f"{path}.lock"):
            if not path.exists():
                _convert(path, shape, np.dtype(dtype), row, title, progress)
    array = _opened(path, shape, np.dtype(dtype))
    for k in tqdm(range(shape[0]), desc=f"{title}: checked", disable=not progress) if verify else ():
        if not np.array_equal(array[k], row(k)):
            raise DataError(f"{path}: row {k} differs from its source; delete the file, and it is made again")
    return array


def _opened(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, "r")
    except (ValueError, TypeError, SyntaxError, TokenError, OverflowError) as error:
        raise DataError(f"{path}: not a readable array ({error}); delete it, and it is made again") from error
    if (array.shape, array.dtype) != (shape, dtype):
        raise DataError(
            f"{path}: expected {shape} {dtype}, found {array.shape} {array.dtype}; "
            "delete it, and it is made again"
        )
    return array


def _convert(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    row: Callable[[int], np.ndarray],
    title: str,
    progress: bool,
) -> None:
    part, done_file = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.done")
    size = prod(shape) * dtype.itemsize
    done = _done(part, done_file, shape, dtype)
    if done == 0:
        part.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < size + (1 << 20):
            raise OSError(f"{path} needs {size / 1e9:.2f} GB, but only {free / 1e9:.2f} GB are free: "
                          "set MINISNN_CACHE to a folder on a larger disk")  # fmt: skip
    array = np.lib.format.open_memmap(part, "r+" if done else "w+", dtype, shape)
    with tqdm(total=shape[0], initial=done, unit="", desc=title, disable=not progress) as bar:
        for k in range(done, shape[0]):
            array[k] = row(k)
            bar.update()
            if (k + 1) % SAFE_EVERY == 0:
                array.flush()
                text = str(k + 1).encode()
                write_atomically(done_file, lambda file, text=text: file.write(text))
    array.flush()
    del array
    os.replace(part, path)
    done_file.unlink(missing_ok=True)


def _done(part: Path, done_file: Path, shape: tuple[int, ...], dtype: np.dtype) -> int:
    """How many rows an interrupted conversion has saved; 0 if its files do not fit."""
    try:
        done = int(done_file.read_text())
        _opened(part, shape, dtype)
    except (FileNotFoundError, ValueError):
        return 0
    return done if 0 <= done <= shape[0] else 0


def mark(*sources: Path) -> str:
    """Eight letters that differ for other sources, and for sources that have changed.

    Of a folder it looks only at what is directly in it: looking into the folders below would take seconds.
    """
    text = ""
    for source in sources:
        text += f"{source.resolve()}\n"
        for path in sorted(source.iterdir()) if source.is_dir() else [source]:
            stat = path.stat()
            text += f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n"
    return hashlib.sha256(text.encode()).hexdigest()[:8]
