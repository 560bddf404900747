"""Frames, time surfaces and resizing, against loops over events and pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes
from test_aedat import peer

from data_loaders.events.frames import BY, count_frames, duration_frames, resize, time_surface
from data_loaders.formats.aedat import Events

numbers = st.integers(0, 40)
spans = st.sampled_from([1, 5, 1000, 1 << 33])  # many equal times, or none


def events(rng, n, size, span=1000, start=0):
    t = start + np.sort(rng.integers(0, span, n))
    y, x = (rng.integers(0, side, n).astype(np.int16) for side in size)
    return Events(t, y, x, rng.random(n) < 0.5)


def made(*times):
    """Events of one pixel."""
    zero = np.zeros(len(times), np.int16)
    return Events(np.array(times, np.int64), zero, zero, zero > 0)


def naive_part(times, T, by):
    """The frame of each event."""
    if by == "number":
        each = len(times) // T
        return [min(k // each, T - 1) if each else T - 1 for k in range(len(times))]
    each = (times[-1] - times[0]) // T if times else 0
    return [min((t - times[0]) // each, T - 1) if each else T - 1 for t in times]


def naive_count(events, part, T, size):
    frames = np.zeros((T, *size, 2))
    for k, y, x, on in zip(part, events.y, events.x, events.on, strict=True):
        frames[k, y, x, 1 if on else 0] += 1
    return frames


def assert_frames(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("by", BY)
@given(rngs, numbers, st.integers(1, 12), sizes, sizes, spans, st.sampled_from([0, 7, 1 << 40]))
def test_frames_are_counted_event_by_event(by, rng, n, T, H, W, span, start):
    recording = events(rng, n, (H, W), span, start)
    found = count_frames(recording, T, (H, W), by)
    assert_frames(found, naive_count(recording, naive_part(recording.t.tolist(), T, by), T, (H, W)))
    assert found.sum() == n


@given(rngs, numbers, st.integers(1, 300), sizes, sizes, st.sampled_from([0, 7, 1 << 40]))
def test_frames_of_a_duration_are_counted_event_by_event(rng, n, duration, H, W, start):
    recording = events(rng, n, (H, W), 1000, start)
    times = recording.t.tolist()
    T = max(1, math.ceil((times[-1] - times[0]) / duration)) if n else 1
    part = [min((t - times[0]) // duration, T - 1) for t in times]
    assert_frames(duration_frames(recording, duration, (H, W)), naive_count(recording, part, T, (H, W)))


@given(
    rngs,
    numbers,
    st.integers(1, 300),
    st.none() | st.integers(-100, 1100),
    st.none() | st.integers(-100, 1100),
)
def test_frames_of_a_duration_between_two_times(rng, n, duration, start, end):
    recording = events(rng, n, (2, 3))
    times = recording.t.tolist()
    if start is not None and end is not None and end <= start:
        with pytest.raises(ValueError, match=f"end must be after start, {start}, found {end}"):
            duration_frames(recording, duration, (2, 3), start, end)
        return
    first = start if start is not None else (times[0] if n else 0)
    last = end if end is not None else (times[-1] if n else 0)
    T = max(1, math.ceil((last - first) / duration))
    expected = np.zeros((T, 2, 3, 2))
    for t, y, x, on in zip(*recording, strict=True):
        if t >= first and (t < last if end is not None else t <= last):
            expected[min((t - first) // duration, T - 1), y, x, int(on)] += 1
    assert_frames(duration_frames(recording, duration, (2, 3), start, end), expected)


@pytest.mark.parametrize("first", [0, 1, 199_999, 200_000, 750_000])
def test_a_second_in_frames_of_200_ms_is_five_frames(first):
    """Whatever the time of the first event, and whatever comes before or after."""
    found = duration_frames(made(-5, first, 999_999, 1_000_000), 200_000, start=0, end=1_000_000)
    expected = np.bincount([first // 200_000, 4], minlength=5)
    assert found[:, 0, 0, 0].tolist() == expected.tolist()


def test_23_events_in_10_frames():
    """The frames have two each, and the last takes the three left over."""
    found = count_frames(made(*range(23)), 10)
    assert found.shape == (10, 128, 128, 2)
    assert found[:, 0, 0, 0].tolist() == [2] * 9 + [5]


@pytest.mark.parametrize(
    ("times", "by_number", "by_time", "by_duration"),
    [
        ([], [0, 0, 0], [0, 0, 0], [0]),
        ([5], [0, 0, 1], [0, 0, 1], [1]),
        ([5, 6], [0, 0, 2], [0, 0, 2], [2]),
        ([5, 5, 5, 5], [1, 1, 2], [0, 0, 4], [4]),
        ([0, 9, 10, 20, 30], [1, 1, 3], [2, 1, 2], [2, 1, 2]),
        ([0, 1, 2, 31], [1, 1, 2], [3, 0, 1], [3, 0, 0, 1]),
        ([0, 29], [0, 0, 2], [1, 0, 1], [1, 0, 1]),
        ([0, 10], [0, 0, 2], [1, 0, 1], [2]),
    ],
)
def test_worked_frames(times, by_number, by_time, by_duration):
    """Bins are half open; the last frame takes the rest; fewer events than frames, and a time of 0, go to the last."""
    for found, expected in (
        (count_frames(made(*times), 3), by_number),
        (count_frames(made(*times), 3, by="time"), by_time),
        (duration_frames(made(*times), 10), by_duration),
    ):
        assert found[:, 0, 0, 0].tolist() == expected
        assert found.sum() == len(times)


def test_off_is_channel_0_and_on_channel_1():
    found = count_frames(made(1)._replace(y=np.array([2]), x=np.array([1]), on=np.array([True])), 1, (3, 2))
    assert np.argwhere(found).tolist() == [[0, 2, 1, 1]]


def test_bad_frames_are_refused():
    for T in (0, -1):
        with pytest.raises(ValueError, match=f"T must be at least 1, found {T}"):
            count_frames(made(1), T)
        with pytest.raises(ValueError, match=f"duration must be at least 1 microsecond, found {T}"):
            duration_frames(made(1), T)
    with pytest.raises(ValueError, match="by must be one of number, time, found 'event'"):
        count_frames(made(1), 1, by="event")


every = pytest.mark.parametrize(
    "count",
    [
        lambda events, size: count_frames(events, 1, size),
        lambda events, size: count_frames(events, 1, size, "time"),
        lambda events, size: duration_frames(events, 5, size),
        lambda events, size: time_surface(events, 10, 1.0, size),
    ],
    ids=["number", "time", "duration", "surface"],
)


@every
@pytest.mark.parametrize(("y", "x"), [(2, 0), (0, 3), (-1, 0), (0, -1)])
def test_events_outside_are_refused(count, y, x):
    outside = made(0, 9)._replace(y=np.array([0, y], np.int16), x=np.array([0, x], np.int16))
    with pytest.raises(
        ValueError, match=r"events must be within 2x3, found rows -?\d to \d, columns -?\d to \d"
    ):
        count(outside, (2, 3))
    assert count(made(0, 9), (2, 3)).shape[-3:] == (2, 3, 2)


def test_time_that_runs_backwards_is_refused_where_it_matters():
    back = made(5, 9, 8)
    for count in (lambda: count_frames(back, 2, by="time"), lambda: duration_frames(back, 2)):
        with pytest.raises(ValueError, match=r"need times that do not run backwards.*'unwrap'"):
            count()
    assert count_frames(back, 2)[:, 0, 0, 0].tolist() == [1, 2]


@given(rngs, numbers, sizes, sizes, st.integers(-5, 1005), st.floats(0.1, 1e6))
def test_time_surface_is_that_of_a_loop(rng, n, H, W, at, tau):
    recording = events(rng, n, (H, W))
    shuffled = recording.take(rng.permutation(n))  # the order of the events is nothing to it
    expected = np.zeros((H, W, 2))
    for t, y, x, on in zip(*recording, strict=True):
        if t <= at:
            expected[y, x, int(on)] = math.exp(-(at - t) / tau)
    found = time_surface(shuffled, at, tau, (H, W))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("tau", [0, -1.0, math.nan, math.inf])
def test_time_surface_refuses_a_tau_that_is_none(tau):
    with pytest.raises(ValueError, match="tau must be above 0"):
        time_surface(made(1), 1, tau)


def naive_resize(picture, size):
    """[H, W] to another size, one pixel at a time, columns before rows."""
    for m in (size[1], size[0]):
        n = picture.shape[1]
        wide = max(n / m, 1)
        found = np.empty((len(picture), m))
        for r, row in enumerate(picture):
            for j in range(m):
                weights = [max(0, 1 - abs((i + 0.5) - (j + 0.5) * n / m) / wide) for i in range(n)]
                found[r, j] = sum(w * v for w, v in zip(weights, row, strict=True)) / sum(weights)
        picture = found.T
    return picture


@given(rngs, sizes, sizes, sizes, sizes, st.integers(1, 3), st.lists(st.integers(0, 2), max_size=2))
def test_resize_is_that_of_a_loop(rng, H, W, h, w, C, leading):
    frames = rng.random((*leading, H, W, C))
    found = resize(frames, (h, w))
    assert found.dtype == np.float32
    assert found.shape == (*leading, h, w, C)
    for k in np.ndindex(*leading):
        for c in range(C):
            np.testing.assert_allclose(found[k][..., c], naive_resize(frames[k][..., c], (h, w)), atol=2e-6)
    turned = resize(frames.swapaxes(-2, -3), (w, h)).swapaxes(-2, -3)
    np.testing.assert_allclose(turned, found, atol=2e-6)


@given(rngs, st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_resize_is_pillows(rng, H, W, h, w):
    image = pytest.importorskip("PIL.Image")
    picture = rng.random((H, W), np.float32)
    expected = image.fromarray(picture).resize((w, h), image.Resampling.BILINEAR)
    np.testing.assert_allclose(resize(picture[..., None], (h, w))[..., 0], np.asarray(expected), atol=3e-6)


@given(rngs, sizes, sizes, sizes, st.integers(1, 6))
def test_resize_keeps_what_it_must(rng, H, W, h, times):
    frames = rng.integers(0, 9, (2, H, W, 2)).astype(np.float32)
    np.testing.assert_allclose(resize(frames, (H, W)), frames, atol=1e-6)
    np.testing.assert_allclose(resize(np.ones((H, W, 1)), (h, times)), 1, atol=1e-6)
    larger = resize(frames, (times * H, times * W))
    assert larger.min() >= 0
    assert larger.max() <= frames.max() * (1 + 1e-6)


@given(rngs, st.integers(1, 4), sizes)
def test_away_from_the_border_the_mean_count_is_kept(rng, k, n):
    """Reduced by a whole factor, each pixel adds 1 / k**2 of its count in all."""
    frames = np.zeros((k * (n + 4), k * (n + 4), 1), np.float32)
    frames[2 * k : -2 * k, 2 * k : -2 * k] = rng.integers(0, 9, (k * n, k * n, 1))
    found = resize(frames, (n + 4, n + 4))
    np.testing.assert_allclose(found.mean(), frames.mean(), rtol=1e-5)


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_resize_to_nothing_is_refused(size):
    with pytest.raises(ValueError, match="at least 1x1, found"):
        resize(np.ones((3, 3, 1)), size)


def theirs(events):
    return dict(zip("tyxp", events, strict=True))


@pytest.mark.parametrize("by", BY)
@given(rngs, st.integers(0, 40), st.integers(1, 6), sizes, sizes)
def test_spikingjellys_frames_are_the_same(by, rng, n, T, H, W):
    utils = peer("spikingjelly.datasets.utils")
    recording = events(rng, 5 * T + n, (H, W), 5 * T)
    recording.t[: 5 * T] = np.arange(5 * T)  # a part without events is an IndexError there
    recording.t.sort()
    found = utils.integrate_events_by_fixed_frames_number(theirs(recording), by, T, H, W)
    assert_frames(count_frames(recording, T, (H, W), by), found.transpose(0, 2, 3, 1))


@given(rngs, st.integers(2, 40), st.integers(1, 300), sizes, sizes)
def test_spikingjellys_frames_of_a_duration_are_the_same(rng, n, duration, H, W):
    utils = peer("spikingjelly.datasets.utils")
    recording = events(rng, n, (H, W))
    recording.t[-1] = 1001  # there must be a frame
    found = utils.integrate_events_by_fixed_duration(theirs(recording), duration, H, W)
    assert_frames(duration_frames(recording, duration, (H, W)), found.transpose(0, 2, 3, 1))


def test_a_duration_that_makes_too_many_frames():
    recording = Events(*(np.array([0, 10_001]), *np.zeros((2, 2), np.int16), np.zeros(2, bool)))
    assert len(duration_frames(recording, 2, (1, 1))) == 5001
    with pytest.raises(ValueError, match="at most 10,000 frames, found 10,001 of 1 microseconds"):
        duration_frames(recording, 1, (1, 1))
