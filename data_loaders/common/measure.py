"""What is measured on images without holding all of them in memory: mean, standard deviation, fingerprint."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from data_loaders.common.errors import check
from data_loaders.common.rows import Rows, bytes_of, evenly

BLOCK = 1000  # images that are looked at together
READ = 64 << 20  # bytes of a split's images that a fingerprint reads


def mean_and_std(images: np.ndarray | Rows, max_value: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, images scaled to 0 ... 1: two [C] float64.

    Exact: from counts of grey values, a block of images at a time. images: [N, ..., C] uint8, 0 to
    max_value. Raises ValueError for brighter ones.
    """
    levels = np.arange(max_value + 1, dtype=np.int64)  # or their sums overflow where an integer has 32 bits
    sums, squares = np.zeros((2, images.shape[-1]), np.int64)
    for k in range(0, len(images), BLOCK):
        x = images[k : k + BLOCK].reshape(-1, images.shape[-1])
        check("images", x.max(), x.max() <= max_value, f"0 to {max_value}")
        counts = [np.bincount(channel, minlength=max_value + 1) for channel in x.T]
        sums += counts @ levels
        squares += counts @ levels**2
    n = prod(images.shape[:-1])
    variance = [(n * int(b) - int(a) ** 2) / n**2 for a, b in zip(sums, squares, strict=True)]  # 0 if it is 0
    return sums / n / max_value, np.sqrt(variance) / max_value


def digest(images: np.ndarray | Rows, sha: Any) -> None:
    """Feed shape, dtype and content to a hash: all images up to 64 MiB, of more as many evenly spaced ones.

    The same for an array in memory and for rows on disk, and for any byte order.
    """
    dtype = images.dtype.newbyteorder("<")
    sha.update(f"{images.shape} {dtype.str}".encode())
    one = max(1, bytes_of(images) // max(1, len(images)))
    rows = evenly(len(images), max(1, READ // one))
    for k in range(0, len(rows), BLOCK):
        sha.update(np.ascontiguousarray(images[rows[k : k + BLOCK]], dtype))
