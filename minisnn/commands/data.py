"""`minisnn data`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn data`."""
    parser = commands.add_parser(
        "data",
        help="list the data sets; get one, check it, look at it",
        description="List the data sets and what each costs to get; download one, check its files, draw samples of it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn data list
  minisnn data fetch fashion-mnist
  MINISNN_DATA=~/data minisnn data check cifar10     files that you have already, in ~/data or ~/data/cifar10
  minisnn data show event-digits
  minisnn data check photos/                         your own: photos/CLASS/*.png; or an .npz file

where data are
  $MINISNN_DATA/NAME or $MINISNN_DATA: your own files, as they were published or unpacked; never written to
  $MINISNN_CACHE, or the system's folder for caches: downloads, and arrays that large data sets are converted to once
""",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    texts = {
        "list": "every data set: its size, what it costs to get, whether it is here",
        "fetch": "download what is missing, and convert it if it is larger than memory",
        "check": "read every file and compare it with the published one",
        "show": "a picture of some training samples",
    }
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text[0].upper() + text[1:] + ".")
        if action != "list":
            path = "" if action == "fetch" else "; or your own: a path, or module:name"
            sub.add_argument("name", metavar="NAME", help=f"of a data set, see minisnn data list{path}")
        if action == "show":
            sub.add_argument("--out", type=Path, help="the picture (default: the data set's name, .png)")
            sub.add_argument("--seed", type=int, default=0, help="which samples (default %(default)s)")
        sub.set_defaults(run=partial(_data, action))


def _data(action: str, a: argparse.Namespace) -> None:
    from data_loaders.catalogue import DATA_SETS, load
    from minisnn.commands import data_report as data_command

    if action == "list":
        print(data_command.listing())
        return
    if action == "fetch":
        if a.name not in DATA_SETS and Path(a.name).exists():
            raise ValueError(
                f"NAME must be one of {', '.join(DATA_SETS)} to be fetched, found the path {a.name}"
            )
        print(f"{a.name}: {data_command.summary(load(a.name))}")
    elif action == "check":
        print(data_command.check(a.name))
    else:
        print(data_command.show(a.name, a.out, a.seed))
