"""A grid of runs, distributed over cores or a cluster by joblib; one table row per run, resumable."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from data_loaders.common.extras import needs
from data_loaders.common.machine import in_browser
from data_loaders.common.progress import tqdm
from minisnn.arguments import check, whole, whole_numbers
from minisnn.faster.blocks import use_threads
from minisnn.grids.rows import Row, plain, portable, read, row_of, same, write
from minisnn.notices import warn
from minisnn.recipes import Recipe, kind_of
from minisnn.runs import start
from minisnn.training.finite import Diverged

MOVED = 1e-4  # a layer whose density changes by less has kept it: one value is stored


def run_grid(
    path: Path,
    recipes: Mapping[str, Recipe],
    seeds: Iterable[int],
    jobs: int | None = None,
    test: bool = True,
    folder: Path | None = None,
    scheduler: str | None = None,
    threads: int = 1,
    labels: Mapping[str, Row] | None = None,
    quiet: bool = False,
) -> None:
    """Run every recipe with every seed, and add a row to the table at `path` as soon as a run has finished.

    Runs that already have a row, with any number of threads, are skipped. jobs: runs at a time; None is as many as the
    cores allow. threads: of each run; the last digits of sums depend on it, and so in the end masks and accuracy,
    which is why every row records it. test: False leaves the test set alone. folder: where the runs keep their
    checkpoints, so that an interrupted run is resumed; None keeps nothing. scheduler: address of a Dask scheduler whose
    workers do the runs instead of this machine; they should see the same folder. labels: additional columns, by name of
    the recipe.
    quiet: no progress bar, and no line for each run. A run that diverges is warned of and has no
    row; the others go on. Raises ModuleNotFoundError without joblib, ChildProcessError if a worker is killed.
    """
    whole("threads", threads, 1)
    check("path", path, path.suffix == ".jsonl", "a file NAME.jsonl")
    if jobs is not None:
        whole("jobs", jobs, 1)
    joblib = needs("joblib", "reproduce")
    rows = [row for row in read(path) if not test or row["test_accuracy"] is not None]
    seeds = dict.fromkeys(whole_numbers("seeds", seeds))  # without duplicates
    wanted = [(name, replace(recipe, seed=seed)) for seed in seeds for name, recipe in recipes.items()]
    todo = [
        Job(name, portable(recipe), plain(recipe), os.getpid(), test, folder, threads, kind_of(recipe))
        for name, recipe in wanted
        if not any(name == row["name"] and same(recipe, row) for row in rows)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        _backend(joblib, jobs or max(1, joblib.cpu_count() // threads), scheduler, threads),
        _killed_workers(path),
        tqdm(total=len(todo), unit="run", desc=path.stem, disable=quiet) as bar,
    ):
        results = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        for row in results(joblib.delayed(_attempt)(job) for job in todo):
            bar.update()
            if "diverged" in row:
                warn(f"{row['name']}, seed {row['seed']}, has no row: {row['diverged']}")
                continue
            write(path, [*read(path), row | (labels or {}).get(row["name"], {})])
            if not quiet:
                bar.write(_line(row), file=sys.stderr)


def _line(row: Row) -> str:
    """What is said of a run that has finished."""
    accuracy = row.get("test_accuracy", row["val_accuracy"])
    return f"{row['name']}, seed {row['seed']}: {accuracy:.2f} % in {row['seconds']:.0f} s"


class Job(NamedTuple):
    """A run to be done, perhaps by another process."""

    name: str
    recipe: Recipe
    settings: Mapping[
        str, Any
    ]  # the recipe as JSON, where rules have the names that the starting process knows
    starter: int  # the process that started the grid
    test: bool = True
    folder: Path | None = None  # of all runs
    threads: int = 1
    kind: str = ""  # the name that the starting process knows of the recipe's class


def _attempt(job: Job) -> Row:
    """As `one`; for a run that diverges only the message, so that the others continue."""
    try:
        return one(job)
    except Diverged as error:
        return {"name": job.name, "seed": job.recipe.seed, "diverged": str(error)}


def one(job: Job) -> Row:
    """Do one run and return its row of the table. In a folder of its own an interrupted run is resumed."""
    recipe, folder = job.recipe, None
    if job.starter != os.getpid():
        _rename_rules(job)
    if job.folder:
        key = json.dumps(job.settings, sort_keys=True)
        slug = re.sub(r"[^\w.]+", "-", job.name)[:100]
        folder = job.folder / f"{slug}-seed{recipe.seed}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    with use_threads(job.threads):
        if folder and (folder / "result.json").exists():
            result = json.loads((folder / "result.json").read_text())
        elif folder and (folder / "config.json").exists():
            plain = (str, int, float, tuple, dict, NoneType)
            own = {name: v for name in job.settings if not isinstance(v := getattr(recipe, name), plain)}
            result = start.resume(folder, test=job.test, pictures=False, **own).result or {}
        else:
            result = start.train(recipe, out=folder, test=job.test, pictures=False).result or {}
    densities = {key: [round(x, 5) for x in d] for key, d in result["densities"].items()}
    densities = {key: d if max(d) - min(d) > MOVED else d[:1] for key, d in densities.items()}
    return row_of(job.name, recipe, result | {"densities": densities}, job.threads)


def _rename_rules(job: Job) -> None:
    """In a worker: give the rules of the script that started the grid the names that they have there.

    They were pickled by value (joblib and Dask use cloudpickle for what is defined in __main__). The __main__ of this
    process is another program, in which these names would not be found.
    """
    cls = type(job.recipe)
    if cls.__module__ == "__main__":
        cls.__module__ = job.kind.partition(":")[0]
    for name, known in job.settings.items():
        value = getattr(job.recipe, name)
        rule = value if hasattr(value, "__qualname__") else type(value)
        if rule.__module__ == "__main__":
            rule.__module__ = (known["is"] if isinstance(known, dict) else known).partition(":")[0]


@contextmanager
def _killed_workers(path: Path) -> Iterator[None]:
    """Raise ChildProcessError with one sentence if the system kills a worker. A browser has none."""
    if in_browser():
        yield
        return
    broken = needs("joblib.externals.loky.process_executor", "reproduce").BrokenProcessPool
    try:
        yield
    except broken as error:
        raise ChildProcessError(
            f"a worker was killed, perhaps for want of memory; what was finished is in {path}. "
            "Start again to go on, with fewer jobs if there is too little memory"
        ) from error


@contextmanager
def _backend(joblib: Any, jobs: int, scheduler: str | None, threads: int) -> Iterator[None]:
    """Where joblib does the runs: on the cores of this machine or on the workers of a Dask cluster.

    In a browser, which starts no processes, one after the other in this one.
    """
    if scheduler is None and in_browser():
        with joblib.parallel_config("sequential"):
            yield
        return
    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=threads):
            yield
        return
    with (
        needs("distributed", "cluster").Client(scheduler, timeout="30s"),
        joblib.parallel_config("dask", n_jobs=-1),
    ):
        yield
