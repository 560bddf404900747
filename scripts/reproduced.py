"""The results of `minisnn reproduce --scale small`: what was compared before on validation data, and the tables.

MINISNN_DATA=... python scripts/reproduced.py select     docs/results/*_selection.csv, seed 100, no test set
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

from minisnn.grids.grid import run_grid
from minisnn.grids.rows import Summary, markdown, read
from minisnn.recipes import LIFNet, SCANet
from minisnn.targets import esl_fig3, esl_fig4, esl_table2, sca_fig2
from minisnn.targets.reproduce import TARGETS
from minisnn.targets.target import ordered, table


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


def sca_selection() -> dict[str, SCANet]:
    """Learning rate, when masks come to rest, mode and price of L1, of SCA's network on MNIST."""
    recipe = replace(sca_fig2.bases("small")["MNIST"], p=0.5, l1=3e-5)
    rates = {f"rate {lr:g}": replace(recipe, lr=lr) for lr in (0.02, 0.05, 0.1)}
    ends = {f"masks change until {end:g}": replace(recipe, end=end) for end in (0.5, 1.0)}
    prices = {f"p 0.8, L1 {l1:g}": replace(recipe, p=0.8, l1=l1) for l1 in (3e-5, 3e-4, 1e-3)}
    return rates | ends | {"hard": replace(recipe, mode="hard")} | prices


def tables() -> dict[Path, dict[str, str]]:
    """What stands between the marks `<!-- NAME -->` and `<!-- end NAME -->` of which page."""
    summaries = {
        name: ordered(target, "small", read(RESULTS / f"{target.grid or name}-small.jsonl"))
        for name, target in TARGETS.items()
        if name != "methods"  # its small scale has not been run
    }
    found = {name: f"{table(TARGETS[name], s)}\n\n{TARGETS[name].note}" for name, s in summaries.items()}
    chosen = {"name": "setting", "mean": "validation accuracy / %", "seeds": "seeds"}
    selected = markdown(summary(RESULTS / "esl_selection.jsonl", "val_accuracy"), chosen)
    page = found | {"esl selected": selected, "rewiring": rewiring(), "slim speed": slimming()}
    page["sca selected"] = markdown(summary(RESULTS / "sca_selection.jsonl", "val_accuracy"), chosen)
    page["ablation"] = ablation(summaries["sca-fig4"])
    smoke = ordered(TARGETS["esl-fig4"], "smoke", read(RESULTS / "esl-fig4-smoke.jsonl"))
    exact = esl_fig3.over_densities(summaries["esl-fig3"])
    page["densities"] = f"The {len(exact)} densities of (a) have {scatter(exact)}."
    page |= {"pairs": pairs(summaries["esl-fig4"]), "pairs smoke": pairs(smoke)}
    trial = ordered(TARGETS["methods"], "smoke", read(RESULTS / "methods-smoke.jsonl"))
    page["methods smoke"] = f"{table(TARGETS['methods'], trial)}\n\n{TARGETS['methods'].note}"
    page["esl-fig4 smoke"] = table(TARGETS["esl-fig4"], smoke)
    return {
        RESULTS / "README.md": page,
        RESULTS.parent / "speed.md": {"slim speed": slimming()},
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
                f'- Density {density}: mean of the eight pairs minus "{name}", seed by seed: {gain}.'
            )
    return "\n".join(lines)


def ablation(found: Mapping[str, Summary]) -> str:
    """SCA Fig. 4: prune and regrow minus each ablation, ratio by ratio, over the seeds."""
    rows = []
    groups = sca_fig2.grouped(found)
    for (what, method), by_ratio in groups.items():
        for p, s in by_ratio.items() if method != sca_fig2.PAPERS else ():
            ours = groups[what, sca_fig2.PAPERS][p]
            gains = [a - b for a, b in zip(ours.accuracies, s.accuracies, strict=True)]
            error = statistics.stdev(gains) / len(gains) ** 0.5
            rows.append(
                {
                    "p": f"{p:g}",
                    "method": method,
                    "gain": f"{statistics.mean(gains):+.2f} ± {error:.2f}",
                    "seeds": ", ".join(f"{g:+.2f}" for g in gains),
                    "parameters": f"{s.parameters / ours.parameters:.2f}",
                }
            )
    rows.sort(key=lambda row: (row["method"], row["p"]))
    heads = {
        "method": "prune and regrow minus",
        "p": "p",
        "gain": "accuracy / points",
        "seeds": "seed by seed",
    }
    return markdown(rows, heads | {"parameters": "parameters, as a multiple"})


def slimming() -> str:
    """What removing masked channels gains in time: a sentence and a Markdown table."""
    report = json.loads((RESULTS / "bench_slim.json").read_text())
    rows = [
        {
            "score": f"{found['score']}; {what}",
            "parameters": f"{found['parameters']['slim']:,}",
            "fewer": f"{found['fewer operations']:.2f}",
            "dense": f"{found[what]['dense / s']:.3f}",
            "slim": f"{found[what]['slim / s']:.3f}",
            "faster": f"{found[what]['faster']:.2f} ({' to '.join(f'{q:.2f}' for q in found[what]['quartiles'])})",
            "gain": f"{found[what]['gain']:.2f}",
        }
        for found in report["runs"].values()
        for what in ("evaluation", "training step")
    ]
    heads = {"score": "channels by", "parameters": "parameters", "fewer": "times fewer operations"}
    heads |= {
        "dense": "dense / s",
        "slim": "slim / s",
        "faster": "times as fast",
        "gain": "faster over fewer",
    }
    first, machine = next(iter(report["runs"].values())), report["machine"]
    return (
        f"{first['network']}, p = {first['p']:g}, float32, {machine['threads']} thread, one {machine['processor']}; "
        f"dense: {first['parameters']['dense']:,} parameters.\n\n{markdown(rows, heads)}"
    )


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
        run_grid(RESULTS / "esl_selection.jsonl", selection(), seeds=(100,), test=False)
        run_grid(RESULTS / "sca_selection.jsonl", sca_selection(), seeds=(100,), test=False)
        return
    for page, parts in tables().items():
        page.write_text(fill(page.read_text(), parts))


if __name__ == "__main__":
    main()
