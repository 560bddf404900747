"""The `minisnn` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from minisnn import __version__
from minisnn.backend import NoGPUError
from minisnn.commands import COMMANDS
from minisnn.commands.options import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    # DataError and CheckpointError are ValueErrors
    except (ValueError, OSError, NoGPUError, ModuleNotFoundError) as error:
        print(f"minisnn: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minisnn: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minisnn", description="Sparse spiking networks down to the last derivative.")
    parser.add_argument("--version", action="version", version=f"minisnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
