"""Augmentation: the same picture, slightly changed each time.

Each function takes a batch of pictures or of event sequences and a generator, and returns a new
batch. Chance is drawn for each sample, never for each time step: a recording moves as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from minisnn.arguments import check, generator, numbers, whole
from minisnn.backend import Array, array_module

Augmentation = Callable[..., Array]


def shift(images: Array, by: int, rng: np.random.Generator) -> Array:
    """Move each image by its own -by ... +by pixels down and across; what moves in is black.

    images: [B, H, W, C], numbers of any dtype. by: in pixels, at least 0. Returns a new array of the same shape and
    dtype. TET's and SCA's RandomCrop(32, padding=4) is shift by 4. Raises ValueError for another shape or dtype,
    or a seed in place of rng.
    """
    (images,), by = numbers(images=images), whole("by", by)
    check("images", images.shape, images.ndim == 4, "[B, H, W, C]")
    xp = array_module(images)
    B, H, W, C = images.shape
    padded = xp.zeros((B, H + 2 * by, W + 2 * by, C), images.dtype)
    padded[:, by : by + H, by : by + W] = images
    down, across = xp.asarray(generator("rng", rng).integers(0, 2 * by + 1, (2, B)))
    rows = down[:, None] + xp.arange(H)
    columns = across[:, None] + xp.arange(W)
    return padded[xp.arange(B)[:, None, None], rows[:, :, None], columns[:, None, :]]


def flip(images: Array, rng: np.random.Generator) -> Array:
    """Mirror every other image, on average, left to right.

    images: [B, ..., H, W, C], numbers of any dtype. Returns a new array of the same shape and dtype. Raises ValueError
    for another shape or dtype.
    """
    (images,) = numbers(images=images)
    check("images", images.shape, images.ndim >= 4, "[B, ..., H, W, C]")
    mirrored = array_module(images).asarray(generator("rng", rng).random(len(images)) < 0.5)
    out = images.copy()
    out[mirrored] = images[mirrored][..., ::-1, :]
    return out


def roll(frames: Array, by: int, rng: np.random.Generator) -> Array:
    """Roll each sequence of frames by its own -by ... +by pixels down and across, the same at every step.

    frames: [B, T, H, W, C], numbers of any dtype; what leaves on one side comes in on the other (TET: CIFAR10-DVS by
    5). by: in pixels, at least 0. Returns a new array of the same shape and dtype. Raises ValueError for another
    shape or dtype.
    """
    (frames,), by = numbers(frames=frames), whole("by", by)
    check("frames", frames.shape, frames.ndim == 5, "[B, T, H, W, C]")
    H, W = frames.shape[-3:-1]
    offsets = generator("rng", rng).integers(-by, by + 1, (len(frames), 2)) % (max(1, H), max(1, W))
    out = array_module(frames).empty_like(frames)
    for new, old, (d, a) in zip(out, frames, offsets.tolist(), strict=True):
        new[:, d:, a:] = old[:, : H - d, : W - a]
        new[:, :d, a:] = old[:, H - d :, : W - a]
        new[:, d:, :a] = old[:, : H - d, W - a :]
        new[:, :d, :a] = old[:, H - d :, W - a :]
    return out


def in_turn(*steps: Augmentation) -> Augmentation:
    """One augmentation after the other; none leaves the pictures unchanged.

    steps: functions of pictures and a generator, (images, rng=...) -> images. Returns one such function.
    """
    return partial(_each, steps)  # not a closure, which could not be pickled


def _each(steps: tuple[Augmentation, ...], images: Array, rng: np.random.Generator) -> Array:
    for step in steps:
        images = step(images, rng=rng)
    return images
