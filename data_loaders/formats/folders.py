"""A folder of classes as a data set: CLASS/*.png or CLASS/*.aedat, or train/CLASS/..., test/CLASS/..."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.download import cache_folder
from data_loaders.common.errors import DataError
from data_loaders.common.progress import tqdm
from data_loaders.common.rows import Rows
from data_loaders.common.store import converted, mark
from data_loaders.events.frames import count_frames
from data_loaders.formats import pictures
from data_loaders.formats.aedat import SIZE, read_aedat

LARGE = 512 << 20  # bytes; larger arrays stay on disk
RECORDING = ".aedat"
KNOWN = (*pictures.SUFFIXES, RECORDING)
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")  # left by operating systems; ignored like names with a dot


class Sample(NamedTuple):
    """A file, and the name of its class."""

    file: Path
    label: str


class Source(NamedTuple):
    """How files become rows of an array."""

    kind: str  # for the name of the array's file
    shape: tuple[int, ...]
    dtype: type
    max_value: int
    row: Callable[[Path], np.ndarray]


def load_folder(root: Path, T: int, by: str, progress: bool, verify: bool) -> DataSet:
    """See `path.load_path`."""
    splits = _listed(root)
    samples = [sample for part in splits.values() for sample in part]
    kinds = {file.suffix.lower() == RECORDING: file for file, _ in samples}
    if len(kinds) > 1:
        raise DataError(
            f"{root}: expected pictures or recordings, found both: {kinds[False]} and {kinds[True]}"
        )
    files = [file for file, _ in samples]
    source = _recordings(T, by) if True in kinds else _pictures(files, progress)
    images = _array(root, files, source, progress, verify)
    parts: dict[str, Any] = {}
    start = 0
    for split, part in splits.items():
        which = slice(start, start + len(part))
        some = images.take(which) if isinstance(images, Rows) else images[which]
        parts[split] = some, [label for _, label in part]
        start += len(part)
    train = parts.pop("train")
    try:
        return DataSet.from_arrays(*train, **parts, name=root.resolve().name, max_value=source.max_value)
    except ValueError as error:
        raise DataError(f"{root}: {error}") from error


def _listed(root: Path) -> dict[str, list[Sample]]:
    """The samples of each split, class after class, by name; all in "train" if there are no folders of splits."""
    top = _folders(root)
    if "train" not in top or not _folders(top["train"], strict=False):
        return {"train": _samples(root, top)}
    splits: dict[str, list[Sample]] = {}
    for name, split in SPLITS.items():
        if name in top:
            if split in splits:
                raise DataError(f"{root}: expected one of validation and val, found both")
            splits[split] = _samples(top[name], _folders(top[name]))
    if odd := sorted(set(top) - set(SPLITS)):
        raise DataError(
            f"{top[odd[0]]}: expected beside train only {', '.join(list(SPLITS)[1:])}, found this folder"
        )
    classes = {label for _, label in splits["train"]}
    for part in splits.values():
        for file, label in part:
            if label not in classes:
                raise DataError(f"{file.parent}: expected a class that train has, found another")
    return splits


def _folders(parent: Path, strict: bool = True) -> dict[str, Path]:
    """The folders in a folder. strict: DataError for samples beside them, which are in no class."""
    files = [path for path in _content(parent) if not path.is_dir() and path.suffix.lower() in KNOWN]
    if strict and files:
        raise DataError(f"{files[0]}: expected in a folder of its class, found directly in {parent}")
    return {path.name: path for path in _content(parent) if path.is_dir()}


def _samples(parent: Path, classes: dict[str, Path]) -> list[Sample]:
    if not classes:
        raise DataError(f"{parent}: expected a folder for each class, found none")
    samples = []
    for label, folder in classes.items():
        files = _content(folder)
        if not files:
            raise DataError(f"{folder}: expected files of a class, found an empty folder")
        for file in files:
            if file.suffix.lower() not in KNOWN or not file.is_file():
                raise DataError(
                    f"{file}: expected a file {', '.join(KNOWN)} in a class, found something else"
                )
            samples.append(Sample(file, label))
    return samples


def _content(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.name not in CLUTTER)


def _recordings(T: int, by: str) -> Source:
    backwards = "unwrap" if by == "time" else "keep"

    def row(file: Path) -> np.ndarray:
        return count_frames(read_aedat(file, backwards=backwards), T, (SIZE, SIZE), by)

    return Source(f"frames-{T}-by-{by}", (T, SIZE, SIZE, 2), np.float32, 1, row)


def _pictures(files: list[Path], progress: bool) -> Source:
    """Pictures of one size, which their headers tell; in grey if all of them are."""
    grey, first = True, pictures.look(files[0])
    for file in tqdm(files, desc="headers", delay=1, disable=not progress):
        found = pictures.look(file)
        _same_size((found.height, found.width), (first.height, first.width), file, files[0])
        grey = grey and found.grey
    shape = (first.height, first.width, 1 if grey else 3)

    def row(file: Path) -> np.ndarray:
        image = pictures.decode(file, grey)
        _same_size(image.shape[:2], shape[:2], file, files[0])
        return image

    return Source("pictures", shape, np.uint8, 255, row)


def _same_size(found: tuple[int, ...], expected: tuple[int, ...], file: Path, first: Path) -> None:
    if found != expected:
        raise DataError(
            f"{file}: expected {expected[0]}x{expected[1]} pixels (height x width) as {first} has, "
            f"found {found[0]}x{found[1]}; all pictures must have one size"
        )


def _array(root: Path, files: list[Path], source: Source, progress: bool, verify: bool) -> np.ndarray | Rows:
    """A row for each file: in memory, or on disk if they are large."""
    shape, name = (len(files), *source.shape), root.resolve().name
    if prod(shape) * np.dtype(source.dtype).itemsize <= LARGE:
        array: np.ndarray = np.empty(shape, source.dtype)
        for k, file in enumerate(tqdm(files, desc=name, delay=1, disable=not progress)):
            array[k] = source.row(file)
        return array
    path = cache_folder("own") / f"{name}-{source.kind}-{mark(*_parents(files))}.npy"
    every = converted(
        path, shape, source.dtype, lambda k: source.row(files[k]), f"{name}, once", progress, verify
    )
    return Rows(every, np.arange(len(files)))


def _parents(files: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(file.parent for file in files))
