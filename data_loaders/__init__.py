"""Data sets, one file for each; nothing here needs minisnn.

    from data_loaders import mnist
    data = mnist.load()
    data.train.images, data.train.labels

or by name, which may also be the path of your own data: `data_loaders.load("mnist")`.

Each file in this folder is a data set: `load(...)`, and above it what everything else must know of it (`data_set`).
So a new data set is one new file. The folders hold what they share: `catalogue` (data sets by name), `formats` (one
file per format), `events` (an event camera, and frames), `common`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_loaders.catalogue import DATA_SETS as DATA_SETS
    from data_loaders.catalogue import load as load
    from data_loaders.common.dataset import DataSet as DataSet
    from data_loaders.common.declaration import data_set as data_set
    from data_loaders.common.download import Remote as Remote
    from data_loaders.common.errors import DataError as DataError
    from data_loaders.common.info import DataInfo as DataInfo
    from data_loaders.common.rows import Split as Split
    from data_loaders.formats.path import load_path as load_path

_HOMES = {
    "DATA_SETS": "catalogue",
    "load": "catalogue",
    "DataSet": "common.dataset",
    "data_set": "common.declaration",
    "Remote": "common.download",
    "DataError": "common.errors",
    "DataInfo": "common.info",
    "Split": "common.rows",
    "load_path": "formats.path",
}
__all__ = [
    "DATA_SETS",
    "DataError",
    "DataInfo",
    "DataSet",
    "Remote",
    "Split",
    "data_set",
    "load",
    "load_path",
]


def __getattr__(name: str) -> object:
    """A name from its file, imported when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'data_loaders' has no attribute {name!r}", name=name, obj=None)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"data_loaders.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
