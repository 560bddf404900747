"""Work in pieces that stay in cache, shared among threads.

NumPy reads and writes main memory in every call; an array that is worked on piece by piece, all
steps for one piece before the next, is read once. The pieces are also what several threads share:
NumPy and BLAS release the interpreter lock while they compute. On a GPU one piece is everything.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import lru_cache
from math import ceil
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from minisnn.backend import Array

Job = TypeVar("Job")
LARGER = (
    4  # threads take so much more at a time: passing the interpreter lock on costs more than a slower cache
)
ON_DEVICE = 1 << 28  # elements of one piece where there is no cache to fit into: a GiB of float32


class Serial(list[Job]):
    """Jobs that are too little to share, or a GPU's: `each` leaves them to one thread."""


def split(n: int, per: int, elements: int, like: Array, larger: int | None = None) -> list[slice]:
    """Slices of n things of `per` elements each, every slice some `elements` large and no smaller than one thing.

    For several threads they are LARGER, or down to half of that where all threads get something that way; what would
    not fill one of these is `Serial`. like: an array of the library that will work. larger: in place of LARGER; 1 is
    right for products, which let go of the lock for long.
    """
    per, larger, shared = max(1, per), larger or LARGER, False
    if not isinstance(like, np.ndarray):
        size = ON_DEVICE // per
    elif threads() == 1 or n * per < larger * elements:
        size = elements // per
    else:
        most, shared = max(1, larger * elements // per), True
        size = min(most, max(most // 2, ceil(n / threads())))
    size = max(1, size)
    slices = [slice(k, min(k + size, n)) for k in range(0, n, size)]
    return slices if shared else Serial(slices)


def numbered(slices: list[slice]) -> list[tuple[int, slice]]:
    """The same jobs with their numbers, for work that leaves a result in its own place."""
    return type(slices)(enumerate(slices))  # type: ignore[arg-type, return-value]


def share_out(n: int, like: Array) -> list[slice]:
    """0 ... n in as many parts as there are threads; in one on a device."""
    size = max(1, ceil(n / threads()) if isinstance(like, np.ndarray) else n)
    return [slice(k, min(k + size, n)) for k in range(0, n, size)]


def each(work: Callable[[Job], object], jobs: Sequence[Job]) -> None:
    """Call work(job) for every job, on `threads()` threads. Thread k takes jobs k, k + threads, ...

    A job's own products run on one BLAS thread. Jobs must not write to the same place.
    """
    n = 1 if isinstance(jobs, Serial) else min(threads(), len(jobs))
    if n < 2:
        for job in jobs:
            work(job)
        return

    def part(k: int) -> None:
        for job in jobs[k::n]:
            work(job)

    with hold_blas():
        others = [_pool(n - 1).submit(part, k) for k in range(1, n)]
        try:
            part(0)  # the calling thread works too: to be woken up takes time
        finally:
            wait(others)
        for other in others:
            other.result()  # raises what was raised there


def threads() -> int:
    """How many threads `each` uses: as many as BLAS would (OPENBLAS_NUM_THREADS and its like, `use_threads`)."""
    return _held or max((lib.num_threads for lib in _blas()), default=1)


@contextmanager
def hold_blas() -> Iterator[None]:
    """Within this context BLAS runs on one thread, and `each` on as many as BLAS had.

    A network holds it while it runs: after every product of its own BLAS's threads spin for a while, waiting for the
    next, and take the cores away from ours.
    """
    global _held
    n = threads()
    if _held or n < 2:
        yield
        return
    _held = n
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _held = 0


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Within this context BLAS, and so `each`, uses n threads."""
    if n < 1:
        raise ValueError(f"threads must be at least 1, found {n}")
    with _controller().limit(limits=n, user_api="blas"):
        yield


@lru_cache
def keep_memory() -> None:
    """From now on memory that arrays set free stays with this process, to be used again (glibc only).

    By default large arrays are handed back to the system, and every new one is made of pages that it must first map
    and clear. `training.fit` calls this.
    """
    with suppress(AttributeError, OSError, TypeError):  # no glibc: macOS, Windows
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

_held = 0  # the number of threads while BLAS is held to one, else 0


@lru_cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@lru_cache
def _blas() -> list[Any]:
    return [lib for lib in _controller().lib_controllers if lib.user_api == "blas"]


@lru_cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="minisnn")
