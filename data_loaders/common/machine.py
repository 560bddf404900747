"""What the machine cannot do that runs this: a browser starts no thread and no process."""

from __future__ import annotations

import sys
from functools import lru_cache
from threading import Thread


def in_browser() -> bool:
    """Does Python run in a browser, under Pyodide?"""
    return sys.platform == "emscripten"


@lru_cache
def threads_start() -> bool:
    """Can a thread be started here? Tried once."""
    thread = Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True
