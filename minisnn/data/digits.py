"""The embedded default: 1,797 real handwritten digits, 8x8, 17 grey levels.

From the UCI Machine Learning Repository, "Optical Recognition of Handwritten Digits" by E. Alpaydin and
C. Kaynak (1998), CC BY 4.0; its test set, which scikit-learn ships too. `scripts/make_digits.py` makes the file.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from minisnn.data.dataset import DataSet
from minisnn.data.rows import Split


def load_digits() -> DataSet:
    """Train 1,302, validation 140, test 355, always the same: of each class every fifth image is for the test, every
    tenth of the others for validation."""
    with files("minisnn.data").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        every = Split(arrays["images"][..., None], arrays["labels"].astype(np.int64))
    part = np.empty(len(every.labels), np.int64)
    for digit in range(10):
        n = np.flatnonzero(every.labels == digit)
        part[n] = np.where(np.arange(len(n)) % 5 == 4, 2, 0)
        part[n[part[n] == 0][9::10]] = 1
    train, validation, test = (every.take(np.flatnonzero(part == k)) for k in range(3))
    return DataSet("digits", train, validation, test, max_value=16)
