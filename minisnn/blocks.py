"""Work in pieces that stay in cache, shared among threads.

NumPy reads and writes main memory in every call; an array that is worked on piece by piece, all
steps for one piece before the next, is read once. The pieces are also what several threads share:
NumPy and BLAS release the interpreter lock while they compute. On a GPU one piece is everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from math import ceil
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from minisnn.backend import Array

Job = TypeVar("Job")
ON_DEVICE = 1 << 28  # elements of one piece where there is no cache to fit into: a GiB of float32


def split(n: int, per: int, elements: int, like: Array) -> list[slice]:
    """Slices of n things of `per` elements each, every slice some `elements` large and no smaller than one thing.

    On several threads the slices are at least as many, if n allows. like: an array of the library that will work.
    """
    size = max(1, (elements if isinstance(like, np.ndarray) else ON_DEVICE) // max(1, per))
    if isinstance(like, np.ndarray):
        size = min(size, ceil(n / threads()))
    return [slice(k, min(k + size, n)) for k in range(0, n, size)]


def each(work: Callable[[Job], object], jobs: Sequence[Job], like: Array) -> None:
    """Call work(job) for every job, on `threads()` threads. Thread k takes jobs k, k + threads, ...

    A job's own products run on one BLAS thread. Jobs must not write to the same place.
    like: an array of the library that will work; a GPU is left to one thread.
    """
    n = min(threads(), len(jobs)) if isinstance(like, np.ndarray) else 1
    if n < 2:
        for job in jobs:
            work(job)
        return

    def part(k: int) -> None:
        for job in jobs[k::n]:
            work(job)

    with _blas().limit(limits=1, user_api="blas"):
        list(_pool(n).map(part, range(n)))


def threads() -> int:
    """How many threads `each` uses: as many as BLAS does, unless `use_threads` says otherwise."""
    return _chosen or _blas_threads()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Within this context `each` uses n threads, and so does BLAS."""
    global _chosen
    if n < 1:
        raise ValueError(f"threads must be at least 1, found {n}")
    before, _chosen = _chosen, n
    try:
        with _blas().limit(limits=n, user_api="blas"):
            yield
    finally:
        _chosen = before


_chosen: int | None = None


@lru_cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@lru_cache
def _blas_threads() -> int:
    """Of the environment (OPENBLAS_NUM_THREADS and its like), as BLAS took it."""
    return max([pool["num_threads"] for pool in _blas().info() if pool["user_api"] == "blas"], default=1)


@lru_cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="minisnn")
