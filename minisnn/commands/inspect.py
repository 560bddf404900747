"""`minisnn inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from minisnn.recipes import DEVICES


def add(commands: Any) -> None:
    """The parser of `minisnn inspect`."""
    parser = commands.add_parser(
        "inspect",
        help="one page of pictures: what one sample sets in motion in a trained network",
        description="Draw one page about one test sample: the input, the output, firing rates, densities, the weights "
        "of the first layer, the spikes of every layer, membrane potentials with their threshold, maps of channels. "
        "Of first-spike networks the spike times of each layer and what made the winner fire.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn inspect runs/lif-digits-seed0
  minisnn inspect runs/lif-digits-seed0 --sample 17 --out seventeen.png
""",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="which one of the test set (default %(default)s)"
    )
    parser.add_argument("--data", metavar="NAME|PATH", help="data set (default that of the run)")
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (default RUN/sample-N.png)")
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of the sentences")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default where it was trained)")
    parser.set_defaults(run=_inspect, names=("data", "sample", "device"))


def _inspect(arguments: argparse.Namespace) -> None:
    from minisnn.runs import sample_page, start

    a = arguments
    out = a.out or a.folder / f"sample-{a.sample}.png"
    found = sample_page.inspect(start.load(a.folder, a.device), a.sample, out, a.data)
    if a.json:
        print(json.dumps(found.to_json() | {"picture": str(out)}))
    else:
        print(f"{found.text}\n{out} is the picture")
