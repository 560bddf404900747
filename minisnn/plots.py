"""Pictures: each function takes an Axes, draws on it and returns it. One makes a film."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from matplotlib import colormaps
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minisnn.data.aedat import Events

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


def dots(ax: Axes, runs: Mapping[str, Sequence[float]], paper: Mapping[str, float] | None = None) -> Axes:
    """Named groups of accuracies in rows: every run a dot, their mean with its error, the paper as a star."""
    for n, (name, accuracies) in enumerate(runs.items()):
        count = len(accuracies)
        error = np.std(accuracies, ddof=1) / count**0.5 if count > 1 else None
        first = n == 0
        ax.plot(accuracies, [n] * count, "o", color=BLUE, alpha=0.5, label="a run" if first else "")
        ax.errorbar(
            np.mean(accuracies), n, xerr=error, fmt="|", color="black", markersize=12, capsize=3,
            label="mean and its error" if first else "",
        )  # fmt: skip
        if paper and name in paper:
            ax.plot(paper[name], n, "*", color=RED, markersize=11)
    if paper:
        ax.plot([], [], "*", color=RED, markersize=11, label="paper")
    ax.set_yticks(range(len(runs)), list(runs))
    ax.set(xlabel="test accuracy / %", ylim=(len(runs) - 0.5, -0.5))
    ax.grid(axis="y", color=GREY, linewidth=0.4)
    return ax


def bars_and_line(
    ax: Axes, x: Sequence[float], heights: Sequence[float], line: Sequence[float], errors: Sequence[float]
) -> tuple[Axes, Axes]:
    """Bars on the left axis, an accuracy with error bars on the right one. Returns both axes."""
    ax.bar(x, heights, width=0.6 * (x[1] - x[0]) if len(x) > 1 else 0.6, color=GREY)
    right = ax.twinx()
    right.errorbar(x, line, errors, marker="o", color=BLUE, capsize=3, label="mean and its error")
    right.set_ylabel("test accuracy / %", color=BLUE)
    return ax, right


def layer_densities(ax: Axes, densities: Mapping[str, Sequence[float]], epochs: int) -> Axes:
    """The density of each layer over epochs, early layers dark; a single value stands for all epochs."""
    for n, (name, values) in enumerate(densities.items()):
        y = values if len(values) > 1 else [values[0]] * epochs
        ax.plot(
            range(1, epochs + 1), y, ".-", color=colour(n, len(densities)), label=name.removesuffix(".weight")
        )
    ax.set(xlabel="epoch", ylabel="density", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize="small")
    return ax


def channels_over_epochs(ax: Axes, channels: Mapping[str, Sequence[float]]) -> Axes:
    """How many channels each layer has after each epoch, early layers dark."""
    _counts(ax, channels).set_xlabel("epoch")
    return ax


def channels_by_layer(ax: Axes, channels: Mapping[float, Sequence[float]]) -> Axes:
    """How many channels are left in each layer, a line for each pruning ratio, small ratios dark."""
    _counts(ax, {f"p = {p:g}": counts for p, counts in channels.items()}).set_xlabel("layer")
    return ax


def _counts(ax: Axes, lines: Mapping[str, Sequence[float]]) -> Axes:
    """Channels over 1, 2, 3 ...; a line for each name, dark to light."""
    for n, (name, counts) in enumerate(lines.items()):
        style = ".-" if len(counts) < 50 else "-"
        ax.plot(range(1, len(counts) + 1), counts, style, color=colour(n, len(lines)), label=name)
    ax.set(ylabel="channels", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = ax.legend(frameon=False, fontsize="small")
    if len(lines) > 5:  # it would lie on the lines
        legend.set(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def score_distributions(ax: Axes, scores: Mapping[float, Sequence[float]]) -> Axes:
    """The scores of all channels, a column of dots for each pruning ratio; removed channels have 0."""
    rng = np.random.default_rng(0)
    step = min(np.diff(sorted(scores)), default=1.0)
    for n, (p, values) in enumerate(scores.items()):
        x = p + step * rng.uniform(-0.3, 0.3, len(values))
        size = 6 if len(values) < 1000 else 2
        ax.plot(x, values, ".", color=BLUE, alpha=0.4, markersize=size, label="" if n else "a channel")
        ax.plot(p, np.mean(values), "_", color="black", markersize=16, label="" if n else "mean of all")
    top = max(max(values) for values in scores.values())
    ax.set(xlabel="p, fraction of channels pruned", ylabel="score", ylim=(-0.02 * top, 1.2 * top or 1))
    ax.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)
    return ax


def accuracy_and_costs(
    ax: Axes,
    ratios: Sequence[float],
    accuracies: Sequence[float],
    errors: Sequence[float],
    costs: Mapping[str, Sequence[float]],
    paper: Mapping[float, float] | None = None,
) -> Axes:
    """Bars of accuracy over pruning ratios, not from 0 on, the paper's as stars; costs in percent of the first."""
    paper = paper or {}
    width = 0.6 * min(np.diff(sorted(ratios)), default=0.1)
    ax.bar(ratios, accuracies, width, yerr=errors, capsize=3, color=BLUE, alpha=0.5, label="accuracy")
    if paper:
        ax.plot(list(paper), list(paper.values()), "*", color=RED, markersize=11, label="paper")
    low, high = (f([*accuracies, *paper.values()]) for f in (min, max))
    margin = 0.5 * (high - low) + 1
    ax.set(xlabel="p, fraction of channels pruned", ylabel="test accuracy / %", xticks=ratios)
    ax.set_ylim(max(0, low - margin), min(100, high + margin))
    right = ax.twinx()
    percents = {name: [100 * v / values[0] for v in values] for name, values in costs.items()}
    for (name, values), mark in zip(percents.items(), (GREEN, ORANGE), strict=False):
        right.plot(ratios, values, "o-", color=mark, label=name)
    right.set(ylabel="costs / % of the dense network", ylim=(0, 1.05 * max(map(max, percents.values()))))
    handles = [handle for each in (ax, right) for handle in each.get_legend_handles_labels()[0]]
    ax.legend(
        handles=handles, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(handles)
    )
    return ax


