"""Make the next batches while the network works on this one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from minisnn.arguments import check

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], ahead: int = 2, together: int = 1) -> Iterator[Item]:
    """The same items in the same order, made in another thread, up to `ahead` times `together` of them in advance.

    together: items that are made at once, because handing over a small one takes longer than making it. NumPy and the
    operating system release the interpreter lock while they copy and read. An error in making an item is raised when
    the first item made with it is asked for. If no thread can be started, items are made when they are asked for.
    Raises ValueError for fewer than 1 ahead or together.
    """
    check("ahead", ahead, ahead >= 1, "at least 1")
    check("together", together, together >= 1, "at least 1")
    owner, thread = os.getpid(), ThreadPoolExecutor(1, "prefetch")  # one: items are made in turn
    try:
        waiting = deque([thread.submit(list, islice(items, together))])
    except RuntimeError:  # no thread can be started, as in a browser
        yield from items
        return
    try:
        waiting.extend(thread.submit(list, islice(items, together)) for _ in range(ahead - 1))
        while some := waiting.popleft().result():
            waiting.append(thread.submit(list, islice(items, together)))
            for item in some:
                yield item
                if os.getpid() != owner:
                    raise RuntimeError("a forked process cannot go on with the batches of its parent")
    finally:
        if os.getpid() == owner:
            thread.shutdown(cancel_futures=True)
