"""How large the chapters' experiments are: as they were written, or small where the machine is slow."""

from __future__ import annotations

import os

from data_loaders.common.machine import in_browser


def small() -> bool:
    """Is this machine slow, so that a chapter should take fewer epochs, samples and seeds? A browser is.

    The environment variable MINISNN_SMALL decides instead if it is set: 1 is small, 0 is not.
    """
    wish = os.environ.get("MINISNN_SMALL", "")
    return in_browser() if wish not in ("0", "1") else wish == "1"
