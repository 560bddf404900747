"""`minisnn data`: what data there are, getting them, are they intact, and what do they look like."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minisnn import plots
from minisnn.data.catalogue import CATALOGUE, load, places, state, where
from minisnn.data.dataset import DataSet

ACROSS = 8  # images in a row of a picture
RECORDINGS = 4  # in a picture of recordings, one in a row


def listing() -> str:
    """Every data set in a line, and where they are looked for."""
    rows = [("name", "samples", "shape", "classes", "here?", "what")]
    for name, entry in CATALOGUE.items():
        samples = "+".join(f"{n:,}" for n in entry.samples)
        rows.append((name, samples, entry.shape, str(entry.n_classes), state(name), entry.what))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", "samples: for training + validation + test", where()])


def check(name: str) -> str:
    """Read all of a data set, and compare its files with the published ones.

    Raises DataError if it is damaged, FileNotFoundError if it is not there: nothing is downloaded.
    """
    lines = []
    for file, place in places(name).items():
        if place is None:
            raise FileNotFoundError(
                f"{name}: no {file.name} on this machine. Get it with: minisnn data fetch {name}"
            )
        if place.name != file.name:
            verdict = "not the published archive: only its content can be checked"
        elif _same(place, file.checksum):
            verdict = "the published file, byte for byte"
        else:
            verdict = "not byte for byte the published file; its content decides"
        lines.append(f"{place}: {verdict}")
    return "\n".join([*lines, f"{name}: intact, {summary(load(name, verify=True))}"])


def summary(data: DataSet) -> str:
    """Numbers and shapes in words."""
    samples = " + ".join(f"{len(s.labels):,}" for s in (data.train, data.validation, data.test))
    shape = "x".join(map(str, data.train.images.shape[1:]))
    kind = "recordings in frames" if data.is_sequence else "images"
    return f"{samples} {kind} of {shape}, {data.n_classes} classes"


def show(name: str, out: Path, seed: int = 0) -> str:
    """Draw a few training samples with their classes to a PNG. Returns where, and what they are."""
    data = load(name)
    count = RECORDINGS if data.is_sequence else 4 * ACROSS
    chosen = data.train.take(np.random.default_rng(seed).choice(len(data.train.labels), count, replace=False))
    images = chosen.images[np.arange(count)]
    if data.is_sequence:
        T = images.shape[1]
        figure = Figure(figsize=(T, RECORDINGS + 0.5), layout="constrained")
        axes = figure.subplots(RECORDINGS, T, squeeze=False)
        for row, frames, label in zip(axes, images, chosen.labels, strict=True):
            for ax, frame in zip(row, frames, strict=True):
                plots.frame(ax, frame)
            row[0].set_ylabel(f"class {label}")
    else:
        figure = Figure(figsize=(ACROSS, 5), layout="constrained")
        for ax, image, label in zip(figure.subplots(4, ACROSS).flat, images, chosen.labels, strict=True):
            grey = image.shape[-1] == 1
            ax.imshow(image[..., 0] if grey else image, cmap="gray", vmin=0, vmax=data.max_value)
            ax.set_title(f"{label}", fontsize="small")
            ax.axis("off")
    figure.suptitle(name)
    figure.savefig(out, dpi=150)
    return f"{out}: {count} of the training set of {name}, {summary(data)}"


def _same(path: Path, checksum: str) -> bool:
    kind, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == expected
