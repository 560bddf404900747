"""Where a data set is on this machine, and what it costs to get."""

from __future__ import annotations

from pathlib import Path

from data_loaders.common.declaration import Declaration
from data_loaders.common.download import Remote, cache_folder, find, own_folders


def places(data: Declaration) -> dict[Remote, Path | None]:
    """Where each file of a data set is on this machine, or what stands in its place; None where it is not.

    Empty where no file is needed: the data set is part of the package, or what is made of its files is there.
    """
    if data.made and data.made():
        return {}
    unpacked = data.unpacked or ("",) * len(data.files)
    return {
        file: find(
            data.folder or data.name,
            *filter(None, (instead, file.name, file.name.removesuffix(".gz"))),
            apart=data.apart,
        )
        for file, instead in zip(data.files, unpacked, strict=True)
    }


def state(data: Declaration) -> str:
    """Is it here, and what does it cost?"""
    missing = [file for file, place in places(data).items() if place is None]
    if missing:
        megabytes = sum(file.size for file in missing) / 1e6
        cost = f"about {megabytes:,.0f} MB to download"
        return cost + (f", {data.converted / 1e9:.1f} GB of cache" if data.converted else "")
    if data.converted and not list(_cache(data.name).glob("*.npy")):
        return f"here; {data.converted / 1e9:.1f} GB of cache to come"
    return "here"


def _cache(name: str) -> Path:
    try:
        return cache_folder(name)
    except ModuleNotFoundError:
        return Path("no cache without pooch")


def where() -> str:
    """Which folders are looked into, in words."""
    try:
        own = own_folders("")
        yours = f"MINISNN_DATA is {own[1]}" if own else "MINISNN_DATA is not set"
    except FileNotFoundError as error:
        yours = str(error)
    try:
        return f"{yours}; downloads and converted arrays are in {cache_folder('')}"
    except ModuleNotFoundError:
        return f"{yours}; downloads need pooch: pip install 'minisnn[data]'"
