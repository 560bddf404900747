"""The simulated event camera against a loop over pixels, and what it sees of the digits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rngs, seeds, sizes

from data_loaders.events.camera import DARK, EventCamera, diamond
from data_loaders.events.frames import count_frames, resize
from minisnn import load_digits, load_event_digits

thresholds = st.floats(0.05, 1)


def naive_brightness(image, y, x):
    """Of a place between pixels; beyond the border the border goes on."""
    H, W = image.shape
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
            total += down * right * image[min(max(row, 0), H - 1), min(max(column, 0), W - 1)]
    return total


def naive_record(image, path, times, threshold, refractory=0):
    """(t, y, x, on) of every event, one pixel at a time."""
    found = []
    for y, x in np.ndindex(image.shape):
        seen = [math.log(naive_brightness(image, y - down, x - right) + DARK) for down, right in path]
        level, last = seen[0], -math.inf
        for k in range(1, len(path)):
            while abs(seen[k] - level) >= threshold:
                on = seen[k] > level
                level += threshold if on else -threshold
                share = (level - seen[k - 1]) / (seen[k] - seen[k - 1])
                t = times[k - 1] + round((times[k] - times[k - 1]) * share)
                if t - last >= refractory:
                    found.append((t, y, x, on))
                    last = t
    return sorted(found)


def rows(events):
    return list(zip(*(column.tolist() for column in events), strict=True))


def scene(rng, B, H, W, K):
    """Pictures, a path, and times that need not start at 0.

    The path never turns back: at a brightness that comes twice, whether it is one threshold away is up to rounding.
    """
    path = rng.uniform(-4, 4, 2) + rng.choice([-1, 1], 2) * np.cumsum(rng.uniform(0, 2, (K, 2)), axis=0)
    times = rng.integers(-3000, 3000) + np.cumsum(rng.integers(1, rng.choice([3, 500]), K))
    return rng.random((B, H, W)), path, times


def record(images, path, times, rng=None, **camera):
    return EventCamera(**camera).record(images, np.asarray(path), np.asarray(times), rng)


@given(rngs, few, few, st.integers(2, 6), thresholds, st.integers(0, 1000))
def test_events_are_those_of_a_loop(rng, H, W, K, threshold, refractory):
    images, path, times = scene(rng, 2, H, W, K)
    for silent in (0, refractory):
        found = record(images, path, times, threshold=threshold, refractory=silent)
        for image, events in zip(images, found, strict=True):
            assert rows(events) == naive_record(image, path.tolist(), times.tolist(), threshold, silent)
            assert [column.dtype for column in events] == [np.int64, np.int16, np.int16, bool]


@given(rngs, st.integers(0, 4), sizes, sizes, st.integers(2, 9), st.sampled_from([0, 100]))
def test_a_batch_is_recorded_as_one_by_one(rng, B, H, W, K, refractory):
    images, path, times = scene(rng, B, H, W, K)
    together = record(images, path, times, refractory=refractory)
    assert len(together) == B
    for n in range(B):
        (alone,) = record(images[n : n + 1], path, times, refractory=refractory)
        assert rows(together[n]) == rows(alone)


@given(rngs, sizes, sizes, st.integers(2, 9), st.floats(0, 1))
def test_what_does_not_change_is_not_seen(rng, H, W, K, brightness):
    images, path, times = scene(rng, 1, H, W, K)
    assert rows(record(np.full_like(images, brightness), path, times)[0]) == []
    assert rows(record(images, path * 0 + path[0], times)[0]) == []


def test_events_come_where_a_straight_line_crosses_the_threshold():
    """The logarithm rises, then falls, by 0.4 in a millisecond."""
    ramp = 0.06 * np.exp(0.4 * np.arange(6)) - DARK
    path = np.array([[0, -k] for k in range(6)])
    (up,) = record(ramp[None, None], path, np.arange(6) * 1000)
    first = [(t, on) for t, _, x, on in rows(up) if x == 0]
    assert first == [(t, True) for t in (750, 1500, 2250, 3000, 3750, 4500)]
    assert [int(sum(up.x == x)) for x in (0, 1, 3, 4, 5)] == [6, 5, 2, 1, 0]  # of 6.7, 5.3, 2.7, 1.3, 0
    (down,) = record(ramp[None, None], path[::-1], np.arange(6) * 1000)
    first = [(t, on) for t, _, x, on in rows(down) if x == 0]
    assert first == [(t, False) for t in (750, 1500, 2250, 3000, 3750, 4500)]


def test_a_pixel_keeps_what_it_has_not_sent():
    """0.4 up in each of three steps makes four events at a threshold of 0.3, not three."""
    ramp = 0.06 * np.exp(0.4 * np.arange(4)) - DARK
    (coarse,) = record(
        ramp[None, None], [[0, 0], [0, -1], [0, -2], [0, -3]], [0, 10, 20, 30], threshold=0.299
    )
    assert sum(coarse.x == 0) == 4


@given(rngs, sizes, st.integers(2, 9), st.integers(2, 9), thresholds)
def test_off_is_the_mirror_of_on(rng, H, W, K, threshold):
    """In a picture whose logarithm is turned upside down; whole steps, or the pixels in between would differ."""
    image = rng.random((1, H, W))
    upside_down = DARK * (1 + DARK) / (image + DARK) - DARK
    path, times = np.array([[0, -k] for k in range(K)]), np.arange(K) * 100
    (found,) = record(image, path, times, threshold=threshold)
    (mirrored,) = record(upside_down.clip(0), path, times, threshold=threshold)
    assert sorted(rows(mirrored._replace(on=~mirrored.on))) == sorted(rows(found))


def test_twice_the_threshold_sends_half_the_events():
    images = np.random.default_rng(0).random((1, 16, 16))
    path, times = diamond(4.0)
    n = {C: len(record(images, path, times, threshold=C)[0].t) for C in (0.01, 0.02)}
    assert n[0.01] > 10_000
    assert 0.47 < n[0.02] / n[0.01] < 0.5


@given(seeds, st.integers(1, 3), few, few, st.integers(0, 300), st.sampled_from([0, -5000, 10**9]))
def test_a_pixel_rests_after_noise_too(seed, B, H, W, refractory, start):
    """Some 50 events of each pixel, many at the same time."""
    images, path, times = np.full((B, H, W), 0.5), np.zeros((2, 2)), start + np.array([0, 1000])
    every = record(images, path, times, np.random.default_rng(seed), noise=50_000)
    found = record(images, path, times, np.random.default_rng(seed), noise=50_000, refractory=refractory)
    for noisy, rested in zip(every, found, strict=True):
        expected, last = [], {}
        for t, y, x, _ in rows(noisy):
            if t - last.get((y, x), -math.inf) >= refractory:
                expected.append((t, y, x))
                last[y, x] = t
        assert [row[:3] for row in rows(rested)] == expected
        assert set(rows(rested)) <= set(rows(noisy))


@given(rngs, seeds, sizes, sizes, st.integers(2, 9))
def test_noise_is_added_and_comes_from_the_seed(rng, seed, H, W, K):
    images, path, times = scene(rng, 2, H, W, K)
    still = np.ones_like(images)
    clean = record(images, path, times)
    noise, noisy, again = (
        record(pictures, path, times, np.random.default_rng(seed), noise=9000)
        for pictures in (still, images, images)
    )
    for parts in zip(clean, noise, noisy, again, strict=True):
        clean_rows, noise_rows, noisy_rows, again_rows = map(rows, parts)
        assert noisy_rows == again_rows == sorted(clean_rows + noise_rows)


def test_noise_is_poisson():
    """Everywhere, always, half of it ON: each count within five standard deviations."""
    images, path, times = np.zeros((2, 8, 8)), np.zeros((2, 2)), np.array([0, 2_000_000])
    found = record(images, path, times, np.random.default_rng(0), noise=200.0)
    pixels = 200 * 2
    pixel_counts = []
    for events in found:
        n = len(events.t)
        for count, mean in (
            (n, 64 * pixels),
            (events.on.sum(), n / 2),
            ((events.t < 500_000).sum(), n / 4),
        ):
            assert abs(count - mean) < 5 * mean**0.5
        pixel_counts += count_frames(events, 1, (8, 8)).sum((0, 3)).ravel().tolist()
    assert np.abs(np.array(pixel_counts) - pixels).max() < 5 * pixels**0.5
    assert 0.6 < np.var(pixel_counts) / pixels < 1.4  # a Poisson variable's variance is its mean


@pytest.mark.parametrize(
    ("option", "value"),
    [(name, value) for name in ("threshold", "refractory", "noise") for value in (-1, math.nan, math.inf)],
)
def test_cameras_that_make_no_sense_are_refused(option, value):
    with pytest.raises(ValueError, match=rf"{option} must be (above 0|0 or more),? and finite, found"):
        EventCamera(**{option: value})
    with pytest.raises(ValueError, match="threshold must be above 0"):
        EventCamera(threshold=0)


PATH, TIMES = np.zeros((3, 2)), np.array([0, 10, 20])


@pytest.mark.parametrize(
    ("images", "path", "times", "message"),
    [
        (np.ones((4, 4)), PATH, TIMES, r"images must be \[B, H, W\].*found \(4, 4\)"),
        (np.ones((1, 0, 4)), PATH, TIMES, r"images must be \[B, H, W\].*found \(1, 0, 4\)"),
        (np.full((1, 2, 2), 255), PATH, TIMES, "brightness must be 0 to 1, found 0.* to 255"),
        (np.full((1, 2, 2), -0.1), PATH, TIMES, "brightness must be 0 to 1, found -0.1"),
        (np.full((1, 2, 2), math.nan), PATH, TIMES, "brightness must be 0 to 1, found nan"),
        (np.ones((1, 2, 2)), np.zeros((3, 3)), TIMES, r"path must be \[K, 2\].*found \(3, 3\)"),
        (np.ones((1, 2, 2)), PATH[0], TIMES, r"path must be \[K, 2\].*found \(2,\)"),
        (np.ones((1, 2, 2)), PATH + math.inf, TIMES, "path must be .* finite"),
        (np.ones((1, 2, 2)), PATH, TIMES[:2], "times must be as many as positions in path"),
        (np.ones((1, 2, 2)), PATH[:1], TIMES[:1], "times must be .* at least two"),
        (np.ones((1, 2, 2)), PATH, [0, 10, 10], "times must be .* increasing, found"),
        (np.ones((1, 2, 2)), PATH, TIMES / 2, "times must be whole microseconds"),
    ],
)
def test_what_cannot_be_recorded_is_refused(images, path, times, message):
    with pytest.raises(ValueError, match=message):
        record(images, path, times)


@given(st.floats(0.1, 50), st.integers(1, 4), st.integers(1, 12), st.integers(1, 10**5))
def test_a_diamond_is_closed_and_its_steps_are_equal(radius, loops, quarter, each):
    steps = 4 * quarter
    path, times = diamond(radius, loops, steps, each * steps)
    assert path.shape == (loops * steps + 1, 2)
    assert times.tolist() == [k * each for k in range(loops * steps + 1)]
    assert path[0].tolist() == path[-1].tolist() == [0, radius]
    np.testing.assert_allclose(abs(path).sum(1), radius)
    step = np.diff(path, axis=0)
    np.testing.assert_allclose(abs(step), radius / quarter, rtol=1e-9)
    directions, counts = np.unique(np.sign(step), axis=0, return_counts=True)
    assert directions.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert set(counts) == {loops * quarter}
    np.testing.assert_array_equal(path, np.concatenate([path[:1], *[path[1 : steps + 1]] * loops]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 6}, "steps must be a multiple of 4, found 6"),
        ({"steps": 0}, "steps must be a multiple of 4, found 0"),
        ({"loops": 0}, "loops must be at least 1, found 0"),
        ({"radius": math.nan}, "radius must be finite, found nan"),
        ({"duration": 39}, "duration must be at least a microsecond for each step, found 39"),
    ],
)
def test_paths_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        diamond(**{"radius": 1.0, **options})


def digit_events(image):
    """One digit alone before the camera."""
    scene = np.zeros((1, 16, 16))
    scene[0, 2:14, 2:14] = resize(image / 16, (12, 12))[..., 0]
    path, times = diamond(2.0, steps=24)
    (events,) = record(scene, path[:-1], times[:-1])
    return events


def test_event_digits_are_the_digits():
    data, digits = load_event_digits(10), load_digits()
    assert (data.name, data.shape, data.is_sequence, data.max_value, data.n_classes) == (
        "event-digits",
        (16, 16, 2),
        True,
        1,
        10,
    )
    for found, still in zip(data.splits.values(), digits.splits.values(), strict=True):
        np.testing.assert_array_equal(found.labels, still.labels)
        assert found.images.shape == (len(still.labels), 10, 16, 16, 2)
        assert found.images.dtype == np.float32
        totals = found.images.sum((2, 3, 4))
        each = totals.sum(1) // 10
        assert each.min() > 10
        np.testing.assert_array_equal(totals[:, :-1], np.repeat(each[:, None], 9, axis=1))
        for n in (0, 9, len(still.labels) - 1):
            events = digit_events(still.images[n])
            assert found.images[n].sum() == len(events.t)
            np.testing.assert_array_equal(found.images[n], count_frames(events, 10, (16, 16)))
    again = load_event_digits(10)
    for found, same in zip(data.splits.values(), again.splits.values(), strict=True):
        np.testing.assert_array_equal(found.images, same.images)


def test_event_digits_by_time():
    data, digits = load_event_digits(4, "time"), load_digits()
    assert data.train.images.shape == (1302, 4, 16, 16, 2)
    for n in (0, 77):
        events = digit_events(digits.test.images[n])
        np.testing.assert_array_equal(data.test.images[n], count_frames(events, 4, (16, 16), "time"))
        bounds = events.t[0] + np.arange(1, 4) * ((events.t[-1] - events.t[0]) // 4)
        expected = np.bincount(np.searchsorted(bounds, events.t, "right"), minlength=4)
        assert data.test.images[n].sum((1, 2, 3)).tolist() == expected.tolist()


def test_event_digits_of_no_frames_are_refused():
    with pytest.raises(ValueError, match="T must be at least 1, found 0"):
        load_event_digits(0)
    with pytest.raises(ValueError, match="by must be one of number, time"):
        load_event_digits(2, "place")


def test_there_and_back_is_as_much_on_as_off():
    """Where the brightness comes back exactly to what it was, rounding does not decide about the last event."""
    digits = resize(load_digits().test.images[:100] / 16, (12, 12))
    scenes = np.pad(digits[..., 0], ((0, 0), (2, 2), (2, 2)))
    for events in record(scenes, *diamond(2.0, steps=24)):
        frame = count_frames(events, 1, (16, 16))[0]
        np.testing.assert_array_equal(frame[..., 0], frame[..., 1])
