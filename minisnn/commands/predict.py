"""`minisnn predict`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minisnn.recipes import DEVICES

if TYPE_CHECKING:  # takes long to import: not before it is needed
    from data_loaders.common.errors import DataError
    from minisnn.runs.run import Run


def add(commands: Any) -> None:
    """The parser of `minisnn predict`."""
    parser = commands.add_parser(
        "predict",
        help="which classes a trained network sees in image files",
        description="Say for each image in files which class a trained network sees, and how much speaks for it. "
        "The data set that the network was trained on is not needed.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples
  minisnn predict runs/lif-mnist-seed0 seven.png
  minisnn predict runs/lif-mnist-seed0 scans/*.png --out classes.csv

files
  .png, .jpg, .bmp   one image of the size that the network was trained on; made grey if that was, and its values
                     of 0 to 255 are scaled to those of the data set
  .npy, .npz         an array of images, in an .npz named "images": integers as in the data set, or floats from 0 to
                     1; [B, H, W], [B, H, W, C] or a single one; of recordings [B, T, H, W, 2]

a file that cannot be read is named on stderr, the others are predicted, and the exit status is 2

the score is the network's output, averaged over time, or of a first-spike network minus the time t = ln z of the spike
""",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=".png, .jpg, .bmp, .npy or .npz")
    parser.add_argument("--quiet", action="store_true", help="no table")
    parser.add_argument("--json", action="store_true", help="print a JSON list in place of the table")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write the table to this file, too")
    parser.add_argument("--device", choices=DEVICES, help="where to compute (default where it was trained)")
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from minisnn.runs import start
    from minisnn.training.checkpoint import write_csv

    bad: list[DataError] = []
    rows = predict_files(start.load(arguments.folder, arguments.device), arguments.files, bad.append)
    for error in bad:
        print(f"minisnn: error: {error}", file=sys.stderr)
    if arguments.out and rows:
        write_csv(arguments.out, rows, list(rows[0]))
    if arguments.json:
        print(json.dumps(rows))
    elif rows and not arguments.quiet:
        _print(rows)
    return 2 if bad else 0


def predict_files(
    run: Run, files: Sequence[Path], skip: Callable[[DataError], None] | None = None
) -> list[dict[str, Any]]:
    """A row for each image in files: file, index in it, of how many, class, score (None if no neuron fires).

    All files are read before the first row is made. skip: is told of a file that cannot be read or does not fit, and
    the others go on; without it such a file raises DataError, naming it.
    """
    from data_loaders.common.errors import DataError
    from minisnn.runs.image_files import read_images

    read = []
    for file in files:
        try:
            read.append((file, read_images(file, run.info)))
        except DataError as error:
            if skip is None:
                raise
            skip(error)
    rows, classes = [], run.classes.tolist()
    for file, images in read:
        for n, (name, scores) in enumerate(zip(run.predict(images), run.scores(images), strict=True)):
            label = name.item() if isinstance(name, np.generic) else name
            fires = label in classes
            rows.append(
                {
                    "file": str(file),
                    "index": n,
                    "of": len(images),
                    "class": label,
                    "score": float(scores.max()) if fires else None,
                }
            )
    return rows


def _print(rows: Sequence[dict[str, Any]]) -> None:
    """A table, a line for each image."""
    lines = [("file", "class", "score")]
    for row in rows:
        score = "" if row["score"] is None else f"{row['score']:.4f}"
        lines.append(
            (f"{row['file']}[{row['index']}]" if row["of"] > 1 else row["file"], str(row["class"]), score)
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for file, name, score in lines:
        print(f"{file:{widths[0]}}  {name:{widths[1]}}  {score:>{widths[2]}}")
