"""`minisnn demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn demo`."""
    demo = commands.add_parser(
        "demo",
        help="train the dense and the sparse first-spike net on real digits and compare them",
        description="Train the dense and the ESL-sparse first-spike net on the embedded digits (under a minute), "
        "print ESL's Table 1 for this run and draw one picture that tells what happened.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for the pictures (%(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="seed of weights, masks and order (%(default)s)")
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    from minisnn.commands.demo_story import demo

    demo(arguments.out, arguments.seed)
