"""Results of many runs: accuracies with errors, and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from minisnn.plots.style import BLUE, GREEN, GREY, ORANGE, RED, legend, line_colours, lines, short


def whiskers(means: Sequence[float], errors: Sequence[float]) -> list[list[float]]:
    """Lengths of error bars below and above accuracies in percent, clipped to 0 and 100."""
    pairs = list(zip(means, errors, strict=True))
    below = [min(error, mean) if error == error else error for mean, error in pairs]  # nan stays nan
    above = [min(error, 100 - mean) if error == error else error for mean, error in pairs]
    return [below, above]


def dots(
    ax: Axes,
    runs: Mapping[str, Sequence[float]],
    paper: Mapping[str, float] | None = None,
    errors: Mapping[str, float] | None = None,
    means: str = "mean and its error",
    xlabel: str = "test accuracy / %",
) -> Axes:
    """Named groups of accuracies in rows: a dot for every run, the mean with its error, a star for the paper.

    errors: of the means; None: standard errors. The mean of a single run has none. means: their name in the legend.
    """
    for n, (name, accuracies) in enumerate(runs.items()):
        count = len(accuracies)
        error = float(np.std(accuracies, ddof=1) / count**0.5) if count > 1 else float("nan")
        mean, error = float(np.mean(accuracies)), error if errors is None else errors[name]
        first = n == 0
        ax.plot(accuracies, [n] * count, "o", color=BLUE, alpha=0.5, label="a run" if first else "")
        ax.errorbar(
            [mean], [n], xerr=whiskers([mean], [error]), fmt="|", color="black",
            markersize=12, capsize=3, label=means if first else "",
        )  # fmt: skip
        if paper and name in paper:
            ax.plot(paper[name], n, "*", color=RED, markersize=11)
    if paper:
        ax.plot([], [], "*", color=RED, markersize=11, label="paper")
    few = len(runs) <= 8  # more rows have no room for names of several lines
    ax.set_yticks(range(len(runs)), [lines(name) if few else short(name, 44) for name in runs])
    ax.tick_params(axis="y", labelsize="medium" if len(runs) <= 14 else "small")
    ax.set(xlabel=xlabel, ylim=(len(runs) - 0.5, -0.5))
    ax.grid(axis="y", color=GREY, linewidth=0.4)
    return ax


def accuracy_over(
    ax: Axes, curves: Mapping[str, Mapping[float, tuple[float, float]]], xlabel: str, ylabel: str
) -> Axes:
    """Mean accuracies with their intervals over a setting, a curve for each name.

    curves: by name and value of the setting, the mean and half the width of its interval, nan for none. The axis is
    logarithmic if all values are positive and the largest is at least 20 times the smallest.
    """
    for (name, points), line in zip(curves.items(), line_colours(len(curves)), strict=True):
        x = sorted(points)
        means, errors = zip(*(points[value] for value in x), strict=True)
        ax.errorbar(
            x, means, whiskers(means, errors), marker="o", markersize=4, capsize=3, color=line, label=name
        )
    values = sorted({value for points in curves.values() for value in points})
    if values[0] > 0 and values[-1] >= 20 * values[0]:
        ax.set_xscale("log")
        ax.minorticks_off()
    if len(values) <= 8:
        ax.set_xticks(values, [f"{value:g}" for value in values])
    if len(values) == 1:
        ax.set_xlim(values[0] - 0.5, values[0] + 0.5)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return legend(ax) if len(curves) > 1 else ax


def accuracy_against(
    ax: Axes, points: Mapping[str, tuple[float, float, float]], xlabel: str, ylabel: str
) -> Axes:
    """Accuracies with their intervals against costs, a point for each name, in the order of the colours.

    points: cost, mean, and half the width of its interval, nan for none. A point with cost nan is not shown.
    """
    for (name, (cost, mean, error)), mark in zip(points.items(), line_colours(len(points)), strict=True):
        ax.errorbar([cost], [mean], whiskers([mean], [error]), fmt="o", capsize=3, color=mark, label=name)
    costs = [cost for cost, _, _ in points.values() if cost > 0]
    if costs and max(costs) >= 20 * min(costs):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_minor_formatter(NullFormatter())  # its labels would overlap
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))  # 15M
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def bars_and_line(
    ax: Axes, x: Sequence[float], heights: Sequence[float], line: Sequence[float], errors: Sequence[float]
) -> tuple[Axes, Axes]:
    """Bars on the left axis, an accuracy with error bars on the right one. Returns both axes."""
    ax.bar(x, heights, width=0.6 * (x[1] - x[0]) if len(x) > 1 else 0.6, color=GREY)
    right = ax.twinx()
    right.errorbar(
        x, line, whiskers(line, errors), marker="o", color=BLUE, capsize=3, label="mean and its error"
    )
    right.set_ylabel("test accuracy / %", color=BLUE)
    return ax, right


def score_distributions(ax: Axes, scores: Mapping[float, Sequence[float]]) -> Axes:
    """The scores of all channels, a column of dots for each pruning ratio; removed channels have score 0."""
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
    """Bars: accuracy over pruning ratios, not from 0 on. Stars: the paper. Lines: costs in percent of the first."""
    paper = paper or {}
    width = 0.6 * min(np.diff(sorted(ratios)), default=0.1)
    ax.bar(
        ratios,
        accuracies,
        width,
        yerr=whiskers(accuracies, errors),
        capsize=3,
        color=BLUE,
        alpha=0.5,
        label="accuracy",
    )
    if paper:
        ax.plot(list(paper), list(paper.values()), "*", color=RED, markersize=11, label="paper")
    low, high = (f([*accuracies, *paper.values()]) for f in (min, max))
    margin = 0.5 * (high - low) + 1
    ax.set(xlabel="p, fraction of channels pruned", ylabel="test accuracy / %")
    if len(ratios) <= 10:
        ax.set_xticks(ratios)
    ax.set_ylim(max(0, low - margin), min(100, high + margin))
    right = ax.twinx()
    percents = {name: [100 * v / values[0] for v in values] for name, values in costs.items()}
    for (name, values), mark in zip(percents.items(), cycle((GREEN, ORANGE, GREY))):
        right.plot(ratios, values, "o-", color=mark, label=name)
    right.set(ylabel="costs / % of the dense network", ylim=(0, 1.05 * max(map(max, percents.values()))))
    handles = [handle for each in (ax, right) for handle in each.get_legend_handles_labels()[0]]
    ax.legend(
        handles=handles, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(handles)
    )
    return ax
