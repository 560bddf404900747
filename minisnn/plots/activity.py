"""Activity over time: spikes, membrane potentials, events of a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from minisnn.arguments import check
from minisnn.backend import Array, to_host
from minisnn.plots.style import BLUE, GREY, RED, legend_above, whole_numbers

if TYPE_CHECKING:
    from data_loaders.formats.aedat import Events


def raster(ax: Axes, spikes: Array) -> Axes:
    """The spikes of one sample: time steps from 1 to T on x, neurons from 0 on y, a mark for each spike.

    Many neurons are spread over the width of their step, because a column of their marks would be a solid line.
    spikes: [T, ...] bool, or numbers of which those other than 0 are spikes; a map of neurons [T, H, W, C] is
    numbered row by row, as `reshape` does. Raises ValueError for an array without time steps or neurons.
    """
    fired = _over_time("spikes", spikes) != 0
    t, neuron = np.nonzero(fired)
    T, N = fired.shape
    x = t + 1.0
    if N > ROOM:
        x += SPREAD * ((neuron * GOLDEN) % 1 - 0.5)  # the golden ratio keeps neighbours apart
        for step in range(1, T) if T <= 20 else ():
            ax.axvline(step + 0.5, color=GREY, linewidth=0.4)
    ax.plot(x, neuron, **_marks(N))
    ax.set(xlim=(0.5, T + 0.5), ylim=(-0.5, N - 0.5), ylabel="neuron")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return whole_numbers(ax, "time step")


ROOM = 20  # neurons whose marks fit above each other
SPREAD = 0.7  # of a step
GOLDEN = (5**0.5 - 1) / 2


def _marks(neurons: int) -> dict[str, Any]:
    """Strokes that do not touch each other in a picture some 140 points high, or else dots."""
    few = neurons <= ROOM
    size = float(np.clip(80 / neurons, 1.2, 10)) if few else 2.0 if neurons <= 300 else 1.2
    return {
        "linestyle": "none", "marker": "|" if few else ".", "markersize": size, "color": BLUE,
        "rasterized": neurons > 1000,
    }  # fmt: skip


def first_spikes(ax: Axes, z: Array) -> Axes:
    """Spike times of one sample: t = ln z on x, neurons from 0 on y.

    z: [...] spike times as `first_spike_forward` has them, inf for a neuron that never fires. Raises ValueError
    without neurons, or for a time that is not above 0.
    """
    times = to_host(z).reshape(-1)
    check("z", f"an array of shape {np.shape(z)}", times.size, "the spike time of at least one neuron")
    check("z", times.min(), times.min() > 0, "above 0 everywhere: z = exp(t)")
    fires = np.flatnonzero(np.isfinite(times))
    ax.plot(np.log(times[fires]), fires, **_marks(len(times)))
    ax.set(ylim=(-0.5, len(times) - 0.5), ylabel="neuron", xlabel="time t = ln z")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return ax


def membrane(ax: Axes, potentials: Array, v_th: float = 1.0, most: int = 6) -> Axes:
    """Membrane potentials of one sample over time steps 1 to T, a row for each neuron, all rows to one scale.

    The dashed line of each row is the threshold; a dot marks a potential above it, where the neuron fires.
    potentials: [T, ...] floating, before the reset. Of more than `most` neurons, evenly subsampled ones are shown; the
    y axis names them. Raises ValueError for an array without time steps or neurons.
    """
    u = _over_time("potentials", potentials)
    T, N = u.shape
    shown = np.linspace(0, N - 1, min(N, most)).round().astype(int)
    finite = u[:, shown][np.isfinite(u[:, shown])]
    low, high = min(0.0, finite.min(initial=0.0)), max(v_th, finite.max(initial=0.0))
    height = 1.15 * (high - low) or 1.0
    steps = np.arange(1, T + 1)
    for row, n in enumerate(shown):
        base = row * height
        ax.plot([0.5, T + 0.5], [base + v_th] * 2, "--", color=GREY, linewidth=0.8)
        ax.plot(steps, base + u[:, n], ".-" if T < 50 else "-", color=BLUE, linewidth=1, markersize=3)
        fires = u[:, n] > v_th
        ax.plot(steps[fires], base + u[fires, n], "o", color=RED, markersize=4)
    ax.plot([], [], "--", color=GREY, label=f"threshold {v_th:g}")
    ax.plot([], [], "o", color=RED, markersize=4, label="fires")
    ax.set_yticks(height * np.arange(len(shown)), [str(n) for n in shown])
    ax.set(
        xlim=(0.5, T + 0.5), ylim=(low - 0.1 * height, low + (len(shown) + 0.05) * height), ylabel="neuron"
    )
    legend_above(ax, fontsize="small")
    return whole_numbers(ax, "time step")


def _over_time(name: str, x: Array) -> np.ndarray:
    """On the host, [T, neurons]."""
    array = to_host(x)
    check(
        name,
        f"an array of shape {array.shape}",
        array.ndim and array.size,
        "[T, ...] with at least one step and one neuron",
    )
    return array.reshape(len(array), -1)


def events(ax: Axes, recording: Events, most: int = 20_000) -> Axes:
    """Events as dots: pixel column over time, ON and OFF in two colours; more than `most` are evenly subsampled.

    Within each column, the rows are drawn one below the other.
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
    legend_above(ax, handletextpad=0.2)
    return ax


def frame(ax: Axes, counts: np.ndarray, largest: float | None = None) -> Axes:
    """A frame [H, W, 2] of event counts: grey without events, else ON and OFF in two colours, stronger for more.

    A pixel with both has a colour in between. largest: the count with the full colour; None is the 99 % quantile of the
    pixels with events, so that a single hot pixel does not make all others pale.
    """
    total = counts.sum(-1, keepdims=True).astype(float)
    hue = counts @ np.array([to_rgb(BLUE), to_rgb(RED)]) / np.where(total > 0, total, 1)
    if largest is None:
        largest = float(np.quantile(total[total > 0], 0.99)) if total.any() else 1.0
    strength = np.minimum(total / largest, 1)
    ax.imshow(strength * hue + (1 - strength) * np.array(to_rgb(GREY)), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    return ax
