"""How fast data are read, beside how others read them, and what reading and augmentation cost in training.

    MINISNN_DATA=... OPENBLAS_NUM_THREADS=1 python benchmarks/reading.py formats      two minutes
    MINISNN_DATA=... OPENBLAS_NUM_THREADS=1 python benchmarks/reading.py training     and with 2: a few minutes each
    both add to docs/results/bench_reading.json

formats: the same files from the page cache, one reader after the other in turn, after it was checked that all of them
find the same numbers. Peers are the ways in which NumPy's users read these files, and torchvision, SpikingJelly and
tonic where they are installed. Our checks of headers, sizes and labels stay on. Without MINISNN_DATA, MNIST and
CIFAR-10 are drawn at random: noise cannot be packed, so that then the times of compressed files say little.

training: one and the same epoch, from the same start, with batches made beforehand, with and without prefetching, from
memory and from a memory-mapped file; and to make the batches alone: that is what it costs if nothing overlaps. The file
is in the page cache, which a program without privileges cannot empty: a cold disk is not measured.

Others may want the cores while this runs. The processor's time says what the work takes all the same; the wall's clock
then says little but by its ratios.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from lif import ROOT, machine, spread
from tqdm import tqdm

from data_loaders.cifar10 import LAYOUT
from data_loaders.cifar10 import load as load_cifar10
from data_loaders.common.download import find
from data_loaders.common.rows import Rows, Split
from data_loaders.events.frames import count_frames
from data_loaders.formats.aedat import Events, read_aedat, write_aedat
from data_loaders.formats.idx import read_idx
from minisnn.faster.blocks import keep_memory
from minisnn.recipes import ESL_MLP_DEFAULTS, LIFNet
from minisnn.training import loop
from minisnn.training.setup import Setup

OUT = ROOT / "docs" / "results" / "bench_reading.json"
MINISNN = "minisnn"
Arrays = tuple[np.ndarray, ...]
Readers = dict[str, Callable[[], Arrays]]  # by name, ours first: all give the same arrays


def compare(readers: Readers, repeats: int, own_layout: Readers | None = None) -> dict[str, Any]:
    """Milliseconds of each, and how many times as long ours takes; below 1 we are faster.

    own_layout: peers whose arrays need another pass to be like ours, without that pass.
    """
    ours = readers[MINISNN]()
    for name, reader in readers.items():
        for a, b in zip(ours, reader(), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), name
            assert np.array_equal(a, b), name
            assert b.flags.c_contiguous, name
    report, times = {}, timed({**readers, **(own_layout or {})}, repeats)
    for clock, seconds in times.items():
        peers = ratios(seconds, MINISNN)
        report[clock] = {
            "milliseconds": {name: spread([1e3 * t for t in every]) for name, every in seconds.items()},
            "minisnn / peer": peers,
            "minisnn / fastest peer": max((ratio["median"] for ratio in peers.values()), default=None),
        }
    return report


def timed(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each, in turn, after one that does not count: on the wall's clock and of the processor.

    The processor's time, that of all threads, does not grow when others want the cores too.
    """
    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in works} for clock in clocks}
    for n in range(repeats + 1):
        for name, work in works.items():
            began = {clock: now() for clock, now in clocks.items()}
            work()
            for clock, now in clocks.items():
                if n:
                    seconds[clock][name].append(now() - began[clock])
    return seconds


def ratios(seconds: dict[str, list[float]], of: str) -> dict[str, dict[str, float]]:
    """Of one to every other, in each turn."""
    return {
        name: spread([a / b for a, b in zip(seconds[of], others, strict=True)])
        for name, others in seconds.items()
        if name != of
    }


