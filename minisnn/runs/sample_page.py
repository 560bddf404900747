"""`minisnn inspect`: how a network responds to one sample, on one page of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_loaders.common.info import DataInfo
from minisnn import plots
from minisnn.plots.style import short
from minisnn.runs.pictures import END_OF_TIME, axes, draw_fields, draw_potentials, draw_tiles
from minisnn.runs.prediction import FirstSpikeTrace, LIFTrace, Trace
from minisnn.runs.start import Run, Source

BARS = 12  # most bars in a diagram
LAYERS = 4  # most layers whose potentials and maps are drawn

Panel = tuple[str, Callable[[Axes], object]]  # title, what draws it


class Inspected(NamedTuple):
    """A page about one sample, and the prediction of the network."""

    figure: Figure
    text: str  # a sentence
    sample: int  # its number in the test set
    data: str  # the name of the data set
    true: Any  # the sample's class
    predicted: Any  # the class that the network predicts
    scores: np.ndarray  # [K], larger is better
    firing: Mapping[str, float]  # by layer: spikes per neuron and step, or the fraction of neurons that fire

    def to_json(self) -> dict[str, Any]:
        """All but the figure and the sentence; None for a score of a neuron that never fires."""
        scores = [float(score) if np.isfinite(score) else None for score in self.scores]
        return {
            "data": self.data, "sample": self.sample, "class": _json(self.true), "predicted": _json(self.predicted),
            "scores": scores, "firing": dict(self.firing),
        }  # fmt: skip


def _json(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def inspect(run: Run, sample: int = 0, out: Path | None = None, data: Source | None = None) -> Inspected:
    """Draw a page about one sample of the test set, and return it with the prediction.

    data: a data set in place of the run's own. out: the PNG file to write. Raises ValueError for a sample that does
    not exist.
    """
    found = run.readable(data)
    n = len(found.test.labels)
    if not 0 <= sample < n:
        raise ValueError(
            f"sample must be 0 to {n - 1}, as the test set of {found.name} has {n}, found {sample}"
        )
    image = np.asarray(found.test.images[sample : sample + 1])
    if found.info.max_value != run.info.max_value:
        image = image / found.info.max_value
    true = run.classes[int(found.test.labels[sample])]
    said = run.predict(image)[0]
    text = f"sample {sample} of {found.name} is of class {true}, the network predicts {said}"
    figure = page(run, image, text)
    if out:
        figure.savefig(out, dpi=120)
    firing = _rates(run.trace(image))
    return Inspected(figure, text, sample, found.info.name, true, said, run.scores(image)[0], firing)


def page(run: Run, image: np.ndarray, title: str) -> Figure:
    """The page for one image, [1, ...]."""
    trace = run.trace(image)
    panels = [_input(image[0], run.info), *_numbers(run, image, trace)]
    first_spike = run.setup.fires_once
    panels += _first_spike_panels(run, trace) if first_spike else _lif_panels(run, trace)
    figure = Figure(layout="constrained")
    for ax, (name, draw) in zip(axes(figure, len(panels)), panels, strict=True):
        draw(ax)
        ax.set_title(name, fontsize=9, pad=24 if ax.get_legend() else 6)
    figure.suptitle(title)
    return figure


def _input(image: np.ndarray, info: DataInfo) -> Panel:
    """A picture in grey or colour; of a recording the frame with most events."""
    if info.is_sequence:
        k = int(image.reshape(len(image), -1).sum(1).argmax())
        return f"input, frame {k + 1} of {len(image)}", lambda ax: plots.frame(ax, image[k])
    x = image if image.dtype.kind == "f" else image / info.max_value
    x = x[..., 0] if x.shape[-1] == 1 else x

    def draw(ax: Axes) -> None:
        ax.imshow(x, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])

    return "input", draw


def _numbers(run: Run, image: np.ndarray, trace: Trace) -> Iterator[Panel]:
    """The output, firing rates, densities."""
    scores, names = run.scores(image)[0], [str(name) for name in run.classes]
    if run.setup.fires_once:
        yield (
            "when output neurons fire, t = ln z",
            lambda ax: bars(ax, dict(zip(names, -scores, strict=True)), True),
        )
    else:
        yield "output, mean over time", lambda ax: bars(ax, dict(zip(names, scores, strict=True)))
    rates = _rates(trace)
    unit = "neurons that fire" if run.setup.fires_once else "spikes per neuron and step"
    yield unit, lambda ax: bars(ax, rates, first=False)
    yield (
        "remaining channels" if run.state.channels else "density",
        lambda ax: bars(ax, _densities(run), first=False, most=1),
    )


def _rates(trace: Trace) -> dict[str, float]:
    """Of each layer: spikes per neuron and step, or the fraction of neurons that fire."""
    return {
        name: float(
            np.isfinite(layer.z_out).mean() if isinstance(layer, FirstSpikeTrace) else layer.spikes.mean()
        )
        for name, layer in trace.items()
    }


def _densities(run: Run) -> dict[str, float]:
    """The density of each weight, or of the channels in each layer where channels are masked."""
    state, masks = run.state, run.masks
    if state.channels:
        return {key: float(masks[key].mean()) for key in state.channels}
    weights = {key: w for key, w in state.params.items() if w.ndim > 1}
    return {key.removesuffix(".weight"): float(masks[key].mean()) if key in masks else 1.0 for key in weights}


def bars(
    ax: Axes, values: dict[str, float], lowest: bool = False, first: bool = True, most: float | None = None
) -> Axes:
    """A bar for each name. Of more than `BARS`, the best ones are shown; infinite values have no bar.

    lowest: the best is the lowest. first: highlight the best. most: the end of the axis.
    """
    numbers = np.array(list(values.values()), float)
    order = np.argsort(numbers if lowest else -numbers, kind="stable")
    shown = np.arange(len(numbers))
    if len(numbers) > BARS:
        shown = np.sort(order[:BARS]) if first else np.linspace(0, len(numbers) - 1, BARS).round().astype(int)
    finite = np.where(np.isfinite(numbers), numbers, 0)
    best = order[0] if first and np.isfinite(numbers[order[0]]) else -1
    colours = [plots.RED if n == best else plots.BLUE for n in shown]
    ax.barh(range(len(shown)), finite[shown], color=colours)
    for row, n in enumerate(shown):
        if not np.isfinite(numbers[n]):
            ax.text(0, row, " never", va="center", fontsize="x-small")
    ax.set_yticks(range(len(shown)), [list(values)[n] for n in shown], fontsize="x-small")
    ax.set_ylim(len(shown) - 0.5, -0.5)
    if len(shown) < len(numbers):
        ax.set_xlabel(f"{len(shown)} of {len(numbers)}", fontsize="x-small")
    if finite.min() >= 0:
        ax.set_xlim(0, most or 1.05 * finite.max() or 1)
    return ax


def _some(names: list[str]) -> list[str]:
    """Evenly subsampled."""
    return [names[k] for k in np.linspace(0, len(names) - 1, min(len(names), LAYERS)).round().astype(int)]


def _lif_panels(run: Run, trace: Trace) -> Iterator[Panel]:
    """Receptive fields; rasters of all layers, potentials and maps of some."""
    yield "weights of the first layer", lambda ax: draw_fields(ax, run.state, run.info)
    layers = {name: layer for name, layer in trace.items() if isinstance(layer, LIFTrace)}
    for name, layer in layers.items():
        yield f"{short(name)}: spikes", partial(plots.raster, spikes=layer.spikes[:, 0])
    for name in _some(list(layers)):
        yield (
            f"{short(name)}: potentials",
            partial(draw_potentials, layer=layers[name], neurons=busiest(layers[name])),
        )
    maps = [name for name, layer in layers.items() if layer.spikes.ndim == 5 and layer.spikes.shape[2] > 1]
    for name in _some(maps):
        yield (
            f"{short(name)}: channel maps",
            partial(draw_tiles, maps=layers[name].spikes[:, 0].sum(0), shape=(4, 4)),
        )


def busiest(layer: LIFTrace, most: int = 5) -> np.ndarray:
    """Neurons whose potential is worth a look, in their order: they fire at times, and their potential moves most."""
    u, spikes = (a[:, 0].reshape(len(a), -1) for a in (layer.potential, layer.spikes))
    sometimes = spikes.any(0) & ~spikes.all(0)
    return np.sort(np.lexsort((-np.ptp(u, 0), ~sometimes))[:most])


def _first_spike_panels(run: Run, trace: Trace) -> Iterator[Panel]:
    """Spike times of each layer, potentials of the output, the winner's causal set, receptive fields."""
    layers = {name: layer for name, layer in trace.items() if isinstance(layer, FirstSpikeTrace)}
    yield "input: spike times", lambda ax: plots.first_spikes(ax, trace.input[0])
    for name, layer in layers.items():
        yield f"{name}: spike times", partial(plots.first_spikes, z=layer.z_out[0])
    name, last = list(layers.items())[-1]
    yield (
        f"{short(name)}: potentials",
        lambda ax: draw_potentials(ax, last, np.arange(last.z_out.shape[1])[:100]),
    )
    yield f"{name}: what made the first one fire", lambda ax: causes(ax, last)
    yield "weights of the first layer", lambda ax: draw_fields(ax, run.state, run.info)


def causes(ax: Axes, layer: FirstSpikeTrace) -> Axes:
    """The inputs of the neuron that fires first: their times and weights, those of the causal set in colour."""
    z_out = layer.z_out[0]
    winner = int(z_out.argmin())
    if not np.isfinite(z_out[winner]):
        ax.text(0.5, 0.5, "no neuron fires", ha="center", transform=ax.transAxes)
        ax.set(xticks=[], yticks=[])
        return ax
    causal, weight = layer.causal_set(0, winner), layer.weight[:, winner]
    rest = ~causal & (weight != 0) & (layer.z_in[0] < END_OF_TIME)
    for which, colour, label in (
        (rest, plots.GREY, "too late"),
        (causal, plots.BLUE, f"{causal.sum()} causal"),
    ):
        ax.plot(np.log(layer.z_in[0][which]), weight[which], ".", color=colour, label=label)
    ax.axvline(np.log(z_out[winner]), color=plots.RED, label=f"neuron {winner} fires")
    ax.set(xlabel="time of the input, ln z", ylabel="weight")
    narrow = {"handlelength": 0.8, "columnspacing": 0.8, "handletextpad": 0.3}
    plots.legend_above(ax, 3, fontsize="x-small", **narrow)
    return ax
