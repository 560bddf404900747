"""The binary layout of CIFAR-10 and CIFAR-100.

A record is its labels, one byte each, then 1,024 bytes of red, 1,024 of green and 1,024 of blue, row by row:
https://www.cs.toronto.edu/~kriz/cifar.html. The archives are read where they lie: nothing in one can reach the disk.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.download import Remote, find, find_or_fetch
from data_loaders.common.errors import DataError
from data_loaders.common.files import fill
from data_loaders.common.rows import Split, hold_out

MIRROR = "https://www.cs.toronto.edu/~kriz/"
HELD_OUT = 0.1  # of the training set, for validation: 5,000
PIXELS = 3 * 32 * 32


class Layout(NamedTuple):
    """How one of the two data sets is stored."""

    name: str
    archive: Remote
    folder: str  # holds the files, on disk and in the archive
    files: dict[str, int]  # number of records in each; the last file is the test set
    labels: tuple[int, ...]  # number of classes of each label of a record; the last label is the class
    class_names: tuple[str, ...]  # batches.meta.txt and fine_label_names.txt in the archives


Part = tuple[np.ndarray, np.ndarray]  # images, labels


def load_layout(layout: Layout) -> DataSet:
    """A data set in this layout, from the user's folder or the cache, else downloaded.

    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    train, test, parts = _room(layout)
    source = find(layout.name, layout.folder)
    if source and source.is_dir():
        found = _from_folder(layout, source, parts)
    else:
        _refuse_pickles(layout)
        source = find_or_fetch(layout.name, layout.archive)
        found = _from_archive(layout, source, parts)
    if missing := [name for name in layout.files if name not in found]:
        raise DataError(f"{source}: expected {', '.join(layout.files)}, found no {', '.join(missing)}")
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet(layout.name, kept, held, test, 255, layout.labels[-1], layout.class_names)


def _room(layout: Layout) -> tuple[Split, Split, dict[str, Part]]:
    """Arrays for the training and the test set, and the part of them that each file fills."""
    *sizes, last = layout.files.values()
    train, test = ((np.empty((n, 32, 32, 3), np.uint8), np.empty(n, np.int64)) for n in (sum(sizes), last))
    parts = zip(*(np.split(array, np.cumsum(sizes)[:-1]) for array in train), strict=True)
    return Split(*train), Split(*test), dict(zip(layout.files, [*parts, test], strict=True))


def _refuse_pickles(layout: Layout) -> None:
    """Raise DataError where only the Python layout is there: it is a pickle, and a pickle can run any code."""
    python = layout.archive.name.replace("binary", "python")
    if find(layout.name, layout.archive.name, layout.archive.name.removesuffix(".gz")):
        return
    if pickles := find(layout.name, python, "cifar-10-batches-py" if "10-" in python else "cifar-100-python"):
        raise DataError(
            f"{pickles}: this is the Python layout, a pickle, and opening a pickle can run any code; "
            f"expected the binary layout, {layout.archive.url}"
        )


def _from_folder(layout: Layout, folder: Path, parts: dict[str, Part]) -> set[str]:
    """Read the files that are there. Returns their names."""
    found = set()
    for path in filter(Path.is_file, map(folder.joinpath, layout.files)):
        with path.open("rb") as file:
            _read(layout, str(path), path.stat().st_size, file, parts[path.name])
        found.add(path.name)
    return found


def _from_archive(layout: Layout, path: Path, parts: dict[str, Part]) -> set[str]:
    names, found = {f"{layout.folder}/{name}": name for name in layout.files}, set()
    try:
        with tarfile.open(path, "r:gz" if path.suffix == ".gz" else "r:") as tar:
            for member in tar:
                if name := names.get(member.name):
                    where = f"{path}, {member.name}"
                    file = tar.extractfile(member) if member.isfile() else None  # a link could lead anywhere
                    if file is None:
                        raise DataError(f"{where}: expected a regular file, found a link or a folder")
                    _read(layout, where, member.size, file, parts[name])
                    found.add(name)
            while tar.fileobj and tar.fileobj.read(1 << 20):  # gzip's own checksum comes last
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: not a whole {path.suffix} archive ({error})") from error
    return found


def _read(layout: Layout, where: str, size: int, file: IO[bytes], part: Part) -> None:
    """Check a file's records and put them where they belong."""
    images, classes = part
    records = np.empty((len(classes), len(layout.labels) + PIXELS), np.uint8)
    if size != records.size:
        raise DataError(
            f"{where}: expected {records.size:,} bytes ({records.shape[1]:,} for an image), found {size:,}"
        )
    if (n := fill(file, records)) != size:
        raise DataError(f"{where}: expected {size:,} bytes, found only {n:,}")
    labels, planes = np.split(records, [len(layout.labels)], axis=1)
    for label, n in zip(labels.T, layout.labels, strict=True):
        if label.max() >= n:
            raise DataError(f"{where}: expected labels 0 to {n - 1}, found {label.max()}")
    classes[:] = labels[:, -1]
    for colour in range(3):  # three times as fast as to transpose all of them at once
        images.reshape(-1, 1024, 3)[..., colour] = planes[:, 1024 * colour : 1024 * (colour + 1)]
