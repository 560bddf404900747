"""Progress bars, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from data_loaders.common.machine import in_browser

__all__ = ["tqdm"]


class Silent:
    """What is used of tqdm, without a bar."""

    def __init__(self, items: Iterable[Any] = (), **options: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, n: int = 1) -> None: ...

    def set_postfix_str(self, text: str) -> None: ...


try:
    from tqdm import tqdm
except ModuleNotFoundError:
    tqdm = Silent
else:
    if in_browser():  # or the first bar warns that its watching thread cannot be started
        tqdm.monitor_interval = 0
