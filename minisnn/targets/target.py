"""What a table or figure of a paper is: runs, a picture, and what the paper says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from minisnn import plots
from minisnn.checkpoint import write_csv
from minisnn.runs import Recipe
from minisnn.targets.grid import Row, Summary, markdown, read, run_grid, same, summarise


class Target(NamedTuple):
    """A table or figure."""

    title: str
    recipes: Callable[[str], Mapping[str, Recipe]]  # of a scale, by the names of the rows
    draw: Callable[[Figure, Mapping[str, Summary], Mapping[str, float]], None]  # of ours and the paper's
    paper: Mapping[str, str]  # what the paper has for a name; a number if it is of the same data
    note: str  # what one should know when comparing
    extra: Callable[[Summary], Mapping[str, str]] = lambda summary: {}  # more columns of the table
    grid: str = ""  # targets that share runs have one table of rows, under this name


def draw_runs(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """Every run a dot."""
    plots.dots(figure.subplots(), {s.name: s.accuracies for s in found.values()}, paper)


def reproduce(
    name: str,
    target: Target,
    scale: str,
    out: Path,
    seeds: Sequence[int] = (0, 1),
    jobs: int | None = None,
    device: str = "cpu",
    scheduler: str | None = None,
) -> str:
    """Run a target's grid and leave in `out` its rows, their means and errors, and its picture.

    out/NAME-SCALE.csv has a row for each run, NAME-SCALE-summary.csv one for each setting; NAME-SCALE/ holds the
    runs. Targets with a `grid` have that name for rows and runs. jobs: runs at a time; None is one for each core, or
    one in all on a GPU. Returns the table, ours beside the paper's, and what to know of it, as Markdown.
    """
    path = out / f"{target.grid or name}-{scale}.csv"
    recipes = {key: replace(recipe, device=device) for key, recipe in target.recipes(scale).items()}
    jobs = jobs or (1 if device == "gpu" else -1)
    run_grid(path, recipes, seeds, jobs, folder=path.with_suffix("").resolve(), scheduler=scheduler)
    found = ordered(target, scale, read(path))
    columns = (
        "name",
        "mean",
        "error",
        "seeds",
        "density",
        "connections",
        "parameters",
        "synops",
        "macs",
        "paper",
    )
    summaries = [
        s._asdict() | {"seeds": len(s.rows), "paper": target.paper.get(s.name, "")} for s in found.values()
    ]
    write_csv(out / f"{name}-{scale}-summary.csv", summaries, columns)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    numbers = {key: float(value) for key, value in target.paper.items() if value.replace(".", "").isdigit()}
    target.draw(figure, found, {} if scale == "smoke" else numbers)
    handles = figure.axes[0].get_legend_handles_labels()[0]
    if handles and not any(ax.get_legend() for ax in figure.axes):
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.savefig(out / f"{name}-{scale}.png", dpi=150)
    said = [table(target, found), "", target.note]
    if scale == "smoke":
        said.append("This is a test run on the embedded digits: the paper's values are of other data.")
    return "\n".join(said)


def ordered(target: Target, scale: str, rows: Sequence[Row]) -> dict[str, Summary]:
    """The rows' summaries in the order of the target's settings, of all seeds; rows of other settings are left out."""
    recipes = target.recipes(scale)

    once = {}  # a seed counts once, whatever the device
    for row in rows:
        old, recipe = json.loads(row["recipe"]), recipes.get(row["name"])
        if recipe and same(replace(recipe, seed=old["seed"], device=old["device"]), old):
            once[row["name"], old["seed"]] = row
    found = summarise([once[key] for key in sorted(once, key=lambda key: key[1])])  # by seed
    return {name: found[name] for name in recipes if name in found}


def table(target: Target, found: Mapping[str, Summary]) -> str:
    """Ours beside the paper's, as Markdown."""
    rows = [
        {
            "name": s.name,
            "ours": s.plus_minus,
            "seeds": str(len(s.rows)),
            "paper": target.paper.get(s.name, ""),
            "density": f"{s.density:.3f}",
            "connections": f"{s.connections:,.0f}",
            "synops": f"{s.synops:,.0f}",
            "macs": f"{s.macs:,.0f}",
            **target.extra(s),
        }
        for s in found.values()
    ]
    heads = {"name": target.title, "ours": "test accuracy / %", "seeds": "seeds", "paper": "paper / %"}
    heads |= {"density": "density", "connections": "connections", "synops": "SynOps", "macs": "MACs"}
    return markdown(rows, heads | {key: key for row in rows[:1] for key in row if key not in heads})
