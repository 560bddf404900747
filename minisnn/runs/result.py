"""What a finished run comes to: accuracies, what is left of the network, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_loaders.common.dataset import DataSet
from minisnn.backend import to_device, to_host
from minisnn.networks.compose import Sequential
from minisnn.networks.cost import Connections, connections, measure, total, training_operations
from minisnn.notices import warn
from minisnn.recipes import Recipe
from minisnn.structure.slim import Slimmer
from minisnn.training import loop
from minisnn.training.loop import Row
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState

Result = dict[str, Any]
SAMPLES = 100  # validation images on which costs are measured
COSTS = ("operations", "synops", "macs", "joules_gpu", "joules_truenorth", "joules_45nm")


def result(
    recipe: Recipe,
    setup: Setup,
    plain: Sequential,
    state: TrainingState,
    data: DataSet,
    rows: Sequence[Row],
    test: bool = True,
) -> Result:
    """Everything that result.json holds. test: False leaves the test set alone."""
    net, small = left(plain, setup, state)
    left_over = remaining_connections(plain, setup, state)
    if missed := setup.learner.missed_target(state):
        warn(missed)
    found: Result = {}
    if test:
        found["test_accuracy"], found["test_loss"] = loop.evaluate(setup, state, data.test)
    return found | {
        "val_accuracy": rows[-1]["val_accuracy"],
        "train_accuracy": rows[-1]["train_accuracy"],
        "density": left_over.density,
        "connections": left_over.active,
        "parameters": sum(w.size for w in small.params.values()),
        **costs(setup, recipe.as_run(net), small, data),
        "training_operations": training_cost(recipe, setup, plain, state, data, rows),
        "exploration_rate": rows[-1]["exploration_rate"],
        "seconds": sum(row["seconds"] for row in rows),
        "densities": columns(rows, "density_"),
        "channels": columns(rows, "channels_"),
        "regrown": [row["regrown"] for row in rows if "regrown" in row],
        "scores": {
            key: [round(float(x), 5) for x in to_host(state.structure[f"{key}.score"])]
            for key in state.channels
        },
        "missed_density": missed or None,
        "recipe": recipe.to_json(to_load=False),
    }


def left(plain: Sequential, setup: Setup, state: TrainingState) -> tuple[Sequential, TrainingState]:
    """The plain network and its state without the channels that are masked."""
    if not state.channels:
        return plain, state
    slimmer = Slimmer(plain, setup.shape, state.channels)
    return slimmer.net, slimmer.state(state)


def remaining_connections(plain: Sequential, setup: Setup, state: TrainingState) -> Connections:
    """The weights that masks of connections and of channels leave, among all."""
    if not state.channels:
        return connections(state.params, state.masks)
    return Slimmer(plain, setup.shape, state.channels).connections(state.params, state.masks)


def columns(rows: Sequence[Row], prefix: str) -> dict[str, list[float]]:
    """The log's columns with a prefix, by what stands behind it."""
    return {key.removeprefix(prefix): [row[key] for row in rows] for key in rows[0] if key.startswith(prefix)}


def costs(setup: Setup, net: Sequential, state: TrainingState, data: DataSet) -> Result:
    """Operations of one pass at one time step, and what the spikes of real images set in motion over all T.

    None for each, and a warning, if the network holds a stage whose costs nobody knows.
    """
    x = setup.encode(to_device(data.validation.images[:SAMPLES], setup.device))
    try:
        found = total(measure(net, state.params, state.buffers, state.masks, x))
    except Exception as error:  # whatever a stage of one's own does: the training before it must not be lost
        name = type(error).__name__
        warn(f"the costs of this network could not be measured ({name}: {error})")
        return dict.fromkeys(COSTS)
    return {name: getattr(found, name) for name in COSTS}


def training_cost(
    recipe: Recipe, setup: Setup, plain: Sequential, state: TrainingState, data: DataSet, rows: Sequence[Row]
) -> float | None:
    """`training_operations` of what the log says. Channels that are masked are computed all the same.

    None for a network whose costs are not known.
    """
    x = setup.encode(to_device(data.validation.images[:1], setup.device))
    try:
        found = measure(recipe.as_run(plain), state.params, state.buffers, {}, x)
    except Exception:  # `costs` has warned of it
        return None
    dense = {key: cost.dense_operations for key, cost in found.items()}
    densities = [{key: row.get(f"density_{key}", 1.0) for key in dense} for row in rows]
    steps = len(data.train.labels) * getattr(recipe, "T", 1)
    return training_operations(dense, densities, steps, setup.learner.dense_gradients())
