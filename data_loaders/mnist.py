"""MNIST: 60,000 + 10,000 grey images of handwritten digits, 28x28, in the IDX format."""

from __future__ import annotations

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.formats.idx import load_files, remotes

FILES = remotes(
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    (
        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    (9_912_422, 28_881, 1_648_877, 4_542),
)


@data_set(
    "handwritten digits",
    shape=(28, 28, 1),
    classes=10,
    samples=(54_000, 6000, 10_000),
    files=FILES,
    citation="Y. LeCun, C. Cortes, C. Burges",
)
def load() -> DataSet:
    """MNIST from the user's folder or the cache, else downloaded: images [N, 28, 28, 1] uint8, 10 classes.

    54,000 for training, 10,000 for the test, and always the same 6,000 of the training images for validation.
    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    return load_files("mnist", FILES)
