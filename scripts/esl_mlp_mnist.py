"""The first-spike network on MNIST: the runs behind docs/results/esl_mlp_mnist*.csv.

    MINISNN_DATA=... python scripts/esl_mlp_mnist.py select     validation only, seeds 100 and 101
    MINISNN_DATA=... python scripts/esl_mlp_mnist.py measure    the test set, once, seeds 0, 1 and 2
    MINISNN_DATA=... python scripts/esl_mlp_mnist.py rounding   one seed, four orders of summation
    python scripts/esl_mlp_mnist.py tables                      put the results into the Markdown pages

`select` compares the pairs of rules on the 6,000 held-out training images; what it chose is written
into the recipe, and only then does `measure` look at the test set. Two runs at a time, one BLAS thread
each. Rows that are there already are not run again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import csv
import json
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from common import RESULTS, fill, summary

from minisnn.faster import first_spike
from minisnn.grids.grid import run_grid
from minisnn.grids.rows import markdown, read
from minisnn.recipes import ESL_MLP_DEFAULTS, ESLMLP
from minisnn.runs import start
from minisnn.targets.esl_fig4 import GROW, PRUNE

SPARSE = ESL_MLP_DEFAULTS["mnist"]
DENSE = replace(SPARSE, epsilon=None, density=1.0)
PAIRS = {f"eps 60, {p} + {g}": replace(SPARSE, prune=p, grow=g) for p in PRUNE for g in GROW}
"""The eight pairs of rules."""


def measurement() -> dict[str, ESLMLP]:
    """What is measured on the test set."""
    binary, shifted = {"levels": 2}, {"shift": 1, "epochs": 15}
    return {
        "dense": DENSE,
        "eps 10": replace(SPARSE, epsilon=10.0),
        **PAIRS,
        "eps 60, static": replace(SPARSE, alpha=0.0),
        "dense 784-130-10": replace(DENSE, hidden=(130,)),
        "dense, shifts": replace(DENSE, **shifted),
        "eps 60, shifts": replace(SPARSE, **shifted),
        "dense, binarised": replace(DENSE, **binary),
        "eps 60, binarised": replace(SPARSE, **binary),
    }


def rounded(block: int) -> float:
    """Validation accuracy of the sparse net, seed 100, when the first-spike layer sums in blocks of this size."""
    first_spike.BLOCK = block
    return start.train(replace(SPARSE, prune="magnitude", seed=100), test=False).result["val_accuracy"]


def rounding(path: Path, jobs: int) -> None:
    """The same run but for the order in which sums are taken, and so for rounding."""
    blocks = [2**n for n in range(12, 16)]
    with ProcessPoolExecutor(jobs) as pool, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("block", "val_accuracy"), *zip(blocks, pool.map(rounded, blocks), strict=True)])


SPARSE_NAME = f"eps 60, {SPARSE.prune} + {SPARSE.grow}"  # the chosen pair
PAPER = {"dense": "96.7", SPARSE_NAME: "96.58", "dense 784-130-10": "about 92"}
"""What ESL's Table 1 and its text say of the same networks."""


def spreads(path: Path) -> str:
    """How far runs of one setting lie apart, and how far settings do, seed by seed: a Markdown list."""
    found: dict[str, dict[int, float]] = {}
    for row in read(path):
        found.setdefault(row["name"], {})[row["seed"]] = row["test_accuracy"]
    pairs = [statistics.mean(found[name].values()) for name in PAIRS]
    within = statistics.mean(statistics.variance(found[name].values()) for name in PAIRS) ** 0.5
    between = statistics.stdev(pairs)
    lines = [
        f"- The eight pairs of rules have means from {min(pairs):.2f} to {max(pairs):.2f}. One run deviates from "
        f"its pair's mean by {within:.2f} (pooled standard deviation), so means of three would differ by "
        f"{within / 3**0.5:.2f} if all pairs were equal; they differ by {between:.2f}."
    ]
    for a, b in ((SPARSE_NAME, "eps 60, static"), (SPARSE_NAME, "dense 784-130-10"), ("dense", SPARSE_NAME)):
        gain = [found[a][seed] - found[b][seed] for seed in found[a]]
        each = ", ".join(f"{g:+.2f}" for g in gain)
        error = statistics.stdev(gain) / len(gain) ** 0.5
        lines.append(
            f"- {a} minus {b}: {each} seed by seed; mean {statistics.mean(gain):+.2f} ± {error:.2f}."
        )
    return "\n".join(lines)


