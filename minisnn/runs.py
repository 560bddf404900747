"""A training run and its folder: configuration, log, checkpoint, result and pictures."""

from __future__ import annotations

import csv
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minisnn
from minisnn import checkpoint, plots, training
from minisnn.backend import to_device, to_host
from minisnn.compose import Sequential
from minisnn.cost import Connections, connections, measure, total
from minisnn.data.dataset import DataSet
from minisnn.files import write_atomically
from minisnn.recipes import RECIPES, Recipe
from minisnn.state import TrainingState
from minisnn.structure.slim import Slimmer

Result = dict[str, Any]


def run(
    recipe: Recipe,
    folder: Path | None = None,
    progress: str | None = None,
    test: bool = True,
    pictures: bool = True,
) -> Result:
    """Train by a recipe, look at the test set once, and leave everything in `folder` if one is given.

    test: False leaves the test set alone, for comparing settings on validation data. pictures: False draws none.
    Raises FileExistsError if the folder holds a run already.
    """
    data = recipe.load()
    setup = recipe.setup(data)
    state = training.start(setup, recipe.seed)
    if folder:
        create(folder, recipe, state)
    return finish(recipe, setup, data, state, [], folder, progress, test, pictures)


def create(folder: Path, recipe: Recipe, state: TrainingState) -> None:
    """A new run's folder, with configuration and checkpoint. Raises FileExistsError if it holds a run already."""
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
    write_json(folder / "config.json", {"train": kind, "recipe": asdict(recipe), "versions": versions})


def resume(folder: Path, progress: str | None = None, test: bool = True, pictures: bool = True) -> Result:
    """Go on with the run in a folder from its last checkpoint: the result is that of a run never interrupted."""
    recipe, state = load(folder)
    data = recipe.load()
    rows = read_log(folder)[: state.epoch]
    return finish(recipe, recipe.setup(data), data, state, rows, folder, progress, test, pictures)


def load(folder: Path) -> tuple[Recipe, TrainingState]:
    """A run's recipe and last checkpoint, on the recipe's device. Raises FileNotFoundError or ValueError."""
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
    return recipe, state


def read_log(folder: Path) -> list[training.Row]:
    """The rows of a run's log.csv, one for each epoch; none before the first is complete."""
    if not (folder / "log.csv").exists():
        return []
    with (folder / "log.csv").open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def finish(
    recipe: Recipe,
    setup: training.Setup,
    data: DataSet,
    state: TrainingState,
    rows: list[training.Row],
    folder: Path | None = None,
    progress: str | None = None,
    test: bool = True,
    pictures: bool = True,
) -> Result:
    """Train from where `state` and `rows`, the log, stand to the last epoch; then as `run`."""

    def after_epoch(row: training.Row) -> None:
        counted = _connections(left(recipe, data, state)[1], state)
        rows.append(row | {"density": counted.density, "connections": counted.active})
        if folder:
            checkpoint.write_csv(folder / "log.csv", rows, list(rows[0]))
            checkpoint.save(folder / "checkpoint.npz", state)

    try:
        training.fit(setup, state, data, after_epoch, progress)
    except training.Diverged as error:
        error.checkpoint = folder / "checkpoint.npz" if folder else None
        raise
    net, small = left(recipe, data, state)
    counted = _connections(small, state)
    result: Result = {}
    if test:
        result["test_accuracy"], result["test_loss"] = training.evaluate(setup, state, data.test)
    result |= {
        "val_accuracy": rows[-1]["val_accuracy"],
        "train_accuracy": rows[-1]["train_accuracy"],
        "density": counted.density,
        "connections": counted.active,
        "parameters": sum(w.size for w in small.params.values()),
        **costs(setup, net, small, data),
        "exploration_rate": rows[-1]["exploration_rate"],
        "seconds": sum(row["seconds"] for row in rows),
        "densities": _columns(rows, "density_"),
        "channels": _columns(rows, "channels_"),
        "regrown": [row["regrown"] for row in rows if "regrown" in row],
        "scores": {
            key: [round(float(x), 5) for x in to_host(state.structure[f"{key}.score"])]
            for key in state.channels
        },
        "recipe": asdict(recipe),
    }
    if folder:
        write_json(folder / "result.json", result)
        if pictures:
            _draw(folder, recipe, data, state, rows)
    return result


SAMPLES = 100  # validation images on which costs are measured


def left(recipe: Recipe, data: DataSet, state: TrainingState) -> tuple[Sequential, TrainingState]:
    """The plain network and its state without the channels that are masked."""
    net = recipe.plain(data)
    if not state.channels:
        return net, state
    slimmer = Slimmer(net, data.shape, state.channels)
    return slimmer.net, slimmer.state(state)


def _connections(small: TrainingState, whole: TrainingState) -> Connections:
    """The weights that masks of connections and of channels leave, among all."""
    active, _ = connections(small.params, small.masks)
    return Connections(active, connections(whole.params, {}).possible)


def _columns(rows: list[training.Row], prefix: str) -> dict[str, list[float]]:
    """The log's columns with a prefix, by what stands behind it."""
    return {key.removeprefix(prefix): [row[key] for row in rows] for key in rows[0] if key.startswith(prefix)}


def costs(setup: training.Setup, net: Sequential, state: TrainingState, data: DataSet) -> Result:
    """Operations of one pass at one time step, and what the spikes of real images set in motion over all T."""
    x = setup.encode(to_device(data.validation.images[:SAMPLES], setup.device))
    found = total(measure(net, state.params, state.buffers, state.masks, x))
    return {
        "operations": found.operations,
        "synops": found.synops,
        "macs": found.macs,
        "joules_gpu": found.joules_gpu,
        "joules_truenorth": found.joules_truenorth,
        "joules_45nm": found.joules_45nm,
    }


def _draw(
    folder: Path, recipe: Recipe, data: DataSet, state: TrainingState, rows: list[training.Row]
) -> None:
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    plots.learning_curves(figure.subplots(), {f"{recipe.data}, seed {recipe.seed}": rows})
    figure.savefig(folder / "learning_curves.png", dpi=150)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    plots.firing_rates(figure.subplots(), rows)
    figure.savefig(folder / "firing_rates.png", dpi=150)
    if state.masks:
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        densities = {key: [row[f"density_{key}"] for row in rows] for key in state.masks}
        plots.layer_densities(figure.subplots(), densities, len(rows))
        figure.savefig(folder / "densities.png", dpi=150)
    if state.channels:
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        plots.channels_over_epochs(figure.subplots(), _columns(rows, "channels_"))
        figure.savefig(folder / "channels.png", dpi=150)
    image = data.shape[:2]
    key = next(key for key, w in state.params.items() if w.ndim > 1)  # of the layer that sees the image
    if key not in state.masks or state.masks[key].shape[0] != image[0] * image[1]:
        return
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


def write_json(path: Path, content: Any) -> None:
    """Atomically."""
    write_atomically(path, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode()))
