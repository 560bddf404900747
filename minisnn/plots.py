"""Pictures: each function takes an Axes, draws on it and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"


def learning_curves(ax: Axes, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Axes:
    """Validation accuracy (solid) and training accuracy (dotted) over epochs, for the logs of named runs."""
    for (name, rows), colour in zip(runs.items(), (BLUE, RED, GREEN, ORANGE), strict=False):
        epochs = [row["epoch"] for row in rows]
        ax.plot(
            epochs, [row["val_accuracy"] for row in rows], color=colour, label=f"{name}, on validation data"
        )
        ax.plot(epochs, [row["train_accuracy"] for row in rows], ":", color=colour)
    ax.plot([], [], ":", color=GREY, label="on training data")
    ax.set(xlabel="epoch", ylabel="accuracy / %")
    ax.legend(frameon=False)
    return ax


def firing_rates(ax: Axes, rows: Sequence[Mapping[str, float]]) -> Axes:
    """Spikes per neuron and time step of every layer over epochs, from a log's firing_* columns, early layers dark."""
    names = [name for name in rows[0] if name.startswith("firing_")]
    for n, name in enumerate(names):
        colour = colormaps["viridis"](0.9 * n / max(1, len(names) - 1))
        rates = [row[name] for row in rows]
        ax.plot([row["epoch"] for row in rows], rates, color=colour, label=name.removeprefix("firing_"))
    ax.set(xlabel="epoch", ylabel="spikes per neuron and step", ylim=(0, None))
    ax.legend(frameon=False, fontsize="small", ncols=1 + len(names) // 8)
    return ax


def connections_per_pixel(
    ax: Axes, mask: np.ndarray, image: tuple[int, int], largest: int | None = None
) -> Axes:
    """How many connections leave each pixel of the input. mask: [H*W, M] bool."""
    counts = mask.sum(1).reshape(image)
    shown = ax.imshow(counts, cmap="viridis", vmin=0, vmax=largest or int(counts.max()))
    ax.set(xticks=[], yticks=[])
    colorbar = ax.figure.colorbar(shown, ax=ax, shrink=0.8)
    colorbar.set_label("connections")
    return ax


def receptive_fields(
    ax: Axes, mask: np.ndarray, image: tuple[int, int], shape: tuple[int, int] = (4, 6)
) -> Axes:
    """The pixels that the first neurons listen to, a tile for each. mask: [H*W, M] bool."""
    ax.imshow(_tiles(mask * 2, image, shape, frame=1), cmap="gray", vmin=0, vmax=2, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    return ax


def turnover(
    ax: Axes, before: np.ndarray, after: np.ndarray, image: tuple[int, int], shape: tuple[int, int] = (4, 6)
) -> Axes:
    """Of the first neurons' connections, which died, grew and stayed. Masks: [H*W, M] bool."""
    colours = ListedColormap(["white", RED, BLUE, GREY, "black"])  # neither, before, after, both, frame
    sheet = _tiles(before + 2 * after.astype(int), image, shape, frame=4)
    ax.imshow(sheet, cmap=colours, vmin=0, vmax=4, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for name, colour in (("died", RED), ("grew", BLUE), ("stayed", GREY)):
        ax.plot([], [], "s", color=colour, label=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, frameon=False)
    return ax


def _tiles(values: np.ndarray, image: tuple[int, int], shape: tuple[int, int], frame: int) -> np.ndarray:
    """The columns of values [H*W, M] as framed images, row by row."""
    (H, W), (rows, columns) = image, shape
    sheet = np.full((rows * (H + 1) + 1, columns * (W + 1) + 1), frame)
    for n in range(min(rows * columns, values.shape[1])):
        top, left = n // columns * (H + 1) + 1, n % columns * (W + 1) + 1
        sheet[top : top + H, left : left + W] = values[:, n].reshape(image)
    return sheet
