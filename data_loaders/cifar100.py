"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour photographs, 32x32, of a hundred classes."""

from __future__ import annotations

from data_loaders.cifar10 import CITATION
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.download import Remote
from data_loaders.formats.cifar import MIRROR, Layout, load_layout

CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
LAYOUT = Layout(
    "cifar100",
    Remote(
        "cifar-100-binary.tar.gz", MIRROR + "cifar-100-binary.tar.gz",
        "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 169_000_000,
    ),
    "cifar-100-binary",
    {"train.bin": 50_000, "test.bin": 10_000},
    (20, 100),
    tuple(CLASSES.split()),
)  # fmt: skip


@data_set(
    "photographs",
    shape=(32, 32, 3),
    classes=100,
    samples=(45_000, 5000, 10_000),
    files=[LAYOUT.archive],
    unpacked=[LAYOUT.folder],
    citation=CITATION,
)
def load() -> DataSet:
    """CIFAR-100 with its 100 fine classes, otherwise as `cifar10.load`."""
    return load_layout(LAYOUT)
