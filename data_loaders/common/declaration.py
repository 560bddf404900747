"""What a loader says of its data set, once, beside it. Lists, help texts, checks and stand-ins follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, ParamSpec

from data_loaders.common.dataset import DataSet
from data_loaders.common.download import Remote
from data_loaders.common.errors import check

SPLITS = ("tet", "tebn", "spikingjelly")  # what a loader that takes `split` may be asked for
PACKAGE = "data_loaders"


class Outline(NamedTuple):
    """What is known of a data set before it is loaded, under the names that a `DataSet` has for it."""

    name: str
    n_classes: int
    shape: tuple[int, int, int]  # H, W, C
    is_sequence: bool
    frames: int | None  # T of sequences
    n_train: int


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A data set, before it is loaded. See `data_set` for what the fields mean."""

    name: str
    what: str
    shape: tuple[int, ...]
    n_classes: int
    samples: tuple[int, int, int]
    load: Callable[..., DataSet]
    files: tuple[Remote, ...] = ()
    unpacked: tuple[str, ...] = ()
    converted: int = 0
    apart: bool = False
    folder: str = ""
    made: Callable[[], bool] | None = None
    citation: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        numbers = all(isinstance(n, int) and n > 0 for n in self.shape)
        fits = numbers and (len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[-1] == 2))
        check("shape", self.shape, fits, "(H, W, C), or (T, H, W, 2) for recordings")
        check("classes", self.n_classes, self.n_classes > 1, "above 1")
        check("samples", self.samples, len(self.samples) == 3, "three numbers: training, validation, test")
        remotes = all(isinstance(file, Remote) for file in self.files)
        check("files", self.files, remotes, "Remote(name, url, checksum, size) for each")
        several = len(self.unpacked) in (0, len(self.files))
        check("unpacked", self.unpacked, several, "one folder for each of the files, or left out")

    @property
    def is_sequence(self) -> bool:
        """Are the samples recordings?"""
        return len(self.shape) == 4

    @property
    def size(self) -> str:
        """The shape as text."""
        return "x".join(map(str, self.shape))

    def outline(self, T: int | None = None) -> Outline:
        """What a recipe chooses its settings by. T: of recordings, in place of what is declared."""
        H, W, C = self.shape[-3:]
        frames = (T or self.shape[0]) if self.is_sequence else None
        return Outline(self.name, self.n_classes, (H, W, C), self.is_sequence, frames, self.samples[0])

    @property
    def is_own(self) -> bool:
        """Was it declared outside of this package?"""
        function = getattr(self.load, "func", self.load)  # of a partial
        return not getattr(function, "__module__", "").startswith(f"{PACKAGE}.")


REGISTERED: dict[str, Declaration] = {}
"""What has been declared so far, by name. `catalogue.DATA_SETS` also knows the files that nobody has imported yet."""

P = ParamSpec("P")
Loader = Callable[P, DataSet]


def data_set(
    what: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    samples: tuple[int, int, int],
    name: str = "",
    files: Sequence[Remote] = (),
    unpacked: Sequence[str] = (),
    converted: int = 0,
    apart: bool = False,
    folder: str = "",
    made: Callable[[], bool] | None = None,
    citation: str = "",
    licence: str = "",
) -> Callable[[Loader[P]], Loader[P]]:
    """Declare a data set; this goes above the function that loads it, which is returned as it is.

        @data_set("street numbers", shape=(32, 32, 3), classes=10, samples=(65_931, 7_326, 26_032))
        def load() -> DataSet: ...

    The function may take `T` and `by` (how recordings are cut into frames), `split` (how CIFAR10-DVS is divided) and
    `verify` (compare what was converted with its files): what it does not take, it is not asked for.

    what: a few words. shape: of a sample, (H, W, C), or (T, H, W, 2) of a recording with the default T. samples: for
    training, validation and test. name: that of the file with hyphens unless given.
    files: what has to be downloaded. unpacked: for each of them the folder that does instead. converted: bytes of the
    array in the cache that it is converted to once. folder: where below $MINISNN_DATA files are looked for, if not in
    one of the data set's name; apart: only there, because another data set has files of the same names.
    made: is what is made of the files there already, so that they are not needed? citation, licence: for docs/data.md.
    Raises ValueError for what does not fit, and for a name that this package has.
    """

    def declare(load: Loader[P]) -> Loader[P]:
        module = load.__module__
        declared = Declaration(
            name=name or module.rpartition(".")[2].replace("_", "-"),
            what=what, shape=tuple(shape), n_classes=classes, samples=samples, load=load,
            files=tuple(files), unpacked=tuple(unpacked), converted=converted, apart=apart,
            folder=folder, made=made, citation=citation, licence=licence,
        )  # fmt: skip
        register(declared)
        return load

    return declare


def register(declared: Declaration) -> None:
    """Make a data set known by its name. Raises ValueError for a name of this package, or one that reads as a path."""
    name = declared.name
    plain = isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum()
    check("name", repr(name), plain, "letters, digits and hyphens")
    check("name", repr(name), name != "--main--", "given where a script or a notebook declares a data set")
    other = REGISTERED.get(name)
    if other is not None and declared.is_own and not other.is_own:
        raise ValueError(f"name must be new, found {name!r}, a data set of {PACKAGE}")
    REGISTERED[name] = declared
