"""CIFAR10-DVS (Li et al. 2017): 10,000 pictures of CIFAR-10, moved before a DVS128 event camera.

AIRPLANE/cifar10_airplane_0.aedat ... cifar10_airplane_999.aedat and so on for ten classes, a zip archive for each.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from minisnn.arguments import check, one_of
from minisnn.data.aedat import LONGEST, SIZE, parse_aedat
from minisnn.data.archive import Archive
from minisnn.data.dataset import DataSet
from minisnn.data.download import Remote, cache_folder, find, find_or_fetch
from minisnn.data.frames import BY, count_frames, resize
from minisnn.data.idx import DataError
from minisnn.data.rows import Rows, Split, hold_out
from minisnn.data.store import converted, mark

ZIPS = {  # class: number of the file at figshare (article 4724671), md5
    "airplane": (7712788, "0afd5c4bf9ae06af762a77b180354fdd"),
    "automobile": (7712791, "8438dfeba3bc970c94962d995b1b9bdd"),
    "bird": (7712794, "a9c207c91c55b9dc2002dc21c684d785"),
    "cat": (7712812, "52c63c677c2b15fa5146a8daf4d56687"),
    "deer": (7712815, "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
    "dog": (7712818, "f379ebdf6703d16e0a690782e62639c3"),
    "frog": (7712842, "cad6ed91214b1c7388a5f6ee56d08803"),
    "horse": (7712851, "e7cbbf77bec584ffbf913f00e682782a"),
    "ship": (7712836, "41c7bd7d6b251be82557c6cce9a7d5c9"),
    "truck": (7712839, "89f3922fd147d9aeff89e76a2b0b70a7"),
}
CLASSES = tuple(ZIPS)
EACH = 1000  # recordings of a class
SPLITS = ("tet", "tebn", "spikingjelly")
HELD_OUT = 0.1  # of the training set, for selection


def load_cifar10_dvs(
    T: int = 10,
    by: str = "number",
    size: int = 48,
    split: str = "tet",
    progress: bool = True,
    verify: bool = False,
) -> DataSet:
    """CIFAR10-DVS as frames [N, T, size, size, 2] float32: 8,100 for training, 900 for validation, 1,000 for the test.

    T, by: frames and how they are cut, see `frames.count_frames`. size: they are resized to, from 128. split: which
    recordings of each class are for the test: the last hundred ("tet", ESL's), the first hundred ("tebn", whose
    accuracies are much higher than with others), or the last hundred in the order of the alphabet ("spikingjelly").
    The first time all files are counted to an array in the cache (1.8 GB as it stands), from then on it is
    memory-mapped, and if verify is set compared with the files. Raises DataError for damaged files, FileNotFoundError
    if there are none and no way to get them.
    """
    return load_recordings(
        "cifar10-dvs", [_source(name) for name in CLASSES], T, by, size, split, progress, verify
    )


def remote(name: str) -> Remote:
    """The archive of a class. Its size is a guess, half of what some 200,000 events in each file take unpacked."""
    number, md5 = ZIPS[name]
    return Remote(
        f"{name}.zip", f"https://ndownloader.figshare.com/files/{number}", f"md5:{md5}", 800_000_000
    )


def _source(name: str) -> Path:
    return find("cifar10-dvs", name, apart=True) or find_or_fetch("cifar10-dvs", remote(name), apart=True)


def load_recordings(
    name: str,
    sources: list[Path],
    T: int,
    by: str,
    size: int,
    split: str,
    progress: bool,
    verify: bool = False,
    each: int = EACH,
) -> DataSet:
    """As `load_cifar10_dvs`, from a folder or zip archive for each class with `each` recordings."""
    one_of("by", by, BY)
    one_of("split", split, SPLITS)
    check("T", T, T >= 1, "at least 1")
    check("size", size, 1 <= size <= SIZE, f"1 to {SIZE}")
    archives: dict[int, tuple[Archive, dict[str, str]]] = {}

    def row(k: int) -> np.ndarray:
        label, n = divmod(k, each)
        if label not in archives:
            archives[label] = _opened(sources[label])
        archive, names = archives[label]
        wanted = f"cifar10_{CLASSES[label]}_{n}.aedat"
        if wanted not in names:
            raise DataError(f"{archive.path}: expected {each:,} recordings, found no {wanted}")
        content = archive.read(names[wanted], LONGEST)
        backwards = "unwrap" if by == "time" else "keep"
        events = parse_aedat(content, archive.where(names[wanted]), backwards=backwards)
        frames = count_frames(events, T, (SIZE, SIZE), by)
        return frames if size == SIZE else resize(frames, (size, size))

    every = converted(
        cache_folder(name) / f"frames-{T}-by-{by}-{size}-{mark(*sources)}.npy",
        (len(CLASSES) * each, T, size, size, 2),
        np.float32,
        row,
        f"{name}, once",
        progress,
        verify,
    )
    train, test = (
        Split(Rows(every, rows), rows // each)
        for rows in (
            (np.arange(len(CLASSES))[:, None] * each + numbers).ravel() for numbers in _divided(each, split)
        )
    )
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet(name, kept, held, test, 1, len(CLASSES), CLASSES)


def _divided(each: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Which of a class's recordings are for training, and which, a tenth, for the test."""
    numbers, cut = np.arange(each), each * 9 // 10
    if split == "tebn":
        return numbers[each - cut :], numbers[: each - cut]
    if split == "spikingjelly":  # the order of the files' names
        numbers = np.array(sorted(numbers, key=lambda n: f"{n}."))
    return np.sort(numbers[:cut]), np.sort(numbers[cut:])


def _opened(source: Path) -> tuple[Archive, dict[str, str]]:
    """A class's recordings, by their names without folders."""
    archive = Archive(source)
    return archive, {PurePosixPath(name).name: name for name in archive.names()}
