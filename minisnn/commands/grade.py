"""`minisnn grade`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `minisnn grade`."""
    grade = commands.add_parser(
        "grade",
        help="grade notebooks or scripts with the answers to a chapter's tasks",
        description="Run each file in a process of its own, with limits, judge its answers to the tasks of the "
        "chapter, and print a table. The limits are against accidents, not against malice.",
    )
    grade.add_argument("files", nargs="+", metavar="FILE", help="a notebook (.ipynb) or a script")
    grade.add_argument(
        "--chapter", type=int, metavar="N", help="the chapter, in place of the one that the answers tell"
    )
    grade.add_argument("--json", metavar="FILE", help="write all rows to this file, too, as JSON")
    grade.add_argument("--csv", metavar="FILE", help="write all rows to this file, too, as CSV")
    grade.add_argument("--seconds", type=float, default=60, help="time for each file (60)")
    grade.add_argument("--memory", type=int, default=2048, metavar="MIB", help="memory for each file (2048)")
    grade.add_argument("--jobs", type=int, default=1, metavar="N", help="files at the same time (1)")
    grade.set_defaults(run=_grade, names=())


def _grade(arguments: argparse.Namespace) -> None:
    import csv
    import io
    import json

    from data_loaders.common.files import write_atomically
    from minisnn.course.grading import Row, grade_files

    rows: list[Row] = []
    graded = grade_files(
        map(Path, arguments.files), arguments.chapter, arguments.seconds, arguments.memory, arguments.jobs
    )
    for found in graded:
        rows += found
        print(_table(found), flush=True)
    if arguments.json:
        text = json.dumps([row._asdict() for row in rows], indent=1, ensure_ascii=False)
        write_atomically(Path(arguments.json), lambda file: file.write(text.encode()))
    if arguments.csv:
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerows([Row._fields, *rows])
        write_atomically(Path(arguments.csv), lambda file: file.write(table.getvalue().encode()))


def _table(rows: list[Any]) -> str:
    """The rows of one file, and their sum."""
    from textwrap import shorten

    first = rows[0]
    if not first.task:
        return f"{first.file}: {first.message}\n"
    width = max(len(row.task) for row in rows)
    lines = [f"{first.file}, chapter {first.chapter:02}"]
    for row in rows:
        message = shorten(row.message, 100, placeholder=" …")
        lines.append(f"  {row.task:{width}}  {row.grade:8}  {row.points} of {row.of}  {message}")
    points, of = (sum(getattr(row, key) for row in rows) for key in ("points", "of"))
    lines.append(f"  {'all':{width}}  {'':8}  {points} of {of}\n")
    return "\n".join(lines)
