"""The `minisnn` command."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from minisnn import __version__
from minisnn.backend import NoGPUError
from minisnn.commands import COMMANDS
from minisnn.commands.options import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. Errors and warnings are one sentence each, on stderr."""
    parser = _parser()
    words = sys.argv[1:] if argv is None else argv
    if not words:
        parser.print_help()
        return 0
    arguments = parser.parse_args(words)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments.run(arguments)
    except MemoryError as error:
        print(f"minisnn: error: out of memory: {_too_large(error)}", file=sys.stderr)
        return 2
    # DataError and CheckpointError are ValueErrors; Diverged is a FloatingPointError
    except (ValueError, OSError, NoGPUError, ModuleNotFoundError, FloatingPointError, OverflowError) as error:
        text = _too_large(error) if any(words in str(error) for words in TOO_LARGE) else error
        print(f"minisnn: error: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minisnn: interrupted", file=sys.stderr)
        return 130
    return 0


TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded", "too large to convert")
"""How NumPy and Python name a size that no machine has; of one that this machine lacks they raise MemoryError."""


def _too_large(error: Exception) -> str:
    what = str(error).rstrip(".") or "there is no more to be had"
    return f"{what}; make the network smaller (--hidden, --width, --net), or --batch-size, or --T"


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """In place of `warnings.showwarning`, which shows a line of source."""
    from tqdm import tqdm

    if sys.stderr is not None:
        tqdm.write(f"minisnn: warning: {message}", file=sys.stderr)  # progress bars make room for it


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minisnn", description="Sparse spiking networks down to the last derivative.")
    parser.add_argument("--version", action="version", version=f"minisnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
