"""`minisnn reproduce`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minisnn.recipes import DEVICES
from minisnn.targets import NAMES, SCALES

LINES = "\n".join(f"  {name:6} {text}" for name, text in SCALES.items())
EPILOG = f"""\
scales
{LINES}

what it leaves in --out
  TARGET-SCALE.csv (a row for each run), TARGET-SCALE-summary.csv (means and errors), TARGET-SCALE.png, and
  TARGET-SCALE/ with the runs. Called again, it goes on where it stopped. SCA's figures share their runs: rows and
  runs are in sca-SCALE.

examples
  minisnn reproduce esl-fig4
  MINISNN_DATA=~/data minisnn reproduce esl-fig2 --scale small --seeds 0 1 2
  minisnn reproduce esl-table2 --scale paper --device gpu
  minisnn reproduce esl-fig4 --scale small --dask tcp://10.0.0.1:8786    with the workers of a Dask cluster
"""


def add(commands: Any) -> None:
    """The parser of `minisnn reproduce`."""
    parser = commands.add_parser(
        "reproduce",
        help="run the grid behind a table or figure of a paper and put ours beside the paper's",
        description="Run every setting of a table or figure with several seeds; draw it, and print it with the paper's "
        "values beside ours.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    parser.add_argument("target", metavar="TARGET", help=f"{', '.join(NAMES)}; or your own, module:name")
    parser.add_argument("--scale", choices=list(SCALES), default="smoke", help="(default %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/reproduce"), help="folder of the results (default %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1], metavar="N", help="of each setting (default 0 1)"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at a time (default one for each core, one on a gpu)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N",
        help="threads of each run, on which its result depends in the last digits (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=list(DEVICES), default="cpu", help="where to compute (default cpu)"
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="of a Dask scheduler whose workers have minisnn, and see the same folders",
    )
    parser.set_defaults(run=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> None:
    from minisnn.targets.reproduce import reproduce

    a = arguments
    found = reproduce(
        a.target, a.scale, out=a.out, seeds=a.seeds, jobs=a.jobs, threads=a.threads, device=a.device,
        scheduler=a.dask,
    )  # fmt: skip
    print(f"\n{found}\n\n{found.picture} is the picture")