def idx(folder: Path, repeats: int) -> dict[str, Any]:
    """MNIST's training images, plain and compressed."""
    shape = (60_000, 28, 28)
    found = find("mnist", "train-images-idx3-ubyte.gz")
    if found:
        content = gzip.decompress(found.read_bytes())
    else:
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        content = bytes([0, 0, 8, 3]) + np.array(shape, ">u4").tobytes() + images.tobytes()
    plain, packed = folder / "images", folder / "images.gz"
    plain.write_bytes(content)
    packed.write_bytes(found.read_bytes() if found else gzip.compress(content, 6))

    def array(content: bytes) -> Arrays:
        return (np.frombuffer(content, np.uint8, offset=16).reshape(shape),)

    def opened() -> Arrays:
        with gzip.open(packed) as file:
            return array(file.read())

    readers: Readers = {
        MINISNN: lambda: (read_idx(plain, shape),),
        "open().read(), np.frombuffer": lambda: array(plain.read_bytes()),
        "np.fromfile": lambda: (np.fromfile(plain, np.uint8, offset=16).reshape(shape),),
    }
    if torchvision := there("torchvision.datasets.mnist"):
        readers["torchvision"] = lambda: (torchvision.read_image_file(str(plain)).numpy(),)
    return {
        "IDX, plain, 60,000 images" + " drawn at random" * (not found): compare(readers, 3 * repeats),
        "IDX, .gz, 60,000 images" + " drawn at random" * (not found): compare(
            {
                MINISNN: lambda: (read_idx(packed, shape),),
                "gzip.open().read(), np.frombuffer": opened,
                "gzip.decompress of the file": lambda: array(gzip.decompress(packed.read_bytes())),
            },
            repeats,
        ),
    }


