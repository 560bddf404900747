"""Libraries that only some data sets need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needs(module: str, extra: str) -> Any:
    """The module, imported. Raises ModuleNotFoundError that says how to install it.

    extra: of the package minisnn, which these files are part of.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"this needs {module}: pip install 'minisnn[{extra}]'") from None
