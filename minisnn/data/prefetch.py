"""The next batches are got ready while the network works on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from minisnn.arguments import check

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], ahead: int = 2, together: int = 1) -> Iterator[Item]:
    """The same items in the same order, made by a thread of its own, up to `ahead` times `together` of them in advance.

    together: items that are made in one go; to hand over a small one takes longer than to make it. NumPy and the
    operating system let go of the interpreter while they copy and read. An error in making an item is raised where
    the first of those made with it is asked for. Raises ValueError for fewer than 1 ahead or together.
    """
    check("ahead", ahead, ahead >= 1, "at least 1")
    check("together", together, together >= 1, "at least 1")
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:  # one: items are made in turn
        waiting = deque(thread.submit(list, islice(items, together)) for _ in range(ahead))
        while some := waiting.popleft().result():
            waiting.append(thread.submit(list, islice(items, together)))
            yield from some
