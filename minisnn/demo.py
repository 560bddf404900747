"""`make demo`: ESL's Table 1 on the embedded digits, with pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minisnn import plots, runs
from minisnn.recipes import ESL_MLP_DEFAULTS

PAPER = (
    ("paper, MNIST: SNN", "96.70", "-", "635K", "1.0", "635K", "1.13e-05", "7.95e-06"),
    ("paper, MNIST: ESL-SNN", "96.58", "-0.12", "103K", "0.16", "103K", "1.84e-06", "1.29e-06"),
)
"""Table 1 as printed in the paper, which has no column of connections: its FLOPS are these."""


def demo(folder: Path, seed: int = 0) -> None:
    """Train the dense and the sparse net, print the table, draw the pictures, and say where to go next."""
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
            old.unlink(missing_ok=True)  # the demo starts afresh
        results[name] = runs.run(recipe, part, progress=f"{name:9}")
        logs[name] = runs.read_log(part)
    print("\n" + table(results))
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    plots.learning_curves(figure.subplots(), logs)
    figure.savefig(folder / "learning_curves.png", dpi=150)
    print(f"""
One seed on 355 test images: a difference of a point or two is chance (docs/results has MNIST, with spread).
Joules are connections times a constant, as the paper counts them.

pictures  {folder}/learning_curves.png
          {folder}/esl-snn/receptive_fields.png  what the hidden neurons listen to, before and after
          {folder}/esl-snn/turnover.png          which connections died and which grew
next      chapters/01_erdos_renyi.md             the first of the equations behind this
          minisnn train esl-mlp --help           other rules, densities and data""")


def table(results: dict[str, runs.Result]) -> str:
    """ESL's Table 1 for named results, with the paper's own; accuracy loss is against the first."""
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
