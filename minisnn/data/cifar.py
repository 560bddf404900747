"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 50,000 + 10,000 colour photographs, 32x32, in the binary layout.

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

from minisnn.data.dataset import DataSet, Split, hold_out
from minisnn.data.download import find_or_fetch, own_folders
from minisnn.data.idx import DataError

MIRROR = "https://www.cs.toronto.edu/~kriz/"
HELD_OUT = 0.1  # of the training set, for selection: 45,000 / 5,000
PIXELS = 3 * 32 * 32


class Layout(NamedTuple):
    """How one of the two data sets is stored."""

    name: str
    archive: str
    sha256: str
    folder: str  # of the files, on disk and in the archive
    files: dict[str, int]  # number of records of each; the last is the test set
    labels: tuple[int, ...]  # number of classes of each label of a record; the last one counts


CIFAR10 = Layout(
    "cifar10", "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-10-batches-bin",
    {f"data_batch_{i}.bin": 10_000 for i in range(1, 6)} | {"test_batch.bin": 10_000}, (10,),
)  # fmt: skip
CIFAR100 = Layout(
    "cifar100", "cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    "cifar-100-binary", {"train.bin": 50_000, "test.bin": 10_000}, (20, 100),
)  # fmt: skip


def load_cifar10() -> DataSet:
    """CIFAR-10 from the user's folder or the cache, else downloaded: images [N, 32, 32, 3] uint8, 10 classes.

    45,000 for training, 10,000 for the test, and always the same 5,000 of the training images for validation.
    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    return _load(CIFAR10)


def load_cifar100() -> DataSet:
    """CIFAR-100 with its 100 fine classes, otherwise as `load_cifar10`."""
    return _load(CIFAR100)


def _load(layout: Layout) -> DataSet:
    for place in own_folders(layout.name):
        if (place / layout.folder).is_dir():
            found, source = _from_folder(layout, place / layout.folder), place / layout.folder
            break
    else:
        source = find_or_fetch(layout.name, layout.archive, MIRROR + layout.archive, layout.sha256)
        found = _from_archive(layout, source)
    if missing := [name for name in layout.files if name not in found]:
        raise DataError(f"{source}: expected {', '.join(layout.files)}, found no {', '.join(missing)}")
    *batches, test = (found[name] for name in layout.files)
    train = Split(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet(layout.name, kept, held, test, white=255, n_classes=layout.labels[-1])


def _from_folder(layout: Layout, folder: Path) -> dict[str, Split]:
    found = {}
    for path in filter(Path.is_file, map(folder.joinpath, layout.files)):
        with path.open("rb") as file:
            found[path.name] = _read(layout, path.name, str(path), path.stat().st_size, file)
    return found


def _from_archive(layout: Layout, path: Path) -> dict[str, Split]:
    names, found = {f"{layout.folder}/{name}": name for name in layout.files}, {}
    try:
        with tarfile.open(path, "r:gz" if path.suffix == ".gz" else "r:") as tar:
            for member in tar:
                if name := names.get(member.name):
                    where = f"{path}, {member.name}"
                    file = tar.extractfile(member) if member.isfile() else None  # a link could lead anywhere
                    if file is None:
                        raise DataError(f"{where}: expected a regular file, found a link or a folder")
                    found[name] = _read(layout, name, where, member.size, file)
            while tar.fileobj and tar.fileobj.read(1 << 20):  # gzip's own checksum comes last
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: not a whole {path.suffix} archive ({error})") from error
    return found


def _read(layout: Layout, name: str, where: str, size: int, file: IO[bytes]) -> Split:
    length, expected = len(layout.labels) + PIXELS, layout.files[name] * (len(layout.labels) + PIXELS)
    if size != expected:
        raise DataError(f"{where}: expected {expected:,} bytes ({length:,} for an image), found {size:,}")
    records = np.frombuffer(file.read(expected), np.uint8).reshape(-1, length)
    labels, planes = np.split(records, [len(layout.labels)], axis=1)
    for label, n in zip(labels.T, layout.labels, strict=True):
        if label.max() >= n:
            raise DataError(f"{where}: expected labels 0 to {n - 1}, found {label.max()}")
    images = np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return Split(images, labels[:, -1].astype(np.int64))
