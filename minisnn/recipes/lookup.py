"""Find things by name: one of a table, `module:name` for your own, or the object itself.

prune = "set"                      of the table
prune = "my_rules:least_useful"    imported when it is needed, also from the current folder
prune = least_useful               handed over; a run's folder keeps its `module:name`
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from data_loaders.common.importing import imported, script
from minisnn.arguments import one_of


def find(setting: str, value: Any, table: Mapping[str, Any]) -> Any:
    """The thing that `value` stands for: itself, or what has that name in the table or in a module.

    setting: for the message. Raises ValueError for a name that is not known or cannot be imported.
    """
    if not isinstance(value, str):
        return value
    if is_own(value):
        return imported(setting, value)
    one_of(setting, value, table, or_else="module:name of your own")
    return table[value]


def is_own(value: Any) -> bool:
    """Is it a name that has to be imported, `module:name`? The text of a network, which starts with {, is not."""
    return isinstance(value, str) and ":" in value and not value.startswith("{")


def name_of(setting: str, thing: Any) -> str:
    """`module:name` of a function or class. Raises ValueError for one that cannot be found again by it."""
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not module or not path or "<" in path:
        raise ValueError(
            f"{setting}: found {path or thing!r}, which has no name by which it could be found again: "
            "define it with def or class at the top of a module"
        )
    if module == "__main__":
        module = script(sys.modules["__main__"])
    return f"{module}:{path}"


def to_json(setting: str, value: Any) -> Any:
    """A value as JSON can hold it: a function as its name, an instance of a dataclass as its name and its fields."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(setting, v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: to_json(setting, getattr(value, f.name)) for f in fields(value)}
        return {"is": name_of(setting, type(value)), **inner}
    return name_of(setting, value)


def from_json(setting: str, value: Any) -> Any:
    """The way back; functions stay names, which `find` looks up. Raises ValueError for what cannot be built."""
    if isinstance(value, list):
        return tuple(from_json(setting, v) for v in value)
    if not isinstance(value, dict):
        return value
    try:
        kind = imported(setting, value["is"])
        return kind(**{key: from_json(setting, v) for key, v in value.items() if key != "is"})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{setting}: cannot build {value} ({error})") from error
