"""What removing masked channels gains in time: a trained network with all its channels beside the slimmed one.

    python benchmarks/slim.py RUN      a minute; adds the run to docs/results/bench_slim.json

RUN is the folder of a run of `minisnn train sca-vgg16`. The dense network and the one slimmed by the run's mask take
turns, in float32, on random images: evaluation of a batch, and a training step (forward, loss, L1, backward, SGD).
Operations are those of one pass. The gain is how much faster over how many fewer operations.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from first_spike import machine
from rewiring import timed

from data_loaders.common.dataset import DataSet, Split
from minisnn.faster.blocks import keep_memory
from minisnn.networks.cost import measure, total
from minisnn.networks.describe import to_text
from minisnn.recipes import LIFNet, SCANet
from minisnn.recipes.images import Images
from minisnn.runs import start
from minisnn.structure.slim import Slimmer
from minisnn.training import loop

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "bench_slim.json"
SHAPES = {"cifar10": (32, 32, 3), "cifar100": (32, 32, 3), "mnist": (28, 28, 1), "digits": (8, 8, 1)}
REPEATS = 15


def compare(folder: Path, batch: int) -> dict[str, Any]:
    """Medians of interleaved repeats, and their ratios."""
    keep_memory()  # as training does
    recipe, state = (loaded := start.load(folder)).recipe, loaded.state
    assert isinstance(recipe, SCANet)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (max(batch, 64), *SHAPES[recipe.data]), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, len(images)))
    data = DataSet("random", split, split, split, max_value=255)
    slimmer = Slimmer(recipe.plain(data), SHAPES[recipe.data], state.channels)
    shared = {name: getattr(recipe, name) for name in Images.__dataclass_fields__} | {"batch_size": batch}
    setups = {
        "dense": LIFNet(**shared).setup(data),
        "slim": LIFNet(**shared | {"net": to_text(slimmer.net), "width": 1.0}).setup(data),
    }
    whole = replace(state, channels={}, structure={})
    states = {"dense": whole, "slim": slimmer.state(state)}
    validation = start.load(folder).log[-1]["val_accuracy"]
    few = Split(images[:batch], split.labels[:batch])
    works: dict[str, dict[str, Callable[[], Any]]] = {
        "evaluation": {n: lambda n=n: loop.evaluate(setups[n], states[n], few) for n in setups},
        "training step": {
            n: lambda n=n: loop.step(setups[n], states[n], few.images, few.labels, lr=0.0) for n in setups
        },
    }
    nets = {"dense": recipe.plain(data), "slim": slimmer.net}
    x = setups["dense"].encode(few.images)
    costs = {n: total(measure(nets[n], s.params, s.buffers, s.masks, x)) for n, s in states.items()}
    fewer = costs["dense"].operations / costs["slim"].operations
    report: dict[str, Any] = {
        "network": f"{recipe.net}, width {recipe.width:g}, {recipe.data}, T={recipe.T}, B={batch}",
        "p": recipe.p,
        "score": f"{recipe.score}, {'sum' if recipe.per_map else 'mean'} over positions",
        "trained": f"{recipe.epochs} epochs of {recipe.images or 'all'} images, validation {validation:.1f} %",
        "channels": {key: [int(m.sum()), m.size] for key, m in state.channels.items()},
        "parameters": {n: sum(w.size for w in s.params.values()) for n, s in states.items()},
        "operations": {n: int(cost.operations) for n, cost in costs.items()},
        "fewer operations": round(fewer, 3),
    }
    for what, pair in works.items():
        seconds = seconds_of(pair)
        median = {n: statistics.median(s) for n, s in seconds.items()}
        ratios = sorted(d / s for d, s in zip(seconds["dense"], seconds["slim"], strict=True))
        faster = statistics.median(ratios)
        report[what] = {
            **{f"{n} / s": round(m, 4) for n, m in median.items()},
            "faster": round(faster, 3),
            "quartiles": [round(q, 3) for q in statistics.quantiles(ratios, n=4)[::2]],
            "gain": round(faster / fewer, 3),
        }
    return report


def seconds_of(pair: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Of repeats in turn, after one that does not count."""
    for work in pair.values():
        work()
    seconds: dict[str, list[float]] = {n: [] for n in pair}
    for _ in range(REPEATS):
        for n, work in pair.items():
            seconds[n].append(timed(work))
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="RUN")
    parser.add_argument("--batch", type=int, default=16, help="images at a time (default 16)")
    parser.add_argument("--out", type=Path, default=OUT)
    a = parser.parse_args()
    found = compare(a.folder, a.batch)
    runs = json.loads(a.out.read_text())["runs"] if a.out.exists() else {}
    command = f"python benchmarks/slim.py RUN --batch {a.batch}, once for each run"
    runs[found["score"]] = found
    a.out.write_text(json.dumps({"command": command, "machine": machine(), "runs": runs}, indent=2) + "\n")
    print(json.dumps(found, indent=2))
