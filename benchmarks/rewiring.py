"""What rewiring costs: VGGSNN at a density of 0.1, T_iter = 1000, every pair of rules.

    python benchmarks/rewiring.py      a few minutes; writes docs/results/bench_rewiring.json

A training step (forward, loss, backward, Adam, W = M * W) and one rewiring of all layers are timed side by side, on
random images, in float32. The share is one rewiring over T_iter steps: the smaller the batch, the larger it is. Masking
is what the product W = M * W takes of a step.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from first_spike import machine

from data_loaders.common.dataset import DataSet, Split
from minisnn.recipes import LIFNet
from minisnn.targets.esl_fig4 import GROW, PRUNE
from minisnn.training import loop

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "bench_rewiring.json"
T_ITER = 1000
RECIPE = LIFNet(data="cifar10", net="vggsnn", T=4, batch_size=8, density=0.1, t_iter=T_ITER, epochs=1000)


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure() -> dict[str, Any]:
    """Medians of interleaved repeats."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, 64))
    data = DataSet("random", split, split, split, max_value=255)
    setup = RECIPE.setup(data)
    state = loop.start(setup, 0)
    batch = (split.images[: RECIPE.batch_size], split.labels[: RECIPE.batch_size])
    loop.step(setup, state, *batch, lr=1e-3)
    *_, grads = loop.gradients(setup, state, *batch)
    pairs = {f"{p} + {g}": replace(RECIPE, prune=p, grow=g).setup(data).learner for p in PRUNE for g in GROW}
    steps, masking = [], []
    rewirings: dict[str, list[float]] = {name: [] for name in pairs}

    def mask() -> None:
        for key, m in state.masks.items():
            state.params[key] *= m

    for _ in range(5):
        state.iteration = 1
        steps += [timed(lambda: loop.step(setup, state, *batch, lr=1e-3)) for _ in range(3)]
        masking.append(timed(mask))
        for name, learner in pairs.items():
            state.iteration = T_ITER
            rewirings[name].append(timed(lambda: learner.after_step(state, grads, setup.optimizer, 1e-3)))  # noqa: B023
            mask()
    step = statistics.median(steps)
    return {
        "network": f"{RECIPE.net}, 32x32x3, T={RECIPE.T}, B={RECIPE.batch_size}, density {RECIPE.density}",
        "T_iter": T_ITER,
        "connections": sum(int(m.sum()) for m in state.masks.values()),
        "step / s": round(step, 4),
        "masking / step": round(statistics.median(masking) / step, 4),
        "rewiring / (T_iter steps)": {
            name: round(statistics.median(seconds) / (T_ITER * step), 5)
            for name, seconds in rewirings.items()
        },
        "rewiring / s": {name: round(statistics.median(seconds), 3) for name, seconds in rewirings.items()},
    }


if __name__ == "__main__":
    report = {"command": "python benchmarks/rewiring.py", "machine": machine(), **measure()}
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
