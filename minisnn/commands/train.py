"""`minisnn train`."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from minisnn.commands.options import add_settings, flag, folder_name
from minisnn.commands.texts import TEXTS
from minisnn.recipes import DEFAULTS, chosen


def add(commands: Any) -> None:
    """The parser of `minisnn train`."""
    train = commands.add_parser("train", help="train a network of the papers")
    kinds = train.add_subparsers(required=True, metavar="NETWORK")
    for name, defaults in DEFAULTS.items():
        kind = kinds.add_parser(
            name,
            **TEXTS[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
            usage=f"minisnn train {name} [--data NAME|PATH] [options]",
        )
        add_settings(kind, dict(defaults))
        run = kind.add_argument_group("the run")
        run.add_argument(
            "--out", type=Path, default=None, metavar="FOLDER",
            help=f"folder (default runs/{name}-DATA-SETTINGS-seedN)",
        )  # fmt: skip
        run.add_argument(
            "--resume", type=Path, default=None, metavar="RUN",
            help="go on with the run in this folder; with a larger --epochs, for longer",
        )  # fmt: skip
        run.add_argument("--quiet", action="store_true", default=False, help="no progress bar, no summary")
        run.add_argument(
            "--json", action="store_true", default=False, help="print the result as one JSON object, last"
        )
        kind.set_defaults(run=partial(_train, name))


OWN = ("run", "out", "resume", "quiet", "json")


def _train(name: str, arguments: argparse.Namespace) -> None:
    from minisnn.runs import start  # matplotlib takes longest to import: not before it is needed

    given = {key: value for key, value in vars(arguments).items() if key not in OWN}
    progress = None if arguments.quiet else "training"
    if arguments.resume:
        folder, epochs = arguments.resume, given.pop("epochs", None)
        if given or arguments.out:
            extra = ", ".join(map(flag, given)) or "--out"
            raise ValueError(f"--resume goes on with a run as it was configured: it takes no {extra}")
        run = start.resume(folder, epochs=epochs, progress=progress, kind=name)
    else:
        data = given.pop("data", "digits")
        folder = arguments.out or Path("runs") / folder_name(name, data, given)
        try:
            run = start.train(name, data, out=folder, progress=progress, **given)
        except KeyboardInterrupt:
            if (folder / "config.json").exists():
                print(f"go on with: minisnn train {name} --resume {folder}", file=sys.stderr)
            raise
        if data not in DEFAULTS[name] and not (arguments.json or arguments.quiet):
            follows = chosen(name, run.info, set(given))
            print(
                "chosen for these data: "
                + ", ".join(f"{flag(key)} {value}" for key, value in follows.items())
            )
    result = run.result or {}
    if arguments.json:
        print(json.dumps(result))
    elif not arguments.quiet:
        print(f"{_said(result)}\n{folder}/ holds the log, the checkpoint and pictures")


def _said(result: dict[str, Any]) -> str:
    """What came out, in a sentence; of a layer that is left dense beside sparse ones, too."""
    layers = {key.removesuffix(".weight"): values[-1] for key, values in result["densities"].items()}
    only = f" ({', '.join(f'{key} {d:.3f}' for key, d in layers.items())})" if len(layers) == 1 else ""
    synops = "" if result["synops"] is None else f", {result['synops']:,.0f} synaptic operations an image"
    return (
        f"test accuracy {result['test_accuracy']:.2f} % (validation {result['val_accuracy']:.2f} %) with "
        f"{result['connections']:,} connections, density {result['density']:.3f}{only}{synops}, "
        f"in {result['seconds']:.0f} s"
    )
