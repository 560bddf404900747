"""What data sets there are, what each costs to get, and where it is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from os.path import expanduser
from pathlib import Path
from typing import Any, NamedTuple

from minisnn.arguments import one_of
from minisnn.data import cifar, cifar10_dvs, mnist, simulated, tiny_imagenet
from minisnn.data.dataset import DataSet
from minisnn.data.digits import load_digits
from minisnn.data.download import Remote, cache_folder, find, own_folders
from minisnn.data.frames import BY
from minisnn.data.own import load_path
from minisnn.data.stand_in import SHAPES, load_stand_in

LOADERS: dict[str, Callable[..., DataSet]] = {
    "digits": load_digits,
    "mnist": mnist.load_mnist,
    "fashion-mnist": mnist.load_fashion_mnist,
    "cifar10": cifar.load_cifar10,
    "cifar100": cifar.load_cifar100,
    "tiny-imagenet": tiny_imagenet.load_tiny_imagenet,
    **{f"{name}-stand-in": partial(load_stand_in, name) for name in SHAPES},
}
"""Images, by name."""

EVENT_LOADERS: dict[str, Callable[..., DataSet]] = {
    "event-digits": simulated.load_event_digits,
    "cifar10-dvs": cifar10_dvs.load_cifar10_dvs,
    simulated.NAME: simulated.load_simulated_dvs,
}
"""Recordings of event cameras, by name; a loader is told how many frames."""

DIVIDED = ("cifar10-dvs", simulated.NAME)  # in a way that can be chosen
FRAMES = 10  # of recordings, where nobody says how many


class Entry(NamedTuple):
    """A data set."""

    what: str
    shape: str
    n_classes: int
    samples: tuple[int, int, int]  # for training, validation, test
    files: tuple[Remote, ...] = ()  # to download; none: it is part of minisnn, or made by it
    unpacked: tuple[str, ...] = ()  # folders that do instead of the files, one for each
    converted: int = 0  # bytes of the array in the cache that it is converted to once
    apart: bool = False  # its files are looked for in a folder of its own only


IMAGES = (1302, 140, 355)
RECORDINGS = (8100, 900, 1000)
AS_FRAMES = 4 * 10_000 * FRAMES * 48 * 48 * 2
CATALOGUE = {
    "digits": Entry("handwritten digits (UCI), in minisnn", "8x8x1", 10, IMAGES),
    "mnist": Entry("handwritten digits", "28x28x1", 10, (54_000, 6000, 10_000), tuple(mnist.MNIST)),
    "fashion-mnist": Entry(
        "kinds of clothes", "28x28x1", 10, (54_000, 6000, 10_000), tuple(mnist.FASHION_MNIST), apart=True
    ),
    "cifar10": Entry(
        "photographs", "32x32x3", 10, (45_000, 5000, 10_000), (cifar.CIFAR10.archive,), (cifar.CIFAR10.folder,)
    ),
    "cifar100": Entry(
        "photographs", "32x32x3", 100, (45_000, 5000, 10_000), (cifar.CIFAR100.archive,), (cifar.CIFAR100.folder,)
    ),
    "tiny-imagenet": Entry(
        "photographs", "64x64x3", 200, (90_000, 10_000, 10_000), (tiny_imagenet.ZIP,), (tiny_imagenet.FOLDER,),
        converted=110_000 * 64 * 64 * 3,
    ),
    "cifar10-dvs": Entry(
        "recordings of CIFAR-10 by an event camera", f"{FRAMES}x48x48x2", 10, RECORDINGS,
        tuple(map(cifar10_dvs.remote, cifar10_dvs.CLASSES)), cifar10_dvs.CLASSES, AS_FRAMES, apart=True,
    ),
    simulated.NAME: Entry(
        "simulated recordings of CIFAR-10: not CIFAR10-DVS", f"{FRAMES}x48x48x2", 10, RECORDINGS,
        (cifar.CIFAR10.archive,), (cifar.CIFAR10.folder,), AS_FRAMES + 2_300_000_000,
    ),
    "event-digits": Entry("the digits before a simulated event camera", f"{FRAMES}x16x16x2", 10, IMAGES),
    **{
        f"{name}-stand-in": Entry(f"the digits in the shape of {name}", f"{side}x{side}x{channels}", n, IMAGES)
        for name, (side, channels, n) in SHAPES.items()
    },
}  # fmt: skip


def load(
    data: str | Path,
    T: int = FRAMES,
    by: str = "number",
    split: str = "tet",
    *,
    verify: bool = False,
) -> DataSet:
    """A data set by its name, or of your own by the path of its file or folder (see `own.load_path`).

    T, by: of recordings, how many frames and how they are cut (see `frames.count_frames`). split: which recordings
    CIFAR10-DVS is tested on. Data without recordings ignore these.
    verify: what was converted once is compared with the files that it was made of; others are read anyway.
    Raises ValueError and FileNotFoundError as `own_path`; DataError, naming the file, for what is damaged.
    """
    one_of("by", by, BY)
    one_of("split", split, cifar10_dvs.SPLITS)
    if path := own_path(data):
        return load_path(path, T, by, verify=verify)
    name = str(data)
    options: dict[str, Any] = {"verify": True} if verify and CATALOGUE[name].converted else {}
    if name not in EVENT_LOADERS:
        return LOADERS[name](**options)
    if name in DIVIDED:
        options["split"] = split
    return EVENT_LOADERS[name](T, by=by, **options)


def own_path(data: str | Path) -> Path | None:
    """The file or folder that `data` is, or None if it is a name in the catalogue, which comes first.

    Raises ValueError for what looks like a name and is none, with the nearest one; FileNotFoundError for a path
    where nothing is.
    """
    name = str(data)
    if isinstance(data, str) and name in CATALOGUE:
        return None
    path = Path(expanduser(data))
    if name and path.exists():
        return path
    near = get_close_matches(name, CATALOGUE, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    if isinstance(data, Path) or path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"{path}: there is no such file or folder{meant}")
    known = f"one of {', '.join(CATALOGUE)}, or a path"
    raise ValueError(f"data must be {known}, found {name!r}{meant}")


def places(name: str) -> dict[Remote, Path | None]:
    """Where each file of a data set is on this machine, or what stands in its place; None where it is not."""
    entry = CATALOGUE[name]
    folder = name
    if name == simulated.NAME:
        with suppress(ModuleNotFoundError):
            if (simulated.recordings() / "README.txt").exists():
                return {}  # CIFAR-10 has done its part
        folder = "cifar10"
    unpacked = entry.unpacked or ("",) * len(entry.files)
    return {
        file: find(
            folder, *filter(None, (instead, file.name, file.name.removesuffix(".gz"))), apart=entry.apart
        )
        for file, instead in zip(entry.files, unpacked, strict=True)
    }


def state(name: str) -> str:
    """Is it here, and what does it cost?"""
    entry = CATALOGUE[name]
    missing = [file for file, place in places(name).items() if place is None]
    if missing:
        megabytes = sum(file.size for file in missing) / 1e6
        cost = f"about {megabytes:,.0f} MB to download"
        return cost + (f", {entry.converted / 1e9:.1f} GB of cache" if entry.converted else "")
    if entry.converted and not list(_cache(name).glob("*.npy")):
        return f"here; {entry.converted / 1e9:.1f} GB of cache to come"
    return "here"


def _cache(name: str) -> Path:
    try:
        return cache_folder(name)
    except ModuleNotFoundError:
        return Path("no cache without pooch")


def where() -> str:
    """Which folders are looked into, in words."""
    try:
        own = own_folders("")
        yours = f"MINISNN_DATA is {own[1]}" if own else "MINISNN_DATA is not set"
    except FileNotFoundError as error:
        yours = str(error)
    try:
        return f"{yours}; downloads and converted arrays are in {cache_folder('')}"
    except ModuleNotFoundError:
        return f"{yours}; downloads need pooch: pip install 'minisnn[data]'"
