"""Readers of files against inputs that are looked for by coverage: each is read or refused with a DataError.

    python scripts/fuzz.py idx --minutes 3      adds the target's counts to docs/results/fuzz.json

Targets: idx, cifar, aedat, zip, jpeg. This needs atheris (pip install atheris), which is libFuzzer for Python. Any
other exception is a crash: each place is counted once, and the first input that led to it is kept. A crash of the
interpreter, an input that takes a minute, or a GiB of memory end the script at once, with libFuzzer's report.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "fuzz.json"
KEPT = Path(tempfile.gettempdir()) / "minisnn-fuzz"
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # many times faster than a disk
Reader = Callable[[bytes], object]
Target = tuple[Reader, list[bytes]]  # what reads an input, and good inputs to start from

try:
    import atheris
except ModuleNotFoundError:
    sys.exit("this needs atheris, which is no dependency of minisnn: pip install atheris")
with atheris.instrument_imports(include=["data_loaders", "tarfile", "zipfile", "gzip", "PIL"]):
    import tarfile
    import zipfile

    import numpy as np

    from data_loaders import DataError, cifar100, tiny_imagenet
    from data_loaders.formats import aedat, cifar, idx
    from data_loaders.formats.archive import Archive


def idx_target(folder: Path) -> Target:
    """The first byte says whether the others are a plain file, a compressed one, or to be compressed."""
    good = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3]) + bytes(range(60))

    def read(data: bytes) -> None:
        kind, content = data[0] % 3, data[1:]
        path = folder / ("a" if kind == 0 else "a.gz")
        path.write_bytes(gzip.compress(content) if kind == 2 else content)
        array = idx.read_idx(path, (5, 4, 3))
        assert (array.shape, array.dtype) == ((5, 4, 3), np.uint8)

    return read, [b"\0" + good, b"\1" + gzip.compress(good), b"\2" + good]


def cifar_target(folder: Path) -> Target:
    """As many records as a file has, one; the first byte says whether it is a plain file, a .tar or a .tar.gz."""
    layout = cifar100.LAYOUT._replace(files=dict.fromkeys(cifar100.LAYOUT.files, 1))
    record = bytes([7, 42]) + bytes(range(256)) * 12

    def read(data: bytes) -> None:
        kind, content = data[0] % 4, data[1:]
        _, test, parts = cifar._room(layout)
        if kind == 0:
            (folder / "test.bin").write_bytes(content)
            found = cifar._from_folder(layout, folder, parts)
        else:
            path = folder / ("a.tar" if kind == 1 else "a.tar.gz")
            path.write_bytes(gzip.compress(content, 1) if kind == 3 else content)
            found = cifar._from_archive(layout, path, parts)
        assert "test.bin" not in found or 0 <= test.labels[0] < 100

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name in layout.files:
            info = tarfile.TarInfo(f"{layout.folder}/{name}")
            info.size = len(record)
            tar.addfile(info, io.BytesIO(record))
    packed = plain.getvalue()
    return read, [b"\0" + record, b"\1" + packed, b"\2" + gzip.compress(packed), b"\3" + packed]


def aedat_target(folder: Path) -> Target:
    """The first byte chooses axes and what to do with times that run backwards."""

    def read(data: bytes) -> None:
        axes, backwards = aedat.AXES[data[0] % 2], aedat.BACKWARDS[data[0] // 2 % 3]
        t, y, x, on = aedat.parse_aedat(data[1:], "a", axes, backwards)
        assert len(t) == len(y) == len(x) == len(on)
        assert not len(t) or 0 <= min(y.min(), x.min()) <= max(y.max(), x.max()) < aedat.SIZE
        assert backwards == "keep" or (np.diff(t) >= 0).all()

    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 128, (2, 20)).astype(np.int16)
    events = aedat.Events(np.arange(20), y, x, rng.random(20) < 0.5)
    aedat.write_aedat(folder / "a", events, ("a comment",))
    return read, [bytes([kind]) + (folder / "a").read_bytes() for kind in range(6)]


def zip_target(folder: Path) -> Target:
    """All files of an archive, and one that may not be there."""

    def read(data: bytes) -> None:
        path = folder / "a.zip"
        path.write_bytes(data)
        archive = Archive(path)
        for name in [*archive.names()[:20], "one/a.txt"]:
            try:
                assert len(archive.read(name, 1000)) <= 1000
            except DataError:
                continue

    good = []
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with io.BytesIO() as raw:
            with zipfile.ZipFile(raw, "w", kind) as archive:
                archive.writestr("one/a.txt", b"something to pack " * 9)
                archive.writestr("two.txt", b"something else")
            good.append(raw.getvalue())
    return read, good


def jpeg_target(folder: Path) -> Target:
    """A JPEG file of Tiny-ImageNet."""
    from PIL import Image

    def read(data: bytes) -> None:
        (folder / "a.JPEG").write_bytes(data)
        image = tiny_imagenet.decode(Archive(folder), "a.JPEG")
        assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)

    ramp, good = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64), []
    for mode, extra in (("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True})):
        with io.BytesIO() as raw:
            Image.fromarray(ramp).convert(mode).save(raw, "JPEG", **extra)
            good.append(raw.getvalue())
    return read, good


TARGETS = {
    "idx": idx_target,
    "cifar": cifar_target,
    "aedat": aedat_target,
    "zip": zip_target,
    "jpeg": jpeg_target,
}


class Fuzzer:
    """Hands inputs to a reader and counts what becomes of them, until the time is over."""

    def __init__(self, name: str, minutes: float, out: Path, folder: Path) -> None:
        self.name, self.minutes, self.out, self.folder = name, minutes, out, folder
        self.read, self.good = TARGETS[name](folder)
        self.began = time.monotonic()
        self.counts = {"read": 0, "refused": 0, "crashed": 0}
        self.crashes: dict[str, str] = {}  # place: message and input

    def run(self) -> None:
        """Does not come back: libFuzzer has no other end than that of the process."""
        for data in self.good:  # a seed that is refused would be a mistake of ours
            self.read(data)
        corpus = self.folder / "corpus"
        corpus.mkdir()
        for n, data in enumerate(self.good):
            (corpus / str(n)).write_bytes(data)
        longest = 2 * max(map(len, self.good)) + 64
        options = [f"-max_len={longest}", "-timeout=60", "-rss_limit_mb=1024", "-verbosity=0", "-seed=1"]
        atheris.Setup([sys.argv[0], str(corpus), *options], self.one)
        atheris.Fuzz()

    def one(self, data: bytes) -> None:
        if time.monotonic() - self.began > 60 * self.minutes:
            self.end()
        if not data:
            return
        try:
            self.read(data)
            what = "read"
        except DataError:
            what = "refused"
        except Exception as error:  # to find these is what this is for
            what = "crashed"
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.name}, {type(error).__name__}"
            if place not in self.crashes:
                kept = KEPT / f"{self.name}-{len(self.crashes)}"
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(data)
                self.crashes[place] = str(error)[:200]
                print(f"{place}: {error}; the input is {kept}", flush=True)
        self.counts[what] += 1

    def end(self) -> None:
        """Write what was found and leave."""
        found = {
            "command": f"python scripts/fuzz.py {self.name} --minutes {self.minutes:g}",
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in ("atheris", "numpy", "pillow")},
            "seconds": round(time.monotonic() - self.began),
            "executions": sum(self.counts.values()),
            **self.counts,
            "crashes": self.crashes,
        }
        report = json.loads(self.out.read_text()) if self.out.exists() else {}
        self.out.write_text(json.dumps(report | {self.name: found}, indent=1) + "\n")
        print(self.name, json.dumps(found, indent=1), flush=True)
        shutil.rmtree(self.folder)
        os._exit(len(self.crashes) > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    a = parser.parse_args()
    Fuzzer(a.target, a.minutes, a.out, Path(tempfile.mkdtemp(dir=MEMORY))).run()
