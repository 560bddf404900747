"""Stop when numbers go wrong. Each step checks at almost no cost; on failure the error names where it began.

Networks of LIF neurons swallow them. NaN > V_th is false, so that a neuron whose potential is NaN is only silent, and
an infinite variance makes batch norm's output 0. A number has gone wrong if it is NaN or infinite, or so large that its
square is (above 1e19 in float32): no weight, gradient or statistic of a network that learns comes near.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from minisnn.backend import Array, array_module
from minisnn.networks.compose import Sequential, inside, residual_sum, walked
from minisnn.networks.stages.base import Stage


class Diverged(FloatingPointError):  # noqa: N818
    """Numbers have gone wrong, and training or evaluation stops. The message is one sentence for the user.

    what: holds what, and in which layer; when: at which step; advice: what to try.
    """

    checkpoint: Path | None = None  # the last good one, where there is one, and
    epoch: int | None = None  # the epoch after which it was saved

    def __init__(self, what: str, when: str, advice: str) -> None:
        super().__init__(what, when, advice)
        self.what, self.when, self.advice = what, when, advice

    def __str__(self) -> str:
        text = f"{self.when}: {self.what}"
        if self.checkpoint is not None and self.epoch is not None:
            text += f"; the last good checkpoint is {self.checkpoint}, of epoch {self.epoch}"
        return f"{text}; {self.advice}"


def quiet() -> np.errstate:
    """NumPy's warnings of overflow and the like would show our source; here we look ourselves. Also a decorator."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def sound(*arrays: Array) -> bool:
    """Is the sum of all squares finite? One pass of BLAS over memory, and one look at a device."""
    total = 0.0
    with quiet():
        for a in arrays:
            flat = a.reshape(-1)
            total = total + flat @ flat
        return isfinite(float(total))


def trouble(a: Array) -> str:
    """What is wrong with an array, as text; empty if nothing is. Spikes and other integers are always right."""
    if a.dtype.kind != "f" or sound(a):
        return ""
    xp = array_module(a)
    if xp.isnan(a).any():
        return "NaN"
    largest = float(abs(a).max())
    return f"values up to {largest:.0e}" if isfinite(largest) else "infinity"


def first_trouble(arrays: Mapping[str, Array] | Iterable[tuple[str, Array]], of: str = "") -> str:
    """The first array that is wrong, by its key, and what it holds; empty if none is. of: before the key."""
    pairs = arrays.items() if isinstance(arrays, Mapping) else arrays
    return next((f"{of}{key} holds {found}" for key, a in pairs if (found := trouble(a))), "")


def check_images(images: Array, when: str) -> None:
    """Raise Diverged if the images or frames of a batch are not finite."""
    if found := trouble(images):
        raise Diverged(f"images of the batch hold {found}", when, "repair these data, or leave them out")


def check_arrays(arrays: Mapping[str, Array], when: str, advice: str) -> None:
    """Raise Diverged, naming the first array that is not finite, if there is one."""
    if not sound(*arrays.values()) and (found := first_trouble(arrays)):
        raise Diverged(found, when, advice)


class _Found(Exception):  # noqa: N818
    """Where it began; the message says it."""


def _look(arrays: Mapping[str, Array], of: str = "") -> None:
    if found := first_trouble(arrays, of):
        raise _Found(found)


def origin(
    net: Sequential, params: Mapping[str, Array], buffers: Mapping[str, Array], x: Array, train: bool = True
) -> str:
    """Where a forward pass goes wrong first, as text; empty if it does not.

    Every layer's weights, statistics and output are looked at, in forward order, and potentials in place of spikes.
    """

    def leaf(name: str, stage: Stage, x: Array) -> Array:
        return _checked(stage, inside(name, dict(params)), inside(name, dict(buffers)), x, train, name)

    try:
        _look({"the network's input": x})
        walked(net, x, leaf, residual_sum)
    except _Found as found:
        return str(found)
    return ""


def _checked(stage: Stage, params: Any, buffers: Any, x: Array, train: bool, name: str) -> Array:
    """The output of a stage. Raises _Found where something is wrong on the way."""
    parts = getattr(stage, "parts", ())
    if len(parts) > 1:  # one after the other: between them it shows
        outer = name.rpartition(".")[0]
        for n, (inner, s) in enumerate(parts):  # only the first has parameters, under the name of all
            here = f"{outer}.{inner}".removeprefix(".") if n else name
            x = _checked(s, {} if n else params, {} if n else buffers, x, train, here)
        return x
    _look({f"{name}.{key}": a for key, a in (params | buffers).items()})
    y, cache, new = stage.forward(params, buffers, x, train)
    _look({f"{name}.{key}": a for key, a in new.items()})
    if getattr(stage, "never_is_inf", False):
        _look({name: array_module(y).where(y == float("inf"), 0, y)}, "the output of ")
    elif hasattr(cache, "u"):
        _look({name: cache.u}, "the potential of ")
    else:
        _look({name: y}, "the output of ")
    return y