def speed(path: Path) -> str:
    """The benchmark of the first-spike network: a Markdown list."""
    report = json.loads(path.read_text())
    machine = report["machine"]
    lines = [
        f"On one {machine['processor']} (AVX-512: {'yes' if machine['AVX-512'] else 'no'}), "
        f"{machine['threads']} BLAS thread, {machine['BLAS']}, NumPy {machine['numpy']}, float32; medians, with the "
        "lowest and highest of the repeats:",
        "",
    ]
    for name, r in report["epoch"]["epoch / products"].items():
        lines.append(
            f"- A training epoch of 784-800-10, {name}, takes {r['median']:.2f} ({r['lowest']:.2f} to "
            f"{r['highest']:.2f}) times as long as 600 times its first layer's three products alone."
        )
    for name in ("all fire", "a third fires"):
        r = report["layer"][name]
        ways = " and ".join(
            f"{w} {x['median']:.1f} ({x['lowest']:.1f} to {x['highest']:.1f})"
            for w, x in r["times faster than textbook"].items()
        )
        lines.append(
            f"- The general layer 800 -> 800, all input times distinct, {r['fire']:.0%} of the neurons firing: "
            f"{ways} times "
            f"as fast as the textbook's gather. {differ(r)}"
        )
    peaks = ", ".join(
        f"{mib} MiB for {name}" for name, mib in report["layer"]["peak MiB of the forward"].items()
    )
    lines.append(f"- Peak memory of its forward: {peaks}.")
    return "\n".join(lines)


def differ(layer: dict[str, dict[str, int]]) -> str:
    """How far the causal sets of 100 x 800 x 800 entries agree."""
    n = layer["entries of the causal sets that differ from the textbook's in float64"]
    return (
        f"Of 64 million entries of the causal sets {n['float64']} differ from the textbook's in float64; in float32 "
        f"{n['float32']} do, and {n['textbook float32']} of the textbook's own."
    )


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    measured = summary(RESULTS / "esl_mlp_mnist.jsonl", "test_accuracy", PAPER)
    selected = summary(RESULTS / "esl_mlp_mnist_selection.jsonl", "val_accuracy")
    order = list(measurement())
    measured.sort(key=lambda row: order.index(row["name"]))
    heads = {"name": "784-800-10 on MNIST", "mean": "test accuracy / %", "spread": "lowest to highest"}
    tail = {"seeds": "seeds", "connections": "connections", "density": "density", "paper": "paper / %"}
    return {
        RESULTS / "README.md": {
            "measured": markdown(measured, heads | tail),
            "rounding": "Validation accuracies: "
            + ", ".join(
                f"{float(row['val_accuracy']):.2f}"
                for row in csv.DictReader((RESULTS / "esl_mlp_mnist_rounding.csv").read_text().splitlines())
            )
            + ".",
            "spreads": spreads(RESULTS / "esl_mlp_mnist.jsonl"),
            "speed": speed(RESULTS / "bench_first_spike.json"),
            "selected": markdown(
                sorted(selected, key=lambda row: row["name"]),
                {
                    "name": "setting",
                    "mean": "validation accuracy / %",
                    "spread": "lowest to highest",
                    "seeds": "seeds",
                },
            ),
        },
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["select", "measure", "rounding", "tables"])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (%(default)s)")
    arguments = parser.parse_args()
    if arguments.what == "select":
        run_grid(RESULTS / "esl_mlp_mnist_selection.jsonl", PAIRS, (100, 101), arguments.jobs, test=False)
    elif arguments.what == "measure":
        run_grid(RESULTS / "esl_mlp_mnist.jsonl", measurement(), (0, 1, 2), arguments.jobs)
    elif arguments.what == "rounding":
        rounding(RESULTS / "esl_mlp_mnist_rounding.csv", arguments.jobs)
    for page, parts in tables().items():
        page.write_text(fill(page.read_text(), parts))


if __name__ == "__main__":
    main()
