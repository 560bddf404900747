"""The papers' tables and figures, one file each: runs, picture, our values beside the paper's.

A file here that holds a `TARGET` is a target of `minisnn reproduce`, under the file's name.
"""

from __future__ import annotations

from pkgutil import iter_modules

NAMES = tuple(
    sorted(m.name.replace("_", "-") for m in iter_modules(__path__) if m.name not in ("target", "reproduce"))
)
"""Of all tables and figures; to import one takes longer, because it draws."""

SCALES = {
    "smoke": "two minutes, on the embedded digits: does everything work?",
    "small": "within an hour on two cores, on MNIST or CIFAR-10",
    "paper": "the paper's setting, for a GPU or a cluster",
}
