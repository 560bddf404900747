"""Split work into blocks that fit into the cache, and share them among threads.

Every NumPy call reads and writes main memory. If all steps are done for one block before the next, the block stays in
the cache and main memory is read once. Threads work on different blocks at the same time, because NumPy and BLAS
release the interpreter lock while they compute. On a GPU one block holds everything. docs/design.md, "Speed", says
what else there is to it; tests/test_blocks.py holds what threads must not do.
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

from data_loaders.common.machine import threads_start
from minisnn.arguments import check
from minisnn.backend import Array

Job = TypeVar("Job")
# Threads get blocks this much larger: handing over the interpreter lock costs more than a slower cache.
LARGER = 4
ON_DEVICE = 1 << 28  # elements of a block on a GPU: a GiB of float32


class Serial(list[Job]):
    """Jobs that are too small to share, or on a GPU: `each` runs them on one thread."""


def split(n: int, per: int, elements: int, like: Array, larger: int | None = None) -> list[slice]:
    """Slices of n items of `per` elements: about `elements` elements in each slice, and at least one item.

    For several threads slices are LARGER times as large, or down to half of that if this gives every thread some work;
    less work than one such slice is `Serial`. like: an array of the library that does the work. larger: in place of
    LARGER; 1 is right for matrix products, which release the lock for long.
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
    """The same jobs with their numbers, for jobs that each store a result."""
    return type(slices)(enumerate(slices))  # type: ignore[arg-type, return-value]


def share_out(n: int, like: Array) -> list[slice]:
    """The range 0 to n in as many parts as there are threads; in one part on a device."""
    size = max(1, ceil(n / threads()) if isinstance(like, np.ndarray) else n)
    return [slice(k, min(k + size, n)) for k in range(0, n, size)]


def each(work: Callable[[Job], object], jobs: Sequence[Job]) -> None:
    """Call work(job) for every job, on `threads()` threads. Thread k takes jobs k, k + threads, ...

    Matrix products within a job run on one BLAS thread. Jobs must not write to the same place. Nested jobs, and jobs on
    a GPU, run on the calling thread.
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
            part(0)  # the calling thread works too, because waking another takes time
        finally:
            wait(others)
        for other in others:
            other.result()  # raises what the job raised


def threads() -> int:
    """How many threads `each` uses here: set by `use_threads`, or else as many as BLAS has (OPENBLAS_NUM_THREADS).

    One where no thread can be started, as in a browser.
    """
    if not threads_start():
        return 1
    with _lock:
        return _chosen.get() or max(_before or _blas_threads(), default=1)


@contextmanager
def hold_blas() -> Iterator[None]:
    """Within this context BLAS runs on one thread, and `each` on as many as BLAS had.

    Training uses it: after every product the threads of BLAS spin for a while, waiting for the next, and take the cores
    away from ours. The limit holds for the whole process: the first thread that enters sets it, the last that leaves
    lifts it. Also a decorator.
    """
    if any(key in _holds for key in _own.get()):
        yield
        return
    with _limited(_holds, 1):
        yield


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Within this context `each` uses n threads when called from this thread. So does BLAS, unless it is held to one.

    BLAS has one number for the whole process: that of the context entered last. Raises ValueError for n below 1.
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
    """From now on this process keeps the memory that arrays free, and reuses it (glibc only).

    By default the memory of large arrays is returned to the system, which must map and clear fresh pages for every new
    array. `Run.finish` calls this for a fast network.
    """
    with suppress(AttributeError, OSError, TypeError):  # no glibc: macOS, Windows
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h

_lock = Lock()  # for the three variables below, which all threads share
_holds: dict[object, int] = {}  # open `hold_blas` contexts: unique key -> 1
_limits: dict[object, int] = {}  # open `use_threads` contexts, in order: unique key -> threads
_before: tuple[int, ...] = ()  # BLAS's own number of threads, by library, while any context is open

# These belong to one thread, and are copied to the pool's threads with its work.
_own: ContextVar[tuple[object, ...]] = ContextVar("_own", default=())  # keys of contexts it has opened
_chosen: ContextVar[int] = ContextVar("_chosen", default=0)  # set by `use_threads`
_in_pool: ContextVar[bool] = ContextVar("_in_pool", default=False)


@contextmanager
def _limited(kind: dict[object, int], n: int) -> Iterator[None]:
    """Enter a `hold_blas` or `use_threads` context, and leave it."""
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
    """Set the threads of BLAS to what the open contexts allow."""
    global _before
    n = 1 if _holds else next(reversed(_limits.values()), 0)
    for lib, old in zip(_blas(), _before, strict=False):  # shorter if interrupted before it was set
        if lib.num_threads != (n or old):
            # since threadpoolctl 3.8 the public method only works in the thread that called it first
            getattr(lib, "_real_set_num_threads", lib.set_num_threads)(n or old)
    if not n:
        _before = ()


def _after_fork() -> None:
    """A child process has one thread, the one that forked. Drop what the others had opened or locked."""
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
