"""Libraries that only some commands need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needs(module: str, extra: str) -> Any:
    """The module, or an error that says how to get it. Raises ModuleNotFoundError."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"this needs {module}: pip install 'minisnn[{extra}]'") from None
