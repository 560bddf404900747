"""Compare runs: the settings in which they differ, their results and their costs; a table and a picture."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from minisnn import plots
from minisnn.arguments import path, paths
from minisnn.grids.rows import SETTING, differing, finite, half_width, markdown, said, settings_of
from minisnn.grids.sweeps import option, plus_minus
from minisnn.recipes.connections import NOT_READ, OF_CONNECTIONS
from minisnn.runs import folder as run_folder

NUMBERS = {
    "density": ("density", ".3f"), "connections": ("connections", ",.0f"), "parameters": ("parameters", ",.0f"),
    "synops": ("SynOps", ",.0f"), "joules_45nm": ("joules", ".2e"), "seconds": ("seconds", ",.0f"),
}  # fmt: skip
"""Columns of a result, their headings and formats. Joules: an image's operations in 45 nm, see `cost`."""


class Entry(NamedTuple):
    """The contents of a run's folder."""

    folder: Path
    settings: Mapping[str, Any]  # with the kind of network, without seed and device
    data: Any  # identifies the data: their fingerprint or a name
    data_name: str
    epochs: int
    log: Sequence[Mapping[str, float]]
    result: Mapping[str, Any]  # for an unfinished run only what its log holds


class Group(NamedTuple):
    """Runs that differ in nothing but seed and device."""

    name: str
    entries: Sequence[Entry]
    different: Mapping[str, Any]  # the settings in which groups differ

    def mean(self, column: str) -> float:
        """Mean over the runs; nan if one of them has no value."""
        values = [entry.result.get(column) for entry in self.entries]
        return float("nan") if None in values else statistics.mean(map(float, values))  # type: ignore[arg-type]

    @property
    def interval(self) -> float:
        """Half the width of the 95 % confidence interval of the mean test accuracy; nan for a single run."""
        values = [entry.result.get("test_accuracy") for entry in self.entries]
        return float("nan") if None in values else half_width(values)  # type: ignore[arg-type]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs, grouped by their settings. It prints as a table."""

    groups: Sequence[Group]
    warnings: Sequence[str]  # to read before the table

    def rows(self) -> list[dict[str, Any]]:
        """A row for each group, as JSON can hold it: name, folders, settings that differ, means, `interval`."""
        return [
            {
                "name": g.name,
                "folders": [str(entry.folder) for entry in g.entries],
                "settings": dict(g.different),
                **finite({"test_accuracy": g.mean("test_accuracy"), "interval": g.interval}),
                **finite({column: g.mean(column) for column in NUMBERS}),
            }
            for g in self.groups
        ]

    def __repr__(self) -> str:
        varied = list(dict.fromkeys(name for g in self.groups for name in g.different))
        several = any(len(g.entries) > 1 for g in self.groups)
        cells = [
            {"name": g.name, "seeds": str(len(g.entries))}
            | {SETTING + name: said(value) for name, value in g.different.items()}
            | {"accuracy": _shown(plus_minus(g.mean("test_accuracy"), g.interval))}
            | {column: _shown(f"{g.mean(column):{form}}") for column, (_, form) in NUMBERS.items()}
            for g in self.groups
        ]
        heads = (
            {"name": "run"}
            | ({"seeds": "seeds"} if several else {})
            | {SETTING + name: option(name) for name in varied}
        )
        heads |= {"accuracy": "test accuracy / %"} | {column: head for column, (head, _) in NUMBERS.items()}
        return "\n\n".join([*self.warnings, markdown(cells, heads)])

    def _repr_markdown_(self) -> str:  # for Jupyter
        return repr(self)

    def picture(self) -> Figure:
        """Learning curves of all runs; test accuracy against connections, and against synaptic operations."""
        figure = Figure(figsize=(13, 4), layout="constrained")
        curves, connections, synops = figure.subplots(1, 3)
        plots.validation_curves(curves, {g.name: [entry.log for entry in g.entries] for g in self.groups})
        for ax, column, words in (
            (connections, "connections", "connections"), (synops, "synops", "synaptic operations of an image"),
        ):  # fmt: skip
            points = {g.name: (g.mean(column), g.mean("test_accuracy"), g.interval) for g in self.groups}
            plots.accuracy_against(ax, points, words, "test accuracy / %")
        plots.legend(synops, few=0)
        return figure


