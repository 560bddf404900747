"""The `minisnn` command."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from minisnn import __version__
from minisnn.backend import NoGPUError
from minisnn.commands import COMMANDS
from minisnn.commands.options import Parser, as_options
from minisnn.lookup import blamed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Errors and warnings are one sentence each, on stderr."""
    parser = _parser()
    words = sys.argv[1:] if argv is None else argv
    if not words:
        parser.print_help()
        return 0
    arguments = parser.parse_args(words)
    names = getattr(arguments, "names", ())
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, names)
            return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print("minisnn: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        text = blamed(error)
        if not text and not isinstance(error, EXPECTED):
            raise
        print(f"minisnn: error: {as_options(text or str(error) or 'out of memory', names)}", file=sys.stderr)
        return 2


EXPECTED = (
    ValueError,
    OSError,
    NoGPUError,
    ModuleNotFoundError,
    FloatingPointError,
    OverflowError,
    MemoryError,
)
"""What a wrong word, file or machine ends in. DataError and CheckpointError are ValueErrors, Diverged is a
FloatingPointError; an error in a module of the user's own may be any."""


def _show_warning(names: Collection[str], message: Warning | str, *_: Any, **__: Any) -> None:
    """In place of `warnings.showwarning`, which shows a line of source."""
    from tqdm import tqdm

    if sys.stderr is not None:  # progress bars make room for it
        tqdm.write(f"minisnn: warning: {as_options(str(message), names)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minisnn", description="Sparse spiking networks down to the last derivative.")
    parser.add_argument("--version", action="version", version=f"minisnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
