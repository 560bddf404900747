"""What a training step costs on a GPU, beside PyTorch and SpikingJelly on the same card, and whether numbers agree.

    python benchmarks/gpu.py        two minutes; writes docs/results/bench_gpu.json

The networks, losses and optimisers are those of lif.py; batches are larger, as a card wants them. PyTorch runs eagerly
in float32 (TF32 off on both sides). Before a case is timed, its gradients on the card are compared with those on the
CPU in float64. Libraries take turns; each step ends when the card is done.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cupy
import numpy as np
import peers
import torch
from lif import machine, spread

from minisnn import ESLMLP, load_digits
from minisnn.backend import gpu_name, to_device, to_host
from minisnn.faster import fast
from minisnn.faster.adam import Adam
from minisnn.networks.build import build
from minisnn.training import loop
from minisnn.training.losses import tet_loss_backward, tet_loss_forward

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "bench_gpu.json"
CASES = {  # name in NETWORKS, shape, T, B
    "multi-spike MLP": ("mlp", (28, 28, 1), 8, 100),
    "VGGSNN": ("vggsnn", (32, 32, 3), 4, 64),
    "ResNet-19": ("resnet19", (32, 32, 3), 2, 64),
    "VGG16": ("vgg16", (32, 32, 3), 4, 64),
}


def on_gpu(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """The same dictionary with its arrays on the card."""
    return {key: to_device(a, "gpu") for key, a in arrays.items()}


def gradients(net, params, buffers, x, labels) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and gradients of one step, on the host."""
    y, cache, _ = net.forward(params, buffers, x, train=True)
    loss, loss_cache = tet_loss_forward(y, labels)
    _, grads = net.backward(params, tet_loss_backward(1.0, loss_cache), cache, need_dx=False)
    return float(loss), {key: to_host(g) for key, g in grads.items()}


def agreement(case: str) -> dict[str, float]:
    """Largest difference between card and CPU, in float64, two samples: of the loss, and of gradients over the largest
    entry of their array."""
    name, shape, T, _ = CASES[case]
    net, _ = build(name, shape, 10, T)
    rng = np.random.default_rng(0)
    params, buffers = net.init(rng, shape)
    x, labels = rng.standard_normal((1, 2, *shape)), rng.integers(0, 10, 2)
    loss, grads = gradients(fast(net, shape), params, buffers, x, labels)
    there, its = gradients(
        fast(net, shape, "gpu"),
        on_gpu(params),
        on_gpu(buffers),
        to_device(x, "gpu"),
        to_device(labels, "gpu"),
    )
    worst = max(float(abs(its[k] - g).max() / max(abs(g).max(), 1e-4)) for k, g in grads.items())
    return {"loss": abs(there - loss), "gradients": worst}


def steps(case: str, libraries: tuple[str, ...]) -> dict[str, Callable[[], float]]:
    """A training step of each library on the card, by name."""
    name, shape, T, B = CASES[case]
    net, _ = build(name, shape, 10, T)
    rng = np.random.default_rng(0)
    params, buffers = (
        {k: a.astype(np.float32) for k, a in arrays.items()} for arrays in net.init(rng, shape)
    )
    x = rng.standard_normal((1, B, *shape)).astype(np.float32)
    labels = rng.integers(0, 10, B)
    ours, adam = fast(net, shape, "gpu"), Adam()
    state = {"params": on_gpu(params), "buffers": on_gpu(buffers), "k": 0}
    state["moments"] = adam.init(state["params"])
    x_gpu, labels_gpu = to_device(x, "gpu"), to_device(labels, "gpu")

    def step() -> float:
        y, cache, state["buffers"] = ours.forward(state["params"], state["buffers"], x_gpu, train=True)
        loss, loss_cache = tet_loss_forward(y, labels_gpu)
        _, grads = ours.backward(state["params"], tet_loss_backward(1.0, loss_cache), cache, need_dx=False)
        state["k"] += 1
        adam.step(state["params"], grads, state["moments"], 1e-3, state["k"])
        cupy.cuda.Device().synchronize()
        return float(loss)

    functions = {"minisnn": step}
    for library in libraries:
        module = peers.peer(net, shape, library)
        peers.load(module, params, buffers)
        module.cuda()
        rule = torch.optim.Adam(module.parameters(), lr=1e-3)
        their_x, their_labels = peers.to_torch(x).cuda(), torch.tensor(labels).cuda()

        def their_step(module=module, rule=rule, x=their_x, labels=their_labels) -> float:
            rule.zero_grad()
            loss = peers.tet_loss(module(x), labels)
            loss.backward()
            rule.step()
            peers.reset(module)
            torch.cuda.synchronize()
            return loss.item()

        functions[library] = their_step
    return functions


def timed(
    functions: dict[str, Callable[[], object]], repeats: int, base: str = "minisnn"
) -> dict[str, object]:
    """Milliseconds of each, taking turns after three warm-ups, and the base over each other one."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for n in range(repeats + 3):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            if n >= 3:
                seconds[name].append(time.perf_counter() - began)
    return {
        "milliseconds": {name: round(1e3 * statistics.median(s), 3) for name, s in seconds.items()},
        f"{base} / other": {
            name: spread([a / b for a, b in zip(seconds[base], s, strict=True)])
            for name, s in seconds.items()
            if name != base
        },
    }


def first_spike(repeats: int) -> dict[str, object]:
    """A whole step of 784-800-10 (batch, loss, backward, optimiser), on the card and on this machine's CPU."""
    data = load_digits()
    rng = np.random.default_rng(0)
    functions = {}
    for device in ("gpu", "cpu"):
        recipe = ESLMLP(
            data="digits", hidden=(800,), epsilon=None, density=1.0, levels=4, epochs=1, device=device
        )
        setup = recipe.setup(data)
        state = loop.start(setup, 0)
        chosen = rng.integers(0, len(data.train.labels), 100)
        images, labels = data.train.images[chosen], data.train.labels[chosen]

        def step(setup=setup, state=state, images=images, labels=labels) -> None:
            loop.step(setup, state, images, labels, 0.1)
            cupy.cuda.Device().synchronize()

        functions[device] = step
    return timed(functions, repeats, base="gpu")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--peers", nargs="*", default=["torch", "spikingjelly"])
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    report: dict[str, object] = {
        "command": "python benchmarks/gpu.py",
        "machine": machine() | {"GPU": gpu_name(), "cupy": cupy.__version__},
        "cases": {},
    }
    for case in arguments.cases:
        result = {"B": CASES[case][3], "T": CASES[case][2], "card against CPU, float64": agreement(case)}
        result |= timed(steps(case, tuple(arguments.peers)), arguments.repeats)
        cupy.get_default_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()
        report["cases"][case] = result  # type: ignore[index]
        print(case, json.dumps(result), flush=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    report["first-spike 784-800-10, card and CPU"] = first_spike(arguments.repeats)
    print(json.dumps(report["first-spike 784-800-10, card and CPU"]))
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
