"""The embedded default: 1,797 real handwritten digits, 8x8, 17 grey levels.

From the UCI Machine Learning Repository, "Optical Recognition of Handwritten Digits" by E. Alpaydin and
C. Kaynak (1998), CC BY 4.0; its test set, which scikit-learn ships too. `scripts/make_digits.py` makes the file.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.rows import Split

CITATION = 'E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits" (1998)'
LICENCE = "CC BY 4.0"


@data_set(
    "handwritten digits (UCI), part of the package",
    shape=(8, 8, 1),
    classes=10,
    samples=(1302, 140, 355),
    citation=CITATION,
    licence=LICENCE,
)
def load() -> DataSet:
    """The digits: 1,302 for training, 140 for validation, 355 for the test, always the same.

    Of each class every fifth image is for the test, and every tenth of the others for validation.
    """
    with files("data_loaders").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        every = Split(arrays["images"][..., None], arrays["labels"].astype(np.int64))
    part = np.empty(len(every.labels), np.int64)
    for digit in range(10):
        n = np.flatnonzero(every.labels == digit)
        part[n] = np.where(np.arange(len(n)) % 5 == 4, 2, 0)
        part[n[part[n] == 0][9::10]] = 1
    train, validation, test = (every.take(np.flatnonzero(part == k)) for k in range(3))
    return DataSet("digits", train, validation, test, max_value=16)
