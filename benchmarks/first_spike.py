"""How fast the first-spike network is, as ratios measured side by side in one run.

    MINISNN_DATA=... make bench     one BLAS thread; writes docs/results/bench_first_spike.json

1. An MNIST epoch of 784-800-10 (600 steps of 100 images: forward, loss, backward, optimiser, rewiring)
   against 600 times the three products that its first layer cannot do without, X W and two X^T G.
2. The general layer, 800 -> 800 with all input times distinct, against the textbook's gather into
   [B, N, M], its plain twin: time, causal sets, and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info
from tqdm import tqdm

from minisnn import Split, load_mnist
from minisnn.faster.first_spike import first_spike_backward, first_spike_forward
from minisnn.ops import first_spike as textbook
from minisnn.recipes import ESL_MLP_DEFAULTS
from minisnn.training import loop

ROOT = Path(__file__).resolve().parent.parent
B, STEPS = 100, 600


def timed(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each function, `repeats` times, taking turns after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for n in range(repeats + 1):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            if n:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def spread(ratios: list[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}


def epoch(repeats: int) -> dict[str, object]:
    """All 60,000 training images of MNIST, those otherwise held out for validation included."""
    rng = np.random.default_rng(0)
    mnist = load_mnist()
    split = Split(*(np.concatenate(parts) for parts in zip(mnist.train, mnist.validation, strict=True)))
    assert len(split.labels) == B * STEPS
    data = replace(mnist, train=split)
    X, W, G = (rng.standard_normal(shape, np.float32) for shape in ((B, 784), (784, 800), (B, 800)))

    def products() -> None:
        for _ in range(STEPS):
            X @ W, X.T @ G, X.T @ G

    functions: dict[str, Callable[[], object]] = {"three products": products}
    sparse = ESL_MLP_DEFAULTS["mnist"]
    for levels in (2, 4):
        for name, recipe in (("sparse", sparse), ("dense", replace(sparse, epsilon=None, density=1.0))):
            setup = replace(recipe, levels=levels).setup(data)
            state = loop.start(setup, seed=0)
            functions[f"{name}, {levels} grey levels"] = lambda setup=setup, state=state: loop.train_epoch(
                setup, state, split, tqdm(disable=True)
            )
    seconds = timed(functions, repeats)
    base = seconds.pop("three products")
    return {
        "seconds of 600 x three products": base,
        "epoch / products": {
            name: spread([a / b for a, b in zip(s, base, strict=True)]) for name, s in seconds.items()
        },
    }


def layer(repeats: int) -> dict[str, object]:
    """800 -> 800, all input times distinct, with all neurons firing and with most of them silent."""
    rng = np.random.default_rng(0)
    z = np.exp(rng.permuted(np.tile(np.linspace(0, 2, 800), (B, 1)), axis=1)).astype(np.float32)
    assert all(len(np.unique(row)) == 800 for row in z)
    result: dict[str, object] = {}
    for name, total in (("all fire", 4.0), ("a third fires", 0.5)):
        w = (total / 800 + rng.standard_normal((800, 800)) / 800**0.5).astype(np.float32)
        dz = rng.standard_normal((B, 800), np.float32)
        z_out, cache = first_spike_forward(z, w)
        book, its_cache = textbook.first_spike_forward(z, w)
        fires = np.isfinite(z_out)
        z64, w64 = z.astype(float), w.astype(float)
        causal = {
            "float32": causal_set(z, z_out),
            "textbook float32": causal_set(z, book),
            "float64": causal_set(z64, first_spike_forward(z64, w64)[0]),
            "textbook float64": causal_set(z64, textbook.first_spike_forward(z64, w64)[0]),
        }
        seconds = timed(
            {
                "product": lambda w=w: z @ w,
                "textbook forward": lambda w=w: textbook.first_spike_forward(z, w),
                "forward": lambda w=w: first_spike_forward(z, w),
                "textbook backward": lambda c=its_cache, d=dz: textbook.first_spike_backward(d, c),
                "backward": lambda c=cache, d=dz: first_spike_backward(d, c),
            },
            repeats,
        )
        ratio = {
            way: spread([a / b for a, b in zip(seconds[f"textbook {way}"], seconds[way], strict=True)])
            for way in ("forward", "backward")
        }
        result[name] = {
            "fire": float(fires.mean()),
            "times faster than textbook": ratio,
            "forward / plain product": statistics.median(seconds["forward"])
            / statistics.median(seconds["product"]),
            "entries of the causal sets that differ from the textbook's in float64": {
                which: int((sets != causal["textbook float64"]).sum()) for which, sets in causal.items()
            },
        }
    result["peak MiB of the forward"] = {
        f"{N} -> {M}": peak(N, M) for N, M in ((100, 1500), (800, 800), (1500, 100))
    }
    return result


def causal_set(z_in: np.ndarray, z_out: np.ndarray) -> np.ndarray:
    """[B, N, M]: did input i come before neuron j fired? Nothing causes a neuron that never fires."""
    return z_in[:, :, None] < np.where(np.isinf(z_out), 0, z_out)[:, None]


def peak(N: int, M: int) -> float:
    """MiB allocated at once in one forward, the result included."""
    rng = np.random.default_rng(0)
    z = np.exp(rng.uniform(0, 2, (B, N))).astype(np.float32)
    w = (4 / N + rng.standard_normal((N, M)) / N**0.5).astype(np.float32)
    tracemalloc.start()
    first_spike_forward(z, w)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(used / 2**20, 2)


def machine() -> dict[str, object]:
    """What ran, and on what."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload]
    kernels = next(
        (lib.get("architecture") for lib in threadpool_info() if lib["user_api"] == "blas"), "unknown"
    )
    return {
        "processor": next(
            (x.split(": ")[1] for x in lines if x.startswith("model name")), platform.processor()
        ),
        "AVX-512": any("avx512f" in x for x in lines),
        "BLAS": f"{blas['name']} {blas['version']}, {kernels} kernels",
        "threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "bench_first_spike.json")
    arguments = parser.parse_args()
    report = {
        "command": "MINISNN_DATA=... make bench",
        "machine": machine(),
        "layer": layer(arguments.repeats),
        "epoch": epoch(arguments.repeats),
    }
    text = json.dumps(report, indent=2)
    arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
