"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4


def write_atomically(path: Path, write: Any) -> None:
    """Call `write(file)` on a new binary file beside `path`, and put it in the place of `path` when it is complete."""
    part = path.with_name(
        f"{path.name}.{uuid4().hex}.part"
    )  # not mkstemp: its files are for nobody else to read
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
