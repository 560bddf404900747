"""Do two values agree, and if not, where do they differ?"""

from __future__ import annotations

from typing import Any

import numpy as np


def difference(found: Any, right: Any, rtol: float, atol: float) -> str:
    """Nothing if `found` agrees with `right`; else one or two lines that say where it does not, and how.

    Numbers agree where |found - right| <= atol + rtol |right|; NaN agrees with NaN; bools agree with bools, and
    with 0 and 1. A tuple is compared part by part; so is a dictionary.
    """
    if isinstance(right, dict):
        return _dictionaries(found, right, rtol, atol)
    if isinstance(right, (tuple, list)) and any(np.ndim(part) or isinstance(part, str) for part in right):
        return _parts(found, right, rtol, atol)
    if isinstance(right, (str, set, frozenset, bytes)) or right is None:
        return "" if found == right else _both(found, right)
    try:
        value = np.asarray(found)
    except ValueError:
        return f"it should give {_kind(right)}, but gives rows of different lengths: {found!r}"
    return (
        _arrays(value, np.asarray(right), rtol, atol)
        if value.dtype.kind in "biuf"
        else _no_number(found, right)
    )


def _arrays(found: np.ndarray, right: np.ndarray, rtol: float, atol: float) -> str:
    if found.shape != right.shape:
        if found.size == right.size and np.array_equal(found.ravel(), right.ravel()):
            return f"the values are right, but their shape is {found.shape}: it should be {right.shape}"
        return f"it should have the shape {right.shape}, but has {found.shape}"
    a, b = found.astype(float), right.astype(float)
    with np.errstate(invalid="ignore"):
        near = np.isfinite(a) & np.isfinite(b) & (abs(a - b) <= atol + rtol * abs(b))
        agree = (a == b) | (np.isnan(a) & np.isnan(b)) | near
    if agree.all():
        return ""
    first = tuple(int(i) for i in np.argwhere(~agree)[0])
    where = f"at index {list(first) if len(first) > 1 else first[0]} " if first else ""
    more = f" ({(~agree).sum()} of {agree.size} elements differ)" if agree.size > 1 else ""
    return where + _both(found[first], right[first]) + more


def _parts(found: Any, right: Any, rtol: float, atol: float) -> str:
    if not isinstance(found, (tuple, list)) or len(found) != len(right):
        given = f"{len(found)}" if isinstance(found, (tuple, list)) else _kind(found)
        return f"it should give {len(right)} values, but gives {given}"
    for n, (one, other) in enumerate(zip(found, right, strict=True)):
        if text := difference(one, other, rtol, atol):
            return f"in part {n} of what it returns, {text}"
    return ""


def _dictionaries(found: Any, right: dict[Any, Any], rtol: float, atol: float) -> str:
    if not isinstance(found, dict) or set(found) != set(right):
        given = f"the keys {list(found)}" if isinstance(found, dict) else _kind(found)
        return f"it should give a dictionary with the keys {list(right)}, but gives {given}"
    texts = ((key, difference(found[key], right[key], rtol, atol)) for key in right)
    return next((f"under the key {key!r}, {text}" for key, text in texts if text), "")


def _both(found: Any, right: Any) -> str:
    return f"it should give {show(right)}, but gives {show(found)}"


def _no_number(found: Any, right: Any) -> str:
    return f"it should give {_kind(right)}, but gives {_kind(found)}: {show(found)}"


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (bool, np.bool_)):
        return "a bool"
    if isinstance(value, (int, float, np.number)) and not np.iscomplexobj(value):
        return "a number"
    names = {
        "NoneType": "nothing",
        "str": "text",
        "complex": "a complex number",
        "complex128": "a complex number",
    }
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def show(value: Any) -> str:
    """A value as a student would type it, short if it is large."""
    if isinstance(value, np.ndarray) and value.ndim:
        text = np.array2string(value, threshold=60, edgeitems=3, separator=", ", max_line_width=100)
        return "\n".join(line for line in text.splitlines() if line.strip())  # none between its matrices
    if isinstance(value, (np.generic, np.ndarray)):
        return repr(value.item())
    return repr(value)
