"""Simulated recordings of an event camera: the runs behind docs/results/events*.csv, and tables of how data are read.

    python scripts/events.py select                         event digits, validation only, seed 100
    python scripts/events.py measure                        event digits, the test set, once a run, seeds 0, 1, 2
    MINISNN_DATA=... python scripts/events.py simulated     CIFAR-10 before the simulated camera, seeds 0 and 1
    python scripts/events.py tables                         put results and benchmarks into the Markdown pages

Two runs at a time, one BLAS thread each. Rows that are there already are not run again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import json
from dataclasses import replace
from pathlib import Path

from common import RESULTS, fill, summary

from minisnn.grids.grid import run_grid
from minisnn.grids.rows import markdown
from minisnn.recipes import LIF_DEFAULTS, LIFNet

DIGITS = LIF_DEFAULTS["event-digits"]
SIMULATED = replace(
    LIF_DEFAULTS["cifar10-dvs-simulated"], epochs=6, lr=0.003, t_iter=100,
    net="16C3-AP2-32C3-AP2-64C3-AP2-64C3-AP2-10FC",
)  # fmt: skip


def selection() -> dict[str, LIFNet]:
    """What was compared on held-out recordings."""
    return {
        f"{T} frames, shifts by {shift}, rate {lr:g}": replace(DIGITS, T=T, shift=shift, lr=lr)
        for T, shift, lr in ((5, 0, 0.003), (5, 1, 0.003), (10, 0, 0.003), (10, 1, 0.003), (5, 1, 0.01))
    }


def measurement() -> dict[str, LIFNet]:
    """What is measured on the test set."""
    return {
        f"{DIGITS.net}, dense": DIGITS,
        f"{DIGITS.net}, density 0.3": replace(DIGITS, density=0.3),
        "the digits themselves, dense": replace(LIF_DEFAULTS["digits"], lr=DIGITS.lr),
    }


def simulated() -> dict[str, LIFNet]:
    """On the stand-in for CIFAR10-DVS."""
    return {
        f"{SIMULATED.net}, dense": SIMULATED,
        f"{SIMULATED.net}, density 0.1": replace(SIMULATED, density=0.1),
    }


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    heads = {"mean": "test accuracy / %", "spread": "lowest to highest", "seeds": "seeds"}
    tail = {"connections": "weights", "density": "density"}
    chosen = {"name": "setting", "mean": "validation accuracy / %", "seeds": "seeds"}
    parts = {
        "events selected": (RESULTS / "events_selection.jsonl", "val_accuracy", chosen),
        "events measured": (RESULTS / "events.jsonl", "test_accuracy", {"name": "event digits"} | heads | tail),
        "events simulated": (
            RESULTS / "events_simulated.jsonl", "test_accuracy",
            {"name": "simulated recordings of CIFAR-10 (JPEG), not CIFAR10-DVS"} | heads | tail,
        ),
    }  # fmt: skip
    page = {name: markdown(summary(path, key), heads) for name, (path, key, heads) in parts.items()}
    page |= {"reading speed": reading(), "reading slows": slowed(), "fuzzed": fuzzed()}
    return {
        RESULTS / "README.md": page,
    }


def ratio(found: dict[str, float]) -> str:
    """Median and quartiles as text."""
    return f"{found['median']:.2f} ({found['lower quartile']:.2f} to {found['upper quartile']:.2f})"


def reading() -> str:
    """How fast files are read, beside the fastest peer of each: a Markdown table."""
    report = json.loads((RESULTS / "bench_reading.json").read_text())["formats"]
    rows = []
    for case, found in report.items():
        if isinstance(found, dict) and "wall" in found and found["wall"]["minisnn / peer"]:
            ms, peers = found["wall"]["milliseconds"], found["wall"]["minisnn / peer"]
            fastest = max(peers, key=lambda peer: peers[peer]["median"])
            rows.append(
                {
                    "case": case,
                    "ms": f"{ms['minisnn']['median']:.1f}",
                    "peer": fastest,
                    "ratio": ratio(peers[fastest]),
                }
            )
    heads = {
        "case": "reading",
        "ms": "minisnn / ms",
        "peer": "fastest peer",
        "ratio": "minisnn / fastest peer",
    }
    m = report["machine"]
    return markdown(rows, heads) + (
        f"\n\nMedians and quartiles of readings in turn, from the page cache; below 1 is faster. One thread of an "
        f"{m['processor']}; NumPy {m['numpy']}, torchvision {m['torchvision']}, SpikingJelly {m['spikingjelly']}, "
        f"tonic {m['tonic']}."
    )


def slowed() -> str:
    """What making batches costs an epoch: a Markdown table."""
    report = json.loads((RESULTS / "bench_reading.json").read_text())
    columns = (
        "as it is",
        "without prefetching",
        "from disk",
        "from disk, without prefetching",
        "batches alone",
    )
    rows = [
        {"case": f"{case}, {name.removeprefix('training, ')}"}
        | {c: ratio(found["wall"]["ratio to an epoch of batches made beforehand"][c]) for c in columns}
        for name, cases in report.items()
        if name.startswith("training")
        for case, found in cases.items()
        if isinstance(found, dict) and "wall" in found
    ]
    return markdown(rows, {"case": "epoch / epoch with batches made beforehand"} | {c: c for c in columns})


def fuzzed() -> str:
    """What the fuzzer tried: a Markdown table."""
    found = json.loads((RESULTS / "fuzz.json").read_text())
    rows = [
        {"what": what}
        | {key: f"{r[key]:,}" for key in ("executions", "read", "refused", "crashed", "seconds")}
        for what, r in found.items()
    ]
    heads = {
        "what": "reader",
        "executions": "inputs tried",
        "read": "read",
        "refused": "refused with a DataError",
    }
    return markdown(rows, heads | {"crashed": "anything else", "seconds": "seconds"})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["select", "measure", "simulated", "tables"])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (%(default)s)")
    arguments = parser.parse_args()
    if arguments.what == "select":
        run_grid(RESULTS / "events_selection.jsonl", selection(), (100,), arguments.jobs, test=False)
    elif arguments.what == "measure":
        run_grid(RESULTS / "events.jsonl", measurement(), (0, 1, 2), arguments.jobs)
    elif arguments.what == "simulated":
        run_grid(RESULTS / "events_simulated.jsonl", simulated(), (0, 1), arguments.jobs)
    else:
        for page, parts in tables().items():
            page.write_text(fill(page.read_text(), parts))


if __name__ == "__main__":
    main()
