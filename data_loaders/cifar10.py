"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour photographs, 32x32, of ten classes."""

from __future__ import annotations

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.download import Remote
from data_loaders.formats.cifar import MIRROR, Layout, load_layout

CITATION = 'A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009)'
LAYOUT = Layout(
    "cifar10",
    Remote(
        "cifar-10-binary.tar.gz", MIRROR + "cifar-10-binary.tar.gz",
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170_052_171,
    ),
    "cifar-10-batches-bin",
    {f"data_batch_{i}.bin": 10_000 for i in range(1, 6)} | {"test_batch.bin": 10_000},
    (10,),
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)  # fmt: skip


@data_set(
    "photographs",
    shape=(32, 32, 3),
    classes=10,
    samples=(45_000, 5000, 10_000),
    files=[LAYOUT.archive],
    unpacked=[LAYOUT.folder],
    citation=CITATION,
)
def load() -> DataSet:
    """CIFAR-10 from the user's folder or the cache, else downloaded: images [N, 32, 32, 3] uint8, 10 classes.

    45,000 for training, 10,000 for the test, and always the same 5,000 of the training images for validation.
    Raises DataError if a file is damaged, FileNotFoundError if there is none and no way to get it.
    """
    return load_layout(LAYOUT)
