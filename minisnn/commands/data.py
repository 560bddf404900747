"""`minisnn data`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from minisnn.arguments import one_of


def add(commands: Any) -> None:
    """The parser of `minisnn data`."""
    parser = commands.add_parser(
        "data",
        help="which data sets there are; get one, check it, look at it",
        description="Data sets: which there are, what each costs to get, whether it is intact, and a picture of it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn data list
  minisnn data fetch fashion-mnist
  MINISNN_DATA=~/data minisnn data check cifar10     files that you have already, in ~/data or ~/data/cifar10
  minisnn data show event-digits

where data are
  $MINISNN_DATA/NAME or $MINISNN_DATA: your own files, as they were published or unpacked; never written to
  $MINISNN_CACHE, or the system's folder for caches: downloads, and arrays that large data sets are converted to once
""",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    texts = {
        "list": "every data set: size, cost, is it here?",
        "fetch": "download what is missing, and convert it if it is larger than memory",
        "check": "read every file and compare it with the published one",
        "show": "a picture of some training samples",
    }
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text[0].upper() + text[1:] + ".")
        if action != "list":
            sub.add_argument("name", metavar="NAME", help="of a data set; see minisnn data list")
        if action == "show":
            sub.add_argument("--out", type=Path, help="the picture (default NAME.png)")
            sub.add_argument("--seed", type=int, default=0, help="which samples (default %(default)s)")
        sub.set_defaults(run=partial(_data, action))


def _data(action: str, a: argparse.Namespace) -> None:
    from minisnn import data_command
    from minisnn.data.catalogue import CATALOGUE, load

    if action == "list":
        print(data_command.listing())
        return
    one_of("NAME", a.name, CATALOGUE)
    if action == "fetch":
        print(f"{a.name}: {data_command.summary(load(a.name))}")
    elif action == "check":
        print(data_command.check(a.name))
    else:
        print(data_command.show(a.name, a.out or Path(f"{a.name}.png"), a.seed))
