"""Where data files come from: the user's own folder, the cache or the network, in this order."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from data_loaders.common.extras import needs


class Remote(NamedTuple):
    """A file that has to be downloaded."""

    name: str
    url: str
    checksum: str  # "sha256:..." or "md5:..."
    size: int  # in bytes; an estimate where it is not known exactly


def own_folders(folder: str) -> list[Path]:
    """Where the user's own files may be: $MINISNN_DATA/folder and $MINISNN_DATA; an empty list if that is not set.

    Raises FileNotFoundError if it is not a folder.
    """
    own = os.environ.get("MINISNN_DATA")
    if not own:
        return []
    root = Path(own).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"MINISNN_DATA={own} is not a folder")
    return [root / folder, root]


def cache_folder(folder: str) -> Path:
    """Where downloads and converted arrays of a data set are kept: below $MINISNN_CACHE, or the system's cache."""
    own = os.environ.get("MINISNN_CACHE")
    return (Path(own).expanduser() if own else Path(needs("pooch", "data").os_cache("minisnn"))) / folder


def find(folder: str, *names: str, apart: bool = False) -> Path | None:
    """The first of these files or folders on this machine: the user's own, then the cache; None if there is none.

    apart: look only in the data set's own folder, because another data set has files of the same names.
    """
    places = own_folders(folder)[: 1 if apart else 2]
    with suppress(ModuleNotFoundError):
        places.append(cache_folder(folder))
    return next((place / name for place in places for name in names if (place / name).exists()), None)


def find_or_fetch(folder: str, remote: Remote, apart: bool = False) -> Path:
    """The path of a data file.

    A file that the user put into $MINISNN_DATA, in a folder of the data set's name or directly, with or
    without `.gz`, is read as it is: archives of the same data differ, so its reader checks the content.
    Any other file is downloaded to the cache once, with progress and retries, and its checksum is compared.
    Raises FileNotFoundError, which says what to do, if the file is not there and cannot be downloaded.
    """
    if path := find(folder, remote.name, remote.name.removesuffix(".gz"), apart=apart):
        return path
    try:
        pooch = needs("pooch", "data")
    except ModuleNotFoundError:
        raise FileNotFoundError(
            f"{remote.name} is not on this machine. Downloads need pooch: pip install 'minisnn[data]'. "
            f"Or set MINISNN_DATA to a folder that holds {folder}/{remote.name}."
        ) from None
    cache = pooch.create(
        cache_folder(folder),
        base_url="",
        registry={remote.name: remote.checksum},
        urls={remote.name: remote.url},
        retry_if_failed=3,
    )
    try:
        _room(cache_folder(folder), remote.size)
        return Path(cache.fetch(remote.name, downloader=_Bounded(remote.size)))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"could not download {remote.url}: {error}. "
            f"Set MINISNN_DATA to a folder that holds {folder}/{remote.name}, or try again."
        ) from error


def _room(folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(f"it has {size / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free in {folder}")


class _Bounded:
    """pooch's downloader; it stops when a server sends more than twice the expected size."""

    def __init__(self, size: int) -> None:
        self.most = 2 * size + (1 << 20)

    def __call__(self, url: str, output_file: str, cache: Any) -> None:
        with open(output_file, "wb") as file:
            download = needs("pooch", "data").HTTPDownloader(progressbar=True, timeout=30)
            download(url, _Limited(file, self.most), cache)


class _Limited:
    def __init__(self, file: Any, most: int) -> None:
        self.file, self.left = file, most

    def write(self, content: bytes) -> int:
        self.left -= len(content)
        if self.left < 0:
            raise OSError("it is far longer than it should be")
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()
