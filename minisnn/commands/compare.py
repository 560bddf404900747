"""`minisnn compare`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn compare`."""
    parser = commands.add_parser(
        "compare",
        help="put runs beside each other: settings, accuracies, costs",
        description="Put runs beside each other: the settings in which they differ, what they found and what they "
        "cost. Runs that differ in nothing but their seed are one row: the mean, and half the width of its 95 % "
        "confidence interval by Student's t.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
what it leaves in --out
  comparison.md (the table), comparison.json, and comparison.png: learning curves of all runs, and test accuracy against
  connections and against synaptic operations

examples
  minisnn compare runs/dense runs/sparse
  minisnn compare runs/sweep/runs/* --out runs/compared
""",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to leave table and picture")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, warnings on stderr")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from minisnn.grids.comparison import compare

    found = compare(arguments.folders, arguments.out)
    if arguments.json:
        for sentence in found.warnings:
            print(sentence, file=sys.stderr)
        print(json.dumps(found.rows()))
        return
    print(found)
    if arguments.out:
        print(f"\n{arguments.out}/comparison.png is the picture")
