"""SCA Fig. 2: accuracy, parameters and synaptic operations over the pruning ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from minisnn import plots
from minisnn.grids.rows import Summary
from minisnn.recipes import SCA_VGG16_DEFAULTS, SCANet
from minisnn.targets.target import Target

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
PAPERS = "prune and regrow"  # the method of the paper


def bases(scale: str) -> dict[str, SCANet]:
    """The networks at a scale, by the names of data sets. q = 0.1 is the authors' default.

    Where training is shorter than their 300 epochs, masks stop changing before its end, and L1 has a larger weight
    because it has less time to act.
    """
    if scale == "paper":
        vgg = SCA_VGG16_DEFAULTS["cifar10"]
        return {
            "CIFAR-10, VGG16": vgg,
            "CIFAR-10, Pre-ResNet-18": replace(vgg, net="pre-resnet18"),
            "CIFAR-100, VGG16": SCA_VGG16_DEFAULTS["cifar100"],
            "CIFAR10-DVS, 5Conv": SCA_VGG16_DEFAULTS["cifar10-dvs"],
        }
    if scale == "small":
        net = "32C3S2-64C3S2-64C3S2-64C3-10FC"
        mnist = SCANet(
            data="mnist", net=net, T=2, images=12_000, epochs=10, batch_size=50, shift=0, flip=False
        )
        return {"MNIST": replace(mnist, lr=0.05, schedule="cosine", end=0.75, l1=3e-4)}
    return {"digits": replace(SCA_VGG16_DEFAULTS["digits"], epochs=8, schedule="cosine", end=0.75)}


def dense(recipe: SCANet) -> SCANet:
    """The same training without pruning."""
    return replace(recipe, p=0.0, q=0.0)


NETWORKS = {
    (recipe.data, recipe.net): what
    for scale in ("smoke", "small", "paper")
    for what, recipe in bases(scale).items()
}


def network_of(recipe: SCANet) -> str:
    """The data and the network, as text."""
    return NETWORKS.get((recipe.data, recipe.net), f"{recipe.data}, {recipe.net}")


def method(recipe: SCANet) -> str:
    """How channels are pruned: the paper's method or one of its ablations."""
    if recipe.mode == "random":
        return "random"
    return "only prune" if recipe.p and not recipe.q else PAPERS


def named(recipe: SCANet) -> str:
    """The name of a row: data and network, the method unless it is the paper's, p."""
    other = [method(recipe)] if method(recipe) != PAPERS else []
    return ", ".join([network_of(recipe), *other, f"p {recipe.p:g}"])


def over_ratios(scale: str, recipe: SCANet) -> list[SCANet]:
    """The dense network, and one for each ratio."""
    ratios = RATIOS[1::3] if scale == "smoke" else RATIOS
    return [dense(recipe), *(replace(recipe, p=p) for p in ratios)]


def recipes(scale: str) -> dict[str, SCANet]:
    """Every network, dense and at every ratio."""
    return {named(r): r for recipe in bases(scale).values() for r in over_ratios(scale, recipe)}


def of_first_network(scale: str) -> dict[str, SCANet]:
    """The recipes of the first network, which Fig. 3 and Fig. 4 show."""
    return {named(r): r for r in over_ratios(scale, next(iter(bases(scale).values())))}


def grouped(found: Mapping[str, Summary]) -> dict[tuple[str, str], dict[float, Summary]]:
    """Summaries by ratio, by network and method."""
    groups: dict[tuple[str, str], dict[float, Summary]] = {}
    for s in found.values():
        groups.setdefault((network_of(s.recipe), method(s.recipe)), {})[s.recipe.p] = s
    return groups


def draw(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """Bars: accuracy. Lines: parameters and synaptic operations. As in the paper."""
    groups = grouped(found)
    figure.set_size_inches(6 * len(groups), 4.2)
    axes = figure.subplots(1, len(groups), squeeze=False, gridspec_kw={"wspace": 0.06})[0]
    for ax, ((what, _), by_ratio) in zip(axes, groups.items(), strict=True):
        summaries = by_ratio.values()
        costs = {"parameters": [s.parameters for s in summaries], "SynOps": [s.synops for s in summaries]}
        stars = {p: paper[s.name] for p, s in by_ratio.items() if s.name in paper}
        accuracies, errors = [s.mean for s in summaries], [s.error for s in summaries]
        plots.accuracy_and_costs(ax, list(by_ratio), accuracies, errors, costs, stars).set_title(what)


def parameters(s: Summary) -> dict[str, str]:
    """An additional column of the table."""
    return {"parameters": "" if np.isnan(s.parameters) else f"{s.parameters:,.0f}"}


TARGET: Target = Target(
    "SCA Fig. 2: channel pruning ratio",
    recipes,
    draw,
    {
        "CIFAR-10, VGG16, p 0": "91.14",
        "CIFAR-100, VGG16, p 0": "64.89",
        "CIFAR10-DVS, 5Conv, p 0": "72.80",
    },
    "Accuracies, parameters and SynOps are those of the network without its masked channels. Connections are its "
    "weights; density is their fraction of the dense network's. The paper's text does not give the values of its "
    "figure; the accuracies of the baselines are from its Table 1.",
    parameters,
    grid="sca",
)
