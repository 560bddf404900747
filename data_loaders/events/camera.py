r"""A simulated event camera before which a picture moves, as CIFAR10-DVS was recorded from a screen.

A pixel remembers the logarithm of the brightness at its last event, and sends an event whenever it has changed by a
threshold C since:

$$ \log(I + \varepsilon) - \ell = \pm C, \qquad \ell \leftarrow \ell \pm C $$

The brightness is computed at the times of a path and taken as linear in between (in its logarithm), so that the
time of an event lies where that line crosses the threshold, not at the end of a step (ESIM: Rebecq et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data_loaders.common.errors import check
from data_loaders.formats.aedat import Events

DARK = 0.05  # epsilon: black is not infinitely dark
EVEN = 1e-9  # of a threshold: rounding must not decide where the brightness returns to an earlier value


@dataclass(frozen=True, kw_only=True)
class EventCamera:
    """How sensitive, how fast, how noisy. Raises ValueError for invalid values."""

    threshold: float = 0.3  # C, of the natural logarithm of the brightness
    refractory: int = 0  # microseconds after an event in which its pixel sends none
    noise: float = 0.0  # events per pixel and second that nothing in the picture causes

    def __post_init__(self) -> None:
        check("threshold", self.threshold, 0 < self.threshold < np.inf, "above 0 and finite")
        check("refractory", self.refractory, 0 <= self.refractory < np.inf, "0 or more, and finite")
        check("noise", self.noise, 0 <= self.noise < np.inf, "0 or more, and finite")

    def record(
        self, images: np.ndarray, path: np.ndarray, times: np.ndarray, rng: np.random.Generator
    ) -> list[Events]:
        """What the camera sees while pictures move along a path: the events of each, in the order of time.

        images: [B, H, W] brightness from 0 to 1. path: [K, 2] pixels down and to the right. times: [K] microseconds,
        increasing. Border pixels are repeated. rng is used for the noise only. At equal times events are
        in the order of rows, columns.
        """
        check("images", images.shape, images.ndim == 3 and min(images.shape[1:]) > 0, "[B, H, W] with pixels")
        low, high = images.min(initial=0), images.max(initial=0)
        check("brightness", f"{low} to {high}", low >= 0 and high < 1.01, "0 to 1")  # resizing rounds
        check("path", path.shape, path.ndim == 2 and path.shape[1] == 2 and np.isfinite(path).all(),
              "[K, 2] and finite")  # fmt: skip
        check("times", times.dtype, np.issubdtype(times.dtype, np.integer), "whole microseconds")
        rising = len(times) == len(path) > 1 and (np.diff(times) > 0).all()
        check("times", times, rising, "as many as positions in path, at least two, and increasing")
        B, H, W = images.shape
        start, end = int(times[0]), int(times[-1])
        found = [*_crossings(images, path, times, self.threshold)]
        if self.noise:
            n = rng.poisson(self.noise * (end - start) * 1e-6 * B * H * W)
            found.append(
                (rng.integers(B * H * W, size=n), rng.integers(start, end + 1, n), rng.random(n) < 0.5)
            )
        pixel, t, on = (np.concatenate(column) for column in zip(*found, strict=True))
        if self.refractory:
            pixel, t, on = _rested(pixel, t, on, self.refractory)
        sample, t, pixel, on = _sorted(pixel, t - start, on, B, end - start + 1, H * W)
        every = Events(t + start, (pixel // W).astype(np.int16), (pixel % W).astype(np.int16), on > 0)
        ends = np.searchsorted(sample, np.arange(B + 1))
        return [every.take(slice(a, b)) for a, b in pairwise(ends)]


# of each event (sample * H + row) * W + column, time, brighter
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def _sorted(
    pixel: np.ndarray, t: np.ndarray, on: np.ndarray, B: int, span: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sample, time, pixel within the sample and sign of all events, in this order.

    One number for each event sorts many times faster than four columns. It is no index, so that it is 64 bits long
    where an index has 32. Raises ValueError if it does not fit.
    """
    if 2 * B * span * size >= 1 << 63:
        raise ValueError(
            f"{B} samples of {size} pixels over {span} microseconds are too many to sort: use fewer samples"
        )
    pixel, t = pixel.astype(np.int64), t.astype(np.int64)
    key = np.sort(((pixel // size * span + t) * size + pixel % size) * 2 + on)
    key, sign = np.divmod(key, 2)
    key, pixel = np.divmod(key, size)
    sample, t = np.divmod(key, span)
    return sample, t, pixel, sign


def _crossings(images: np.ndarray, path: np.ndarray, times: np.ndarray, threshold: float) -> Iterator[Found]:
    """Where the brightness crosses a threshold, step by step."""
    old = _moved(images, path[0])
    level = old.copy()  # ell, at first what the pixel sees
    for k in range(1, len(path)):
        new = _moved(images, path[k])
        slope = new - old
        sign = np.sign(slope)
        count = np.maximum((new - level) * (sign / threshold) + EVEN, 0).astype(int)
        active = np.flatnonzero(count)
        many = count[active]
        pixel = np.repeat(active, many)
        n = 1 + np.arange(len(pixel)) - np.repeat(np.cumsum(many) - many, many)  # 1, 2, ... within each pixel
        share = (level[pixel] + n * sign[pixel] * threshold - old[pixel]) / slope[pixel]
        after = (times[k] - times[k - 1]) * share.clip(0, 1)  # clip: level has rounding errors
        yield pixel, times[k - 1] + np.round(after).astype(np.int64), slope[pixel] > 0
        level += count * sign * threshold
        old = new


def diamond(
    radius: float, loops: int = 1, steps: int = 40, duration: int = 100_000
) -> tuple[np.ndarray, np.ndarray]:
    """A closed path, to all four diagonals in turn, so that edges of every direction are seen from both sides.

    radius: pixels from the middle to a corner. steps and duration (microseconds) are those of a loop. Returns the
    positions [K, 2] float64 and times [K] int64 that `EventCamera.record` takes; both ends are the same place.
    """
    check("radius", radius, np.isfinite(radius), "finite")
    check("steps", steps, steps >= 4 and steps % 4 == 0, "a multiple of 4")
    check("loops", loops, loops >= 1, "at least 1")
    check("duration", duration, duration >= steps, "at least a microsecond for each step")
    corners = radius * np.array([[0, 1], [1, 0], [0, -1], [-1, 0], [0, 1]])
    along = np.arange(steps * loops + 1) % steps / steps * 4
    path = np.stack([np.interp(along, np.arange(5), axis) for axis in corners.T], axis=1)
    return path, np.arange(steps * loops + 1, dtype=np.int64) * duration // steps


def almost_closed(radius: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """A `diamond` without its last step: positions [K, 2] and times [K].

    Back where it began, every pixel would cross its last threshold in the same instant, which no camera shows.
    """
    path, times = diamond(radius, steps=steps)
    return path[:-1], times[:-1]


def _moved(images: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The logarithm of the brightness, with the pictures moved by fractions of pixels: [B * H * W] float64."""
    whole = np.floor(by).astype(int)
    (down, right), (fy, fx) = whole, by - whole
    _, H, W = images.shape
    rows, columns = np.arange(-1, H) - down, np.arange(-1, W) - right
    there = images[:, rows.clip(0, H - 1)][:, :, columns.clip(0, W - 1)].astype(np.float64)
    there = (1 - fy) * there[:, 1:] + fy * there[:, :-1]
    return np.log(((1 - fx) * there[:, :, 1:] + fx * there[:, :, :-1]).ravel() + DARK)


def _rested(pixel: np.ndarray, t: np.ndarray, on: np.ndarray, refractory: int) -> Found:
    """The events that come at least `refractory` after the last one that their pixel has sent."""
    order = np.lexsort((t, pixel))
    pixel, t, on = pixel[order], t[order], on[order]
    key = pixel * (t.max(initial=0) - t.min(initial=0) + refractory + 1) + t  # rises through all pixels
    keep = np.zeros(len(t), bool)
    at = np.flatnonzero(np.diff(pixel, prepend=-1))  # the first of each pixel, then the next that each sends
    while len(at):
        keep[at] = True
        after = np.searchsorted(key, key[at] + refractory)
        same = pixel[np.minimum(after, len(t) - 1)] == pixel[at]
        at = after[same & (after < len(t))]
    return pixel[keep], t[keep], on[keep]
