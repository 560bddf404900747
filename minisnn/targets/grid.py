"""A grid of runs, shared among cores or a cluster by joblib: a row of a CSV file each, taken up where it stopped."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from minisnn import runs
from minisnn.blocks import use_threads
from minisnn.checkpoint import write_csv
from minisnn.extras import needs

COLUMNS = ("name", "seed", "test_accuracy", "val_accuracy", "train_accuracy", "density", "connections",
           "parameters", "operations", "synops", "macs", "exploration_rate", "seconds", "densities", "channels",
           "regrown", "scores", "recipe")  # fmt: skip
COUNTS = ("density", "connections", "parameters", "synops", "macs")
MOVED = 1e-4  # a layer's density that changes by less has not moved: one value says it all

Row = Mapping[str, str]


def run_grid(
    path: Path,
    recipes: Mapping[str, runs.Recipe],
    seeds: Iterable[int],
    jobs: int = -1,
    test: bool = True,
    folder: Path | None = None,
    scheduler: str | None = None,
) -> None:
    """Run every recipe with every seed, and add a row to the CSV at `path` as soon as a run is done.

    Rows that are there already are not run again. jobs: runs at a time, one thread each; -1 is one for each core.
    test: False leaves the test set alone. folder: where the runs keep their checkpoints, so that an interrupted run
    goes on, too; None keeps nothing. scheduler: address of a Dask scheduler whose workers do the runs in place of this
    machine's cores; they should see the same folder. Raises ModuleNotFoundError without joblib.
    """
    joblib = needs("joblib", "reproduce")
    rows = [row for row in read(path) if not test or row["test_accuracy"]]
    done = [(row["name"], json.loads(row["recipe"])) for row in rows]
    seeds = dict.fromkeys(seeds)  # each once
    wanted = [(name, replace(recipe, seed=seed)) for seed in seeds for name, recipe in recipes.items()]
    wanted = [(name, r) for name, r in wanted if not any(name == n and same(r, old) for n, old in done)]
    calls = [joblib.delayed(one)(name, recipe, test, folder) for name, recipe in wanted]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _backend(joblib, jobs, scheduler), tqdm(total=len(calls), unit="run", desc=path.stem) as bar:
        for row in joblib.Parallel(return_as="generator_unordered", batch_size=1)(calls):
            write_csv(path, [*read(path), row], COLUMNS)
            accuracy = row.get("test_accuracy", row["val_accuracy"])
            text = f"{row['name']}, seed {row['seed']}: {accuracy:.2f} % in {row['seconds']:.0f} s"
            bar.write(text, file=sys.stderr)
            bar.update()


def one(name: str, recipe: runs.Recipe, test: bool, folder: Path | None) -> dict[str, object]:
    """One run, as a row of the table. In a folder of its own it is taken up where it stopped."""
    if folder:
        key = json.dumps(recipe.to_json(), sort_keys=True)
        slug = re.sub(r"[^\w.]+", "-", name)
        folder = folder / f"{slug}-seed{recipe.seed}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    with use_threads(1):
        if folder and (folder / "result.json").exists():
            result = json.loads((folder / "result.json").read_text())
        elif folder and (folder / "config.json").exists():
            result = runs.resume(folder, test=test, pictures=False)
        else:
            result = runs.run(recipe, folder, test=test, pictures=False)
    row = {key: result[key] for key in COLUMNS if key in result}
    densities = {key: [round(x, 5) for x in d] for key, d in result["densities"].items()}
    densities = {key: d if max(d) - min(d) > MOVED else d[:1] for key, d in densities.items()}
    return row | {
        "name": name,
        "seed": recipe.seed,
        **{key: json.dumps(result.get(key, {})) for key in ("channels", "regrown", "scores")},
        "densities": json.dumps(densities),
        "recipe": json.dumps(recipe.to_json()),
    }


@contextmanager
def _backend(joblib: Any, jobs: int, scheduler: str | None) -> Iterator[None]:
    """Where joblib runs things: on this machine's cores, or with the workers of a Dask cluster."""
    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    with (
        needs("distributed", "cluster").Client(scheduler, timeout="30s"),
        joblib.parallel_config("dask", n_jobs=-1),
    ):
        yield


def same(recipe: runs.Recipe, old: Mapping[str, object]) -> bool:
    """Is it the recipe of an old row? Fields that did not exist then have their defaults."""
    fields = json.loads(json.dumps(recipe.to_json()))
    defaults = json.loads(json.dumps(type(recipe)().to_json()))
    return defaults | dict(old) == fields


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table that may not exist yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Summary(NamedTuple):
    """The seeds of one name, together."""

    name: str
    mean: float  # accuracy in percent
    error: float  # of the mean: deviation of the seeds over sqrt(n); nan for one seed
    accuracies: tuple[float, ...]
    density: float
    connections: float
    parameters: float  # biases and batch norm included
    synops: float  # of an image, over all time steps; nan where it was not measured
    macs: float  # of an image, on its grey values
    rows: tuple[Row, ...]

    @property
    def plus_minus(self) -> str:
        """Mean and error as text."""
        return f"{self.mean:.2f} ± {self.error:.2f}" if len(self.rows) > 1 else f"{self.mean:.2f}"


def summarise(rows: Sequence[Row], key: str = "test_accuracy") -> dict[str, Summary]:
    """Mean and error of the seeds for each name, in the order of the names' first rows."""
    found = {}
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = tuple(row for row in rows if row["name"] == name)
        a = tuple(float(row[key]) for row in mine)
        error = statistics.stdev(a) / len(a) ** 0.5 if len(a) > 1 else float("nan")
        counts = {k: statistics.mean(float(r.get(k) or "nan") for r in mine) for k in COUNTS}
        found[name] = Summary(name, statistics.mean(a), error, a, rows=mine, **counts)
    return found


def markdown(rows: Sequence[Mapping[str, str]], heads: Mapping[str, str]) -> str:
    """A Markdown table. heads: column of the rows -> its heading."""
    lines = [heads.values(), ["---", *["---:"] * (len(heads) - 1)], *([r[k] for k in heads] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
