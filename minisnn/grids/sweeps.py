"""A sweep: every combination of some settings, with several seeds; means with intervals, and a picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any

from matplotlib.figure import Figure

from data_loaders.common.dataset import DataSet
from minisnn import plots
from minisnn.arguments import path, whole_numbers
from minisnn.grids.grid import run_grid
from minisnn.grids.rows import COUNTS, SETTING, Row, Summary, half_width, markdown, of_recipes, read, said
from minisnn.recipes import Recipe, check_names, make
from minisnn.recipes.connections import NOT_READ, OF_CONNECTIONS, is_read
from minisnn.training.checkpoint import write_csv

Source = str | PathLike[str]
ON_TEST, ON_VALIDATION = "test_accuracy", "val_accuracy"


def sweep(
    kind: str,
    data: Source | Sequence[Source] | None = None,
    out: str | PathLike[str] | None = None,
    seeds: Sequence[int] = (0,),
    jobs: int | None = None,
    *,
    threads: int = 1,
    test: bool = True,
    scheduler: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> list[Row]:
    """Train every combination of settings with every seed, and summarise the results.

        sweep("lif", density=[0.01, 0.1, 1.0], seeds=[0, 1, 2], out="runs/sweep")

    kind: "esl-mlp", "lif" or "sca-vgg16", or "module:name" of your own. data: a name or a path (other processes load
    it, so that a `DataSet` must be saved to an .npz first); None is the digits. settings: as for `train`; each value of
    a list is tried (a tuple is one value), and data may be a list, too. jobs: runs at a time; None is as many as the
    cores allow. threads: of each run. test: False compares accuracies on validation data and leaves the test set alone:
    use it to choose settings. scheduler: address of a Dask scheduler, whose workers do the runs. quiet: no progress
    bar, no line for each run.

    Returns a row for each combination: `setting_NAME` for every setting that varies, "–" where a run does not use
    it; the mean accuracy in percent under `test_accuracy` (or `val_accuracy`); `interval`, half the width of its 95 %
    confidence interval by Student's t over the seeds (nan for one seed); `seeds`, how many there are; and the means of
    density, connections, parameters, SynOps, MACs of an image, and seconds.

    Writes to the folder `out`, if given: rows.jsonl with a line for each run (and rows.csv made from it), summary.csv
    with the returned rows, sweep.png, and runs/. Called again, it continues where it stopped; new seeds and values are
    added. Raises ValueError that names all refused combinations, before anything runs.
    """
    check_names(kind, settings, inspect.signature(sweep).parameters)
    seeds = whole_numbers("seeds", seeds)
    given_folder = None if out is None else path("out", out)
    lists = {"data": data, **settings}
    varied = {name: values for name, values in lists.items() if isinstance(values, list) and len(values) > 1}
    recipes = combinations(kind, lists)
    key = ON_TEST if test else ON_VALIDATION
    labels = {name: _labels(recipe, varied) for name, recipe in recipes.items()}
    with ExitStack() as stack:
        folder = given_folder or Path(stack.enter_context(TemporaryDirectory()))
        if (folder / "config.json").exists():
            raise FileExistsError(f"{folder} holds a run: choose another folder for the sweep")
        path_of_rows = folder / "rows.jsonl"
        kept = folder.resolve() / "runs" if out else None
        run_grid(path_of_rows, recipes, seeds, jobs, test, kept, scheduler, threads, labels, quiet)
        found = of_recipes(read(path_of_rows), recipes, key)
        if not found:
            raise ValueError(f"no run of the sweep came to its end; runs that were begun are in {folder}")
        rows = [_summarised(s, recipes[name], varied, key) for name, s in found.items()]
        if out:
            cells = [{k: said(v) if k.startswith(SETTING) else v for k, v in row.items()} for row in rows]
            write_csv(folder / "summary.csv", cells, list(rows[0]))
            picture(found, recipes, varied, key).savefig(folder / "sweep.png", dpi=150)
    return rows


def combinations(kind: str, settings: Mapping[str, Any]) -> dict[str, Recipe]:
    """The recipe of each combination, by a name that says what varies.

    settings: a list holds several values. data None: the digits. Where density varies, a single dense network stands
    for all settings of connections. Raises ValueError that names every combination that is refused by the recipe or by
    the network that it describes.
    """
    values = {name: list(x) if isinstance(x, list) else [x] for name, x in settings.items()}
    for name, each in values.items():
        if not each:
            raise ValueError(f"{name}: found no value to try")
    varied = [name for name, each in values.items() if len(each) > 1]
    recipes, refused = dict[str, Recipe](), list[str]()
    builds = _builder()
    for combination in product(*values.values()):
        given = dict(zip(values, combination, strict=True))
        if "density" in varied and given["density"] == 1:  # one dense network stands for all rules
            given = {each: value for each, value in given.items() if each not in OF_CONNECTIONS}
        name = ", ".join(f"{each} {said(given[each])}" for each in varied if each in given) or kind
        data = given.pop("data", None)
        if not isinstance(data, (str, PathLike, NoneType)):
            raise ValueError(
                f"data must be a name or a path, found a {type(data).__name__}: save it to an .npz"
            )
        try:
            recipe = make(kind, "digits" if data is None else str(data), **given)
            builds(recipe)
        except ValueError as error:
            refused.append(f"{name}: {error}")
            continue
        if recipes.setdefault(name, recipe) != recipe:
            refused.append(f"{name}: two values with this name; they need names of their own")
    if refused:
        total = len(recipes) + len(refused)
        raise ValueError("\n  ".join([f"{len(refused)} of {total} combinations are refused", *refused]))
    return recipes


def _builder() -> Callable[[Recipe], None]:
    """A function that raises ValueError for a recipe that does not fit its data. It caches the data loaded last."""
    last: dict[tuple[Any, ...], DataSet] = {}

    def builds(recipe: Any) -> None:
        key = tuple(getattr(recipe, name, None) for name in ("data", "T", "by", "split", "images"))
        if key not in last:
            last.clear()
            last[key] = recipe.load()
        recipe.setup(last[key])

    return builds


def _labels(recipe: Recipe, varied: Mapping[str, Any]) -> Row:
    return {SETTING + name: said(_value(recipe, name)) for name in varied}


def _value(recipe: Recipe, name: str) -> Any:
    return getattr(recipe, name) if is_read(recipe, name) else NOT_READ


def _summarised(s: Summary, recipe: Recipe, varied: Mapping[str, Any], key: str) -> Row:
    """The result row of a combination."""
    values = {SETTING + name: _value(recipe, name) for name in varied}
    found = {key: s.mean, "interval": half_width(s.accuracies), "seeds": len(s.rows)}
    return values | found | {column: getattr(s, column) for column in COUNTS}


def table(rows: Sequence[Row]) -> str:
    """What `sweep` returns, as Markdown."""
    varied = [name for name in rows[0] if name.startswith(SETTING)]
    key = ON_TEST if ON_TEST in rows[0] else ON_VALIDATION
    cells = [
        {name: said(row[name]) for name in varied}
        | {
            key: plus_minus(row[key], row["interval"]),
            "seeds": str(row["seeds"]),
            "density": f"{row['density']:.3f}",
            **{name: f"{row[name]:,.0f}" for name in ("connections", "parameters", "synops", "seconds")},
        }
        for row in rows
    ]
    heads = {name: option(name.removeprefix(SETTING)) for name in varied} | {key: ACCURACY[key]}
    heads |= {
        "seeds": "seeds",
        "density": "density",
        "connections": "connections",
        "parameters": "parameters",
    }
    return markdown(cells, heads | {"synops": "SynOps", "seconds": "seconds"})


def option(name: str) -> str:
    """A setting as its option: --density is what was asked for, density what the network has."""
    return "--" + name.replace("_", "-")


ACCURACY = {ON_TEST: "test accuracy / %", ON_VALIDATION: "validation accuracy / %"}


def plus_minus(mean: float, interval: float) -> str:
    """A mean, with half the width of its interval if there is one."""
    return f"{mean:.2f}" if interval != interval else f"{mean:.2f} ± {interval:.2f}"


def picture(
    found: Mapping[str, Summary], recipes: Mapping[str, Recipe], varied: Mapping[str, Any], key: str
) -> Figure:
    """Accuracies over the first setting that is a number, a curve for each value of the others; else dots in rows."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    intervals = {name: half_width(s.accuracies) for name, s in found.items()}
    axis = next((name for name, values in varied.items() if all(map(_is_number, values))), None)
    if axis is None:
        runs = {name: s.accuracies for name, s in found.items()}
        figure.set_size_inches(7, max(4.2, 1.5 + 0.3 * len(runs)))
        plots.dots(ax, runs, errors=intervals, means="mean, 95 % interval", xlabel=ACCURACY[key])
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return figure
    curves: dict[str, dict[float, tuple[float, float]]] = {}
    for name, s in found.items():
        read = [other for other in varied if is_read(recipes[name], other)]
        others = [f"{other} {said(getattr(recipes[name], other))}" for other in read if other != axis]
        points = curves.setdefault(", ".join(others if len(read) == len(varied) else [*others, "dense"]), {})
        points[float(getattr(recipes[name], axis))] = (s.mean, intervals[name])
    several = any(len(s.rows) > 1 for s in found.values())
    ylabel = ACCURACY[key] + (", mean and 95 % interval" if several else "")
    plots.accuracy_over(ax, curves, axis, ylabel)
    return figure


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
