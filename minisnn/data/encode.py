"""Data as a network takes them: images as first spikes, or as a current that is the same at every step; frames."""

from __future__ import annotations

from math import prod

import numpy as np

from minisnn.backend import Array, array_module

Z_DARK = 6.0  # a black pixel spikes at t = ln 6 = 1.79, a max_value one at t = 0, where z = 1


def latency_code(images: Array, max_value: int, levels: int = 2) -> Array:
    r"""One spike for every pixel, the brighter the earlier.

    $$ t = (1 - x) \ln 6, \qquad z = e^t = 6^{1-x} $$

    images: [B, H, W, C] uint8, 0 to `max_value`. Grey values x of 0 to 1 are first rounded to `levels` equally
    spaced ones: 2 is the binarised code, z = 1 for pixels of at least half of max_value and 6 for the others;
    max_value + 1 keeps them all. Returns z [B, H*W*C] float32. Raises ValueError for fewer than 2 levels,
    or images brighter than max_value.

    Bright first, and 6, are from memory of Mostafa 2018, whose text could not be read; some
    re-implementations turn it round.
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2, found {levels}")
    xp = array_module(images)
    x = np.floor(np.arange(max_value + 1) / max_value * (levels - 1) + 0.5) / (levels - 1)  # halves go up
    if images.size and images.max() > max_value:
        raise ValueError(f"images must be 0 to {max_value}, found {images.max()}")
    z = xp.asarray((Z_DARK ** (1 - x)).astype(np.float32))
    return z[images.reshape(len(images), prod(images.shape[1:]))]


def direct_code(
    images: Array, max_value: int, mean: float | np.ndarray = 0.0, std: float | np.ndarray = 1.0
) -> Array:
    """Direct coding: grey values as input currents, the same at every step; the first layer makes spikes of them.

    images: [B, H, W, C] uint8, 0 to `max_value`. mean, std: of all channels, or [C], of each. Returns
    (x - mean) / std for x of 0 to 1, float32, with a time axis of length 1: [1, B, H, W, C]. The network's
    `Repeat` makes it T steps.
    """
    xp = array_module(images)
    x = images.astype(np.float32)
    x *= xp.asarray(1 / (max_value * np.asarray(std)), dtype=np.float32)
    x -= xp.asarray(np.asarray(mean) / std, dtype=np.float32)
    return x[None]


def event_code(frames: Array) -> Array:
    """Frames of an event camera as input currents, step by step: counts [B, T, H, W, 2] as [T, B, H, W, 2] float32."""
    xp = array_module(frames)
    return xp.ascontiguousarray(frames.swapaxes(0, 1), dtype=np.float32)
