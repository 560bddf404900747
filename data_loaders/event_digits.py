"""The embedded digits before a simulated event camera: small recordings that need no download."""

from __future__ import annotations

import numpy as np

from data_loaders import digits
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.rows import Split
from data_loaders.events.camera import EventCamera, almost_closed
from data_loaders.events.frames import count_frames, resize

SENSOR = 16  # pixels along each side of the camera
TOGETHER = 128  # digits that are recorded at once
T_DEFAULT = 5


@data_set(
    "the digits before a simulated event camera",
    shape=(T_DEFAULT, SENSOR, SENSOR, 2),
    classes=10,
    samples=(1302, 140, 355),
    citation=digits.CITATION,
    licence=digits.LICENCE,
)
def load(T: int = T_DEFAULT, by: str = "number") -> DataSet:
    """The embedded digits before a simulated event camera: frames [N, T, 16, 16, 2] float32, split as the digits.

    Each digit, 12x12, moves once round a diamond of 2 pixels. T, by: how many frames, and how recordings are cut into
    them, see `frames.count_frames`. Takes about a second.
    """
    data = digits.load()
    path, times = almost_closed(2.0, steps=24)

    def recorded(split: Split) -> Split:
        frames = []
        for k in range(0, len(split.labels), TOGETHER):
            small = split.images[k : k + TOGETHER] / data.max_value
            images = np.pad(resize(small, (SENSOR - 4, SENSOR - 4)), ((0, 0), (2, 2), (2, 2), (0, 0)))[..., 0]
            for events in EventCamera().record(images, path, times, np.random.default_rng(0)):
                frames.append(count_frames(events, T, (SENSOR, SENSOR), by))
        return Split(np.stack(frames), split.labels)

    train, validation, test = map(recorded, data.splits.values())
    return DataSet("event-digits", train, validation, test, max_value=1)
