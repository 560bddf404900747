"""What a simulated event camera sees: the digits, and CIFAR-10 in place of CIFAR10-DVS. Their names say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from minisnn.data.aedat import SIZE, write_aedat
from minisnn.data.camera import EventCamera, diamond
from minisnn.data.cifar import load_cifar10
from minisnn.data.cifar10_dvs import CLASSES, load_recordings
from minisnn.data.dataset import DataSet
from minisnn.data.digits import load_digits
from minisnn.data.download import cache_folder, own_folders
from minisnn.data.frames import count_frames, resize
from minisnn.data.rows import Split
from minisnn.extras import needs

SENSOR = 16  # pixels along each side of the camera that looks at digits
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue (ITU-R BT.601)
TOGETHER = 8  # pictures that are recorded at once; of digits, which are 64 times smaller, 16 times as many
NAME = "cifar10-dvs-simulated"
NOTE = "simulated by minisnn from CIFAR-10: this is not CIFAR10-DVS"


def load_event_digits(T: int = 10, by: str = "number") -> DataSet:
    """The embedded digits before a simulated event camera: frames [N, T, 16, 16, 2] float32, split as the digits.

    Each digit, 12x12, moves once round a diamond of 2 pixels. T, by: see `frames.count_frames`. In about a second.
    """
    digits = load_digits()
    path, times = _not_quite_round(2.0, steps=24)

    def recorded(split: Split) -> Split:
        frames = []
        for k in range(0, len(split.labels), 16 * TOGETHER):
            small = split.images[k : k + 16 * TOGETHER] / digits.max_value
            images = np.pad(resize(small, (SENSOR - 4, SENSOR - 4)), ((0, 0), (2, 2), (2, 2), (0, 0)))[..., 0]
            for events in EventCamera().record(images, path, times, np.random.default_rng(0)):
                frames.append(count_frames(events, T, (SENSOR, SENSOR), by))
        return Split(np.stack(frames), split.labels)

    train, validation, test = map(recorded, (digits.train, digits.validation, digits.test))
    return DataSet("event-digits", train, validation, test, max_value=1)


def load_simulated_dvs(
    T: int = 10,
    by: str = "number",
    size: int = 48,
    split: str = "tet",
    progress: bool = True,
    verify: bool = False,
) -> DataSet:
    """A stand-in for CIFAR10-DVS: CIFAR-10 before a simulated event camera; arguments and splits as `load_cifar10_dvs`.

    Results on it are not results on CIFAR10-DVS. It is read from $MINISNN_DATA/cifar10-dvs-simulated if it is complete,
    or the cache; where it is missing, `simulate` makes it in the cache, of CIFAR-10, which may have to be downloaded.
    """
    folder = recordings()
    if not (folder / "README.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with needs("filelock", "data").FileLock(folder / "lock"):  # another process may be at it
            if not (folder / "README.txt").exists():
                simulate(folder, progress=progress)
    each = len(list((folder / CLASSES[0]).glob("*.aedat")))
    return load_recordings(NAME, [folder / c for c in CLASSES], T, by, size, split, progress, verify, each)


def recordings() -> Path:
    """Where the recordings of CIFAR-10 are, or will be. The user's folder is read if it is complete, never written."""
    complete = (f for f in own_folders(NAME)[:1] if (f / "README.txt").exists())
    return next(complete, None) or cache_folder(NAME) / "recordings"


def _not_quite_round(radius: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """A diamond without its last step: back where it began, every pixel would cross its last threshold in the same
    instant, which no camera shows."""
    path, times = diamond(radius, steps=steps)
    return path[:-1], times[:-1]


def simulate(
    folder: Path, each: int = 1000, camera: EventCamera | None = None, progress: bool = True
) -> None:
    """Record the first `each` training images of every class of CIFAR-10 to AEDAT 2.0 files, named as CIFAR10-DVS's.

    An image, enlarged to 128x128 and grey, moves once round a diamond of 8 pixels, like the pictures on the screen
    before the DVS128, though not on its very path. What is there already is left alone: an interrupted call goes on.
    README.txt, which says what this is, comes last.
    """
    camera = camera or EventCamera(threshold=0.35, refractory=1000, noise=0.1)
    path, times = _not_quite_round(8.0, steps=64)
    data = load_cifar10()
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
