"""A table or figure of a paper: its runs, its picture and the paper's values; and how to reproduce it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from minisnn import plots
from minisnn.grids.grid import run_grid
from minisnn.grids.rows import Row, Summary, markdown, of_recipes, read
from minisnn.recipes import Recipe
from minisnn.training.checkpoint import write_csv


class Target(NamedTuple):
    """A table or figure."""

    title: str
    recipes: Callable[[str], Mapping[str, Recipe]]  # for a scale, by the names of the rows
    draw: Callable[[Figure, Mapping[str, Summary], Mapping[str, float]], None]  # our values and the paper's
    paper: Mapping[str, str]  # the paper's value for a name; a number if it is for the same data
    note: str  # what to know when comparing
    extra: Callable[[Summary], Mapping[str, str]] = lambda summary: {}  # additional columns of the table
    grid: str = ""  # targets that share runs share one table of rows under this name


@dataclass(frozen=True, repr=False)
class Reproduction:
    """A reproduced table or figure. It prints as a table: our values beside the paper's."""

    text: str  # the table, and what to know when comparing, as Markdown
    picture: Path
    rows: Path  # a line of JSON for each run
    summaries: Mapping[str, Summary]  # by the names of the table's rows

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:  # for Jupyter
        return self.text


def draw_runs(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """A dot for every run."""
    plots.dots(figure.subplots(), {s.name: s.accuracies for s in found.values()}, paper)


SUMMARY = (
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


def run_target(
    name: str,
    target: Target,
    scale: str,
    out: Path,
    seeds: Sequence[int],
    jobs: int | None,
    device: str,
    scheduler: str | None,
    threads: int,
) -> Reproduction:
    """As `targets.reproduce`, for a target in place of its name."""
    path = out / f"{target.grid or name}-{scale}.jsonl"
    recipes = {key: replace(recipe, device=device) for key, recipe in target.recipes(scale).items()}
    if jobs is None and device == "gpu":
        jobs = 1
    folder = path.with_suffix("").resolve()
    run_grid(path, recipes, seeds, jobs, folder=folder, scheduler=scheduler, threads=threads)
    found = ordered(target, scale, read(path))
    summaries = [
        s._asdict() | {"seeds": len(s.rows), "paper": target.paper.get(s.name, "")} for s in found.values()
    ]
    write_csv(out / f"{name}-{scale}-summary.csv", summaries, SUMMARY)
    said = [table(target, found), "", target.note]
    if scale == "smoke":
        said.append("This is a test run on the embedded digits: the paper's values are for other data.")
    picture = out / f"{name}-{scale}.png"
    draw(target, found, scale).savefig(picture, dpi=150)
    return Reproduction("\n".join(said), picture, path, found)


def draw(target: Target, found: Mapping[str, Summary], scale: str) -> Figure:
    """The target's picture; on the embedded digits without the paper's values, which are for other data."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    numbers = {key: float(value) for key, value in target.paper.items() if value.replace(".", "").isdigit()}
    target.draw(figure, found, {} if scale == "smoke" else numbers)
    handles = figure.axes[0].get_legend_handles_labels()[0]
    if handles and not any(ax.get_legend() for ax in figure.axes):
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def ordered(target: Target, scale: str, rows: Sequence[Row]) -> dict[str, Summary]:
    """Summaries over all seeds, in the order of the target's settings; rows with other settings are left out."""
    return of_recipes(rows, target.recipes(scale))


def table(target: Target, found: Mapping[str, Summary]) -> str:
    """Our values beside the paper's, as Markdown."""
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
