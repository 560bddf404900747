"""Grids on a Dask cluster: a scheduler and two workers, all processes of their own."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import test_own_rules
from test_reproduce import command, rows_of, shrink

import minisnn
from minisnn.grids.grid import run_grid
from minisnn.recipes import LIF_DEFAULTS

pytestmark = pytest.mark.skipif(not find_spec("distributed"), reason="distributed is not installed")


def timeless(rows):
    """Rows, in an order of their own, without what the clock says."""
    return sorted(({**row, "seconds": ""} for row in rows), key=lambda row: (row["name"], row["seed"]))


DRIVER = """
import json, sys
from distributed import Client
from test_reproduce import TARGETS, shrink
import minisnn.cli, pytest
address, out = sys.argv[1:]
with pytest.MonkeyPatch.context() as patch:
    shrink(patch, "esl-table1")
    status = minisnn.cli.main(["reproduce", "esl-table1", "--out", out, "--dask", address])
with Client(address, timeout="10s") as client:
    print(json.dumps(client.run(lambda dask_worker: dask_worker.state.executed_count)))
sys.exit(status)
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(process, port, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the scheduler does not answer, its exit status is {process.poll()}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler with two workers, started elsewhere than the grids are."""
    port, folder = free_port(), tmp_path_factory.mktemp("cluster")
    address = f"tcp://127.0.0.1:{port}"
    (folder / "elsewhere").mkdir()
    paths = Path(__file__).parent, Path(minisnn.__file__).parents[1]
    here = {
        "cwd": folder / "elsewhere", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
        "env": os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
    }  # fmt: skip
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [
        *dask,
        "worker",
        address,
        "--no-nanny",
        "--no-dashboard",
        "--nthreads",
        "1",
        "--memory-limit",
        "0",
    ]
    started = []
    try:
        started.append(subprocess.Popen(scheduler, **here))
        wait_for(started[0], port)
        for n in "12":
            own = ["--name", n, "--local-directory", str(folder / n)]
            started.append(subprocess.Popen([*worker, *own], **here))
        yield address
    finally:
        for process in reversed(started):
            process.kill()
        for process in started:
            process.wait()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_rows(monkeypatch, tmp_path, cluster):
    paths = Path(__file__).parent, Path(minisnn.__file__).parents[1]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    driver = [sys.executable, "-c", DRIVER, cluster, "cluster"]
    done = subprocess.run(
        driver, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    shrink(monkeypatch, "esl-table1")
    assert command("esl-table1", tmp_path / "here") == 0
    ours, theirs = (rows_of(tmp_path / where / "esl-table1-smoke.jsonl") for where in ("here", "cluster"))
    assert timeless(theirs) == timeless(ours)
    assert len(theirs) == 8
    executed = json.loads(done.stdout.splitlines()[-1])
    assert len(executed) == 2
    assert sum(executed.values()) >= 8
    assert min(executed.values()) > 0
    runs = list((tmp_path / "cluster" / "esl-table1-smoke").glob("*/result.json"))
    assert len(runs) == 8  # where the command was given, not where a worker was started


@pytest.mark.slow
def test_rules_of_a_script_run_on_a_cluster(tmp_path, tmp_path_factory, cluster):
    done = test_own_rules.start(tmp_path, "1", "cluster", cluster)
    assert done.returncode == 0, done.stderr
    assert test_own_rules.found(tmp_path, "cluster") == test_own_rules.undisturbed(tmp_path_factory)[0]
    names = {json.dumps(row["recipe"]) for row in test_own_rules.found(tmp_path, "cluster")}
    assert any("my_rules:lowest" in name for name in names)
    assert (tmp_path / "started").read_text() == "once\n"


def test_a_cluster_within_this_process(tmp_path, few_digits):
    """A cluster within this process: what it takes to talk to one, without the time that processes take."""
    from distributed import LocalCluster

    recipe = replace(LIF_DEFAULTS["digits"], net="4C3-AP4-10FC", T=1, epochs=1, batch_size=200)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc"
    ) as own:
        run_grid(tmp_path / "there.jsonl", {"a": recipe}, [0, 1], scheduler=own.scheduler_address)
        (worker,) = own.workers.values()
        assert worker.state.executed_count >= 2
    run_grid(tmp_path / "here.jsonl", {"a": recipe}, [0, 1], jobs=1)
    assert timeless(rows_of(tmp_path / "there.jsonl")) == timeless(rows_of(tmp_path / "here.jsonl"))
