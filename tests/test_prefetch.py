"""Whatever goes wrong while batches are made or used, nothing waits for ever. What `prefetch` gives: test_store.py."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisnn.batches.prefetch import prefetch
from minisnn.faster import blocks


def alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@given(n=st.integers(0, 8), bad=st.integers(0, 8), ahead=st.integers(1, 4), together=st.integers(1, 4))
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, StopIteration, MemoryError])
def test_an_error_at_any_item(error, n, bad, ahead, together):
    """In the making, in the last batches as in the first."""

    def items():
        for k in range(n):
            if k == bad:
                raise error
            yield k

    found, raised = [], False
    try:
        for item in prefetch(items(), ahead, together):
            found.append(item)
    except (error, RuntimeError):  # Python makes this of a StopIteration in a generator
        raised = True
    assert raised == (bad < n)
    assert found == list(range(len(found)))
    assert len(found) == (bad // together * together if raised else n)
    assert not alive()


@given(n=st.integers(1, 8), bad=st.integers(0, 7), ahead=st.integers(1, 4), together=st.integers(1, 4))
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_in_the_use_of_any_item(error, n, bad, ahead, together):
    def use():
        for item in prefetch(iter(range(n)), ahead, together):
            if item == bad:
                raise error

    if bad < n:
        with pytest.raises(error):
            use()
    else:
        use()
    assert not alive()


def test_what_is_not_begun_is_not_made():
    made, wait = [], threading.Event()

    def items():
        for k in range(9):
            made.append(k)
            if k == 1:
                wait.wait(10)
            yield k

    found = prefetch(items(), ahead=5)
    assert next(found) == 0
    threading.Timer(0.1, wait.set).start()
    found.close()
    assert len(made) <= 3
    assert not alive()


def test_where_no_thread_starts_items_are_made_in_turn(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert list(prefetch(iter(range(5)), 2, 2)) == list(range(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_its_parents_batches():
    batches = prefetch(iter(range(100)))
    next(batches)
    child = os.fork()
    if not child:
        status = 1
        try:
            list(batches)
        except RuntimeError:
            status = 0
        finally:
            os._exit(status)
    until = time.monotonic() + 30
    while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.01)
    if not done[0]:
        os.kill(child, signal.SIGKILL)
    assert done == (child, 0)
    assert list(batches) == list(range(1, 100))


@pytest.mark.parametrize("where", [0, 1, 2, 3])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_any_job_is_raised_and_the_next_jobs_are_done(where, error):
    def work(job):
        if job == where:
            raise error

    with blocks.use_threads(2):
        for _ in range(3):
            with pytest.raises(error):
                blocks.each(work, range(4))
        done = []
        blocks.each(done.append, range(4))
    assert sorted(done) == [0, 1, 2, 3]


INTERRUPTIBLE = """
import signal, sys
from minisnn.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_is_interrupted_ends(tmp_path):
    """By Ctrl-C in the middle of an epoch, with two threads and batches under way."""
    threads = {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "train", "lif", "--epochs", "1000", "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE, text=True, env=os.environ | threads,
    ) as run:  # fmt: skip
        try:
            until = time.monotonic() + 60
            while not (tmp_path / "run" / "log.csv").exists() and time.monotonic() < until:
                time.sleep(0.05)
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 130
    assert err.endswith("minisnn: interrupted\n")
