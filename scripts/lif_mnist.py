"""LIF networks on MNIST: the runs behind docs/results/lif_mnist*.csv, and the tables of the LIF benchmarks.

    MINISNN_DATA=... python scripts/lif_mnist.py select     validation only, seed 100
    MINISNN_DATA=... python scripts/lif_mnist.py measure    the test set, once a run, seeds 0 and 1
    python scripts/lif_mnist.py tables                      put results and benchmarks into the Markdown pages

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

CONV = replace(LIF_DEFAULTS["mnist"], epochs=8, lr=0.003, shift=1)
MLP = replace(LIF_DEFAULTS["mnist"], net="mlp", batch_size=100, epochs=20)
PAPER = {"multi-spike MLP 784-800-10, dense, shifts": "97.69 (sparse, density 0.30)"}


def selection() -> dict[str, LIFNet]:
    """What was compared on held-out training images."""
    return {
        f"{name}, shifts by {shift}, rate {lr:g}, {recipe.epochs} epochs": replace(recipe, shift=shift, lr=lr)
        for name, recipe, grid in (
            ("MLP", MLP, ((0, 0.001), (1, 0.001), (2, 0.001))),
            ("conv", CONV, ((1, 0.001), (1, 0.003))),
        )
        for shift, lr in grid
    }


def measurement() -> dict[str, LIFNet]:
    """What is measured on the test set."""
    return {
        "multi-spike MLP 784-800-10, dense": MLP,
        "multi-spike MLP 784-800-10, dense, shifts": replace(MLP, shift=1),
        f"{CONV.net}, shifts": CONV,
    }


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    heads = {
        "name": "LIF network on MNIST, T = 4",
        "mean": "test accuracy / %",
        "spread": "lowest to highest",
    }
    tail = {"seeds": "seeds", "connections": "weights", "paper": "paper / %"}
    measured = markdown(summary(RESULTS / "lif_mnist.jsonl", "test_accuracy", PAPER), heads | tail)
    chosen = {"name": "setting", "mean": "validation accuracy / %", "seeds": "seeds"}
    return {
        RESULTS / "README.md": {
            "lif measured": measured,
            "lif selected": markdown(summary(RESULTS / "lif_mnist_selection.jsonl", "val_accuracy"), chosen),
            "lif speed": speed(),
            "lif memory": memory(),
            "oracles": oracles(),
            "gpu": gpu(),
        },
        RESULTS.parent / "speed.md": {"lif speed": speed()},
    }


def speed() -> str:
    """The benchmark's ratios: a Markdown table, one row for each network and configuration."""
    report = json.loads((RESULTS / "bench_lif.json").read_text())
    lines = [
        "| training step | threads | PyTorch | SpikingJelly | snnTorch | peak memory / PyTorch |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case, result in report["cases"].items():
        mib = result["memory / MiB"]
        for setting, found in result["speed"].items():
            ratios = [
                f"{r['median']:.2f} ({r['lower quartile']:.2f} to {r['upper quartile']:.2f})" if r else ""
                for r in (found["minisnn / peer"].get(peer) for peer in ("torch", "spikingjelly", "snntorch"))
            ]
            size = f"{case}, {'x'.join(map(str, result['input']))}, T={result['T']}, B={result['B']}"
            lines.append(
                f"| {size} | {setting.split()[0]} | {' | '.join(ratios)} | {mib['minisnn'] / mib['torch']:.2f} |"
            )
    machine = report["machine"]
    lines += [
        "",
        f"Time of a step as a fraction of the other library's, medians and quartiles of interleaved steps; below 1 is "
        f"faster. One {machine['processor']}, {machine['cores']} cores, {machine['BLAS']}, NumPy {machine['numpy']}, "
        f"PyTorch {machine['torch']}, SpikingJelly {machine['spikingjelly']}, snnTorch {machine['snntorch']}; float32.",
    ]
    return "\n".join(lines)


def gpu() -> str:
    """A training step on a card beside PyTorch and SpikingJelly there: a Markdown table."""
    report = json.loads((RESULTS / "bench_gpu.json").read_text())
    lines = [
        "| training step | minisnn / ms | minisnn / PyTorch | minisnn / SpikingJelly | gradients, card against CPU |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for case, result in report["cases"].items():
        ratios = [
            f"{r['median']:.2f} ({r['lower quartile']:.2f} to {r['upper quartile']:.2f})"
            for r in result["minisnn / other"].values()
        ]
        error = result["card against CPU, float64"]["gradients"]
        lines.append(
            f"| {case}, T={result['T']}, B={result['B']} | {result['milliseconds']['minisnn']:.1f} | "
            f"{' | '.join(ratios)} | {error:.0e} |"
        )
    ms, machine = report["first-spike 784-800-10, card and CPU"]["milliseconds"], report["machine"]
    lines += [
        "",
        f"Medians and quartiles of interleaved steps, float32, TF32 off; below 1 is faster. The last column is the "
        f"largest difference in float64. One step of the first-spike network takes {ms['gpu']:.1f} ms on the card and "
        f"{ms['cpu']:.1f} ms on one of its machine's cores. {machine['GPU']}, CuPy {machine['cupy']}, PyTorch "
        f"{machine['torch']}, SpikingJelly {machine['spikingjelly']} (PyTorch backend).",
    ]
    return "\n".join(lines)


def memory() -> str:
    """One training step at the papers' batch sizes: a Markdown table."""
    rows = json.loads((RESULTS / "memory_lif.json").read_text())["steps"]
    heads = {
        "network": "network",
        "input": "input",
        "T": "T",
        "B": "batch",
        "GiB": "peak / GiB",
        "seconds": "seconds",
    }
    return markdown([{key: str(value) for key, value in row.items()} for row in rows], heads)


def oracles() -> str:
    """Whole networks at full width against the peers: a Markdown table."""
    rows = json.loads((RESULTS / "oracles.json").read_text())["networks"]
    kinds = ("loss", "outputs", "gradients", "running statistics", "parameters")
    heads = {key: key for key in ("network", "peer", "optimiser", "T", *kinds)}
    return markdown(
        [{key: f"{row[key]:.0e}" if key in kinds else str(row[key]) for key in heads} for row in rows], heads
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["select", "measure", "tables"])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (%(default)s)")
    arguments = parser.parse_args()
    if arguments.what == "select":
        run_grid(RESULTS / "lif_mnist_selection.jsonl", selection(), (100,), arguments.jobs, test=False)
    elif arguments.what == "measure":
        run_grid(RESULTS / "lif_mnist.jsonl", measurement(), (0, 1), arguments.jobs)
    else:
        for page, parts in tables().items():
            page.write_text(fill(page.read_text(), parts))


if __name__ == "__main__":
    main()
