"""VGGSNN, ResNet-19 and VGG16 at full width against PyTorch's autograd and SpikingJelly, in float64.

    python benchmarks/oracles.py        some minutes; writes docs/results/oracles.json

Three training steps from the same start, two images a batch: the largest errors of loss, outputs, every parameter's
gradient, batch norm's running statistics, and the parameters after the last step. `tests/test_oracles.py` does the same
with narrow networks.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import peers
from lif import ROOT, machine

from minisnn.networks.build import build

SHAPE = (32, 32, 3)


def main() -> None:
    """Compare, print and write."""
    rows = []
    for name in ("vggsnn", "resnet19", "vgg16"):
        for T in (1, 2, 4):
            net, _ = build(name, SHAPE, 10, T)
            for peer, optimizer in (("torch", "sgd"), ("torch", "adam"), ("spikingjelly", "sgd")):
                worst = peers.compare(net, SHAPE, batch=2, neurons=peer, optimizer=optimizer, seed=T)
                title = {"torch": "PyTorch", "spikingjelly": "SpikingJelly"}[peer]
                rows.append({"network": name, "peer": title, "optimiser": optimizer, "T": T, **worst})
                print(rows[-1], flush=True)
    report = {
        "command": "python benchmarks/oracles.py",
        "versions": {package: version(package) for package in ("numpy", "torch", "spikingjelly")},
        "machine": machine(),
        "networks": rows,
    }
    (ROOT / "docs" / "results" / "oracles.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
