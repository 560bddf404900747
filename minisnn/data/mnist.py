"""MNIST (LeCun, Cortes and Burges) and Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 + 10,000 grey, 28x28."""

from __future__ import annotations

import numpy as np

from minisnn.data.dataset import DataSet
from minisnn.data.download import Remote, find_or_fetch
from minisnn.data.idx import DataError, read_idx
from minisnn.data.rows import Split, hold_out

PARTS = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip


def _remotes(url: str, checksums: tuple[str, ...], sizes: tuple[int, ...]) -> list[Remote]:
    return [Remote(n, url + n, c, size) for n, c, size in zip(PARTS, checksums, sizes, strict=True)]


MNIST = _remotes(
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    (
        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    (9_912_422, 28_881, 1_648_877, 4_542),
)
FASHION_MNIST = _remotes(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    (
        "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "md5:25c81989df183df01b3e8a0aad5dffbe",
        "md5:bef4ecab320f06d8554ea6380940ec79",
        "md5:bb300cfdad3c16e7a12a480ee83cd310",
    ),
    (26_421_880, 29_515, 4_422_102, 5_148),
)
CLOTHES = (  # https://github.com/zalandoresearch/fashion-mnist#labels
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
HELD_OUT = 0.1  # of the training set, for selection: 54,000 / 6,000


def load_mnist() -> DataSet:
    """MNIST from the user's folder or the cache, else downloaded: 54,000 for training, 10,000 for the test, and
    always the same 6,000 of the training images held out for validation.

    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    return _load("mnist", MNIST)


def load_fashion_mnist() -> DataSet:
    """Fashion-MNIST, ten kinds of clothes, as `load_mnist`. Its files have the names of MNIST's: they must lie in
    a folder fashion-mnist of their own."""
    return _load("fashion-mnist", FASHION_MNIST, CLOTHES)


def _load(name: str, files: list[Remote], class_names: tuple[str, ...] = ()) -> DataSet:
    train = _read(name, files[:2], 60_000)
    kept, held = hold_out(train, HELD_OUT, np.random.default_rng(0))
    return DataSet(name, kept, held, _read(name, files[2:], 10_000), 255, 10, class_names)


def _read(name: str, files: list[Remote], n: int) -> Split:
    apart = files[0] in FASHION_MNIST
    images = read_idx(find_or_fetch(name, files[0], apart), (n, 28, 28))
    path = find_or_fetch(name, files[1], apart)
    labels = read_idx(path, (n,))
    if labels.max() > 9:
        raise DataError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    return Split(images[..., None], labels.astype(np.int64))
