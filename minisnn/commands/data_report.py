"""`minisnn data`: what data there are, getting them, are they intact, and what do they look like."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from data_loaders.catalogue import DATA_SETS, load, own_path, places, state, where
from data_loaders.common.dataset import DataSet
from data_loaders.common.rows import evenly
from minisnn import plots

ACROSS = 8  # images in a row of a picture
RECORDINGS = 4  # in a picture of recordings, one in a row
FRAMES = 20  # in a row, of longer recordings evenly spaced ones
NAMED = 10  # classes whose names are written out


def listing() -> str:
    """Every data set in a line, and where they are looked for."""
    rows = [("name", "samples", "shape", "classes", "here?", "what")]
    for name, data in DATA_SETS.items():
        samples = "+".join(f"{n:,}" for n in data.samples)
        rows.append((name, samples, data.size, str(data.n_classes), state(data), data.what))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(
        [
            *lines,
            "",
            "samples: for training + validation + test",
            "your own: the path of an .npz file or a folder of classes, or module:name of a loader",
            where(),
        ]
    )


def check(name: str) -> str:
    """Read all of a data set, by its name or your own, and compare its files with the published ones.

    Raises DataError if it is damaged, FileNotFoundError if it is not there: nothing is downloaded. ValueError for a
    name that there is not.
    """
    lines = []
    own_path(name)  # raises what there is to say about a name that is not known
    published = places(DATA_SETS[name]) if name in DATA_SETS else {}
    for file, place in published.items():
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
    """Numbers, shapes and classes as text."""
    samples = " + ".join(f"{len(s.labels):,}" for s in data.splits.values())
    shape = "x".join(map(str, data.train.images.shape[1:]))
    kind = "recordings in frames" if data.is_sequence else "images"
    names = ", ".join([*map(str, data.class_names[:NAMED]), *(["..."] if data.n_classes > NAMED else [])])
    return f"{samples} {kind} of {shape}, {data.n_classes} classes" + (
        f": {names}" if data.class_names else ""
    )


def show(name: str, out: Path | None = None, seed: int = 0) -> str:
    """Draw a few training samples with their classes to a PNG, of a data set by its name or your own.

    out: None is the data set's name in the working folder. Returns where it is, and what the data are.
    """
    data = load(name)
    out = out or Path(f"{data.name}.png")
    count = min(data.n_train, RECORDINGS if data.is_sequence else 4 * ACROSS)
    chosen = data.train.take(np.random.default_rng(seed).choice(data.n_train, count, replace=False))
    images = chosen.images[np.arange(count)]
    classes = [str(data.class_names[label] if data.class_names else label) for label in chosen.labels]
    figure = (_recordings if data.is_sequence else _pictures)(images, classes, data.max_value)
    figure.suptitle(data.name)
    figure.savefig(out, dpi=150)
    return f"{out}: {count} of the training set of {data.name}, {summary(data)}"


def _recordings(recordings: np.ndarray, classes: list[str], max_value: int) -> Figure:
    """A row for each recording."""
    T = min(recordings.shape[1], FRAMES)
    figure = Figure(figsize=(max(T, 3), len(classes) + 0.5), layout="constrained")
    axes = figure.subplots(len(classes), T, squeeze=False)
    for row, frames, label in zip(axes, recordings, classes, strict=True):
        for ax, frame in zip(row, frames[evenly(len(frames), T)], strict=True):
            plots.frame(ax, frame)
        row[0].set_ylabel(f"class {label}" if label.isdigit() else label)
    return figure


def _pictures(images: np.ndarray, classes: list[str], max_value: int) -> Figure:
    """Rows of pictures; those with other than three channels in grey, as their mean."""
    figure = Figure(figsize=(ACROSS, 5), layout="constrained")
    axes = list(figure.subplots(4, ACROSS).flat)
    for ax in axes:
        ax.axis("off")
    for ax, image, label in zip(axes, images, classes, strict=False):
        pixels = (image if image.shape[-1] == 3 else image.mean(-1)) / max_value
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=1)
        ax.set_title(label, fontsize="small")
    return figure


def _same(path: Path, checksum: str) -> bool:
    kind, _, expected = checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == expected
