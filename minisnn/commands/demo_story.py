"""`make demo`: ESL's Table 1 on the embedded digits, and one picture that shows what happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from data_loaders.common.dataset import DataSet
from minisnn import plots
from minisnn.backend import to_host
from minisnn.recipes import ESL_MLP_DEFAULTS
from minisnn.runs import start

PAPER = (
    ("paper, MNIST: SNN", "96.70", "-", "635K", "1.0", "635K", "1.13e-05", "7.95e-06"),
    ("paper, MNIST: ESL-SNN", "96.58", "-0.12", "103K", "0.16", "103K", "1.84e-06", "1.29e-06"),
)
"""Table 1 as printed in the paper, which has no column of connections: its FLOPS are these."""


HIDDEN = "hidden.weight"


def demo(folder: Path, seed: int = 0) -> None:
    """Train the dense and the sparse network, print the table, draw the pictures, and suggest the next command."""
    sparse = replace(ESL_MLP_DEFAULTS["digits"], seed=seed)
    dense = replace(sparse, epsilon=None, density=1.0)
    print(
        f"Two first-spike networks, 64-{sparse.hidden[0]}-10, learn 1,302 real handwritten digits:\n"
        "every neuron fires at most once, and the class is the output neuron that fires first.\n"
    )
    results, logs = {}, {}
    for name, recipe in (("dense SNN", dense), ("ESL-SNN", sparse)):
        part = folder / name.replace(" ", "-").lower()
        for old in (part / "config.json", part / "checkpoint.npz"):
            old.unlink(missing_ok=True)  # the demo starts from scratch
        run = start.train(recipe, out=part, progress=f"{name:9}")
        results[name], logs[name] = run.result or {}, run.log
    print("\n" + table(results))
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    plots.learning_curves(figure.subplots(), logs)
    figure.savefig(folder / "learning_curves.png", dpi=150)
    before, after = to_host(run.state.structure[HIDDEN + ".initial"]), run.masks[HIDDEN]
    command = f"minisnn demo --seed {seed}"
    figure = story(sparse.load(), before, after, results, command)
    figure.savefig(folder / "story.png", dpi=150, metadata={"Source": command})
    clone = Path("chapters/start.ipynb").exists()
    following = "make lab" if clone else "minisnn train esl-mlp --help"
    print(f"""
One seed on 355 test images: a difference of a point or two is chance (docs/results has MNIST, with standard errors).
Joules are connections times a constant, as the paper counts them.

the picture  {folder}/story.png: receptive fields before and after, accuracy, connections, energy
more         {folder}/learning_curves.png, and receptive_fields.png and turnover.png in {folder}/esl-snn
type next    {following}: {"opens the chapters, the equations behind this" if clone else "other rules and data"}""")


def story(
    data: DataSet, before: np.ndarray, after: np.ndarray, results: dict[str, start.Result], command: str
) -> Figure:
    """One picture: which pixels the sparse network sees before and after; its accuracy and costs beside the dense one.

    before, after: masks of the first layer, bool [H*W, M]. results: of the dense and the sparse network, in this order.
    command: what made them, for the foot of the picture.
    """
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    figure.suptitle("Sparse from the first step: connections move to the pixels in which digits differ")
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=(3, 2)))
    shape = data.shape[:2]
    varies = np.asarray(data.train.images, float).std(0).reshape(shape)
    counts = [mask.sum(1).reshape(shape) for mask in (before, after)]
    maps = top.subplots(1, 3)
    maps[0].imshow(varies, cmap="viridis")
    maps[0].set_title("standard deviation of each pixel\nover the images", fontsize="medium")
    for ax, count, when in zip(
        maps[1:], counts, ("before: drawn at random", "after: trained and rewired"), strict=True
    ):
        shown = ax.imshow(count, cmap="viridis", vmin=0, vmax=max(c.max() for c in counts))
        ax.set_title(f"connections of each pixel\n{when}", fontsize="medium")
    top.colorbar(shown, ax=maps[1:], label="connections", shrink=0.9)
    for ax in maps:
        ax.set(xticks=[], yticks=[])
    accuracy, connections, energy = bottom.subplots(1, 3)
    rows = list(results.values())
    _pair(
        accuracy,
        "test accuracy",
        [f"{r['test_accuracy']:.1f} %" for r in rows],
        [r["test_accuracy"] for r in rows],
    )
    _pair(
        connections, "connections", [f"{r['connections']:,}" for r in rows], [r["connections"] for r in rows]
    )
    joules = [r["joules_gpu"] for r in rows]
    _pair(energy, "energy of an image on a GPU", [EngFormatter("J", places=0)(j) for j in joules], joules)
    bottom.supxlabel(
        f"{command}: one seed, {len(data.test.labels)} test images. "
        "Energy is connections times a constant, as in ESL's Table 1.",
        fontsize="small", color="dimgray",
    )  # fmt: skip
    return figure


def _pair(ax: Axes, title: str, labels: list[str], values: list[float]) -> None:
    """Two labelled bars: the dense network's above the sparse one's."""
    bars = ax.barh(["dense", "sparse"], values, color=[plots.BLUE, plots.RED], height=0.7)
    ax.bar_label(bars, labels, padding=4)
    ax.set_title(title, fontsize="medium", loc="left")
    ax.set(xlim=(0, 1.35 * max(values)), xticks=[])
    ax.invert_yaxis()
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def table(results: dict[str, start.Result]) -> str:
    """ESL's Table 1 for named results, followed by the paper's; accuracy loss is relative to the first."""
    head = (
        "model",
        "test acc. / %",
        "acc. loss",
        "connections",
        "density",
        "operations",
        "J on GPU",
        "J on TrueNorth",
    )
    lines: list[tuple[str, ...]] = [head]
    base = next(iter(results.values()))["test_accuracy"]
    for name, r in results.items():
        change = f"{r['test_accuracy'] - base:+.2f}" if r["test_accuracy"] is not base else "-"
        lines.append(
            (name, f"{r['test_accuracy']:.2f}", change, f"{r['connections']:,}", f"{r['density']:.3f}",
             f"{r['operations']:,}", f"{r['joules_gpu']:.2e}", f"{r['joules_truenorth']:.2e}")
        )  # fmt: skip
    lines += PAPER
    widths = np.array([[len(cell) for cell in line] for line in lines]).max(0)
    return "\n".join(
        "  ".join(
            c.ljust(w) if not k else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
