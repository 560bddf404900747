"""Files that appear whole or not at all; files that are read straight into arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

PIECE = 1 << 20  # bytes read at once, so that they are still in the processor's cache when they are copied


def write_atomically(path: Path, write: Any) -> None:
    """Call `write(file)` on a new binary file beside `path`, and rename it to `path` when it is complete."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")  # not mkstemp: nobody else may read its files
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def fill(file: IO[bytes], array: np.ndarray) -> int:
    """Read a file's next bytes straight into a uint8 array. Returns how many there were: fewer where the file ends."""
    place, n = array.reshape(-1).data, 0
    while more := file.readinto(place[n : n + PIECE]):  # type: ignore[attr-defined]
        n += more
    return n
