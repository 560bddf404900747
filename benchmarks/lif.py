"""How fast a training step of the LIF networks is, as ratios measured side by side in one run.

    make bench      some minutes; writes docs/results/bench_lif.json

A step is forward, loss, backward and Adam, in float32, on random images by direct coding. The same network, with the
same initial parameters and the same batch, is trained by minisnn, by PyTorch with neurons as TET's code writes them,
by SpikingJelly and by snnTorch, which take turns. Before that, gradients and three steps are compared in float64: in
float32 a deep spiking network is chaotic, and not even PyTorch agrees with itself in another memory format.

Every measurement is a process of its own. Memory is the growth of a process's peak resident size, over what it had
after its imports and a first small step, in a process that does nothing else.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "bench_lif.json"
CASES = {  # name in NETWORKS, shape, T, B, peers
    "VGGSNN": ("vggsnn", (32, 32, 3), 4, 8, ("torch", "spikingjelly", "snntorch")),
    "multi-spike MLP": ("mlp", (28, 28, 1), 8, 100, ("torch", "spikingjelly", "snntorch")),
    "ResNet-19": ("resnet19", (32, 32, 3), 2, 8, ("torch", "spikingjelly", "snntorch")),
    "small": ("8C3-AP2-10FC", (8, 8, 3), 2, 2, ("torch", "spikingjelly", "snntorch")),
    "VGG16": ("vgg16", (32, 32, 3), 4, 8, ("torch", "spikingjelly")),
}
MINISNN = "minisnn"


def steps(case: str, names: tuple[str, ...]) -> dict[str, Callable[[], float]]:
    """A training step of each library by name; all start from the same parameters. Returns functions -> loss."""
    from minisnn.faster import fast
    from minisnn.faster.adam import Adam
    from minisnn.networks.build import build
    from minisnn.training.losses import tet_loss_backward, tet_loss_forward

    name, shape, T, B, _ = CASES[case]
    net, _ = build(name, shape, 10, T)
    rng = np.random.default_rng(0)
    params, buffers = (
        {k: a.astype(np.float32) for k, a in arrays.items()} for arrays in net.init(rng, shape)
    )
    x = rng.standard_normal((1, B, *shape)).astype(np.float32)
    labels = rng.integers(0, 10, B)
    functions: dict[str, Callable[[], float]] = {}
    for library in names:
        if library == MINISNN:
            continue
        import peers
        import torch

        module = peers.peer(net, shape, library)
        peers.load(module, params, buffers)
        rule = torch.optim.Adam(module.parameters(), lr=1e-3)
        their_x, their_labels = peers.to_torch(x), torch.tensor(labels)

        def their_step(module=module, rule=rule, x=their_x, labels=their_labels) -> float:
            rule.zero_grad()
            loss = peers.tet_loss(module(x), labels)
            loss.backward()
            rule.step()
            peers.reset(module)
            return loss.item()

        functions[library] = their_step
    if MINISNN in names:
        ours, adam = fast(net, shape), Adam()
        state = {"params": params, "buffers": buffers, "moments": adam.init(params), "k": 0}

        def step() -> float:
            y, cache, state["buffers"] = ours.forward(state["params"], state["buffers"], x, train=True)
            loss, loss_cache = tet_loss_forward(y, labels)
            _, grads = ours.backward(
                state["params"], tet_loss_backward(1.0, loss_cache), cache, need_dx=False
            )
            state["k"] += 1
            adam.step(state["params"], grads, state["moments"], 1e-3, state["k"])
            return float(loss)

        functions = {MINISNN: step} | functions
    return functions


def speed(case: str, repeats: int) -> dict[str, object]:
    """Seconds of each library's steps, taking turns after a warm-up of two."""
    names = (MINISNN, *CASES[case][4])
    _set_threads()
    functions = steps(case, names)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    first: dict[str, float] = {}
    gc.collect()
    for n in range(repeats + 2):
        for name, function in functions.items():
            began = time.perf_counter()
            loss = function()
            if n >= 2:
                seconds[name].append(time.perf_counter() - began)
            first.setdefault(name, loss)
    ratios = {
        name: [a / b for a, b in zip(seconds[MINISNN], seconds[name], strict=True)] for name in names[1:]
    }
    return {
        "milliseconds": {name: round(1e3 * statistics.median(s), 2) for name, s in seconds.items()},
        "minisnn / peer": {name: spread(r) for name, r in ratios.items()},
        "first loss": first,
    }


def memory(case: str, library: str) -> float:
    """MiB by which the peak of resident memory grows in three steps, the network itself included."""
    _set_threads()
    if library != MINISNN:
        import peers  # noqa: F401 - what importing costs does not count
    import minisnn.faster  # noqa: F401

    steps("small", (library,))[library]()  # what a library loads when it is first used does not count
    gc.collect()
    before = _resident()
    step = steps(case, (library,))[library]
    for _ in range(3):
        step()
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before, 1)


def agreement(case: str) -> dict[str, dict[str, float]]:
    """Largest errors against every peer over three steps in float64, two samples a batch."""
    import peers

    name, shape, T, _, others = CASES[case]
    from minisnn.networks.build import build

    net, _ = build(name, shape, 10, T)
    return {
        library: peers.compare(net, shape, batch=2, neurons=library, optimizer="sgd") for library in others
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4)
    return {"median": round(median, 4), "lower quartile": round(low, 4), "upper quartile": round(high, 4)}


def machine() -> dict[str, object]:
    """What ran, and on what."""
    from importlib.metadata import PackageNotFoundError, version

    from threadpoolctl import threadpool_info

    from minisnn.commands import doctor_report as doctor

    kernels = next(
        (lib.get("architecture") for lib in threadpool_info() if lib["user_api"] == "blas"), "unknown"
    )
    versions = {}
    for package in ("numpy", "torch", "spikingjelly", "snntorch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload]
    return {
        "processor": doctor.processor(),
        "cores": os.cpu_count(),
        "BLAS": f"{blas['name']} {blas['version']}, {kernels} kernels",
        "python": platform.python_version(),
        **versions,
    }


def _set_threads() -> None:
    import torch

    torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))


def _resident() -> float:
    """MiB resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def child(arguments: list[str], threads: int) -> object:
    """Run this file in a process of its own, and return what it prints last.

    Settings of the environment that would choose BLAS's kernels are dropped: every library chooses its own.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment |= {
        name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measure, print and write; with --child, one measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--cases", nargs="+", choices=list(CASES), default=[case for case in CASES if case != "small"]
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, case, *rest = arguments.child
        result = {
            "speed": lambda: speed(case, int(rest[0])),
            "memory": lambda: memory(case, rest[0]),
            "agreement": lambda: agreement(case),
            "machine": machine,
        }[what]()
        print(json.dumps(result))
        return
    report: dict[str, object] = {
        "command": "make bench",
        "machine": child(["--child", "machine", "-"], 1),
        "cases": {},
    }
    for case in arguments.cases:
        name, shape, T, B, others = CASES[case]
        result: dict[str, object] = {"network": name, "input": shape, "T": T, "B": B}
        result["agreement in float64, relative"] = child(["--child", "agreement", case], 2)
        result["memory / MiB"] = {
            library: child(["--child", "memory", case, library], 1) for library in (MINISNN, *others)
        }
        result["speed"] = {
            f"{threads} thread{'s' * (threads > 1)}": child(
                ["--child", "speed", case, str(arguments.repeats)], threads
            )
            for threads in arguments.threads
        }
        report["cases"][case] = result  # type: ignore[index]
        print(case, json.dumps(result, indent=1), flush=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
