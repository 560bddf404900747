"""Tiny-ImageNet (Stanford's course CS231n): 200 classes, 100,000 + 10,000 photographs, 64x64, as JPEG files.

train/CLASS/images/CLASS_0.JPEG ... CLASS_499.JPEG, and val/images/val_0.JPEG ... with val_annotations.txt. The labels
of test/ were never published. Like everybody, we test on val/, and hold out a part of train/ for validation.
"""

from __future__ import annotations

import io
from functools import partial

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.download import Remote, cache_folder, find, find_or_fetch
from data_loaders.common.errors import DataError
from data_loaders.common.extras import needs
from data_loaders.common.rows import Rows, Split, hold_out
from data_loaders.common.store import converted, mark
from data_loaders.formats.archive import Archive

FOLDER = "tiny-imagenet-200"
ZIP = Remote(
    "tiny-imagenet-200.zip", "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "md5:90528d7ca1a48142e341f4ef8d21d0de", 248_100_043,
)  # fmt: skip
CLASSES, EACH, TESTED = 200, 500, 10_000
SIZE = 64
LONGEST = 1 << 20  # bytes of a JPEG file or a list; the real ones have about 2,000 and 500,000
HELD_OUT = 0.1


@data_set(
    "photographs",
    shape=(SIZE, SIZE, 3),
    classes=CLASSES,
    samples=(90_000, 10_000, 10_000),
    files=[ZIP],
    unpacked=[FOLDER],
    converted=110_000 * SIZE * SIZE * 3,
    citation="Stanford's course CS231n, from ImageNet",
)
def load(progress: bool = True, verify: bool = False) -> DataSet:
    """Tiny-ImageNet from the user's zip archive or unpacked folder or the cache, else downloaded.

    90,000 for training, 10,000 held out for validation, and the 10,000 of val/ as the test set; images [N, 64, 64, 3]
    uint8, grey ones as RGB. The first time they are unpacked to an array of 1.4 GB in the cache; later it is
    memory-mapped. verify: compare it with the files. Raises DataError if a file is damaged, FileNotFoundError if there
    is none and no way to get it.
    """
    source = find("tiny-imagenet", FOLDER) or find_or_fetch("tiny-imagenet", ZIP)
    archive = Archive(source)
    root = "" if source.is_dir() else f"{FOLDER}/"
    names, labels = _listed(archive, root)
    every = converted(
        cache_folder("tiny-imagenet") / f"images-{mark(source)}.npy",
        (len(names), SIZE, SIZE, 3),
        np.uint8,
        lambda k: decode(archive, names[k]),
        "Tiny-ImageNet, once",
        progress,
        verify,
    )
    part = partial(Rows, every)
    n = CLASSES * EACH
    kept, held = hold_out(Split(part(np.arange(n)), labels[:n]), HELD_OUT, np.random.default_rng(0))
    test = Split(part(np.arange(n, len(names))), labels[n:])
    return DataSet("tiny-imagenet", kept, held, test, max_value=255, n_classes=CLASSES)


def _listed(archive: Archive, root: str) -> tuple[list[str], np.ndarray]:
    """The files of all images, training set first, and their classes, in the order of wnids.txt."""
    ids = _lines(archive, f"{root}wnids.txt", CLASSES)
    if odd := [name for name in ids if not name.isalnum()]:
        raise DataError(
            f"{archive.where(f'{root}wnids.txt')}: expected names like n01443537, found {odd[0][:60]!r}"
        )
    classes = {name: n for n, name in enumerate(ids)}
    names = [f"{root}train/{c}/images/{c}_{k}.JPEG" for c in ids for k in range(EACH)]
    labels = [n for n in range(CLASSES) for _ in range(EACH)]
    annotations = f"{root}val/val_annotations.txt"
    for number, line in enumerate(_lines(archive, annotations, TESTED), 1):
        name, _, rest = line.partition("\t")
        name_of_class = rest.partition("\t")[0]
        if name_of_class not in classes or "/" in name or "\\" in name:
            raise DataError(
                f"{archive.where(annotations)}, line {number}: expected a file and a class, found {line[:60]!r}"
            )
        names.append(f"{root}val/images/{name}")
        labels.append(classes[name_of_class])
    return names, np.array(labels, np.int64)


def _lines(archive: Archive, name: str, n: int) -> list[str]:
    lines = archive.read(name, LONGEST).decode("utf-8", "replace").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    if len(set(lines)) != n or len(lines) != n:
        raise DataError(
            f"{archive.where(name)}: expected {n:,} different lines, "
            f"found {len(lines):,}, of which {len(set(lines)):,} differ"
        )
    return lines


def decode(archive: Archive, name: str) -> np.ndarray:
    """A JPEG file as [64, 64, 3] uint8. Raises DataError if it is no JPEG file, or of another size."""
    image = needs("PIL.Image", "data")
    content = archive.read(name, LONGEST)
    try:
        with image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            if picture.size != (SIZE, SIZE):  # before it is decoded: a bomb stays small
                raise DataError(f"{archive.where(name)}: expected {SIZE}x{SIZE} pixels, found {picture.size}")
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{archive.where(name)}: not a whole JPEG file ({error})") from error
