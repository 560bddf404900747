"""Things of your own, found by `module:name`."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

IMPORTED: set[str] = set()
"""Names of your modules that were imported: what fails in them is not our error."""


def is_module_name(value: object) -> bool:
    """Is it `module:name`? No path is: C:/data has a slash."""
    return isinstance(value, str) and re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", value) is not None


def imported(setting: str, name: str) -> Any:
    """What `module:name` stands for. Modules in the current folder are found, too. ValueError if there is none."""
    try:
        module_name, _, path = name.partition(":")
        found: Any = _module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ValueError(
            f"{setting}: cannot find {name} ({error}). It must be module:name, the module in the current folder or "
            "installed; or hand it over again in Python"
        ) from error
    return found


def _module(name: str) -> Any:
    main = sys.modules.get("__main__")
    if main is not None and name == script(main):
        return main
    if not name.startswith(("minisnn.", "data_loaders.")):
        IMPORTED.add(name)
    if os.getcwd() not in sys.path:  # a command's path begins with the folder of the command itself
        sys.path.append(os.getcwd())
    return import_module(name)


def script(main: Any) -> str:
    """The name by which the program that runs can be imported; __main__ where it is no file."""
    file = getattr(main, "__file__", None)
    return main.__spec__.name if getattr(main, "__spec__", None) else Path(file).stem if file else "__main__"
