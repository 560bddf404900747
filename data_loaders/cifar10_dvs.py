"""CIFAR10-DVS (Li et al. 2017): 10,000 pictures of CIFAR-10, moved before a DVS128 event camera.

AIRPLANE/cifar10_airplane_0.aedat ... cifar10_airplane_999.aedat and so on for ten classes, a zip archive for each.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import SPLITS, data_set
from data_loaders.common.download import Remote, cache_folder, find, find_or_fetch
from data_loaders.common.errors import DataError, check, one_of
from data_loaders.common.rows import Rows, Split, hold_out
from data_loaders.common.store import converted, mark
from data_loaders.events.frames import BY, count_frames, resize
from data_loaders.formats.aedat import LONGEST, SIZE, parse_aedat
from data_loaders.formats.archive import Archive

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
EACH = 1000  # recordings in a class
HELD_OUT = 0.1  # of the training set, for validation
T_DEFAULT, SIDE = 10, 48  # frames, and pixels along each side
SAMPLES = (8100, 900, 1000)
CONVERTED = 4 * 10_000 * T_DEFAULT * SIDE * SIDE * 2  # bytes of the array in the cache


def remote(name: str) -> Remote:
    """The archive of a class. Its size is a guess: half of what about 200,000 events in each file take unpacked."""
    number, md5 = ZIPS[name]
    return Remote(
        f"{name}.zip", f"https://ndownloader.figshare.com/files/{number}", f"md5:{md5}", 800_000_000
    )


@data_set(
    "recordings of CIFAR-10 by an event camera",
    shape=(T_DEFAULT, SIDE, SIDE, 2),
    classes=10,
    samples=SAMPLES,
    files=[remote(name) for name in CLASSES],
    unpacked=CLASSES,
    converted=CONVERTED,
    apart=True,
    citation="H. Li, H. Liu, X. Ji, G. Li, L. Shi, Frontiers in Neuroscience 11 (2017); figshare article 4724671",
)
def load(
    T: int = T_DEFAULT,
    by: str = "number",
    size: int = SIDE,
    split: str = "tet",
    progress: bool = True,
    verify: bool = False,
) -> DataSet:
    """CIFAR10-DVS as frames [N, T, size, size, 2] float32: 8,100 for training, 900 for validation, 1,000 for the test.

    T, by: how many frames, and how recordings are cut into them, see `frames.count_frames`. size: pixels along each
    side, to which frames of 128x128 are resized. split: which recordings of each class are for the test: the last
    hundred ("tet", which ESL follows), the first hundred ("tebn", which gives much higher accuracies), or the last
    hundred in alphabetical order ("spikingjelly").
    The first time all files are counted into an array in the cache (1.8 GB with these defaults); later it is
    memory-mapped. verify: compare it with the files. Raises DataError for damaged files, FileNotFoundError if there are
    none and no way to get them.
    """
    return load_recordings(
        "cifar10-dvs", [_source(name) for name in CLASSES], T, by, size, split, progress, verify
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
    """As `load`, from a folder or zip archive for each class, with `each` recordings in it."""
    one_of("by", by, BY)
    one_of("split", split, SPLITS)
    check("T", T, T >= 1, "at least 1")
    check("size", size, 1 <= size <= SIZE, f"1 to {SIZE}")
    recording = lru_cache(_opened)  # each archive stays open

    def row(k: int) -> np.ndarray:
        label, n = divmod(k, each)
        frames = _frames(*recording(sources[label]), f"cifar10_{CLASSES[label]}_{n}.aedat", each, T, by)
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


def _frames(archive: Archive, names: dict[str, str], wanted: str, each: int, T: int, by: str) -> np.ndarray:
    """The frames [T, 128, 128, 2] of one recording. Raises DataError, naming the archive or the file in it."""
    if wanted not in names:
        raise DataError(f"{archive.path}: expected {each:,} recordings, found no {wanted}")
    content = archive.read(names[wanted], LONGEST)
    backwards = "unwrap" if by == "time" else "keep"
    events = parse_aedat(content, archive.where(names[wanted]), backwards=backwards)
    return count_frames(events, T, (SIZE, SIZE), by)


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
