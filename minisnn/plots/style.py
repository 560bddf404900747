"""Common colours, legends and axes."""

from __future__ import annotations

from itertools import cycle, islice
from textwrap import shorten, wrap
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's palette, distinguishable for colour-blind readers.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#BBBBBB"
LABEL = 28  # most characters of a name in a legend or a tick label
MOST = 22  # most entries of a legend beside a picture of ordinary height


def colour(n: int, of: int) -> tuple[float, float, float, float]:
    """The n-th of `of` colours, from dark to light."""
    r, g, b, alpha = colormaps["viridis"](0.9 * n / max(1, of - 1))
    return r, g, b, alpha


def line_colours(of: int) -> list[str | tuple[float, float, float, float]]:
    """Distinct colours: those of the palette if there are enough, else from dark to light."""
    palette = (BLUE, RED, GREEN, ORANGE)
    return [colour(n, of) for n in range(of)] if of > len(palette) else list(islice(cycle(palette), of))


def marker(points: int) -> str:
    """Line style of a curve: few points are marked, so that a single one is visible."""
    return ".-" if points < 50 else "-"


def whole_numbers(ax: Axes, xlabel: str) -> Axes:
    """An x axis of epochs, layers or time steps: ticks at whole numbers only, and some width around a single one."""
    low, high = ax.dataLim.intervalx
    if low == high and ax.get_autoscalex_on():
        ax.set_xlim(low - 0.5, high + 0.5)
    ax.set_xlabel(xlabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return ax


def legend(ax: Axes, few: int = 5) -> Axes:
    """A legend inside the axes for few lines, else beside them.

    Long names are cut in the middle; if more do not fit, evenly subsampled ones are shown.
    """
    handles, names = ax.get_legend_handles_labels()
    names = [short(name) for name in names]
    if len(names) <= few:
        ax.legend(handles, names, frameon=False, fontsize="small")
        return ax
    shown = [round(k * (len(names) - 1) / (MOST - 1)) for k in range(MOST)]
    shown = shown if len(names) > MOST else list(range(len(names)))
    ax.legend(
        [handles[k] for k in shown], [names[k] for k in shown], frameon=False, loc="center left",
        bbox_to_anchor=(1, 0.5), fontsize="small" if len(shown) <= 10 else "x-small", labelspacing=0.2,
    )  # fmt: skip
    return ax


def legend_above(ax: Axes, ncols: int = 2, **looks: Any) -> None:
    """A legend in the middle above the axes. looks: further arguments of Matplotlib's legend."""
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=ncols, **looks)


def short(name: str, most: int = LABEL) -> str:
    """The name; of a long one the beginning and the end."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def lines(name: str, width: int = 40, most: int = 3) -> str:
    """A name as a tick label: on several lines if it is long."""
    found = wrap(shorten(name, width * most, placeholder="…"), width)
    return "\n".join(found) or name
