"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28x28, in files that are named like MNIST's."""

from __future__ import annotations

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.formats.idx import load_files, remotes

FILES = remotes(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    (
        "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "md5:25c81989df183df01b3e8a0aad5dffbe",
        "md5:bef4ecab320f06d8554ea6380940ec79",
        "md5:bb300cfdad3c16e7a12a480ee83cd310",
    ),
    (26_421_880, 29_515, 4_422_102, 5_148),
)
CLASSES = (  # https://github.com/zalandoresearch/fashion-mnist#labels
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@data_set(
    "kinds of clothes",
    shape=(28, 28, 1),
    classes=10,
    samples=(54_000, 6000, 10_000),
    files=FILES,
    apart=True,
    citation="H. Xiao, K. Rasul, R. Vollgraf (2017)",
    licence="MIT",
)
def load() -> DataSet:
    """Fashion-MNIST: ten kinds of clothes, otherwise as `mnist.load`.

    Its files have the names of MNIST's, so they are looked for only in a folder of their own, fashion-mnist.
    """
    return load_files("fashion-mnist", FILES, CLASSES, apart=True)
