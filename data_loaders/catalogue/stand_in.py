"""Stand-ins for data sets that have to be downloaded: the embedded digits in their shapes, with as many classes.

They are for tests, for trying commands and for chapters, offline. A result on one says nothing about the data set
in whose place it stands; its name ends with -stand-in. For CIFAR10-DVS there are the event digits.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from data_loaders import digits
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import Declaration
from data_loaders.common.rows import Split

SUFFIX = "-stand-in"
SAMPLES = (1302, 140, 355)  # as many as there are digits
DIGIT = 8  # pixels along each side
BEHIND = 60  # greatest brightness of what is behind a coloured digit


def is_drawn(data: Declaration) -> bool:
    """Does a data set have a stand-in? If it has to be downloaded, and its images are grey or in colour."""
    H, W, C = data.shape[-3:]
    return bool(data.files) and not data.is_sequence and min(H, W) >= DIGIT and C in (1, 3)


def declared(data: Declaration) -> Declaration:
    """The declaration of the stand-in of a data set."""
    return Declaration(
        name=f"{data.name}{SUFFIX}",
        what=f"the digits in the shape of {data.name}",
        shape=data.shape,
        n_classes=data.n_classes,
        samples=SAMPLES,
        load=partial(drawn, data),
        citation=digits.CITATION,
        licence=digits.LICENCE,
    )


def drawn(data: Declaration) -> DataSet:
    """See `load_stand_in`."""
    (H, W, channels), n_classes = data.shape, data.n_classes
    small = digits.load()
    rng = np.random.default_rng(0)
    k = min(H, W) // DIGIT
    border = [((side - DIGIT * k) // 2, (side - DIGIT * k + 1) // 2) for side in (H, W)]

    def enlarged(split: Split) -> Split:
        grey = split.images[..., 0].repeat(k, 1).repeat(k, 2) / small.max_value
        grey = np.pad(grey, ((0, 0), *border))[..., None]
        if channels == 1:
            return Split(np.round(255 * grey).astype(np.uint8), split.labels % n_classes)
        colours = -(-n_classes // 10)
        number = rng.integers(max(colours, 6), size=len(grey))
        behind = rng.integers(BEHIND, size=(len(grey), 1, 1, 3))
        pictures = behind + grey * (_hue(number / max(colours, 6))[:, None, None] * 255 - behind)
        labels = (10 * (number % colours) + split.labels) % n_classes
        return Split(np.round(pictures).astype(np.uint8), labels)

    train, validation, test = map(enlarged, small.splits.values())
    return DataSet(f"{data.name}{SUFFIX}", train, validation, test, max_value=255, n_classes=n_classes)


def _hue(share: np.ndarray) -> np.ndarray:
    """Bright colours round the circle: [n] from 0 to 1 as [n, 3] red, green, blue."""
    return np.clip(abs((share[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0.2, 1)
