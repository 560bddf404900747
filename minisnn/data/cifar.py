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

from minisnn.data.dataset import DataSet
from minisnn.data.download import Remote, find, find_or_fetch
from minisnn.data.idx import DataError, fill
from minisnn.data.rows import Split, hold_out

MIRROR = "https://www.cs.toronto.edu/~kriz/"
HELD_OUT = 0.1  # of the training set, for selection: 45,000 / 5,000
PIXELS = 3 * 32 * 32


class Layout(NamedTuple):
    """How one of the two data sets is stored."""

    name: str
    archive: Remote
    folder: str  # of the files, on disk and in the archive
    files: dict[str, int]  # number of records of each; the last is the test set
    labels: tuple[int, ...]  # number of classes of each label of a record; the last one counts
    class_names: tuple[str, ...]  # batches.meta.txt and fine_label_names.txt of the archives


FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CIFAR10 = Layout(
    "cifar10",
    Remote(
        "cifar-10-binary.tar.gz", MIRROR + "cifar-10-binary.tar.gz",
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170_052_171,
    ),
    "cifar-10-batches-bin",
    {f"data_batch_{i}.bin": 10_000 for i in range(1, 6)} | {"test_batch.bin": 10_000}, (10,),
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)  # fmt: skip
CIFAR100 = Layout(
    "cifar100",
    Remote(
        "cifar-100-binary.tar.gz", MIRROR + "cifar-100-binary.tar.gz",
        "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 169_000_000,
    ),
    "cifar-100-binary", {"train.bin": 50_000, "test.bin": 10_000}, (20, 100),
    tuple(FINE.split()),
)  # fmt: skip


Part = tuple[np.ndarray, np.ndarray]  # images, labels


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
    """Arrays for the training and the test set, and the part of them that each file is to fill."""
    *sizes, last = layout.files.values()
    train, test = ((np.empty((n, 32, 32, 3), np.uint8), np.empty(n, np.int64)) for n in (sum(sizes), last))
    parts = zip(*(np.split(array, np.cumsum(sizes)[:-1]) for array in train), strict=True)
    return Split(*train), Split(*test), dict(zip(layout.files, [*parts, test], strict=True))


def _refuse_pickles(layout: Layout) -> None:
    """The Python layout is Python's pickle, which runs what it holds: say so, where it is all that there is."""
    python = layout.archive.name.replace("binary", "python")
    if find(layout.name, layout.archive.name, layout.archive.name.removesuffix(".gz")):
        return
    if pickles := find(layout.name, python, "cifar-10-batches-py" if "10-" in python else "cifar-100-python"):
        raise DataError(
            f"{pickles}: this is the Python layout, a pickle, and to open a pickle is to run what it holds; "
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
