"""Threads of one process, and processes forked from it, do not disturb each other."""

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info

from minisnn.faster import blocks


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def run_python(script, timeout=120):
    """A process of its own with two BLAS threads; what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(TRAIN) + textwrap.dedent(script)],
        capture_output=True, text=True, timeout=timeout, check=False,
        env={"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


TRAIN = """
    import hashlib, threading, multiprocessing, warnings
    from dataclasses import replace
    from minisnn.faster import blocks
    from minisnn.training import loop
    from data_loaders import load
    from minisnn.faster import blocks
    from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS

    DATA = load("mnist-stand-in")  # 28x28: large enough for work to be shared among threads
    DATA = replace(DATA, train=DATA.train.take(slice(300)), validation=DATA.validation.take(slice(50)))
    RECIPES = {
        "lif": replace(LIF_DEFAULTS["mnist-stand-in"], net="16C3-AP4-10FC", density=0.3, epochs=2, t_iter=3),
        "esl-mlp": replace(ESL_MLP_DEFAULTS["mnist-stand-in"], hidden=(400,), epochs=2, t_iter=3),
    }

    def train(name, epochs=2):
        "Everything that a run changes, as a number."
        setup = replace(RECIPES[name], epochs=epochs).setup(DATA)
        state = loop.start(setup, 0)
        loop.fit(setup, state, DATA)
        arrays = [*state.params.values(), *state.masks.values(), *state.buffers.values()]
        return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
"""


@pytest.mark.skipif(not hasattr(blocks.os, "fork"), reason="there is no fork")
def test_children_train_after_a_fork():
    """A thread pool does not survive it: the children waited for ever."""
    out = run_python("""
    if __name__ == "__main__":
        assert blocks.threads() == 2
        ours = [train(name) for name in RECIPES]
        assert threading.active_count() > 1  # the pool is there
        warnings.simplefilter("ignore", DeprecationWarning)  # fork of a process with threads
        with multiprocessing.get_context("fork").Pool(2) as pool:
            theirs = pool.map(train, list(RECIPES), chunksize=1)
        print(ours == theirs)
    """)
    assert out == "True\n"


@pytest.mark.skipif(not hasattr(blocks.os, "fork"), reason="there is no fork")
def test_a_fork_frees_what_another_thread_holds():
    """BLAS's limit, the lock, and not what the forking thread itself has opened."""
    out = run_python("""
    import os
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with blocks.hold_blas(), blocks._lock:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    numbers = lambda: sorted({lib.num_threads for lib in blocks._blas()})  # SciPy has a BLAS of its own
    warnings.simplefilter("ignore", DeprecationWarning)
    for mine, expected in ((False, "2 [2]"), (True, "2 [1]")):
        if mine:  # as if this thread had opened what is held
            blocks._own.set(tuple(blocks._holds))
        read, write = os.pipe()
        if not os.fork():
            os.write(write, f"{blocks.threads()} {numbers()}".encode())
            os._exit(0)
        os.wait()
        print(os.read(read, 100).decode() == expected)
    leave.set()
    thread.join()
    print(blocks.threads(), numbers())
    """)
    assert out == "True\nTrue\n2 [2]\n"


@pytest.mark.parametrize(
    "names", [("esl-mlp", "esl-mlp"), pytest.param(("lif", "esl-mlp"), marks=pytest.mark.slow)]
)
def test_two_trainings_at_once_are_two_trainings(names):
    """Bit for bit: the one that ends first must not lift the limit of the other."""
    out = run_python(f"""
    from concurrent.futures import ThreadPoolExecutor
    long, short = {names}
    alone = train(long, 4), train(short, 1)
    with ThreadPoolExecutor(1) as other:
        whole, found = other.submit(train, long, 4), set()
        while not whole.done():
            found.add(train(short, 1))
    print(whole.result() == alone[0], found == {{alone[1]}}, blocks.threads(), set(blocks._blas_threads()))
    """)
    assert out == "True True 2 {2}\n"


def test_whoever_leaves_last_lifts_the_limit():
    with blocks.use_threads(3):
        first, second = blocks.hold_blas(), blocks.hold_blas()
        seen = []
        with ThreadPoolExecutor(1) as other:
            first.__enter__()
            other.submit(second.__enter__).result()
            first.__exit__(None, None, None)
            seen += [blas_threads()]
            other.submit(second.__exit__, None, None, None).result()
            seen += [blas_threads()]
    assert seen == [{1}, {3}]


def test_every_thread_has_the_number_of_its_own():
    before = blocks.threads(), blas_threads()
    barrier, seen = threading.Barrier(2, timeout=10), {}

    def work(n):
        with blocks.use_threads(n):
            barrier.wait()  # the other is inside, too
            names = set()
            blocks.each(lambda job: names.add(threading.current_thread().name), range(12))
            seen[n] = blocks.threads(), len(names)
            barrier.wait()

    with ThreadPoolExecutor(2) as two:
        list(two.map(work, (1, 3)))
    assert {n: count for n, (count, _) in seen.items()} == {1: 1, 3: 3}
    assert seen[1][1] == 1
    assert (blocks.threads(), blas_threads()) == before


def test_jobs_of_jobs_do_not_wait_for_themselves():
    done = []

    def work(job):
        blocks.each(lambda inner: done.append((job, inner)), range(3))

    with blocks.use_threads(2):
        blocks.each(work, range(4))
    assert sorted(done) == [(job, inner) for job in range(4) for inner in range(3)]
