"""Every data set by its name: the files of this package, what was declared elsewhere, and stand-ins.

A file is imported when its data set is asked for, so that a new file is enough for a new data set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from os.path import expanduser
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import data_loaders
from data_loaders.catalogue import stand_in
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import REGISTERED, SPLITS, Declaration
from data_loaders.common.errors import nearest, one_of, whole
from data_loaders.common.importing import imported, is_module_name
from data_loaders.events.frames import BY


class Catalogue(Mapping[str, Declaration]):
    """The declarations of all data sets by their names, in the order of the alphabet, stand-ins last."""

    def __getitem__(self, name: str) -> Declaration:
        if name not in REGISTERED and name in _files():
            import_module(f"data_loaders.{name.replace('-', '_')}")
            if name not in REGISTERED:
                raise ValueError(
                    f"data_loaders/{name.replace('-', '_')}.py must declare a data set of its name "
                    "with @data_set, found none"
                )
        if name in REGISTERED:
            return REGISTERED[name]
        original = name.removesuffix(stand_in.SUFFIX)
        if original != name and original in self and stand_in.is_drawn(self[original]):
            return stand_in.declared(self[original])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        names = sorted({*_files(), *REGISTERED})
        yield from names
        yield from (name + stand_in.SUFFIX for name in names if stand_in.is_drawn(self[name]))

    def __len__(self) -> int:
        return len(list(iter(self)))


DATA_SETS = Catalogue()


def _files() -> list[str]:
    """The data sets of this package, by the names of its files: each file directly in it is one."""
    return [m.name.replace("_", "-") for m in iter_modules(data_loaders.__path__) if not m.ispkg]


def load(
    data: str | Path,
    T: int | None = None,
    by: str = "number",
    split: str = "tet",
    *,
    verify: bool = False,
) -> DataSet:
    """A data set by its name, or your own: by the path of its file or folder, or as the `module:name` of its loader.

    T, by: for recordings, how many frames (None: the loader's own default) and how they are cut, see
    `frames.count_frames`. split: which recordings CIFAR10-DVS is tested on. Other data ignore these.
    verify: what was converted once is compared with the files that it was made of; others are read anyway.
    Raises ValueError for a name that there is not, with the nearest; FileNotFoundError for a path where nothing is;
    DataError, naming the file, for what is damaged.
    """
    one_of("by", by, BY)
    one_of("split", split, SPLITS)
    options: dict[str, Any] = {"by": by, "verify": verify}
    if T is not None:
        options["T"] = whole("T", T, 1)
    if path := own_path(data):
        from data_loaders.formats.path import load_path  # needs more than NumPy

        return load_path(path, **options)
    options["split"] = split
    name = str(data)
    if name in DATA_SETS:
        declared = DATA_SETS[name]
        return _called(name, declared.load, options, declared)
    found = imported("data", name)
    return found if isinstance(found, DataSet) else _called(name, found, options, None)


def own_path(data: str | Path) -> Path | None:
    """The file or folder that `data` is; None if it is a name, which comes first, or `module:name`.

    Raises ValueError for what looks like a name and is none, with the nearest one; FileNotFoundError for a path
    where nothing is.
    """
    name = str(data)
    if isinstance(data, str) and name in DATA_SETS:
        return None
    path = Path(expanduser(data))
    if name and path.exists():
        return path
    if isinstance(data, str) and is_module_name(data):
        return None
    if isinstance(data, Path) or path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"{path}: there is no such file or folder{nearest(name, DATA_SETS)}")
    one_of("data", name, DATA_SETS, or_else="a path, or module:name of your own")
    raise AssertionError


def load_stand_in(name: str) -> DataSet:
    """The embedded digits in the shape of the data set `name`, always the same: 1,302, 140 and 355, uint8.

    Grey ones are enlarged. Coloured ones have a colour on a dark one: one of n_classes / 10 colours, rounded up, and
    the class is ten times the number of the colour plus the digit, modulo n_classes. With ten classes the colours tell
    nothing. There is one for every data set of images that has to be downloaded. Raises ValueError for another name.
    """
    one_of("name", name, [known for known in DATA_SETS if stand_in.is_drawn(DATA_SETS[known])])
    return stand_in.drawn(DATA_SETS[name])


def _called(
    name: str, loader: Callable[..., Any], options: dict[str, Any], declared: Declaration | None
) -> DataSet:
    """What a loader returns, asked for those options that it takes. ValueError if that is not what it should be."""
    if not callable(loader):
        raise ValueError(f"data must be a DataSet or a function that loads one, found {name}, {loader!r}")
    takes = inspect.signature(loader).parameters
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    data = loader(**{option: value for option, value in options.items() if every or option in takes})
    if not isinstance(data, DataSet):
        raise ValueError(f"the loader of {name} must return a DataSet, found {type(data).__name__}")
    if declared and (data.shape, data.n_classes) != (declared.shape[-3:], declared.n_classes):
        size = "x".join(map(str, data.shape))
        raise ValueError(
            f"the loader of {name} must return {'x'.join(map(str, declared.shape[-3:]))} in {declared.n_classes} "
            f"classes, as it is declared, found {size} in {data.n_classes}"
        )
    return data
