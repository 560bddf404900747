"""A network as text and back: JSON of its stages, for networks that no name and no notation describes."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from itertools import accumulate
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from data_loaders.common.importing import imported
from minisnn.lookup import classes_in, is_own, name_of
from minisnn.networks import stages
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.base import Stage
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate import SURROGATES, Surrogate

KNOWN: dict[str, type] = {
    cls.__name__: cls
    for cls in (*classes_in(stages), *map(type, SURROGATES.values()), Neuron, Residual, Sequential)
    if is_dataclass(cls)
}
"""What a text may name shortly. Stages and surrogates of your own have the name `module:Class`."""


def to_text(net: Sequential) -> str:
    """A plain network as one line of JSON; a stage of your own is named `module:Class`.

    Raises ValueError for a stage that no text can name: a fast one, or one that is defined in a function.
    """
    return json.dumps(_plain(net))


DEEPEST = (
    200  # brackets within brackets; JSON's reader may exhaust the stack of a browser, which ends Python there
)


def from_text(text: str) -> Sequential:
    """The network that `to_text` wrote. Raises ValueError for anything else, saying what is wrong.

    That is: fields have their types, whole numbers are 1 or more, and no two stages have the same name.
    """
    try:
        if max(accumulate((c in "[{") - (c in "]}") for c in text), default=0) > DEEPEST:
            raise RecursionError(f"maximum recursion depth is {DEEPEST} brackets")
        net = _built(json.loads(text))
    except (json.JSONDecodeError, TypeError, RecursionError) as error:
        raise ValueError(f"not the description of a network: {error}") from error
    if not isinstance(net, Sequential):
        raise ValueError(f"not the description of a network: found {type(net).__name__}, expected Sequential")
    return net


def _plain(value: Any) -> Any:
    """Dataclasses as {"is": name, field: value, ...}, without the fields that have their defaults."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if not is_dataclass(value):
        return value
    name = type(value).__name__
    if KNOWN.get(name) is not type(value):
        if type(value).__module__.startswith("minisnn."):
            raise ValueError(f"cannot describe a {name}: describe the plain network")
        name = name_of("stage", type(value))
    default = {f.name: f.default for f in fields(value)}
    held = {f.name: getattr(value, f.name) for f in fields(value)}
    return {"is": name} | {key: _plain(v) for key, v in held.items() if v != default[key]}


def _built(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_built(v) for v in value)
    if not isinstance(value, dict):
        return value
    name = value.get("is")
    cls = _own(str(name)) if is_own(name) else KNOWN.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"not the description of a network: there is no stage {name!r}")
    built = cls(**{key: _built(v) for key, v in value.items() if key != "is"})
    hints = get_type_hints(cls)
    for key in (f.name for f in fields(cls)):
        found, hint = getattr(built, key), hints[key]
        if key in value and (not _fits(found, hint) or (hint is int and found < (key != "padding"))):
            raise ValueError(f"not the description of a network: {name} cannot have {key} = {found!r:.80}")
    if isinstance(built, Sequential):
        names = [inner for inner, _ in built.stages]
        for n, inner in enumerate(names):
            if not inner or "." in inner or inner in names[:n]:
                raise ValueError(
                    f"not the description of a network: names of stages must differ and hold no dot, found {inner!r}"
                )
    return built


def _own(name: str) -> Any:
    """Your class behind `module:Class`. ValueError for what is no stage and no surrogate, before it is called."""
    cls = imported("net", name)
    fits = isinstance(cls, type) and is_dataclass(cls) and (hasattr(cls, "backward") or hasattr(cls, "slope"))
    if not fits:
        raise ValueError(f"not the description of a network: {name} is neither a stage nor a surrogate")
    return cls


def _fits(value: Any, hint: Any) -> bool:
    """Is a value what a field's annotation says?"""
    inner = get_args(hint)
    if isinstance(hint, UnionType):
        return any(_fits(value, h) for h in inner)
    if get_origin(hint) is tuple:
        if type(value) is tuple and inner[-1] is ...:
            inner = inner[:1] * len(value)
        return type(value) is tuple and len(value) == len(inner) and all(map(_fits, value, inner))
    if hint in (Stage, Surrogate):
        return hasattr(value, "backward" if hint is Stage else "slope")
    return type(value) in ((int, float) if hint is float else (hint,))