def cifar10(folder: Path, repeats: int) -> dict[str, Any]:
    """CIFAR-10 as training, validation and test set, from files and from an archive."""
    source = find("cifar10", "cifar-10-batches-bin")
    layout, rng = LAYOUT, np.random.default_rng(0)
    names = list(layout.files)
    files, packed, pickles = (folder / name for name in (layout.folder, layout.archive.name, "pickles"))
    files.mkdir()
    pickles.mkdir()
    for name, n in layout.files.items():
        if source:
            records = np.fromfile(source / name, np.uint8).reshape(n, 3073)
        else:
            records = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
            records[:, 0] %= 10
        records.tofile(files / name)
        with (pickles / name).open("wb") as file:
            pickle.dump({"data": records[:, 1:].copy(), "labels": records[:, 0].tolist()}, file)
    apart = folder / "archive"
    apart.mkdir()
    with tarfile.open(apart / packed.name, "w:gz", compresslevel=6) as tar:
        tar.add(files, layout.folder)

    def ours(place: Path) -> Arrays:
        with mock.patch.dict(os.environ, MINISNN_DATA=str(place)):
            data = load_cifar10()
        return tuple(array for split in data.splits.values() for array in split)  # type: ignore[misc]

    def split(planes: list[np.ndarray], labels: list[Any]) -> Arrays:
        """From [n, 3072] of each file, as torchvision does it, and cut into our three sets."""
        held = np.zeros(50_000, bool)
        held[np.random.default_rng(0).choice(50_000, 5000, replace=False)] = True
        images = np.concatenate(planes).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        images, classes = np.ascontiguousarray(images), np.concatenate(labels).astype(np.int64)
        train, y = images[:50_000], classes[:50_000]
        return train[~held], y[~held], train[held], y[held], images[50_000:], classes[50_000:]

    def records(contents: Iterator[Any]) -> Arrays:
        every = [np.frombuffer(content, np.uint8).reshape(-1, 3073) for content in contents]
        return split([r[:, 1:] for r in every], [r[:, 0] for r in every])

    def unpickled() -> Arrays:
        every = [pickle.loads((pickles / name).read_bytes(), encoding="latin1") for name in names]
        return split([batch["data"] for batch in every], [batch["labels"] for batch in every])

    def untarred() -> Arrays:
        with tarfile.open(apart / packed.name) as tar:
            return records(tar.extractfile(f"{layout.folder}/{name}").read() for name in names)  # type: ignore[union-attr]

    def unzipped() -> Arrays:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress((apart / packed.name).read_bytes()))) as tar:
            return records(tar.extractfile(f"{layout.folder}/{name}").read() for name in names)  # type: ignore[union-attr]

    drawn = ", drawn at random" * (not source)
    return {
        f"CIFAR-10, six files{drawn}": compare(
            {
                MINISNN: lambda: ours(folder),
                "np.fromfile, concatenate, transpose": lambda: records(
                    np.fromfile(files / name, np.uint8) for name in names
                ),
                "torchvision's way: unpickle, concatenate, transpose": unpickled,
            },
            repeats,
        ),
        f"CIFAR-10, .tar.gz{drawn}": compare(
            {
                MINISNN: lambda: ours(apart),
                "tarfile, extractfile().read()": untarred,
                "gzip.decompress, tarfile": unzipped,
            },
            max(3, repeats // 2),
        ),
    }


def events(folder: Path, repeats: int) -> dict[str, Any]:
    """AEDAT 2.0 to arrays, and these to ten frames."""
    jelly, jelly_frames = there("spikingjelly.datasets.cifar10_dvs"), there("spikingjelly.datasets.utils")
    tonic = there("tonic")
    report = {}
    for n in (30_000, 200_000):
        rng, path = np.random.default_rng(0), folder / f"{n}.aedat"
        y, x = rng.integers(0, 128, (2, n)).astype(np.int16)
        write_aedat(path, Events(np.sort(rng.integers(0, 1_300_000, n)), y, x, rng.random(n) < 0.5))
        ours = read_aedat(path)
        readers: Readers = {MINISNN: lambda path=path: read_aedat(path)}
        own_layout: Readers = {}
        frames: dict[str, Readers] = {
            by: {MINISNN: lambda ours=ours, by=by: (count_frames(ours, 10, by=by),)}
            for by in ("number", "time")
        }
        own_frames: dict[str, Readers] = {by: {} for by in frames}
        if jelly and jelly_frames:
            theirs = jelly._load_origin_data(path)

            def read(path: Path = path) -> Arrays:
                e = jelly._load_origin_data(path)
                return (
                    *(e[key].astype(d) for key, d in (("t", np.int64), ("y", np.int16), ("x", np.int16))),
                    e["p"] > 0,
                )

            readers["SpikingJelly, to our dtypes"] = read
            own_layout["SpikingJelly"] = lambda path=path: jelly._load_origin_data(path)
            for by in frames:
                integrate = jelly_frames.integrate_events_by_fixed_frames_number
                count = partial(integrate, theirs, by, 10, 128, 128)
                frames[by]["SpikingJelly, to our layout"] = lambda count=count: (channels_last(count()),)
                own_frames[by]["SpikingJelly"] = count
        if tonic:
            own_layout["tonic"] = lambda path=path: tonic_read(tonic, path)
            readers["tonic, to our dtypes"] = lambda path=path: tonic_columns(tonic_read(tonic, path))
            array = tonic.io.make_structured_array(ours.x, ours.y, ours.t, ours.on)
            to_frame = tonic.transforms.ToFrame(sensor_size=(128, 128, 2), n_event_bins=10)
            count = partial(to_frame, array)
            frames["number"]["tonic, to our layout"] = lambda count=count: (channels_last(count()),)
            own_frames["number"]["tonic"] = count
        report[f"AEDAT 2.0, {n:,} events"] = compare(readers, 10 * repeats, own_layout)
        for by, counters in frames.items():
            report[f"{n:,} events to 10 frames by {by}"] = compare(counters, 10 * repeats, own_frames[by])
    return report


def channels_last(frames: np.ndarray) -> np.ndarray:
    """[T, 2, H, W] as our [T, H, W, 2] float32."""
    return np.ascontiguousarray(frames.transpose(0, 2, 3, 1), np.float32)


def tonic_read(tonic: Any, path: Path) -> np.ndarray:
    """tonic.io.read_dvs_128 step by step: in 1.7.0 itself it takes two values of three and fails."""
    read_version, start, *_ = tonic.io.read_aedat_header_from_file(path)
    every = tonic.io.get_aer_events_from_file(path, read_version, start)
    address = every["address"]
    return tonic.io.make_structured_array(
        (address >> 8) & 0x7F, (address >> 1) & 0x7F, every["timeStamp"], address & 1
    )


def tonic_columns(e: np.ndarray) -> Arrays:
    """tonic leaves x and y as they are in the file: its x, counted from the other side, is our row."""
    return e["t"].copy(), 127 - e["y"], 127 - e["x"], ~e["p"]


def epochs(repeats: int) -> dict[str, Any]:
    """Seconds of an epoch, and how many times as long as with batches made beforehand."""
    keep_memory()
    report = {}
    recipes = {
        "first spikes, 1,302 digits": ESL_MLP_DEFAULTS["digits"],
        "MNIST, 3,000 images, shifts by 2": LIFNet(data="mnist", shift=2, images=3000),
        "event-digits, 1,302 recordings, T = 10, rolls by 2": LIFNet(
            data="event-digits", T=10, shift=2, batch_size=32
        ),
    }
    for title, recipe in recipes.items():
        data = recipe.load()
        setup, split = recipe.setup(data), data.train
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/images.npy", split.images)
            mapped = np.load(f"{folder}/images.npy", mmap_mode="r")
            on_disk = Split(Rows(mapped, np.arange(len(mapped))), split.labels)
            rng = loop.start(setup, recipe.seed).rngs["data"]
            made = batches(setup, split, rng)
            losses = set()

            def epoch(split: Split, prefetch: Callable | None, setup=setup, seed=recipe.seed) -> None:
                state = loop.start(setup, seed)
                with mock.patch.object(loop, "prefetch", prefetch or loop.prefetch):
                    losses.add(loop.train_epoch(setup, state, split, tqdm(disable=True))["train_loss"])  # noqa: B023

            times = timed(
                {
                    "made beforehand": lambda: epoch(split, lambda items, together: made),  # noqa: B023
                    "as it is": lambda: epoch(split, None),  # noqa: B023
                    "without prefetching": lambda: epoch(split, none),  # noqa: B023
                    "from disk": lambda: epoch(on_disk, None),  # noqa: B023
                    "from disk, without prefetching": lambda: epoch(on_disk, none),  # noqa: B023
                    "batches alone": lambda: batches(setup, split, rng),  # noqa: B023
                    "batches alone, from disk": lambda: batches(setup, on_disk, rng),  # noqa: B023
                },
                repeats,
            )
            assert len(losses) == 1, f"all epochs must do the same work, found losses {losses}"
        report[title] = {
            clock: {
                "seconds": {name: spread(every) for name, every in seconds.items()},
                "ratio to an epoch of batches made beforehand": {
                    name: spread([a / b for a, b in zip(every, seconds["made beforehand"], strict=True)])
                    for name, every in seconds.items()
                    if name != "made beforehand"
                },
            }
            for clock, seconds in times.items()
        }
    return report


def none(items: Iterator, together: int) -> Iterator:
    """No prefetching."""
    return items


def batches(setup: Setup, split: Split, rng: np.random.Generator) -> list[Arrays]:
    """As `train_epoch` makes them."""
    return [
        (setup.augment(split.images[index], rng=rng), split.labels[index])
        for index in loop.batches(len(split.labels), setup.batch_size, rng)
    ]


def there(module: str) -> Any:
    """The module, or None with a word about it."""
    try:
        return __import__(module, fromlist=["_"])
    except (ImportError, RuntimeError, OSError) as error:
        print(f"without {module}: {error}", file=sys.stderr)
        return None


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("formats", "training"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=OUT)
    a = parser.parse_args()
    threads = os.environ["OPENBLAS_NUM_THREADS"]
    title = a.what if a.what == "formats" else f"training, {threads} thread{'s' * (threads != '1')}"
    versions = {}
    for package in ("torchvision", "tonic"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    found: dict[str, Any] = {
        "command": f"OPENBLAS_NUM_THREADS={threads} python benchmarks/reading.py {a.what} --repeats {a.repeats}",
        "machine": machine() | (versions if a.what == "formats" else {}),
    }
    began, busy = time.perf_counter(), os.getloadavg()[0]
    if a.what == "training":
        found |= epochs(a.repeats)
    else:
        for part in (idx, cifar10, events):
            with tempfile.TemporaryDirectory() as folder:
                found |= part(Path(folder), a.repeats)
    found["seconds in all"] = round(time.perf_counter() - began)
    found["load average before and after"] = [round(load, 1) for load in (busy, os.getloadavg()[0])]
    report = json.loads(a.out.read_text()) if a.out.exists() else {}
    a.out.write_text(json.dumps(report | {title: found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
