"""Reproduces a table or figure of the papers, or yours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from os import PathLike
from pathlib import Path

from minisnn.arguments import check, one_of
from minisnn.lookup import find as found
from minisnn.lookup import is_own
from minisnn.recipes import DEVICES
from minisnn.targets import NAMES, SCALES
from minisnn.targets.target import Reproduction, Target, run_target

TARGETS: dict[str, Target] = {
    name: import_module(f"minisnn.targets.{name.replace('-', '_')}").TARGET for name in NAMES
}


def reproduce(
    name: str | Target,
    scale: str = "smoke",
    *,
    out: str | PathLike[str] = "runs/reproduce",
    seeds: Sequence[int] = (0, 1),
    jobs: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    scheduler: str | None = None,
) -> Reproduction:
    """Run the grid behind a table or figure of a paper, and show our values beside the paper's.

    name: such as "esl-fig4", one of `targets.NAMES`; or yours, a `Target` or its "module:name". scale: "smoke" (two
    minutes on the embedded digits), "small" (within an hour on two cores, on MNIST or CIFAR-10) or "paper" (for a GPU
    or a cluster). Called again, it continues where it stopped.

    It writes to the folder `out`: NAME-SCALE.jsonl with a line for each run (and NAME-SCALE.csv made from it),
    NAME-SCALE-summary.csv with the mean and the standard error over the `seeds` of each setting, NAME-SCALE.png, and
    NAME-SCALE/ with the runs. SCA's figures share their runs: rows and runs are in sca-SCALE. jobs: runs at a time;
    None is one for each core, or one on a GPU. threads: of each run. device: "cpu" or "gpu". scheduler: address of a
    Dask scheduler, whose workers do the runs. Raises ValueError for a name, scale or device that is not known.
    """
    one_of("scale", scale, SCALES)
    one_of("device", device, DEVICES)
    target = found("target", name, TARGETS)
    check("target", repr(name), isinstance(target, Target), "a Target")
    if not isinstance(name, str) or is_own(name):
        name = re.sub(r"\W+", "-", target.title.lower()).strip("-")
    return run_target(name, target, scale, Path(out), seeds, jobs, device, scheduler, threads)
