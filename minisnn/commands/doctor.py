"""`minisnn doctor`."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn doctor`."""
    doctor = commands.add_parser(
        "doctor",
        help="say what this machine has: processor, BLAS, threads, GPU, data",
        description="Say what minisnn finds here, what is missing, and what would make it faster.",
    )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> None:
    from minisnn.commands.doctor_report import report

    print(report())
