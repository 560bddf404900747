"""`minisnn sweep`."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from minisnn.commands.options import add_kinds, add_settings, settings_of
from minisnn.recipes import recipe_class

TEXT = """\
what it leaves in --out
  rows.jsonl (a line for each run; rows.csv is made from it), summary.csv (a row for each combination: mean, half the
  width of its 95 % confidence interval by Student's t, number of seeds), sweep.png, and runs/ with the runs. Called
  again, it goes on where it stopped; more values and more seeds add to what is there.

examples
  minisnn sweep {0} --lr 0.001 0.01 --seed 0 1 2
  minisnn sweep {0} {1} --seed 0 1 2 --out runs/sweep
  minisnn sweep {0} --lr 0.001 0.01 --validation    leaves the test set alone, to choose a setting
  minisnn sweep {0} --batch-size 25 50 --dask tcp://10.0.0.1:8786    with the workers of a Dask cluster
"""


def add(commands: Any) -> None:
    """The parser of `minisnn sweep`."""
    sweep = commands.add_parser(
        "sweep", help="train every combination of some settings, with several seeds, and compare them"
    )
    kinds = sweep.add_subparsers(required=True, metavar="NETWORK")
    add_kinds(kinds, _add_kind)


def _add_kind(kinds: Any, name: str) -> None:
    """The parser of the sweep of one kind of network."""
    cls = recipe_class(name)
    kind = kinds.add_parser(
        name,
        help=f"settings of minisnn train {name}, several values each",
        description=f"Every option of minisnn train {name} may take several values here. Every combination is "
        "trained with every seed.",
        epilog=TEXT.format(name, cls.texts.sweep if cls.texts else "--lr 0.001 0.01 --batch-size 25 50"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_settings(kind, cls, several=True)
    for action in kind._actions:
        if action.dest == "data":
            action.nargs = "+"
    _add_grid(kind, name)
    kind.set_defaults(run=partial(_sweep, name), names=(*settings_of(cls), "jobs", "threads"))


def _add_grid(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of the sweep itself."""
    grid = parser.add_argument_group("the sweep")
    grid.add_argument(
        "--out", type=Path, default=Path(f"runs/sweep-{name}"), metavar="FOLDER",
        help="folder of the results (default %(default)s)",
    )  # fmt: skip
    grid.add_argument(
        "--validation", action="store_true", default=False,
        help="compare accuracies on validation data, and leave the test set alone",
    )  # fmt: skip
    grid.add_argument(
        "--jobs", type=int, default=None, metavar="N", help="runs at a time (default one for each core)"
    )
    grid.add_argument(
        "--threads", type=int, default=1, metavar="N",
        help="threads of each run, on which its result depends in the last digits (default 1)",
    )  # fmt: skip
    grid.add_argument(
        "--dask", default=None, metavar="ADDRESS",
        help="of a Dask scheduler whose workers have minisnn, and see the same folders",
    )  # fmt: skip
    grid.add_argument("--quiet", action="store_true", default=False, help="no progress bar, no table")
    grid.add_argument(
        "--json", action="store_true", default=False, help="print the rows of the table as JSON, last"
    )


OWN = ("run", "names", "out", "validation", "jobs", "threads", "dask", "quiet", "json")


def _sweep(name: str, arguments: argparse.Namespace) -> None:
    from minisnn.grids.rows import finite
    from minisnn.grids.sweeps import sweep, table

    a = arguments
    given = {key: value for key, value in vars(a).items() if key not in OWN}
    seeds = given.pop("seed", [0])
    rows = sweep(
        name, given.pop("data", None), a.out, seeds, a.jobs, threads=a.threads, test=not a.validation,
        scheduler=a.dask, quiet=a.quiet, **given,
    )  # fmt: skip
    if a.json:
        print(json.dumps([finite(row) for row in rows]))
    elif not a.quiet:
        print(f"\n{table(rows)}\n\n{a.out}/sweep.png is the picture")
