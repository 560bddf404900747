"""Where data files come from: the user's own folder, the cache, or the network, in this order."""

from __future__ import annotations

import os
from pathlib import Path


def own_folders(folder: str) -> list[Path]:
    """Where the user's files of a data set may lie: $MINISNN_DATA/folder, and $MINISNN_DATA itself. None if not set."""
    own = os.environ.get("MINISNN_DATA")
    if not own:
        return []
    root = Path(own).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"MINISNN_DATA={own} is not a folder")
    return [root / folder, root]


def find_or_fetch(folder: str, name: str, url: str, sha256: str) -> Path:
    """The path of a data file.

    A file that the user put into $MINISNN_DATA, in a folder of the data set's name or directly, with or
    without `.gz`, is taken as it is: archives of the same data differ, so its reader checks the content.
    Anything else is downloaded to a cache with progress, retries and its checksum verified, once.
    Raises FileNotFoundError with what to do if the file is not there and cannot be downloaded.
    """
    for place in own_folders(folder):
        for path in (place / name, place / name.removesuffix(".gz")):
            if path.is_file():
                return path
    try:
        import pooch
    except ImportError:
        raise FileNotFoundError(
            f"{name} is not on this machine. Downloads need pooch: pip install 'minisnn[data]'. "
            f"Or set MINISNN_DATA to a folder that holds {folder}/{name}."
        ) from None
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    cache = pooch.create(
        pooch.os_cache("minisnn") / folder,
        base_url="",
        registry={name: sha256},
        urls={name: url},
        retry_if_failed=3,
    )
    try:
        return Path(cache.fetch(name, downloader=downloader))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"could not download {url}: {error}. Set MINISNN_DATA to a folder that holds {folder}/{name}, or try again."
        ) from error
