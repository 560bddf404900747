"""The pictures of a run, by name: what its folder gets, and what `Run.plot` draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_loaders.common.info import DataInfo
from minisnn import plots
from minisnn.arguments import check
from minisnn.backend import to_host
from minisnn.runs.prediction import FirstSpikeTrace, LIFTrace, Trace
from minisnn.runs.result import columns
from minisnn.training.loop import Row
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState


class Shown(NamedTuple):
    """All that a picture may show."""

    log: Sequence[Row]
    state: TrainingState
    setup: Setup
    info: DataInfo
    trace: Trace | None  # of images; the first is drawn
    title: str
    note: str  # what is needed to read the log


def picture(name: str, shown: Shown) -> Figure:
    """One picture. Raises ValueError if the run has nothing of the kind."""
    has, width, height, draw = PICTURES[name]
    check("name", repr(name), has(shown), "a picture of something that the run has: " + _available(shown))
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure, shown)
    if shown.note and name in OF_THE_LOG:
        figure.suptitle(shown.note, fontsize="medium")
    return figure


def draw_all(folder: Path, shown: Shown) -> None:
    """All pictures that need no images, as PNG files."""
    for name, (has, *_) in PICTURES.items():
        if name not in OF_A_SAMPLE and has(shown):
            picture(name, shown).savefig(folder / f"{name}.png", dpi=150)


def _available(shown: Shown) -> str:
    return ", ".join(name for name, (has, *_) in PICTURES.items() if name in OF_A_SAMPLE or has(shown))


def _learning_curves(figure: Figure, shown: Shown) -> None:
    plots.learning_curves(figure.subplots(), {shown.title: shown.log})


def _firing_rates(figure: Figure, shown: Shown) -> None:
    unit = "spikes per neuron and image" if shown.setup.fires_once else "spikes per neuron and step"
    plots.firing_rates(figure.subplots(), shown.log, unit)


def _densities(figure: Figure, shown: Shown) -> None:
    densities = {key: [row[f"density_{key}"] for row in shown.log] for key in shown.state.masks}
    plots.layer_densities(figure.subplots(), densities, len(shown.log))


def _channels(figure: Figure, shown: Shown) -> None:
    plots.channels_over_epochs(figure.subplots(), columns(shown.log, "channels_"))


def _pixel_masks(shown: Shown) -> tuple[np.ndarray, np.ndarray] | None:
    """The mask of the layer that sees a grey image, [H*W, M] bool, at the start and now; None if there is none."""
    H, W, C = shown.info.shape
    key, first = first_weight(shown.state)
    start = shown.state.structure.get(f"{key}.initial")
    if start is None or C > 1 or first.shape[0] != H * W or key not in shown.state.masks:
        return None
    return to_host(start), to_host(shown.state.masks[key])


def _receptive_fields(figure: Figure, shown: Shown) -> None:
    masks, image = _pixel_masks(shown), shown.info.shape[:2]
    if masks is None:
        draw_fields(figure.subplots(), shown.state, shown.info)
        return
    most = int(max(mask.sum(1).max() for mask in masks))
    for column, name, mask in zip(figure.subplots(2, 2).T, ("before", "after"), masks, strict=True):
        plots.receptive_fields(column[0], mask, image).set_title(f"receptive fields {name} training")
        title = f"connections of each pixel {name}"
        plots.connections_per_pixel(column[1], mask, image, most).set_title(title)


def _turnover(figure: Figure, shown: Shown) -> None:
    masks = _pixel_masks(shown)
    assert masks
    plots.turnover(figure.subplots(), *masks, shown.info.shape[:2]).set_title(
        "connections of the first hidden neurons"
    )


def _raster(figure: Figure, shown: Shown) -> None:
    assert shown.trace
    for ax, (name, layer) in zip(axes(figure, len(shown.trace)), shown.trace.items(), strict=True):
        if isinstance(layer, LIFTrace):
            plots.raster(ax, layer.spikes[:, 0]).set_title(name)
        else:
            plots.first_spikes(ax, layer.z_out[0]).set_title(name)


def _membrane(figure: Figure, shown: Shown) -> None:
    assert shown.trace
    for ax, (name, layer) in zip(axes(figure, len(shown.trace)), shown.trace.items(), strict=True):
        draw_potentials(ax, layer)
        ax.set_title(name, pad=24)


def draw_potentials(ax: Axes, layer: LIFTrace | FirstSpikeTrace, neurons: np.ndarray | None = None) -> Axes:
    """Potentials of the first sample of a layer. neurons: which ones; None is six, evenly subsampled."""
    n = layer.z_out.shape[1] if isinstance(layer, FirstSpikeTrace) else layer.spikes[0, 0].size
    if neurons is None:
        neurons = np.linspace(0, n - 1, min(n, 6)).round().astype(int)
    if isinstance(layer, FirstSpikeTrace):
        return _potentials_until_they_fire(ax, layer, neurons)
    v_th = layer.neuron.v_th if layer.neuron else 1.0
    u = layer.potential[:, 0].reshape(len(layer.potential), -1)[:, neurons]
    plots.membrane(ax, u, v_th, len(neurons)).set_yticks(ax.get_yticks(), [str(k) for k in neurons])
    return ax


def _potentials_until_they_fire(ax: Axes, layer: FirstSpikeTrace, neurons: np.ndarray) -> Axes:
    """V = sum of w max(0, 1 - z_in / z) over time t = ln z (ESL Eq. 3), the first to fire in another colour."""
    z_in, z_out = layer.z_in[0], layer.z_out[0, neurons]
    end = max([*z_out[np.isfinite(z_out)], *z_in[z_in < END_OF_TIME], 1.1])
    z = np.geomspace(1, 1.05 * end, 200)
    V = np.maximum(0, 1 - z_in / z[:, None]) @ layer.weight[:, neurons]  # [200, n]
    first = int(z_out.argmin()) if np.isfinite(z_out).any() else -1
    others = "others" if first >= 0 else "none fires"
    for k in sorted(range(len(neurons)), key=lambda k: k == first):  # the first one on top
        label = f"neuron {neurons[k]}, the first" if k == first else "" if k > (first == 0) else others
        colour = plots.RED if k == first else plots.BLUE
        until = z <= z_out[k]
        ax.plot(
            np.log(z[until]), V[until, k], color=colour, linewidth=1.5 if k == first else 0.8, label=label
        )
        if np.isfinite(z_out[k]):
            ax.plot(np.log(z_out[k]), 1, "o", color=colour, markersize=4)
    ax.axhline(1, color=plots.GREY, linestyle="--", linewidth=0.8)
    ax.set(xlabel="time t = ln z", ylabel="potential V")
    plots.legend_above(ax, fontsize="small")
    return ax


END_OF_TIME = 1e4  # z of inputs that are drawn; those that never come are at 1e5


def first_weight(state: TrainingState) -> tuple[str, np.ndarray]:
    """The weight of the layer that sees the image, and its key."""
    key = next(key for key, w in state.params.items() if w.ndim > 1)
    return key, to_host(state.params[key])


def draw_fields(ax: Axes, state: TrainingState, info: DataInfo, shape: tuple[int, int] = (4, 6)) -> Axes:
    """What the first neurons or kernels of the first layer weigh, a tile for each, summed over input channels."""
    _, weight = first_weight(state)
    if weight.ndim == 2:  # [H*W*C, M]
        weight = weight.reshape(*info.shape, -1)
    return draw_tiles(ax, weight.sum(2), shape, signed=True)


def draw_tiles(ax: Axes, maps: np.ndarray, shape: tuple[int, int] = (4, 6), signed: bool = False) -> Axes:
    """Maps [H, W, M] in rows, one colour scale for all. signed: blue below 0, orange above."""
    H, W, M = maps.shape
    columns_ = min(shape[1], M)
    rows = min(shape[0], ceil(M / columns_))
    sheet = plots.tiles(maps.reshape(H * W, M), (H, W), (rows, columns_), np.nan)[1:-1, 1:-1]
    most = float(abs(maps).max()) or 1.0
    colours = "PuOr_r" if signed else "viridis"
    seen = ax.imshow(sheet, cmap=colours, vmin=-most if signed else 0, vmax=most, interpolation="nearest")
    ax.set(xticks=[], yticks=[], frame_on=False)
    ax.figure.colorbar(seen, ax=ax, shrink=0.7)
    return ax


def axes(figure: Figure, n: int) -> Iterable[Axes]:
    """n axes in rows of four at most; the figure grows with them."""
    width = min(4, n)
    rows = ceil(n / width)
    figure.set_size_inches(max(4.5, 3.5 * width), max(3.5, 2.6 * rows))
    found = figure.subplots(rows, width, squeeze=False).ravel()
    for ax in found[n:]:
        ax.set_axis_off()
    return list(found[:n])


Picture = tuple[Callable[[Shown], object], float, float, Callable[[Figure, Shown], None]]
PICTURES: dict[str, Picture] = {
    "learning_curves": (lambda shown: shown.log, 5, 3.5, _learning_curves),
    "firing_rates": (lambda shown: shown.log, 5, 3.5, _firing_rates),
    "densities": (lambda shown: shown.log and shown.state.masks, 5, 3.5, _densities),
    "channels": (lambda shown: shown.log and shown.state.channels, 5, 3.5, _channels),
    "receptive_fields": (lambda shown: True, 9, 7.5, _receptive_fields),
    "turnover": (_pixel_masks, 6, 4.8, _turnover),
    "raster": (lambda shown: shown.trace, 5, 3.5, _raster),
    "membrane": (lambda shown: shown.trace, 5, 3.5, _membrane),
}
"""By name: whether a run has it, width and height in inches, and how it is drawn."""
OF_A_SAMPLE = ("raster", "membrane")
OF_THE_LOG = ("learning_curves", "firing_rates", "densities", "channels")
