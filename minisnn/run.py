"""A training run and its folder: configuration, log, checkpoint, result and pictures."""

from __future__ import annotations

import csv
import io
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minisnn
from minisnn import checkpoint, plots, train
from minisnn.backend import to_device, to_host
from minisnn.cost import Cost, cost
from minisnn.data import LOADERS
from minisnn.data.dataset import DataSet
from minisnn.recipes import ESLMLP, LIFNet
from minisnn.state import TrainingState

Result = dict[str, Any]
Recipe = ESLMLP | LIFNet
RECIPES: dict[str, type[Recipe]] = {"esl-mlp": ESLMLP, "lif": LIFNet}
"""By the name that the command line and a run's config.json have for them."""


def run(recipe: Recipe, folder: Path | None = None, progress: str | None = None, test: bool = True) -> Result:
    """Train by a recipe, look at the test set once, and leave everything in `folder` if one is given.

    test: False leaves the test set alone, for comparing settings on validation data.
    Raises FileExistsError if the folder holds a run already.
    """
    data = LOADERS[recipe.data]()
    setup = recipe.setup(data)
    state = train.start(setup, recipe.seed)
    if folder:
        if (folder / "config.json").exists():
            raise FileExistsError(f"{folder} holds a run already: resume it, or choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(folder / "checkpoint.npz", state)
        versions = {
            "minisnn": minisnn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }
        kind = next(name for name, cls in RECIPES.items() if isinstance(recipe, cls))
        _write_json(folder / "config.json", {"train": kind, "recipe": asdict(recipe), "versions": versions})
    return _finish(recipe, setup, data, state, [], folder, progress, test)


def resume(folder: Path, progress: str | None = None) -> Result:
    """Go on with the run in a folder from its last checkpoint: the result is that of a run never interrupted."""
    config = folder / "config.json"
    if not config.is_file():
        raise FileNotFoundError(f"{folder} holds no run: there is no config.json")
    try:
        content = json.loads(config.read_text())
        fields: dict[str, Any] = {
            name: tuple(x) if isinstance(x, list) else x for name, x in content["recipe"].items()
        }
        recipe = RECIPES[content["train"]](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{config}: not the configuration of a run ({error})") from error
    state = checkpoint.load(folder / "checkpoint.npz")
    for group in checkpoint.GROUPS:
        arrays = getattr(state, group)
        arrays |= {key: to_device(a, recipe.device) for key, a in arrays.items()}
    state.moments = {k: tuple(to_device(a, recipe.device) for a in m) for k, m in state.moments.items()}
    data = LOADERS[recipe.data]()
    rows = read_log(folder)[: state.epoch]
    return _finish(recipe, recipe.setup(data), data, state, rows, folder, progress)


def read_log(folder: Path) -> list[train.Row]:
    """The rows of a run's log.csv, one for each epoch; none before the first is complete."""
    if not (folder / "log.csv").exists():
        return []
    with (folder / "log.csv").open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _finish(
    recipe: Recipe,
    setup: train.Setup,
    data: DataSet,
    state: TrainingState,
    rows: list[train.Row],
    folder: Path | None,
    progress: str | None,
    test: bool = True,
) -> Result:
    total = cost(state.params, state.masks)

    def after_epoch(row: train.Row) -> None:
        rows.append(row | {"density": total.density, "connections": total.connections})
        if folder:
            _write_csv(folder / "log.csv", rows)
            checkpoint.save(folder / "checkpoint.npz", state)

    train.fit(setup, state, data, after_epoch, progress)
    result: Result = {}
    if test:
        result["test_accuracy"], result["test_loss"] = train.evaluate(setup, state, data.test)
    result |= {
        "val_accuracy": rows[-1]["val_accuracy"],
        "train_accuracy": rows[-1]["train_accuracy"],
        "density": total.density,
        "connections": total.connections,
        "parameters": sum(w.size for w in state.params.values()),
        **_as_in_table_1(recipe, total),
        "explored": rows[-1]["explored"],
        "seconds": sum(row["seconds"] for row in rows),
        "recipe": asdict(recipe),
    }
    if folder:
        _write_json(folder / "result.json", result)
        _draw(folder, recipe, data, state, rows)
    return result


def _as_in_table_1(recipe: Recipe, total: Cost) -> Result:
    """Operations and joules as ESL counts them, one operation for each connection: of its first-spike net only."""
    if not isinstance(recipe, ESLMLP):
        return {}
    return {
        "operations": total.operations,
        "joules_gpu": total.joules_gpu,
        "joules_truenorth": total.joules_truenorth,
    }


def _draw(folder: Path, recipe: Recipe, data: DataSet, state: TrainingState, rows: list[train.Row]) -> None:
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    plots.learning_curves(figure.subplots(), {f"{recipe.data}, seed {recipe.seed}": rows})
    figure.savefig(folder / "learning_curves.png", dpi=150)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    plots.firing_rates(figure.subplots(), rows)
    figure.savefig(folder / "firing_rates.png", dpi=150)
    key = next(iter(state.masks), None)
    if key is None:
        return
    image = data.train.images.shape[1:3]
    before, after = to_host(state.structure[key + ".initial"]), to_host(state.masks[key])
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    most = int(max(before.sum(1).max(), after.sum(1).max()))
    for column, (name, mask) in zip(
        figure.subplots(2, 2).T, (("before", before), ("after", after)), strict=True
    ):
        plots.receptive_fields(column[0], mask, image).set_title(f"receptive fields {name} training")
        plots.connections_per_pixel(column[1], mask, image, most).set_title(
            f"connections of each pixel {name}"
        )
    figure.savefig(folder / "receptive_fields.png", dpi=150)
    figure = Figure(figsize=(6, 4.8), layout="constrained")
    plots.turnover(figure.subplots(), before, after, image).set_title(
        "connections of the first hidden neurons"
    )
    figure.savefig(folder / "turnover.png", dpi=150)


def _write_json(path: Path, content: Any) -> None:
    checkpoint.write_atomically(
        path, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode())
    )


def _write_csv(path: Path, rows: list[train.Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    checkpoint.write_atomically(path, lambda file: file.write(text.getvalue().encode()))
