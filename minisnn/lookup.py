"""Find things by name: one of a table, `module:name` for your own, or the object itself.

prune = "set"                      of the table
prune = "my_rules:least_useful"    imported when it is needed, also from the current folder
prune = least_useful               handed over; a run's folder keeps its `module:name`
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from traceback import extract_tb, walk_tb
from types import ModuleType
from typing import Any, TypeVar

from data_loaders.common.importing import IMPORTED, imported, script
from minisnn.arguments import one_of

Anything = TypeVar("Anything")


def register(table: dict[str, Any], name: str) -> Callable[[Anything], Anything]:
    """A decorator that puts a class or function into a table. Raises ValueError for a name that is taken."""
    if name in table:
        raise ValueError(f"name must be a new one, found {name!r}, which is {shown(table[name])} already")

    def put(thing: Anything) -> Anything:
        table[name] = thing
        return thing

    return put


def import_all(package: str, *tables: dict[str, Any]) -> None:
    """Import every file of a package, so that tables have all that they `register`, in the order of the alphabet."""
    for module in iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    for table in tables:
        found = sorted(table.items())
        table.clear()
        table.update(found)


def classes_in(package: ModuleType) -> Iterator[type]:
    """The public classes that the files of a package define."""
    for module in iter_modules(package.__path__):
        name = f"{package.__name__}.{module.name}"
        for cls in vars(import_module(name)).values():
            if isinstance(cls, type) and cls.__module__ == name and not cls.__name__.startswith("_"):
                yield cls


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
            "to keep the run in a folder, define it with def or class at the top of a module"
        )
    if module == "__main__":
        module = script(sys.modules["__main__"])
    return f"{module}:{path}"


def to_json(setting: str, value: Any, to_load: bool = True) -> Any:
    """A value as JSON can hold it: a function as its name, an instance of a dataclass as its name and its fields.

    to_load: False shows what cannot be found again by a name, where True raises ValueError.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(setting, v, to_load) for v in value]
    if isinstance(value, Mapping):
        return {key: to_json(setting, v, to_load) for key, v in value.items()}
    name = name_of if to_load else lambda _, thing: shown(thing)
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: to_json(setting, getattr(value, f.name), to_load) for f in fields(value)}
        return {"is": name(setting, type(value)), **inner}
    return name(setting, value)


def unwrapped(thing: Any) -> Any:
    """The function that a `functools.partial` is made of; anything else as it is."""
    while isinstance(thing, partial):
        thing = thing.func
    return thing


def shown(thing: Any) -> str:
    """What a function or class is called in messages: `module:name`, without the function in which it was made."""
    thing = unwrapped(thing)
    thing = thing if hasattr(thing, "__qualname__") else type(thing)
    module = "__main__" if thing.__module__ is None else thing.__module__
    module = script(sys.modules["__main__"]) if module == "__main__" else module
    return f"{module}:{thing.__qualname__.rpartition('<locals>.')[2]}"


def called(kind: str, thing: Callable[..., Any], *arguments: Any, method: str = "__call__") -> Any:
    """thing(*arguments); an error in a function or class of your own becomes one sentence.

    kind: what it is, for the message. method: of a class, in place of making an instance. Raises
    ValueError that names it, the error, and the file and line of yours.
    """
    try:
        return (thing if method == "__call__" else getattr(thing, method))(*arguments)
    except Exception as error:
        if shown(thing).startswith("minisnn."):
            raise
        raise ValueError(f"{kind} {shown(thing)}: {_said(error)}{_place(thing, error)}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _place(thing: Any, error: BaseException) -> str:
    """The line of your file where it happened, or where the definition stands if it could not even be called."""
    thing = unwrapped(thing)
    thing = thing if hasattr(thing, "__qualname__") else type(thing)
    try:
        file, line = inspect.getsourcefile(thing), inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):  # of the prompt, or of C
        return ""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({file}:{lines[-1] if lines else line})"


def blamed(error: BaseException) -> str:
    """An error in a module of yours that was imported by its name, as a sentence; "" for any other error."""
    files = {inspect.getsourcefile(sys.modules[name]): name for name in IMPORTED if name in sys.modules}
    for frame, line in reversed([*walk_tb(error.__traceback__)]):
        code = frame.f_code
        if code.co_filename in files:
            return f"{files[code.co_filename]}:{code.co_qualname}: {_said(error)} ({code.co_filename}:{line})"
    for name in IMPORTED:  # a method that could not even be called: Python says whose it is
        for thing in vars(sys.modules.get(name, sys)).values():
            own = isinstance(thing, type) and thing.__module__ == name
            if own and str(error).startswith(f"{thing.__qualname__}."):
                return f"{shown(thing)}: {_said(error)}{_place(thing, error)}"
    return ""


def from_json(setting: str, value: Any) -> Any:
    """The way back; functions stay names, which `find` looks up. Raises ValueError for what cannot be built.

    A dictionary is an instance if it has an "is"; one without is refused.
    """
    if isinstance(value, list):
        return tuple(from_json(setting, v) for v in value)
    if not isinstance(value, dict):
        return value
    try:
        kind = imported(setting, value["is"])
        return kind(**{key: from_json(setting, v) for key, v in value.items() if key != "is"})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{setting}: cannot build {value} ({error})") from error
