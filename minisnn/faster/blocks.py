"""Work in pieces that stay in cache, shared among threads.

NumPy reads and writes main memory in every call; an array that is worked on piece by piece, all
steps for one piece before the next, is read once. The pieces are also what several threads share:
NumPy and BLAS release the interpreter lock while they compute. On a GPU one piece is everything.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import lru_cache
from math import ceil
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from minisnn.arguments import check
from minisnn.backend import Array

Job = TypeVar("Job")
LARGER = (
    4  # threads take this much more at a time: passing on the interpreter lock costs more than a slower cache
)
ON_DEVICE = 1 << 28  # elements of one piece where there is no cache to fit into: a GiB of float32


class Serial(list[Job]):
    """Jobs that are too little to share, or a GPU's: `each` leaves them to one thread."""


def split(n: int, per: int, elements: int, like: Array, larger: int | None = None) -> list[slice]:
    """Slices of n things of `per` elements each, each of about `elements` elements, at least one item.

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

    A job's own products run on one BLAS thread. Jobs must not write to the same place. Jobs of a job, and whatever a
    GPU does, are done by the thread that asks for them.
    """
    n = 1 if isinstance(jobs, Serial) or _in_pool.get() else min(threads(), len(jobs))
    if n < 2:
        for job in jobs:
            work(job)
        return

    def part(k: int) -> None:
        if k:
            _in_pool.set(True)
        for job in jobs[k::n]:
            work(job)

    with hold_blas():
        others = [_pool(n - 1).submit(copy_context().run, part, k) for k in range(1, n)]
        try:
            part(0)  # the calling thread works too: to be woken up takes time
        finally:
            wait(others)
        for other in others:
            other.result()  # raises what was raised there


def threads() -> int:
    """How many threads `each` uses here: as `use_threads` says, else as many as BLAS would (OPENBLAS_NUM_THREADS)."""
    with _lock:
        return _chosen.get() or max(_before or _blas_threads(), default=1)


@contextmanager
def hold_blas() -> Iterator[None]:
    """Within this context BLAS runs on one thread, and `each` on as many as BLAS had.

    Training holds it: after every product of its own BLAS's threads spin for a while, waiting for the next, and take
    the cores away from ours. The limit is one for the whole process: the first of several threads to hold it sets it,
    the last lifts it. Also a decorator.
    """
    if any(key in _holds for key in _own.get()):
        yield
        return
    with _limited(_holds, 1):
        yield


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Within this context `each`, in this thread, uses n threads. So does BLAS, unless it is held to one.

    BLAS knows one number for the whole process: that of the context entered last. Raises ValueError for n below 1.
    """
    check("threads", n, n >= 1, "at least 1")
    before = _chosen.get()
    _chosen.set(n)
    try:
        with _limited(_limits, n):
            yield
    finally:
        _chosen.set(before)


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

_lock = Lock()  # for the three below, which all threads of the process share
_holds: dict[object, int] = {}  # every `hold_blas` that is open, by a key of its own: 1
_limits: dict[object, int] = {}  # every `use_threads` that is open, in order: its number
_before: tuple[int, ...] = ()  # BLAS's own threads, library by library, while any of these is open

# What belongs to one thread, and goes with its work to threads of the pool.
_own: ContextVar[tuple[object, ...]] = ContextVar("_own", default=())  # keys of what it has opened
_chosen: ContextVar[int] = ContextVar("_chosen", default=0)  # by `use_threads`
_in_pool: ContextVar[bool] = ContextVar("_in_pool", default=False)


@contextmanager
def _limited(kind: dict[object, int], n: int) -> Iterator[None]:
    """Open a `hold_blas` or a `use_threads`, and close it."""
    global _before
    key, own = object(), _own.get()
    try:
        with _lock:
            _before = _before or _blas_threads()
            kind[key] = n
            _own.set((*own, key))
            _limit_blas()
        yield
    finally:
        _own.set(own)
        with _lock:
            kind.pop(key, None)
            _limit_blas()


def _limit_blas() -> None:
    """Give BLAS as many threads as what is open allows it."""
    global _before
    n = 1 if _holds else next(reversed(_limits.values()), 0)
    for lib, old in zip(_blas(), _before, strict=False):  # no number: nothing was opened, it was interrupted
        if lib.num_threads != (n or old):
            # since threadpoolctl 3.8 the public one does nothing but in the thread that called it first
            getattr(lib, "_real_set_num_threads", lib.set_num_threads)(n or old)
    if not n:
        _before = ()


def _after_fork() -> None:
    """In a child process there is one thread, the one that forked. What others had opened or locked is gone."""
    global _lock
    _lock = Lock()
    _pool.cache_clear()
    own = _own.get()
    for kind in (_holds, _limits):
        for key in [key for key in kind if key not in own]:
            del kind[key]
    if _before:
        _limit_blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@lru_cache
def _blas() -> list[Any]:
    return [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]


def _blas_threads() -> tuple[int, ...]:
    return tuple(lib.num_threads for lib in _blas())


@lru_cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="minisnn")
