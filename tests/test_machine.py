"""A machine that starts no thread and no process, as a browser: what can be done is done, the rest says why not."""

import importlib
import sys
import threading
import warnings

import numpy as np
import pytest

from data_loaders.common import machine, progress, store
from data_loaders.common.measure import mean_and_std
from data_loaders.common.rows import Split, evenly, stratified
from data_loaders.events.camera import diamond
from data_loaders.events.frames import count_frames, duration_frames
from data_loaders.formats.aedat import Events
from minisnn import sweep
from minisnn.batches.prefetch import prefetch
from minisnn.course import small
from minisnn.course.grading import grade_files
from minisnn.faster import blocks
from minisnn.grids import grid


@pytest.fixture
def no_threads(monkeypatch):
    """No thread can be started, as under Pyodide."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    blocks._pool.cache_clear()
    machine.threads_start.cache_clear()
    yield
    machine.threads_start.cache_clear()


@pytest.fixture
def browser(no_threads, monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")


def test_jobs_run_on_the_calling_thread_if_no_other_starts(no_threads):
    done = []
    with blocks.use_threads(3):
        assert blocks.threads() == 1
        blocks.each(done.append, list(range(7)))
    assert done == list(range(7))


def test_batches_are_made_when_they_are_asked_for(no_threads):
    assert list(prefetch(iter(range(5)), 3, 2)) == list(range(5))


def test_threads_start_here():
    assert machine.threads_start() == (not machine.in_browser())


def test_no_thread_watches_the_progress_bars_of_a_browser(browser):
    interval = progress.tqdm.monitor_interval
    try:
        fresh = importlib.reload(progress)
        assert fresh.tqdm.monitor_interval == 0
        with (
            warnings.catch_warnings(action="error"),
            fresh.tqdm(total=1, disable=False, file=sys.stdout) as bar,
        ):
            bar.update()
    finally:
        progress.tqdm.monitor_interval = interval


def test_a_bar_that_is_missing_has_what_training_asks_of_it():
    with progress.Silent(range(3)) as bar:
        assert list(bar) == [0, 1, 2]
        bar.update(1)
        bar.set_postfix_str("epoch 1")


def test_nothing_is_graded_or_converted_in_a_browser(browser, tmp_path):
    with pytest.raises(OSError, match="a browser starts none"):
        list(grade_files([tmp_path / "any.py"]))
    with pytest.raises(OSError, match=r"title: data larger than memory .* a browser cannot write"):
        store.converted(tmp_path / "a.npy", (1, 2), np.uint8, lambda k: np.zeros(2), "title")


def test_a_sweep_in_a_browser_runs_in_its_own_process(few_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "in_browser", lambda: True)  # not sys.platform: joblib would take it for true
    found = sweep("lif", net="4FC-10FC", T=1, epochs=1, lr=[0.1, 0.01], out=tmp_path, quiet=True)
    assert len(found) == 2


@pytest.mark.parametrize(("platform", "wish", "expected"), [
    ("linux", None, False), ("emscripten", None, True), ("linux", "1", True), ("emscripten", "0", False),
    ("linux", "", False),
])  # fmt: skip
def test_chapters_are_small_in_a_browser_or_where_somebody_wishes(monkeypatch, platform, wish, expected):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("MINISNN_SMALL", raising=False)
    if wish is not None:
        monkeypatch.setenv("MINISNN_SMALL", wish)
    assert small() is expected


def test_sums_above_two_thousand_million_are_right():
    """Where an integer has 32 bits, as in a browser; elsewhere nothing else could be expected."""
    white = np.full((4, 200, 200, 1), 255, np.uint8)
    white[0, 0, 0] = 254
    mean, std = mean_and_std(white, 255)
    np.testing.assert_allclose(mean, 1 - 1 / 255 / white.size, rtol=1e-12)
    np.testing.assert_allclose(std, np.std(white / 255), rtol=1e-9)
    assert evenly(100_000, 50_000).tolist() == list(range(0, 100_000, 2))
    whole = Split(np.zeros((180_000, 1, 1, 1), np.uint8), np.zeros(180_000, np.int64))
    rest, held = stratified(whole, 1, np.random.default_rng(0))
    assert (len(rest.labels), len(held.labels)) == (162_000, 18_000)
    times = diamond(1.0, loops=3, steps=400, duration=30_000_000)[1]
    assert times.dtype == np.int64
    assert times[-1] == 90_000_000
    t = np.array([0, 3_000_000_000, 6_000_000_000], np.int64)
    events = Events(t, np.zeros(3, int), np.zeros(3, int), np.ones(3, bool))
    assert count_frames(events, 3, (1, 1), "time")[:, 0, 0, 1].tolist() == [1, 1, 1]
    assert duration_frames(events, 2_500_000_000, (1, 1))[:, 0, 0, 1].tolist() == [1, 1, 1]
