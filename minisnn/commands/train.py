"""`minisnn train`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from minisnn.commands.options import add_kinds, add_settings, flag, folder_name, settings_of
from minisnn.recipes import RECIPES, defaults_of, recipe_class
from minisnn.recipes.base import Texts


def add(commands: Any) -> None:
    """The parser of `minisnn train`."""
    train = commands.add_parser(
        "train",
        help="train a network of the papers, or go on with a run",
        description="Train a network of the papers. Or go on with a run: minisnn train --resume RUN.",
        usage="minisnn train NETWORK [options]\n       minisnn train --resume RUN [options]",
    )
    kinds = train.add_subparsers(metavar="NETWORK")
    _add_run(train, None)
    train.add_argument(
        "--epochs", type=int, default=argparse.SUPPRESS, metavar="N", help="of the run, in all"
    )
    train.add_argument("--data", default=argparse.SUPPRESS, metavar="NAME|PATH", help=DATA)
    train.set_defaults(run=partial(_train, None), names=("epochs", "data"))
    add_kinds(kinds, _add_kind)


def _add_kind(kinds: Any, name: str) -> None:
    """The parser of one kind of network."""
    cls = recipe_class(name)
    texts = cls.texts or Texts((cls.__doc__ or name).partition("\n")[0], cls.__doc__ or "", "", "")
    kind = kinds.add_parser(
        name,
        help=texts.help,
        description=texts.description,
        epilog=texts.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        usage=f"minisnn train {name} [--data NAME|PATH] [options]",
    )
    add_settings(kind, cls)
    _add_run(kind.add_argument_group("the run"), name)
    kind.set_defaults(run=partial(_train, name), names=settings_of(cls))


DATA = "with --resume: the data of the run, if they lie elsewhere now or were made in Python"
OWN = ("run", "names", "out", "resume", "quiet", "json")


def _add_run(parser: Any, name: str | None) -> None:
    """The options of the run itself. name: of the network; None is for `minisnn train --resume`, without one.

    A network's parser leaves out what is not given, so that an option may stand before the network, too.
    """

    def default(value: Any) -> Any:
        return value if name is None else argparse.SUPPRESS

    out = argparse.SUPPRESS if name is None else f"folder (default runs/{name}-DATA-SETTINGS-seedN)"
    parser.add_argument("--out", type=Path, default=default(None), metavar="FOLDER", help=out)
    parser.add_argument(
        "--resume", type=Path, default=default(None), metavar="RUN",
        help="go on with the run in this folder; with a larger --epochs, for longer",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", action="store_true", default=default(False), help="no progress bar, no summary"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=default(False),
        help="print the result as one JSON object, last",
    )


def _train(name: str | None, arguments: argparse.Namespace) -> None:
    from minisnn.runs import start  # matplotlib takes longest to import: not before it is needed

    given = {key: value for key, value in vars(arguments).items() if key not in OWN}
    progress = None if arguments.quiet else "training"
    if arguments.resume:
        folder = arguments.resume
        data, epochs = given.pop("data", None), given.pop("epochs", None)
        if given or arguments.out:
            extra = ", ".join(map(flag, given)) or "--out"
            raise ValueError(f"--resume goes on with a run as it was configured: it takes no {extra}")
        with _hints(folder):
            run = start.resume(folder, data, epochs, progress, kind=name)
    elif name is None:
        raise ValueError(f"expected a NETWORK, one of {', '.join(RECIPES)}, or --resume RUN")
    else:
        data = given.pop("data", "digits")
        folder = arguments.out or Path("runs") / folder_name(name, data, given)
        with _hints(folder):
            run = start.train(name, data, out=folder, progress=progress, **given)
        cls = recipe_class(name)
        follows = {} if data in defaults_of(cls) else cls.chosen(run.info, set(given))
        if follows and not (arguments.json or arguments.quiet):
            print(
                "chosen for these data: "
                + ", ".join(f"{flag(key)} {value}" for key, value in follows.items())
            )
    result = run.result or {}
    if arguments.json:
        print(json.dumps(result))
    elif not arguments.quiet:
        print(f"{_said(result)}\n{folder}/ holds the log, the checkpoint and pictures")


@contextmanager
def _hints(folder: Path) -> Iterator[None]:
    """What to do next, as a command, where there is a run already or training is interrupted."""
    try:
        yield
    except FileExistsError as error:
        if not (folder / "config.json").exists():
            raise
        text = f"{folder} holds a run already: go on with it by minisnn train --resume {folder}"
        raise FileExistsError(f"{text}, or choose another folder with --out") from error
    except KeyboardInterrupt:
        if (folder / "config.json").exists():
            print(f"go on with: minisnn train --resume {folder}", file=sys.stderr)
        raise


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
