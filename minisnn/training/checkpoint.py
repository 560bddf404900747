"""Save and resume everything that changes while training: resuming equals never having stopped, bit for bit.

A checkpoint is one .npz of plain arrays and one JSON text; nothing in it is ever unpickled. It is
written beside its place and moved there when complete, so that a crash leaves the old one.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from data_loaders.common.files import write_atomically
from minisnn.backend import to_host
from minisnn.training.state import TrainingState

FORMAT = 2
GROUPS = ("params", "buffers", "masks", "channels", "structure")


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be read. The message names it and says why."""


def write_csv(path: Path, rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    """A table, atomically. Columns that a row lacks stay empty; entries without a column are left out."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def save(path: Path, state: TrainingState) -> None:
    """Write `state` to `path`, atomically."""
    arrays = {f"{group}/{key}": to_host(a) for group in GROUPS for key, a in getattr(state, group).items()}
    for key, moment in state.moments.items():
        arrays |= {f"moments/{key}/{n}": to_host(a) for n, a in enumerate(moment)}
    meta = {
        "format": FORMAT,
        "iteration": state.iteration,
        "epoch": state.epoch,
        "rngs": {name: rng.bit_generator.state for name, rng in state.rngs.items()},
    }

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(
            file, "w"
        ) as archive:  # not np.savez: NumPy before 2.1 cannot be kept from pickling
            for name, array in {"meta": np.array(json.dumps(meta)), **arrays}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    write_atomically(path, write)


HEADER = (SyntaxError, TokenError, OverflowError, RecursionError, MemoryError)
"""What NumPy raises beside ValueError for the damaged header of an array."""


def load(path: Path) -> TrainingState:
    """The state saved at `path`, on the host. Raises CheckpointError for a file that is damaged or no checkpoint."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["format"] != FORMAT:
            raise CheckpointError(f"{path}: expected checkpoint format {FORMAT}, found {meta['format']}")
        state = TrainingState({}, iteration=meta["iteration"], epoch=meta["epoch"])
        for name, rng_state in meta["rngs"].items():
            state.rngs[name] = np.random.default_rng()
            state.rngs[name].bit_generator.state = rng_state
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, *HEADER) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({type(error).__name__}: {error})"
        ) from error
    for (
        name
    ) in arrays:  # in the order in which they were saved, so that a resumed run has the same dictionaries
        group, _, key = name.partition("/")
        if group == "moments":
            key = key.rpartition("/")[0]
            state.moments[key] = (*state.moments.get(key, ()), arrays[name])
        else:
            getattr(state, group)[key] = arrays[name]
    return state
