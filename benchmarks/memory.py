"""One training step of every large network at its paper's batch size: how much memory, and how long.

    python benchmarks/memory.py         some minutes; writes docs/results/memory_lif.json

Each step runs in a process of its own. Peak is that of the whole process, Python and NumPy included. Inputs are random;
those of event cameras are sequences of frames, which cannot be computed once for all steps.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
from lif import ROOT, machine

from minisnn.faster import fast
from minisnn.faster.adam import Adam
from minisnn.networks.build import build
from minisnn.training.losses import tet_loss_backward, tet_loss_forward

STEPS = [  # title, name in NETWORKS, shape, classes, T, B, does the input come as frames?
    ("multi-spike MLP", "mlp", (28, 28, 1), 10, 8, 100, False),
    ("VGGSNN, CIFAR10-DVS (ESL)", "vggsnn", (48, 48, 2), 10, 10, 64, True),
    ("ResNet-19, CIFAR10 (ESL)", "resnet19", (32, 32, 3), 10, 2, 64, False),
    ("ResNet-19, CIFAR100 (ESL)", "resnet19", (32, 32, 3), 100, 4, 64, False),
    ("VGG16, CIFAR10 (SCA)", "vgg16", (32, 32, 3), 10, 4, 64, False),
    ("Pre-ResNet-18, CIFAR10 (SCA)", "pre-resnet18", (32, 32, 3), 10, 4, 64, False),
    ("5Conv+1FC, CIFAR10-DVS (SCA)", "5conv", (48, 48, 2), 10, 20, 64, True),
]


def step(number: int) -> dict[str, object]:
    """Build, one step, and what it took."""
    title, name, shape, classes, T, B, frames = STEPS[number]
    rng = np.random.default_rng(0)
    net, _ = build(name, shape, classes, None if frames else T)
    ours, adam = fast(net, shape), Adam()
    params, buffers = (
        {k: a.astype(np.float32) for k, a in arrays.items()} for arrays in net.init(rng, shape)
    )
    moments = adam.init(params)
    x = rng.standard_normal((T if frames else 1, B, *shape), np.float32)
    labels = rng.integers(0, classes, B)
    began = time.perf_counter()
    y, cache, buffers = ours.forward(params, buffers, x, train=True)
    _, loss_cache = tet_loss_forward(y, labels)
    _, grads = ours.backward(params, tet_loss_backward(1.0, loss_cache), cache, need_dx=False)
    adam.step(params, grads, moments, 1e-3, 1)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = "x".join(map(str, shape))
    return {
        "network": title, "input": size, "T": T, "B": B, "GiB": round(peak, 2), "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    """Every step in its own process; write what came out."""
    if len(sys.argv) > 1:
        print(json.dumps(step(int(sys.argv[1]))))
        return
    rows = []
    for number in range(len(STEPS)):
        command = [sys.executable, __file__, str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
        print(rows[-1], flush=True)
    report = {"command": "python benchmarks/memory.py", "machine": machine(), "steps": rows}
    (ROOT / "docs" / "results" / "memory_lif.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
