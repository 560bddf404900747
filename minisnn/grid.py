"""A grid of runs, shared among cores or a cluster by joblib; a row of a table each, taken up where it stopped."""

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

from tqdm import tqdm

from minisnn import runs
from minisnn.arguments import check
from minisnn.extras import needs
from minisnn.faster.blocks import use_threads
from minisnn.finite import Diverged
from minisnn.notices import warn
from minisnn.recipes import Recipe
from minisnn.rows import Row, plain, portable, read, row_of, same, write

MOVED = 1e-4  # a layer's density that changes by less has not moved: one value says it all


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
) -> None:
    """Run every recipe with every seed, and add a row to the table at `path` as soon as a run is done.

    Runs that have a row already, whatever their threads were, are not run again. jobs: runs at a time; None is one for
    each core, or for as many cores as a run has threads. threads: of each run; what a run finds depends on it in its
    last digits, and so in the end on its masks and its accuracy, therefore a row says it. test: False leaves the test
    set alone. folder: where the runs keep their checkpoints, so that an interrupted run goes on, too; None keeps
    nothing. scheduler: address of a Dask scheduler whose workers do the runs in place of this machine's cores; they
    should see the same folder. labels: more columns, by name of the recipe. A run that diverges is warned of and has no
    row; the others go on. Raises ModuleNotFoundError without joblib, ChildProcessError if a worker is killed.
    """
    check("threads", threads, threads >= 1, "at least 1")
    check("jobs", jobs, jobs is None or jobs >= 1, "at least 1")
    joblib = needs("joblib", "reproduce")
    rows = [row for row in read(path) if not test or row["test_accuracy"] is not None]
    seeds = dict.fromkeys(seeds)  # each once
    wanted = [(name, replace(recipe, seed=seed)) for seed in seeds for name, recipe in recipes.items()]
    todo = [
        Job(name, portable(recipe), plain(recipe), os.getpid(), test, folder, threads)
        for name, recipe in wanted
        if not any(name == row["name"] and same(recipe, row) for row in rows)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = jobs or max(1, joblib.cpu_count() // threads)
    with (
        _backend(joblib, jobs, scheduler, threads),
        _killed_workers(path),
        tqdm(total=len(todo), unit="run", desc=path.stem) as bar,
    ):
        results = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        for row in results(joblib.delayed(_attempt)(job) for job in todo):
            bar.update()
            if "diverged" in row:
                warn(f"{row['name']}, seed {row['seed']}, has no row: {row['diverged']}")
                continue
            write(path, [*read(path), row | (labels or {}).get(row["name"], {})])
            accuracy = row.get("test_accuracy", row["val_accuracy"])
            text = f"{row['name']}, seed {row['seed']}: {accuracy:.2f} % in {row['seconds']:.0f} s"
            bar.write(text, file=sys.stderr)


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


def _attempt(job: Job) -> Row:
    """`one`; of a run whose numbers went wrong only what it says, so that the others go on."""
    try:
        return one(job)
    except Diverged as error:
        return {"name": job.name, "seed": job.recipe.seed, "diverged": str(error)}


def one(job: Job) -> Row:
    """One run, as a row of the table. In a folder of its own it is taken up where it stopped."""
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
            plain = (str, int, float, tuple, NoneType)
            own = {name: v for name in job.settings if not isinstance(v := getattr(recipe, name), plain)}
            result = runs.resume(folder, test=job.test, pictures=False, **own).result or {}
        else:
            result = runs.train(recipe, out=folder, test=job.test, pictures=False).result or {}
    densities = {key: [round(x, 5) for x in d] for key, d in result["densities"].items()}
    densities = {key: d if max(d) - min(d) > MOVED else d[:1] for key, d in densities.items()}
    return row_of(job.name, recipe, result | {"densities": densities}, job.threads)


def _rename_rules(job: Job) -> None:
    """In a worker: rules of the script that started the grid keep the names that they have there.

    They came by value (joblib and Dask use cloudpickle for what is defined in __main__), and are this process's own
    copies. Its own __main__ is another program, by whose name nobody would find them again.
    """
    for name, known in job.settings.items():
        value = getattr(job.recipe, name)
        rule = value if hasattr(value, "__qualname__") else type(value)
        if rule.__module__ == "__main__":
            rule.__module__ = (known["is"] if isinstance(known, dict) else known).partition(":")[0]


@contextmanager
def _killed_workers(path: Path) -> Iterator[None]:
    """One sentence if the system kills a worker."""
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
    """Where joblib runs things: on this machine's cores, or with the workers of a Dask cluster."""
    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=threads):
            yield
        return
    with (
        needs("distributed", "cluster").Client(scheduler, timeout="30s"),
        joblib.parallel_config("dask", n_jobs=-1),
    ):
        yield
