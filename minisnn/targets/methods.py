"""Every sparse-training method of the papers' tables and the usual baselines: one network, one budget, one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from minisnn.grids.rows import Summary, half_width
from minisnn.plots import BLUE, GREEN, ORANGE, RED
from minisnn.recipes import LIFNet
from minisnn.recipes.settings import Options
from minisnn.targets.target import Target

COLOURS = (BLUE, ORANGE, GREEN, RED, "black", "grey", "purple")
BY_THEMSELVES = (
    "SD-SNN",
    "DPAP",
)  # their rules decide how sparse they end: a density only says which weights
STARTS_DENSE = (
    "SNIP",
    "gradual magnitude",
    "magnitude after training",
    "ADMM",
    "Grad R",
    "STDS",
    "SD-SNN",
    "DPAP",
)
DENSITIES = (0.5, 0.1, 0.05, 0.01)

METHODS: dict[str, dict[str, Any]] = {  # settings in place of the dense network's; what a density adds stands in `row`
    "random static": {"alpha": 0.0},
    "SET": {"prune": "set", "grow": "random", "alpha": 0.3},
    "ESL, gradient growth": {"prune": "set", "grow": "gradient", "alpha": 0.3},
    "ESL, momentum growth": {"prune": "set", "grow": "momentum", "alpha": 0.3},
    "attention-free": {"learner": "attention-free"},
    "RigL": {"learner": "rigl"},
    "Deep R": {"learner": "deep-r"},
    "SNIP": {"learner": "snip"},
    "gradual magnitude": {"learner": "gmp"},
    "magnitude after training": {"learner": "magnitude"},
    "ADMM": {"learner": "admm"},
    "Grad R": {"learner": "grad-r"},
}  # fmt: skip
"""Methods that reach a density asked for, or, like Grad R, try to."""

BY_STRENGTH = {"STDS": ("D", (0.003, 0.01, 0.03, 0.1))}
"""Methods whose own setting decides how sparse they end: the option, and values in place of densities."""


def base(scale: str) -> LIFNet:
    """The dense network, which all methods share with its data, epochs and optimiser."""
    if scale == "paper":
        return LIFNet(data="cifar10", net="vggsnn", T=4, epochs=300, lr=0.001, shift=4, flip=True)
    if scale == "small":
        return LIFNet(data="mnist", net="mlp", T=4, epochs=10, lr=0.001, batch_size=100)
    return LIFNet(data="digits", net="16C3-32C3-AP2-10FC", epochs=10, lr=0.003)


def recipes(scale: str) -> dict[str, LIFNet]:
    """Dense; dense of the same size; every method at every density."""
    dense = base(scale)
    rewiring: dict[str, Any] = {"distribution": "erk", "t_iter": 0.02}
    found = {"dense": dense}
    for density in DENSITIES[:2] if scale == "smoke" else DENSITIES:
        sparse = replace(dense, density=density, **rewiring)
        found[f"dense of the same size, {density:g}"] = replace(dense, density=density, same_size=True)
        for name, settings in METHODS.items():
            if name == "Grad R":  # one density for all layers; beyond 1/2 it is refused
                settings = settings | {"distribution": "uniform"}
            found[f"{name}, {density:g}"] = replace(sparse, **settings)
    for name in BY_THEMSELVES:
        found[name] = replace(dense, density=0.5, learner=name.lower())
    for name, (option, values) in BY_STRENGTH.items():
        for value in values:
            found[f"{name}, {option} {value:g}"] = replace(
                dense, density=0.5, learner=name.lower(), learner_options=Options({option: value})
            )
    return found


def method_of(name: str) -> str:
    """The method of a row."""
    return name.rpartition(", ")[0] or name


def draw(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """Accuracy and its standard error, over connections and over what training took; dashed: what starts dense."""
    figure.set_size_inches(10, 4.6)
    axes = figure.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(map(method_of, found)))
    for n, method in enumerate(methods):
        mine = [s for name, s in found.items() if method_of(name) == method]
        for ax, column in zip(axes, ("connections", "training_operations"), strict=True):
            order = sorted(mine, key=lambda s: getattr(s, column))
            ax.errorbar(
                [getattr(s, column) for s in order], [s.mean for s in order],
                [s.error if len(s.rows) > 1 else 0 for s in order],
                label=method, color=COLOURS[n % len(COLOURS)], marker="os^vD*XP"[n % 8], markersize=5, linewidth=1,
                linestyle="--" if method in STARTS_DENSE else "-",
            )  # fmt: skip
    for ax, label in zip(axes, ("connections", "operations of the whole training"), strict=True):
        ax.set(xscale="log", xlabel=label)
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set(ylabel="test accuracy / %")
    axes[1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=8)


def extra(s: Summary) -> dict[str, str]:
    """Additional columns: the confidence interval, and what training took."""
    width = half_width(s.accuracies)
    return {
        "± 95 %": f"{width:.2f}" if len(s.rows) > 1 else "",
        "training / 10¹² operations": f"{s.training_operations / 1e12:.3g}",
        "seconds": f"{s.seconds:.0f}",
    }


TARGET: Target = Target(
    "Methods",
    recipes,
    draw,
    {},
    "One network, one set of data, the same epochs and optimiser for all; every method has its default settings, "
    "untuned. Methods that start dense pay for it in training; the masks of the others are drawn by ERK. STDS, "
    "SD-SNN and DPAP have no density to ask for. Operations of training count active connections, in three products, "
    "and dense gradients where a method reads them.",
    extra,
)