def _shown(text: str) -> str:
    return "" if text == "nan" else text


def compare(folders: Sequence[str | PathLike[str]], out: str | PathLike[str] | None = None) -> Comparison:
    """Compare runs in one table.

    folders: of runs. Runs that differ only in their seed (or device) share a row: the mean, and half the width of its
    95 % confidence interval by Student's t. Settings that only one kind of network has are not compared.
    out: a folder for comparison.json, comparison.md and comparison.png. Raises FileNotFoundError for a folder without
    a run, ValueError for one that is damaged or named twice, or for no folder.
    """
    given = paths("folders", folders)
    if not given:
        raise ValueError("found no run to compare, expected at least one folder")
    if twice := [
        str(path) for n, path in enumerate(given) if path.resolve() in [p.resolve() for p in given[:n]]
    ]:
        raise ValueError(f"{', '.join(twice)}: named twice")
    entries = [read_entry(path) for path in given]
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(json.dumps([entry.settings, entry.data], sort_keys=True), []).append(entry)
    groups = list(grouped.values())
    shared = set.intersection(*(set(entry.settings) for entry in entries))
    varied = differing([{k: v for k, v in group[0].settings.items() if k in shared} for group in groups])
    found = [
        Group(
            name, group, {setting: _value(group[0], setting, values[n]) for setting, values in varied.items()}
        )
        for n, (name, group) in enumerate(zip(_names(groups), groups, strict=True))
    ]
    comparison = Comparison(found, _warnings(entries))
    if out is not None:
        folder = path("out", out)
        folder.mkdir(parents=True, exist_ok=True)
        content = {"runs": comparison.rows(), "warnings": list(comparison.warnings)}
        run_folder.write_json(folder / "comparison.json", content)
        (folder / "comparison.md").write_text(f"{comparison}\n", encoding="utf-8")
        comparison.picture().savefig(folder / "comparison.png", dpi=150)
    return comparison


def read_entry(folder: Path) -> Entry:
    """What a run's folder says. Raises FileNotFoundError if it holds no run, ValueError if it is damaged."""
    path = run_folder.config_file(folder)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        row = {"kind": config["train"], "recipe": config["recipe"]}
        settings, epochs = settings_of(row), int(config["recipe"]["epochs"])
        name = str(config["recipe"]["data"])
        about = config.get("data") or {}
        path = folder / "log.csv"
        log = run_folder.read_log(folder)
        path = folder / "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else _so_far(log)
        return Entry(folder, settings, about.get("fingerprint", name), name, epochs, log, dict(result))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not of a run ({type(error).__name__}: {error})") from error


def _value(entry: Entry, name: str, value: Any) -> Any:
    return NOT_READ if name in OF_CONNECTIONS and entry.settings.get("density") == 1 else value


def _so_far(log: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The result of an unfinished run, as far as its log has it."""
    if not log:
        return {}
    last = {key: log[-1][key] for key in ("density", "connections") if key in log[-1]}
    return last | {"seconds": sum(row["seconds"] for row in log)}


def _names(groups: Sequence[Sequence[Entry]]) -> list[str]:
    """The name of each folder, without seeds for groups of several; whole paths where names are not unique."""
    names = []
    for group in groups:
        stems = {re.sub(r"-?seed\d+(-[0-9a-f]{8})?$", "", entry.folder.resolve().name) for entry in group}
        only = stems.pop() if len(stems) == 1 else ""
        first = group[0].folder.resolve().name
        names.append(first if len(group) == 1 else only or f"{first} and {len(group) - 1} more")
    paths = [str(group[0].folder) for group in groups]
    return [path if names.count(name) > 1 else name for name, path in zip(names, paths, strict=True)]


def _warnings(entries: Sequence[Entry]) -> list[str]:
    """One sentence for each obstacle to a comparison."""
    found = []
    if len({json.dumps(entry.data) for entry in entries}) > 1:
        names = ", ".join(dict.fromkeys(entry.data_name for entry in entries))
        found.append(
            f"Warning: these runs used different data ({names}); their accuracies cannot be compared."
        )
    unfinished = [
        f"{e.folder} (epoch {len(e.log)} of {e.epochs})" for e in entries if "val_accuracy" not in e.result
    ]
    if unfinished:
        found.append(f"Warning: unfinished, so without a test accuracy: {', '.join(unfinished)}.")
    return found
