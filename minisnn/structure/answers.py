"""Check what rules and learners return, so that the number of connections is exact with any rule.

A rule that returns too few positions, repeated ones or foreign ones would silently change the number of connections.
Each function raises one ValueError that names the rule or learner, the layer, what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import index
from typing import Any

import numpy as np

from minisnn.arguments import check, kind_of, whole
from minisnn.backend import Array, array_module, is_array, to_host
from minisnn.lookup import shown, unwrapped
from minisnn.structure.redistribute import Layers, is_right_on_average


def name_of(rule: Callable[..., Any]) -> str:
    """A rule's own name."""
    rule = unwrapped(rule)
    return getattr(rule, "__name__", type(rule).__name__)


def checked_positions(
    kind: str, rule: Callable[..., Any], layer: str, found: Array, count: int, allowed: Array
) -> Array:
    """Positions that a prune or grow rule returned, [count] integers where `allowed` lives.

    kind: "prune" or "grow", for the message. allowed: bool, of the weight's size: which positions the rule may name.
    Raises ValueError unless there are `count` integers, all different, all in range and all allowed.
    """
    xp = array_module(allowed)

    def refuse(what: str) -> ValueError:
        state = "an active connection" if kind == "prune" else "a candidate"
        return ValueError(
            f"{kind} rule {name_of(rule)}, {layer}: it returned {what}; "
            f"expected {count} integers, all different, each the position of {state}"
        )

    try:
        host = _on_host(found)
    except (TypeError, ValueError) as error:
        raise refuse(f"a {type(found).__name__} that is no array ({error})") from error
    if not host.size and host.dtype == float:  # what NumPy makes of an empty list
        host = host.astype("intp")
    if host.dtype.kind not in "iu" or host.ndim != 1:
        raise refuse(f"an array of {host.dtype} with the shape {host.shape}")
    if len(host) != count:
        raise refuse(f"{len(host)} positions")
    low, high = (int(host.min()), int(host.max())) if count else (0, -1)
    if low < 0 or high >= allowed.size:  # `put` would wrap them on a device
        raise refuse(f"positions from {low} to {high}, where 0 to {allowed.size - 1} exist")
    positions = xp.asarray(host.astype("intp", copy=False))
    there = xp.zeros(allowed.size, bool)
    xp.put(there, positions, True)
    if int(xp.count_nonzero(there & allowed.ravel())) != count:
        different = int(xp.count_nonzero(there))
        foreign = int(xp.count_nonzero(~allowed.ravel()[positions]))
        raise refuse(f"{count} positions, {count - different} of them repeated and {foreign} of them foreign")
    return positions


def _on_host(found: object) -> np.ndarray:
    """What a rule returned, as a host array: each library refuses other things to become its array, in other words.

    Raises TypeError or ValueError for what is no array.
    """
    return np.asarray(to_host(found) if is_array(found) else found)


def checked_counts(rule: Callable[..., Any], layers: Layers, found: object) -> dict[str, int]:
    """How many connections a redistribution rule gives each layer, in the order of `layers`.

    Raises ValueError unless there is a whole number for every layer and no other, each from 0 to what is free, and
    all together as many as were lost. A rule declared `right_on_average` may miss that sum.
    """

    def refuse(what: str, expected: str) -> ValueError:
        return ValueError(f"redistribute rule {name_of(rule)}: it returned {what}; expected {expected}")

    if not isinstance(found, Mapping):
        raise refuse(f"a {type(found).__name__}", "a dictionary of whole numbers by layer")
    if set(found) != set(layers):
        missing, foreign = sorted(set(layers) - set(found)), sorted(map(str, set(found) - set(layers)))
        raise refuse(
            f"nothing for {missing} and something for {foreign}", f"a number for each of {list(layers)}"
        )
    counts = {}
    for key, layer in layers.items():
        try:
            counts[key] = index(found[key])
        except TypeError:
            raise refuse(f"{found[key]!r} for {key}", "a whole number") from None
        if not 0 <= counts[key] <= layer.free:
            raise refuse(f"{counts[key]} for {key}", f"0 to {layer.free}, its free positions")
    total, lost = sum(counts.values()), sum(layer.lost for layer in layers.values())
    if total != lost and not is_right_on_average(rule):
        raise refuse(f"{total} connections in all", f"the {lost} that were lost (see `right_on_average`)")
    return counts


def checked_mask(sample: Callable[..., Any], layer: str, found: object, shape: tuple[int, ...]) -> np.ndarray:
    """A mask that a sampler drew, on the host. Raises ValueError unless it is bool and has the weight's shape."""
    mask = _on_host(found) if is_array(found) or isinstance(found, (list, tuple)) else None
    if mask is None or mask.dtype != bool or mask.shape != shape:
        what = type(found).__name__ if mask is None else f"{mask.dtype} {mask.shape}"
        raise ValueError(f"sampler {name_of(sample)}, {layer}: it returned {what}; expected bool {shape}")
    return mask


def checked_replaced(
    learner: object, found: object, params: Mapping[str, Array], masks: Mapping[str, Array]
) -> int:
    """How many connections a learner says it replaced.

    Raises ValueError unless that is a whole number, and each mask it left fits, see `check_left`.
    """
    check_left(learner, params, masks)
    return whole(f"what after_step of the learner {shown(learner)} returns", found)


def check_left(learner: object, params: Mapping[str, Array], masks: Mapping[str, Array]) -> None:
    """Raise ValueError unless each mask that a learner left is bool and has its weight's shape."""
    for key, mask in masks.items():
        if key not in params:
            raise ValueError(
                f"learner {shown(learner)}: it made a mask of {key}, and there is no such weight"
            )
        shape = params[key].shape
        if not is_array(mask) or mask.dtype != bool or mask.shape != shape:
            check(
                f"the mask of {key} that the learner {shown(learner)} left",
                kind_of(mask),
                False,
                f"bool {shape}",
            )
