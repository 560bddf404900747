"""Stand-ins for data sets that have to be downloaded: the embedded digits in their shapes, with as many classes.

They are for tests, for trying commands and for chapters, offline. A result on one says nothing about the data set
whose place it takes; its name ends with -stand-in. For CIFAR10-DVS there are the event digits.
"""

from __future__ import annotations

import numpy as np

from minisnn.arguments import one_of
from minisnn.data.dataset import DataSet
from minisnn.data.digits import load_digits
from minisnn.data.rows import Split

SHAPES = {  # pixels along each side, channels, classes
    "mnist": (28, 1, 10),
    "fashion-mnist": (28, 1, 10),
    "cifar10": (32, 3, 10),
    "cifar100": (32, 3, 100),
    "tiny-imagenet": (64, 3, 200),
}
BEHIND = 60  # brightness of what is behind a coloured digit, at most


def load_stand_in(name: str) -> DataSet:
    """The digits as large as the images of the data set `name`, always the same: 1,302, 140 and 355, uint8.

    Grey ones are enlarged. Coloured ones have a colour on a dark one: one of n_classes / 10 colours, and class is
    ten times the number of the colour plus the digit. With ten classes the colours tell nothing. Raises ValueError for
    a name that has none.
    """
    one_of("name", name, SHAPES)
    side, channels, n_classes = SHAPES[name]
    digits = load_digits()
    rng = np.random.default_rng(0)

    def enlarged(split: Split) -> Split:
        k = side // 8
        border = (side - 8 * k) // 2
        grey = split.images[..., 0].repeat(k, 1).repeat(k, 2) / digits.max_value
        grey = np.pad(grey, ((0, 0), (border, border), (border, border)))[..., None]
        if channels == 1:
            return Split(np.round(255 * grey).astype(np.uint8), split.labels)
        colours = n_classes // 10
        number = rng.integers(max(colours, 6), size=len(grey))
        behind = rng.integers(BEHIND, size=(len(grey), 1, 1, 3))
        pictures = behind + grey * (_hue(number / max(colours, 6))[:, None, None] * 255 - behind)
        return Split(np.round(pictures).astype(np.uint8), 10 * (number % colours) + split.labels)

    train, validation, test = map(enlarged, (digits.train, digits.validation, digits.test))
    return DataSet(f"{name}-stand-in", train, validation, test, max_value=255, n_classes=n_classes)


def _hue(share: np.ndarray) -> np.ndarray:
    """Bright colours round the circle: [n] from 0 to 1 as [n, 3] red, green, blue."""
    return np.clip(abs((share[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0.2, 1)
