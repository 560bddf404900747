"""`minisnn slim`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn slim`."""
    parser = commands.add_parser(
        "slim",
        help="remove the masked channels of a run for good",
        description="Remove the masked channels of a run for good, with all that depends on them, check that the small "
        "network gives the same spikes, and say what it costs before and after (SCA, Section 4.1).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn slim runs/sca-vgg16-digits-seed0
  minisnn slim runs/sca-vgg16-digits-seed0 --epochs 5 --lr 0.01    and train the small network on

what it leaves in --out
  a run like any other: config.json (the network stage by stage), checkpoint.npz, log.csv, result.json, pictures
""",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run of sca-vgg16")
    parser.add_argument("--out", type=Path, help="folder of the small network (default RUN-slim)")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="epochs to train on (default 0)")
    parser.add_argument("--lr", type=float, help="initial learning rate (default that of the run)")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object, last")
    parser.set_defaults(run=_slim, names=("epochs", "lr"))


def _slim(arguments: argparse.Namespace) -> None:
    from minisnn.runs.slim import slim_run

    a = arguments
    out = a.out or Path(f"{a.folder.resolve()}-slim")  # "." has no name
    try:
        result = slim_run(a.folder, out, a.epochs, a.lr, progress="training on" if a.epochs else None)
    except KeyboardInterrupt:
        if (out / "config.json").exists():
            print(f"go on with: minisnn train --resume {out}", file=sys.stderr)
        raise
    if a.json:
        print(json.dumps(result))
        return
    before = result["before"]
    counts = {"channels": (sum(before["channels"].values()), sum(result["channels"].values()))}
    for name in ("parameters", "operations", "synops", "macs"):
        counts[name] = (before[name], result[name])
    print(f"{'':12}{'before':>14}{'after':>14}")
    for name, (b, c) in counts.items():
        print(f"{name:12}{b:14,.0f}{c:14,.0f}" + (f"{100 * c / b:10.1f} %" if b else ""))
    print(f"{'accuracy / %':12}{before['test_accuracy']:14.2f}{result['test_accuracy']:14.2f}")
    print(f"spikes and outputs were the same before any training on; {out}/ is the small network")
