"""Augmentation: the same picture, a little different every time."""

from __future__ import annotations

import numpy as np

from minisnn.backend import Array, array_module


def shift(images: Array, by: int, rng: np.random.Generator) -> Array:
    """Move each image by its own -by ... +by pixels down and across; what comes in is black.

    images: [B, H, W, C]. Returns a new array of the same shape and dtype.
    """
    xp = array_module(images)
    B, H, W, C = images.shape
    padded = xp.zeros((B, H + 2 * by, W + 2 * by, C), images.dtype)
    padded[:, by : by + H, by : by + W] = images
    down, across = xp.asarray(rng.integers(0, 2 * by + 1, (2, B)))
    rows = down[:, None] + xp.arange(H)
    columns = across[:, None] + xp.arange(W)
    return padded[xp.arange(B)[:, None, None], rows[:, :, None], columns[:, None, :]]
