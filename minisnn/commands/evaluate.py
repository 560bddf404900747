"""`minisnn evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from minisnn.recipes import DEVICES


def add(commands: Any) -> None:
    """The parser of `minisnn evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        help="how good a trained network is on a data set",
        description="Accuracy and loss of a trained network on a data set, its own or another of the same shape with "
        "the same number of classes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn evaluate runs/lif-mnist-seed0
  minisnn evaluate runs/lif-mnist-seed0 --data fashion-mnist
  minisnn evaluate runs/mine --data more.npz --split train
""",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--data", metavar="NAME|PATH", help="data set (default that of the run)")
    parser.add_argument(
        "--split", choices=("test", "validation", "train"), default="test", help="(default %(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but what --json asks for")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON object")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default where it was trained)")
    parser.set_defaults(run=_evaluate, names=("data", "split", "device"))


def _evaluate(arguments: argparse.Namespace) -> None:
    from minisnn.runs import start

    run = start.load(arguments.folder, arguments.device)
    found = run.evaluate(arguments.data, arguments.split)
    name = arguments.data or run.info.name
    if arguments.json:
        print(json.dumps({"data": name, "split": arguments.split, **found._asdict()}))
    elif not arguments.quiet:
        print(
            f"accuracy {found.accuracy:.2f} %, loss {found.loss:.4f} "
            f"on {found.n:,} images of {name} ({arguments.split})"
        )
