"""Curves over epochs and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from minisnn.plots.style import GREY, colour, legend, line_colours, marker, whole_numbers


def learning_curves(ax: Axes, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Axes:
    """Validation accuracy (solid) and training accuracy (dotted) over epochs, for the logs of named runs."""
    for (name, rows), line in zip(runs.items(), line_colours(len(runs)), strict=True):
        epochs, few = [row["epoch"] for row in rows], len(rows) < 50
        ax.plot(epochs, [row["val_accuracy"] for row in rows], ".-" if few else "-", color=line, label=name)
        ax.plot(
            epochs, [row["train_accuracy"] for row in rows], "x:" if few else ":", color=line, markersize=4
        )
    ax.plot([], [], color=GREY, label="on validation data")
    ax.plot([], [], ":", color=GREY, label="on training data")
    ax.set_ylabel("accuracy / %")
    return whole_numbers(legend(ax), "epoch")


def validation_curves(ax: Axes, groups: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Axes:
    """Validation accuracy over epochs: a colour for each name, a line for each log of that name."""
    for (name, logs), line in zip(groups.items(), line_colours(len(groups)), strict=True):
        for n, rows in enumerate(logs):
            epochs, accuracies = ([row[key] for row in rows] for key in ("epoch", "val_accuracy"))
            ax.plot(epochs, accuracies, marker(len(rows)), color=line, label="" if n else name, linewidth=1)
    ax.set_ylabel("validation accuracy / %")
    return whole_numbers(ax, "epoch")


def firing_rates(
    ax: Axes, rows: Sequence[Mapping[str, float]], unit: str = "spikes per neuron and step"
) -> Axes:
    """Firing rate of every layer over epochs, from a log's firing_* columns, early layers dark.

    unit: of the rates. For first-spike networks, whose neurons fire at most once: "spikes per neuron and image".
    """
    names = [name for name in rows[0] if name.startswith("firing_")]
    epochs = [row["epoch"] for row in rows]
    for n, name in enumerate(names):
        rates = [row[name] for row in rows]
        label = name.removeprefix("firing_")
        ax.plot(epochs, rates, marker(len(rows)), color=colour(n, len(names)), label=label)
    ax.set(ylabel=unit, ylim=(0, None))
    return whole_numbers(legend(ax), "epoch")


def layer_densities(ax: Axes, densities: Mapping[str, Sequence[float]], epochs: int) -> Axes:
    """The density of each layer over epochs, early layers dark; a single value holds for all epochs."""
    for n, (name, values) in enumerate(densities.items()):
        y = values if len(values) > 1 else [values[0]] * epochs
        label = name.removesuffix(".weight")
        ax.plot(range(1, epochs + 1), y, marker(epochs), color=colour(n, len(densities)), label=label)
    ax.set(ylabel="density", ylim=(0, None))
    return whole_numbers(legend(ax), "epoch")


def channels_over_epochs(ax: Axes, channels: Mapping[str, Sequence[float]]) -> Axes:
    """The number of channels of each layer after each epoch, early layers dark."""
    return _counts(ax, channels, "epoch")


def channels_by_layer(ax: Axes, channels: Mapping[float, Sequence[float]]) -> Axes:
    """The number of remaining channels in each layer, a line for each pruning ratio, small ratios dark."""
    return _counts(ax, {f"p = {p:g}": counts for p, counts in channels.items()}, "layer")


def _counts(ax: Axes, lines: Mapping[str, Sequence[float]], xlabel: str) -> Axes:
    """Channels over 1, 2, 3 ...; a line for each name, dark to light."""
    for n, (name, counts) in enumerate(lines.items()):
        style = marker(len(counts))
        ax.plot(range(1, len(counts) + 1), counts, style, color=colour(n, len(lines)), label=name)
    ax.set(ylabel="channels", ylim=(0, None))
    return whole_numbers(legend(ax), xlabel)