def colour(n: int, of: int) -> tuple[float, float, float, float]:
    """The n-th of so many colours, from dark to light."""
    r, g, b, alpha = colormaps["viridis"](0.9 * n / max(1, of - 1))
    return r, g, b, alpha


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


@dataclass(frozen=True)
class Film:
    """Pictures that a notebook plays, if it is the last value of a cell. Needs no other program, and no network."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def film(
    ax: Axes,
    masks: Sequence[np.ndarray],
    titles: Sequence[str],
    image: tuple[int, int],
    shape: tuple[int, int] = (4, 6),
    fps: int = 3,
) -> Film:
    """`turnover` from each mask to the next, a frame and a title for each. Equal masks give equal films."""

    def draw(n: int) -> list[Axes]:
        ax.clear()
        ax.set_title(titles[n])
        return [turnover(ax, masks[n], masks[n + 1], image, shape)]

    assert isinstance(ax.figure, Figure)
    html = FuncAnimation(ax.figure, draw, frames=len(masks) - 1).to_jshtml(fps)
    html = re.sub(r"<link[^>]*>", "", html)  # an icon font from the network
    html = re.sub(r'<i class="fa fa-([\w-]+?)( fa-flip-horizontal)?"></i>', _sign, html)
    name = re.search(r"_anim_img(\w+)", html)
    assert name
    html = html.replace(name[1], "NAME")  # by lot, another in each run
    return Film(html.replace("NAME", f"{crc32(html.encode()):08x}"))


def _sign(icon: re.Match[str]) -> str:
    backward = {"step-backward": "|◁", "fast-backward": "|◀"}
    signs = backward | {"step-forward": "▷|", "fast-forward": "▶|", "minus": "−", "plus": "+", "pause": "‖"}
    return signs.get(icon[1], "◀" if icon[2] else "▶")


def _tiles(values: np.ndarray, image: tuple[int, int], shape: tuple[int, int], frame: int) -> np.ndarray:
    """The columns of values [H*W, M] as framed images, row by row."""
    (H, W), (rows, columns) = image, shape
    sheet = np.full((rows * (H + 1) + 1, columns * (W + 1) + 1), frame)
    for n in range(min(rows * columns, values.shape[1])):
        top, left = n // columns * (H + 1) + 1, n % columns * (W + 1) + 1
        sheet[top : top + H, left : left + W] = values[:, n].reshape(image)
    return sheet


def channel_masks(ax: Axes, masks: Sequence[Mapping[str, np.ndarray]]) -> Axes:
    """Which channels left, came back and stayed, from each of the masks, bool [C] by layer, to the next."""
    flat = np.array([np.concatenate(list(layers.values())) for layers in masks]).astype(int)
    colours = ListedColormap(["white", RED, BLUE, GREY])  # off before and after, on before, after, both
    box = (0.5, len(flat) - 0.5, flat.shape[1], 0)
    ax.imshow(
        (flat[:-1] + 2 * flat[1:]).T, cmap=colours, vmin=0, vmax=3, aspect="auto", extent=box,
        interpolation="nearest",
    )  # fmt: skip
    ends = np.cumsum([len(mask) for mask in masks[0].values()])
    ax.hlines(ends[:-1], *box[:2], color="black", linewidth=0.8)
    ax.set_yticks(
        [end - len(mask) / 2 for end, mask in zip(ends, masks[0].values(), strict=True)], list(masks[0])
    )
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for name, mark in (("left", RED), ("came back", BLUE), ("stayed", GREY)):
        ax.plot([], [], "s", color=mark, label=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False, handletextpad=0.2)
    return ax


def events(ax: Axes, recording: Events, most: int = 20_000) -> Axes:
    """Events as dots, their columns over time, ON and OFF in two colours; of more than `most`, every so manyth.

    Within a column its rows lie one below the other.
    """
    few = recording.take(slice(None, None, 1 + len(recording.t) // most))
    column = few.x + (few.y + 0.5) / (few.y.max(initial=0) + 1) - 0.5
    for name, which, mark in (("OFF", ~few.on, BLUE), ("ON", few.on, RED)):
        ax.plot(
            few.t[which] / 1000, column[which], ".", color=mark, markersize=2 if len(few.t) < 5000 else 0.7
        )
        ax.plot([], [], "s", color=mark, label=name)  # the dots are too small for a legend
    ax.set(xlabel="time / ms", ylabel="column")
    ax.yaxis.set(major_locator=MaxNLocator(integer=True), inverted=True)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, handletextpad=0.2)
    return ax


def frame(ax: Axes, counts: np.ndarray, largest: float | None = None) -> Axes:
    """A frame [H, W, 2] of events, grey where there are none, the more of them the stronger ON or OFF's colour.

    Pixels with both have a colour in between. largest: how many events have the full colour; None: as many as one in
    a hundred of the pixels with events has, so that a single hot pixel does not make the others pale.
    """
    total = counts.sum(-1, keepdims=True).astype(float)
    hue = counts @ np.array([to_rgb(BLUE), to_rgb(RED)]) / np.where(total > 0, total, 1)
    if largest is None:
        largest = float(np.quantile(total[total > 0], 0.99)) if total.any() else 1.0
    strength = np.minimum(total / largest, 1)
    ax.imshow(strength * hue + (1 - strength) * np.array(to_rgb(GREY)), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    return ax
