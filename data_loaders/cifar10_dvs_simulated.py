"""In place of CIFAR10-DVS: CIFAR-10 before a simulated event camera. Results on it are not results on CIFAR10-DVS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_loaders import cifar10
from data_loaders.cifar10_dvs import CLASSES, CONVERTED, SAMPLES, SIDE, T_DEFAULT, load_recordings
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.download import cache_folder, own_folders
from data_loaders.common.extras import needs
from data_loaders.common.progress import tqdm
from data_loaders.events.camera import EventCamera, almost_closed
from data_loaders.events.frames import resize
from data_loaders.formats.aedat import SIZE, write_aedat

LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue (ITU-R BT.601)
TOGETHER = 8  # pictures that are recorded at once
NAME = "cifar10-dvs-simulated"
NOTE = "simulated by minisnn from CIFAR-10: this is not CIFAR10-DVS"


def recordings() -> Path:
    """Where the recordings of CIFAR-10 are, or will be. The user's folder is read if it is complete, never written."""
    complete = (f for f in own_folders(NAME)[:1] if (f / "README.txt").exists())
    return next(complete, None) or cache_folder(NAME) / "recordings"


def is_recorded() -> bool:
    """Are all recordings there? Then CIFAR-10 is not needed any more."""
    try:
        return (recordings() / "README.txt").exists()
    except ModuleNotFoundError:  # no pooch, which knows where the cache is
        return False


@data_set(
    "simulated recordings of CIFAR-10: not CIFAR10-DVS",
    shape=(T_DEFAULT, SIDE, SIDE, 2),
    classes=10,
    samples=SAMPLES,
    files=[cifar10.LAYOUT.archive],
    unpacked=[cifar10.LAYOUT.folder],
    converted=CONVERTED + 2_300_000_000,
    folder="cifar10",
    made=is_recorded,
    citation=cifar10.CITATION,
)
def load(
    T: int = T_DEFAULT,
    by: str = "number",
    size: int = SIDE,
    split: str = "tet",
    progress: bool = True,
    verify: bool = False,
) -> DataSet:
    """CIFAR-10 before a simulated event camera; arguments and splits as `cifar10_dvs.load`.

    Results on it are not results on CIFAR10-DVS. It is read from $MINISNN_DATA/cifar10-dvs-simulated if that is
    complete, else from the cache. Where it is missing, `simulate` makes it in the cache from CIFAR-10, which may have
    to be downloaded.
    """
    folder = recordings()
    if not (folder / "README.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with needs("filelock", "data").FileLock(folder / "lock"):  # another process may be at it
            if not (folder / "README.txt").exists():
                simulate(folder, progress=progress)
    each = len(list((folder / CLASSES[0]).glob("*.aedat")))
    return load_recordings(NAME, [folder / c for c in CLASSES], T, by, size, split, progress, verify, each)


def simulate(
    folder: Path, each: int = 1000, camera: EventCamera | None = None, progress: bool = True
) -> None:
    """Record the first `each` training images of every class of CIFAR-10 to AEDAT 2.0 files, named as CIFAR10-DVS's.

    An image, grey and enlarged to 128x128, moves once round a diamond of 8 pixels, like the pictures on the screen
    before the DVS128, though not on exactly their path. Files that are there already are left alone, so that an
    interrupted call goes on. README.txt, which says what this is, is written last.
    """
    camera = camera or EventCamera(threshold=0.35, refractory=1000, noise=0.1)
    path, times = almost_closed(8.0, steps=64)
    data = cifar10.load()
    with tqdm(total=each * len(CLASSES), desc=NAME, disable=not progress) as bar:
        for label, name in enumerate(CLASSES):
            (folder / name).mkdir(parents=True, exist_ok=True)
            of_class = np.flatnonzero(data.train.labels == label)[:each]
            if len(of_class) < each:
                raise ValueError(
                    f"there are {len(of_class):,} training images of {name}, {each:,} were asked for"
                )
            for k in range(0, each, TOGETHER):
                files = [
                    folder / name / f"cifar10_{name}_{n}.aedat" for n in range(k, min(k + TOGETHER, each))
                ]
                bar.update(len(files))
                if all(file.exists() for file in files):
                    continue
                grey = data.train.images[of_class[k : k + TOGETHER]] / data.max_value @ LUMINANCE
                images = resize(grey[..., None], (SIZE, SIZE))[..., 0]
                rng = np.random.default_rng([label, k])
                for file, events in zip(files, camera.record(images, path, times, rng), strict=True):
                    write_aedat(file, events, (NOTE, f"{camera}"))
    (folder / "README.txt").write_text(f"{NOTE}.\n{camera}\n")
