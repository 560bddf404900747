"""MNIST (LeCun, Cortes and Burges): 60,000 + 10,000 handwritten digits, 28x28."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minisnn.data.dataset import DataSet, Split, hold_out
from minisnn.data.download import find_or_fetch
from minisnn.data.idx import DataError, read_idx

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
HELD_OUT = 0.1  # of the training set, for selection: 54,000 / 6,000


def load_mnist() -> DataSet:
    """MNIST from the user's folder or the cache, else downloaded: 54,000 for training, 10,000 for the test, and
    always the same 6,000 of the training images held out for validation.

    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    train = _read("train", 60_000)
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet("mnist", kept, held, _read("t10k", 10_000), white=255)


def _read(part: str, n: int) -> Split:
    images = read_idx(_path(f"{part}-images-idx3-ubyte.gz"), (n, 28, 28))
    path = _path(f"{part}-labels-idx1-ubyte.gz")
    labels = read_idx(path, (n,))
    if labels.max() > 9:
        raise DataError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    return Split(images[..., None], labels.astype(np.int64))


def _path(name: str) -> Path:
    return find_or_fetch("mnist", name, MIRROR + name, SHA256[name])
