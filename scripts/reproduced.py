"""The results of `minisnn reproduce --scale small`: what was compared before on validation data, and the tables.

MINISNN_DATA=... python scripts/reproduced.py select     docs/results/esl_selection.csv, seed 100, no test set
python scripts/reproduced.py tables                      put results and benchmark into the Markdown pages
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common import RESULTS, fill, summary

from minisnn.recipes import LIFNet
from minisnn.reproduce import TARGETS, esl_fig4, esl_table2
from minisnn.reproduce.grid import Summary, markdown, read, run_grid
from minisnn.reproduce.target import ordered, table


def selection() -> dict[str, LIFNet]:
    """Learning rates: of two networks on MNIST at two densities, and of the one for CIFAR-10, in 3 of its 10 epochs."""
    vgg = replace(esl_fig4.base("small"), net="32C3S2-64C3S2-128C3S2-10FC", epochs=4)
    mnist, cifar = esl_fig4.base("small"), replace(esl_table2.base("small"), epochs=3)
    return {
        f"{name}, density {density:g}, rate {lr:g}": replace(recipe, density=density, lr=lr)
        for name, recipe, densities, rates in (
            (f"MNIST, {vgg.net}", vgg, (0.1, 0.01), (0.001, 0.003, 0.01)),
            (f"MNIST, {mnist.net}", mnist, (0.1, 0.01), (0.001, 0.003, 0.01)),
            (f"CIFAR-10, {cifar.net}", cifar, (0.5,), (0.001, 0.003)),
        )
        for density in densities
        for lr in rates
    }


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    summaries = {
        name: ordered(target, "small", read(RESULTS / f"{name}-small.csv"))
        for name, target in TARGETS.items()
    }
    found = {name: f"{table(t, summaries[name])}\n\n{t.note}" for name, t in TARGETS.items()}
    chosen = {"name": "setting", "mean": "validation accuracy / %", "seeds": "seeds"}
    selected = markdown(summary(RESULTS / "esl_selection.csv", "val_accuracy"), chosen)
    page = found | {"esl selected": selected, "rewiring": rewiring()}
    smoke = ordered(TARGETS["esl-fig4"], "smoke", read(RESULTS / "esl-fig4-smoke.csv"))
    exact = [s for name, s in summaries["esl-fig3"].items() if "," not in name]
    page["densities"] = f"The {len(exact)} densities of (a) have {scatter(exact)}."
    page |= {"pairs": pairs(summaries["esl-fig4"]), "pairs smoke": pairs(smoke)}
    page["esl-fig4 smoke"] = table(TARGETS["esl-fig4"], smoke)
    return {
        RESULTS / "README.md": page,
        RESULTS.parent.parent / "README.md": {"esl-multispike": found["esl-multispike"]},
    }


def scatter(settings: Sequence[Summary]) -> str:
    """Do settings differ by more than seeds do?"""
    single = statistics.mean(statistics.variance(s.accuracies) for s in settings) ** 0.5
    n, means = len(settings[0].accuracies), [s.mean for s in settings]
    return (
        f"means from {min(means):.2f} to {max(means):.2f}. A run deviates from its setting's mean by {single:.2f} "
        f"(pooled standard deviation), so means of {n} would differ by {single / n**0.5:.2f} if all settings were "
        f"equal; they differ by {statistics.stdev(means):.2f}"
    )


def pairs(found: Mapping[str, Summary]) -> str:
    """Fig. 4: the eight pairs of rules, among themselves and beside what does not rewire."""
    lines = []
    for density in esl_fig4.DENSITIES:
        eight = [found[f"{density}, {p} + {g}"] for p in esl_fig4.PRUNE for g in esl_fig4.GROW]
        lines.append(f"- Density {density}: the eight pairs have {scatter(eight)}.")
        for name in (f"{density}, static", f"{density}, small dense", "1, dense"):
            seeds = zip(*(s.accuracies for s in eight), found[name].accuracies, strict=True)
            gain = ", ".join(f"{statistics.mean(rewired) - other:+.2f}" for *rewired, other in seeds)
            lines.append(
                f"- Density {density}: mean of the eight pairs minus «{name}», seed by seed: {gain}."
            )
    return "\n".join(lines)


def rewiring() -> str:
    """What rewiring costs: a sentence and a Markdown table."""
    report = json.loads((RESULTS / "bench_rewiring.json").read_text())
    share = report["rewiring / (T_iter steps)"]
    rows = [
        {"rules": name, "seconds": f"{report['rewiring / s'][name]:.2f}", "share": f"{part:.2%}"}
        for name, part in share.items()
    ]
    heads = {"rules": "rules", "seconds": "one rewiring / s", "share": f"of {report['T_iter']} steps"}
    machine = report["machine"]
    return (
        f"{report['network']}, {report['connections']:,} connections, float32, {machine['threads']} thread, one "
        f"{machine['processor']}: a step takes {report['step / s']:.2f} s, of which W = M ⊙ W is "
        f"{report['masking / step']:.1%}.\n\n{markdown(rows, heads)}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["select", "tables"])
    if parser.parse_args().what == "select":
        run_grid(RESULTS / "esl_selection.csv", selection(), seeds=(100,), test=False)
        return
    for page, parts in tables().items():
        page.write_text(fill(page.read_text(), parts))


if __name__ == "__main__":
    main()
