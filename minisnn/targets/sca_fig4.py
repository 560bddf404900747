"""SCA Fig. 4: scores over pruning ratios; prune-and-regrow against prune-only against random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from minisnn import plots
from minisnn.grids.rows import Summary
from minisnn.targets import sca_fig2
from minisnn.targets.target import Target

ABLATIONS: tuple[dict[str, Any], ...] = ({"q": 0.0}, {"q": 0.0, "mode": "random"})  # only prune, random


def recipes(scale: str) -> dict[str, sca_fig2.SCANet]:
    """The runs of Fig. 2's first network, and for each ratio the two ablations."""
    regrown = list(sca_fig2.of_first_network(scale).values())
    ablated = [replace(r, **changes) for changes in ABLATIONS for r in regrown if r.p]
    return {sca_fig2.named(r): r for r in regrown + ablated}


def draw(figure: Figure, found: Mapping[str, Summary], paper: Mapping[str, float]) -> None:
    """(a) scores of all channels after training; (b) accuracy and (c) parameters of the three methods."""
    figure.set_size_inches(14, 4.2)
    a, b, c = figure.subplots(1, 3)
    groups = sca_fig2.grouped(found)
    ((what, _), regrown), *_ = groups.items()
    scores = {p: [x for layer in s.rows[0]["scores"].values() for x in layer] for p, s in regrown.items()}
    plots.score_distributions(a, {p: s for p, s in scores.items() if s}).set_title("(a) scores, first seed")
    for n, ((_, method), by_ratio) in enumerate(groups.items()):
        if n:
            by_ratio = {0.0: regrown[0.0], **by_ratio} if 0.0 in regrown else by_ratio
        summaries = list(by_ratio.values())
        for ax, values in ((b, [s.mean for s in summaries]), (c, [s.parameters for s in summaries])):
            error = [s.error for s in summaries] if ax is b else None
            ax.errorbar(
                list(by_ratio),
                values,
                error,
                marker="o",
                color=plots.colour(n, len(groups)),
                capsize=3,
                label=method,
            )
    b.set(xlabel="p, fraction of channels pruned", ylabel="test accuracy / %", title=f"(b) {what}")
    c.set(xlabel="p, fraction of channels pruned", ylabel="parameters", title=f"(c) {what}", ylim=(0, None))
    c.yaxis.set_major_formatter(EngFormatter())  # 15 M
    b.legend(frameon=False, loc="lower left")


TARGET: Target = Target(
    "SCA Fig. 4: ablation",
    recipes,
    draw,
    {},
    "The numbers of the paper's figure are not available. Its text orders the methods by accuracy, \"prune and "
    'regrow", "only prune", "random prune", with more parameters in the latter two, and says that without regrowth the '
    "mask hardly changes after its first update. Error bars are standard errors of the mean over seeds.",
    sca_fig2.parameters,
    grid="sca",
)
