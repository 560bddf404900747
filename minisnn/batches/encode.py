"""Data as a network takes them: images as first spikes or as a constant current; frames as currents over time."""

from __future__ import annotations

from math import prod

import numpy as np

from minisnn.arguments import check, integers, numbers, whole
from minisnn.backend import Array, array_module

Z_DARK = 6.0  # a black pixel spikes at t = ln 6 = 1.79, a max_value one at t = 0, where z = 1


def latency_code(images: Array, max_value: int, levels: int = 2) -> Array:
    r"""One spike for every pixel; the brighter, the earlier.

    $$ t = (1 - x) \ln 6, \qquad z = e^t = 6^{1-x} $$

    images: [B, H, W, C] integers (uint8), 0 to `max_value`. Grey values x of 0 to 1 are first rounded to `levels`
    equally spaced ones: 2 is the binarised code, z = 1 for pixels of at least half of max_value and 6 for the others;
    max_value + 1 keeps them all. Returns z [B, H*W*C] float32, without a unit; t is in time constants of the synapse.
    Raises ValueError for fewer than 2 levels, images that are no integers, or values outside 0 to max_value.

    Bright first, and 6, are from memory of Mostafa 2018, whose text could not be read; some
    re-implementations turn it round.
    """
    (images,) = integers(images=images)
    check("images", images.shape, images.ndim, "[B, H, W, C]")
    levels, max_value = whole("levels", levels, 2), whole("max_value", max_value, 1)
    xp = array_module(images)
    x = np.floor(np.arange(max_value + 1) / max_value * (levels - 1) + 0.5) / (levels - 1)  # halves go up
    if images.size and (images.max() > max_value or images.min() < 0):
        raise ValueError(f"images must be 0 to {max_value}, found {images.min()} to {images.max()}")
    z = xp.asarray((Z_DARK ** (1 - x)).astype(np.float32))
    return z[images.reshape(len(images), prod(images.shape[1:]))]


def direct_code(
    images: Array, max_value: int, mean: float | np.ndarray = 0.0, std: float | np.ndarray = 1.0
) -> Array:
    r"""Direct coding: grey values as input currents, the same at every step; the first layer turns them into spikes.

    $$ I = \frac{x / x_\mathrm{max} - \mu}{\sigma} $$

    images: x, [B, H, W, C] uint8, or other numbers of 0 to `max_value`. mean, std: of all channels, or [C], of each, in
    units of max_value. Returns I float32, with a time axis of length 1: [1, B, H, W, C]; the network's `Repeat` makes
    it T steps. Raises ValueError for another dtype, or a max_value or std that is not above 0.
    """
    (images,) = numbers(images=images)
    check("max_value", max_value, max_value > 0, "above 0")
    check("std", std, (np.asarray(std) > 0).all(), "above 0")
    xp = array_module(images)
    x = images.astype(np.float32)
    x *= xp.asarray(1 / (max_value * np.asarray(std)), dtype=np.float32)
    x -= xp.asarray(np.asarray(mean) / std, dtype=np.float32)
    return x[None]


def event_code(frames: Array) -> Array:
    """Frames of an event camera as input currents, step by step.

    frames: counts of events [B, T, H, W, 2], numbers. Returns currents [T, B, H, W, 2] float32. Raises ValueError for
    another dtype, or frames without time.
    """
    (frames,) = numbers(frames=frames)
    check("frames", frames.shape, frames.ndim >= 2, "[B, T, ...]")
    xp = array_module(frames)
    return xp.ascontiguousarray(frames.swapaxes(0, 1), dtype=np.float32)
