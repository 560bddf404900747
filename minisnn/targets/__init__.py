"""The papers' tables and figures, one command each: runs, picture, our values beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from minisnn.arguments import one_of
from minisnn.recipes import DEVICES
from minisnn.targets import (
    esl_fig2,
    esl_fig3,
    esl_fig4,
    esl_multispike,
    esl_table1,
    esl_table2,
    sca_fig2,
    sca_fig3,
    sca_fig4,
    sca_table1,
)
from minisnn.targets.target import Reproduction, Target, run_target

TARGETS = {
    "esl-table1": esl_table1.TARGET,
    "esl-fig2": esl_fig2.TARGET,
    "esl-fig3": esl_fig3.TARGET,
    "esl-fig4": esl_fig4.TARGET,
    "esl-table2": esl_table2.TARGET,
    "esl-multispike": esl_multispike.TARGET,
    "sca-fig2": sca_fig2.TARGET,
    "sca-fig3": sca_fig3.TARGET,
    "sca-fig4": sca_fig4.TARGET,
    "sca-table1": sca_table1.TARGET,
}
SCALES = ("smoke", "small", "paper")

__all__ = ["SCALES", "TARGETS", "Reproduction", "Target", "reproduce"]


def reproduce(
    name: str,
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

    name: one of `TARGETS`, such as "esl-fig4". scale: "smoke" (two minutes on the embedded digits), "small" (within an
    hour on two cores, on MNIST or CIFAR-10) or "paper" (for a GPU or a cluster). Called again, it continues where it
    stopped.

    It writes to the folder `out`: NAME-SCALE.csv with a row for each run, NAME-SCALE-summary.csv with the mean and the
    standard error over the `seeds` of each setting, NAME-SCALE.png, and NAME-SCALE/ with the runs. SCA's figures share
    their runs: rows and runs are in sca-SCALE. jobs: runs at a time; None is one for each core, or one on a
    GPU. threads: of each run. device: "cpu" or "gpu". scheduler: address of a Dask scheduler, whose workers do the
    runs. Raises ValueError for a name, scale or device that is not known.
    """
    one_of("name", name, TARGETS)
    one_of("scale", scale, SCALES)
    one_of("device", device, DEVICES)
    return run_target(name, TARGETS[name], scale, Path(out), seeds, jobs, device, scheduler, threads)
