r"""From events to what a network takes: frames, counted by number, time or duration; and the time surface.

A frame counts the events of its part of the recording, OFF and ON apart:

$$ F_{k, y, x, p} = |\{ i \in \text{part } k : (y_i, x_i, p_i) = (y, x, p) \}| $$

Counts add up. TET's preprocessing wrote `frame[index] += 1`, which NumPy does once for an index that comes
twice: its frames say only whether there was an event. The parts are SpikingJelly's.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from data_loaders.common.errors import check, one_of
from data_loaders.formats.aedat import Events

BY = ("number", "time")
MOST = 10_000  # frames of one recording; more are a mistake in the duration


def count_frames(
    events: Events, T: int, size: tuple[int, int] = (128, 128), by: str = "number"
) -> np.ndarray:
    """T frames, [T, H, W, 2] float32; channel 0 counts OFF, channel 1 ON.

    by: "number", each frame has N // T events, or "time", each has (t_last - t_first) // T microseconds; the last
    frame takes what is left. A part without events is a frame of zeros. Raises ValueError for events outside of
    size, and by time for times that run backwards.
    """
    check("T", T, T >= 1, "at least 1")
    one_of("by", by, BY)
    N = len(events.t)
    if by == "number":
        ends = np.arange(1, T) * (N // T)
    else:
        _forwards(events)
        first, last = (int(events.t[0]), int(events.t[-1])) if N else (0, 0)
        ends = np.searchsorted(events.t, first + np.arange(1, T, dtype=np.int64) * ((last - first) // T))
    return _count(events, ends, size)


def duration_frames(
    events: Events,
    duration: int,
    size: tuple[int, int] = (128, 128),
    start: int | None = None,
    end: int | None = None,
) -> np.ndarray:
    """As many frames of `duration` microseconds as the recording has, at least one: [T, H, W, 2] float32.

    T = ceil((end - start) / duration). Frame k has the events of start + k duration <= t < start + (k + 1) duration.
    start: microseconds; None: the first event. end: microseconds; events from then on do not count; None: the last
    event, which belongs to the last frame. Frames of a recording that is synchronised with something need both: from
    0 to 1 s there are five of 200 ms, whatever was seen.
    Raises ValueError as `count_frames`, if end is not after start, or if there would be more than 10,000 frames.
    """
    check("duration", duration, duration >= 1, "at least 1 microsecond")
    if start is not None and end is not None:
        check("end", end, end > start, f"after start, {start}")
    _forwards(events)
    first, last = (int(events.t[0]), int(events.t[-1])) if len(events.t) else (0, 0)
    start = first if start is None else start
    T = max(1, -(-((last if end is None else end) - start) // duration))
    if T > MOST:
        raise ValueError(
            f"duration must give at most {MOST:,} frames, found {T:,} of {duration} microseconds each"
        )
    stop = len(events.t) if end is None else np.searchsorted(events.t, end)
    counted = events.take(slice(np.searchsorted(events.t, start), stop))
    ends = start + np.arange(1, T, dtype=np.int64) * duration
    return _count(counted, np.searchsorted(counted.t, ends), size)


def _forwards(events: Events) -> None:
    if (events.t[1:] < events.t[:-1]).any():
        raise ValueError("frames by time need times that do not run backwards; read with backwards='unwrap'")


def _within(events: Events, size: tuple[int, int]) -> None:
    (H, W), (_, y, x, _) = size, events
    if len(y) and not (0 <= y.min() <= y.max() < H and 0 <= x.min() <= x.max() < W):
        raise ValueError(
            f"events must be within {H}x{W}, found rows {y.min()} to {y.max()}, columns {x.min()} to {x.max()}"
        )


def _count(events: Events, ends: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One frame more than there are ends; a frame's events start where those of the one before end."""
    (H, W), (_, y, x, on) = size, events
    _within(events, size)
    frames = np.empty((len(ends) + 1, H, W, 2), np.float32)
    for frame, (a, b) in zip(frames, pairwise([0, *ends, len(y)]), strict=True):  # one frame stays in cache
        cell = y[a:b].astype(np.intp)
        cell *= W
        cell += x[a:b]
        cell *= 2
        cell += on[a:b]
        frame[:] = np.bincount(cell, minlength=H * W * 2).reshape(H, W, 2)
    return frames


def time_surface(events: Events, at: int, tau: float, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    r"""How long ago each pixel fired last: $\exp(-(t - t_{last}) / \tau)$, [H, W, 2] float32; 0 where it never did.

    at: the time t, in microseconds like tau; later events do not count (Lagorce et al. 2017). Raises ValueError unless
    tau is above 0 and finite, and for events outside of the size.
    """
    check("tau", tau, 0 < tau < np.inf, "above 0 and finite")
    _within(events, size)
    H, W = size
    t, y, x, on = events.take(events.t <= at)
    last = np.full((H, W, 2), -np.inf)
    np.maximum.at(last, (y, x, on.astype(int)), t)
    return np.exp((last - at) / tau).astype(np.float32)


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames [..., H, W, C] at another size [..., h, w, C], each channel for itself, float32.

    A triangle as wide as a pixel of the smaller picture, weights adding up to 1 (Pillow's antialiased bilinear
    filter): the mean count is kept. TET resized 8-bit pictures of two channels, which Pillow takes for grey and
    transparency, and mixes. Raises ValueError for a size below 1x1.
    """
    check("size", f"{size[0]}x{size[1]}", min(size) >= 1, "at least 1x1")
    down, across = (_triangle(n, m) for n, m in zip(frames.shape[-3:-1], size, strict=True))
    *rest, H, W, C = frames.shape
    rows = down @ frames.astype(np.float32, copy=False).reshape(-1, H, W * C)
    return (across @ rows.reshape(-1, W, C)).reshape(*rest, *size, C)


def _triangle(n: int, m: int) -> np.ndarray:
    """[m, n] float32: row j says of which of n pixels pixel j of m is made."""
    scale = n / m
    centre = (np.arange(m)[:, None] + 0.5) * scale
    weight = np.maximum(0, 1 - abs(np.arange(n) + 0.5 - centre) / max(scale, 1))
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)
