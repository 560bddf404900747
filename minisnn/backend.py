"""Which array library an array belongs to. The only file that imports CuPy.

An array says where it lives, so nothing here is a switch: one process can hold NumPy and CuPy
arrays side by side, and a function follows its arguments.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""An `numpy.ndarray`, a `cupy.ndarray`, or anything that behaves like one."""


def array_module(x: Array) -> ModuleType:
    """The library whose functions take `x`: `numpy`, `cupy`, or what `x.__array_namespace__()` names."""
    if isinstance(x, np.ndarray):
        return np
    if type(x).__module__.partition(".")[0] == "cupy":
        import cupy

        return cupy
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    raise TypeError(f"expected a NumPy or CuPy array, found {type(x).__name__}")


def to_host(x: Array) -> np.ndarray:
    """The same numbers as a `numpy.ndarray`; a NumPy array is returned as it is."""
    return x if isinstance(x, np.ndarray) else x.get()
