"""The next batches are got ready while the network works on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], ahead: int = 2) -> Iterator[Item]:
    """The same items in the same order, made by a thread of its own, up to `ahead` of them in advance.

    NumPy and the operating system let go of the interpreter while they copy and read. An error in making an item is
    raised where the item is asked for. Raises ValueError for fewer than 1 ahead.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, found {ahead}")
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:  # one: items are made in turn
        waiting = deque(thread.submit(next, items, end) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]
