"""Which array library an array belongs to. The only file that imports CuPy.

An array says where it lives, so nothing here is a switch: one process can hold NumPy and CuPy
arrays side by side, and a function follows its arguments.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from data_loaders.common.machine import in_browser

Array = Any
"""An `numpy.ndarray`, a `cupy.ndarray`, or anything that behaves like one."""


class NoGPUError(RuntimeError):
    """A GPU is asked for, but there is none to use. The message says what is missing."""


def array_module(x: Array) -> ModuleType:
    """The library whose functions take `x`: `numpy`, `cupy`, or what `x.__array_namespace__()` names."""
    if isinstance(x, np.ndarray):
        return np
    if _is_cupy(x):
        import cupy

        return cupy
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    raise TypeError(f"expected a NumPy or CuPy array, found {type(x).__name__}")


def is_array(x: object) -> bool:
    """Is x an array of NumPy, CuPy or their like, which `array_module` knows? A NumPy scalar is none."""
    if isinstance(x, np.ndarray):
        return True
    if isinstance(x, np.generic):
        return False
    return hasattr(x, "__array_namespace__") or _is_cupy(x)


def _is_cupy(x: object) -> bool:
    return type(x).__module__.partition(".")[0] == "cupy"


def as_array(x: Array, like: Array | None = None) -> Array:
    """An array as it is (of a subclass of NumPy's, the plain array); lists and numbers as an array where `like` lives.

    Lists of floats become float64. Raises ValueError for lists that are no array, such as ragged ones.
    """
    if is_array(x):
        return np.asarray(x) if isinstance(x, np.ndarray) else x
    host = np.asarray(x)
    return host if like is None else array_module(like).asarray(host)


def to_device(x: Array, device: str) -> Array:
    """The same numbers on "cpu" or "gpu"; an array that is there already is returned as it is.

    Raises NoGPUError, saying what is missing, if there is no GPU to use.
    """
    if device == "cpu":
        return to_host(x)
    if device != "gpu":
        raise ValueError(f"device must be cpu or gpu, found {device!r}")
    missing = no_gpu()
    if missing:
        raise NoGPUError(missing)
    import cupy

    return cupy.asarray(x)


@lru_cache
def no_gpu() -> str:
    """Why no GPU can be used, as text; empty if one can."""
    if in_browser():
        return "a browser offers none to CuPy"
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}): 'minisnn[gpu]' has it for CUDA 12, 'minisnn[gpu-cuda13]' for 13"
    try:
        n = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own error class, and whatever a broken driver raises
        return f"CuPy is installed but finds no GPU ({error}): is there an NVIDIA driver?"
    return "" if n else "CuPy is installed but there is no GPU"


def gpu_name() -> str:
    """Of the first GPU, where there is one."""
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()


def to_host(x: Array) -> np.ndarray:
    """The same numbers as a `numpy.ndarray`; a NumPy array is returned as it is."""
    return x if isinstance(x, np.ndarray) else x.get()
