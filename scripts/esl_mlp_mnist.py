"""The first-spike network on MNIST: the runs behind docs/results/esl_mlp_mnist*.csv.

    MINISNN_DATA=... python scripts/esl_mlp_mnist.py select     validation only, seeds 100 and 101
    MINISNN_DATA=... python scripts/esl_mlp_mnist.py measure    the test set, once, seeds 0, 1 and 2

`select` compares settings on the 6,000 held-out training images; what it chose is written into the
recipes, and only then does `measure` look at the test set. Two runs at a time, one BLAS thread
each. Rows that are there already are not run again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import csv
import json
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

from minisnn import run
from minisnn.recipes import ESL_MLP, ESLMLP
from minisnn.structure import grow, prune

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
SPARSE = ESL_MLP["mnist"]
DENSE = replace(SPARSE, epsilon=None, density=1.0)
PAIRS = {f"eps 60, {p} + {g}": replace(SPARSE, prune=p, grow=g) for p in prune.RULES for g in grow.RULES}
"""The eight pairs of rules."""


def selection() -> dict[str, ESLMLP]:
    """What is compared on validation data: the rules, the learning rate, and the grey levels of the input."""
    eps10 = replace(SPARSE, epsilon=10.0)
    rates = {
        f"{name}, lr {lr}": replace(recipe, lr=lr)
        for name, recipe, tried in (
            ("dense", DENSE, (0.2, 0.3, 0.45)),
            ("eps 60", SPARSE, (0.3, 0.6)),
            ("eps 10", eps10, (0.45, 0.6)),
        )
        for lr in tried
    }
    levels = {f"eps 60, {n} grey levels": replace(SPARSE, levels=n) for n in (2, 8)}
    return {**PAIRS, **rates, **levels}


def measurement() -> dict[str, ESLMLP]:
    """What is measured on the test set."""
    binary, shifted = {"levels": 2}, {"shift": 1, "epochs": 20}
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
        "eps 10, binarised": replace(SPARSE, epsilon=10.0, **binary),
    }


COLUMNS = ("name", "seed", "test_accuracy", "val_accuracy", "train_accuracy", "density", "connections",
           "explored", "seconds", "recipe")  # fmt: skip


def one(name: str, recipe: ESLMLP, test: bool) -> dict[str, object]:
    """One run, as a row of the table."""
    result = run.run(recipe, test=test)
    row = {key: result[key] for key in COLUMNS if key in result}
    return {"name": name, "seed": recipe.seed, **row, "recipe": json.dumps(asdict(recipe))}


def grid(path: Path, recipes: dict[str, ESLMLP], seeds: tuple[int, ...], test: bool, jobs: int) -> None:
    """Run what is not in the table yet; a row is appended as soon as its run is done."""
    rows = read(path)
    done = {(row["name"], row["recipe"]) for row in rows}
    wanted = [(name, replace(recipe, seed=seed)) for seed in seeds for name, recipe in recipes.items()]
    wanted = [(name, r) for name, r in wanted if (name, json.dumps(asdict(r))) not in done]
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(one, name, r, test) for name, r in wanted]):
            row = future.result()
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
                if not rows and not file.tell():
                    writer.writeheader()
                writer.writerow(row)
            print(row["name"], row["seed"], row.get("test_accuracy"), row["val_accuracy"], flush=True)
    summarise(path, list(recipes), "test_accuracy" if test else "val_accuracy")


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table that may not exist yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summarise(path: Path, names: list[str], key: str) -> None:
    """Mean and spread of the seeds for each name."""
    rows = read(path)
    summary = []
    for name in names:
        mine = [row for row in rows if row["name"] == name]
        values = [float(row[key]) for row in mine]
        summary.append({
            "name": name,
            "seeds": len(values),
            f"{key}_mean": f"{statistics.mean(values):.2f}",
            "lowest": f"{min(values):.2f}",
            "highest": f"{max(values):.2f}",
            "standard_deviation": f"{statistics.stdev(values):.2f}" if len(values) > 1 else "",
            "val_accuracy_mean": f"{statistics.mean(float(row['val_accuracy']) for row in mine):.2f}",
            "connections_mean": round(statistics.mean(float(row["connections"]) for row in mine)),
            "density_mean": f"{statistics.mean(float(row['density']) for row in mine):.4f}",
            "seconds_mean": round(statistics.mean(float(row["seconds"]) for row in mine)),
        })  # fmt: skip
    with path.with_name(path.stem + "_summary.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, summary[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(summary)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["select", "measure"])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (%(default)s)")
    arguments = parser.parse_args()
    if arguments.what == "select":
        grid(RESULTS / "esl_mlp_mnist_selection.csv", selection(), (100, 101), False, arguments.jobs)
    else:
        grid(RESULTS / "esl_mlp_mnist.csv", measurement(), (0, 1, 2), True, arguments.jobs)


if __name__ == "__main__":
    main()
