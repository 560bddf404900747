"""A setting is declared once: its default, what it means, and what is allowed. The command line is made from it.

epochs: int = setting(10, "passes over the training data", at_least=1)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from math import inf, isfinite
from numbers import Number
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from minisnn import lookup
from minisnn.arguments import Spelled, check, one_of

Named = str | Callable[..., Any]
"""A name, "module:name", a function or a class; or an instance that can be described by its fields."""


class Options(dict[str, Any]):
    """Options by name, for what is chosen by another setting. A frozen recipe may be hashed, and so may they."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


class About(NamedTuple):
    """What is known of a setting beside its name, its type and its default."""

    text: str
    choices: Collection[str] = ()
    table: Mapping[str, Any] | None = None  # names, in whose place a function or an instance may stand
    valid: tuple[Callable[[Any], bool], str] | None = None  # a check, and its description
    metavar: str | None = None
    group: str = "training"
    own: bool = False  # a function or "module:name" of the user's may stand in place of a text


def setting(
    default: Any,
    text: str,
    *,
    choices: Collection[str] = (),
    table: Mapping[str, Any] | None = None,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    valid: tuple[Callable[[Any], bool], str] | None = None,
    metavar: str | None = None,
    group: str = "training",
    own: bool = False,
) -> Any:
    """A field of a recipe. None is allowed where the annotation says so; numbers must be finite.

    text: for the command line. choices: the strings allowed. table: names, in whose place a function, an instance or
    "module:name" may stand. at_least, above, at_most: bounds of a number. valid: another condition, and its words.
    group: the heading under which the command line lists it. own: a text may also be "module:name" or a function of
    yours, which is not checked here.
    """
    if valid is None and (at_least, above, at_most) != (None, None, None):
        valid = _bounds(at_least, above, at_most)
    return field(default=default, metadata={"about": About(text, choices, table, valid, metavar, group, own)})


def again(cls: type, name: str, default: Any, text: str | None = None) -> Any:
    """The setting `name` of another recipe with another default, or another text."""
    about = next(f for f in fields(cls) if f.name == name).metadata["about"]
    return field(default=default, metadata={"about": about if text is None else about._replace(text=text)})


def _bounds(
    at_least: float | None, above: float | None, at_most: float | None
) -> tuple[Callable[[Any], bool], str]:
    low, high = at_least if above is None else above, inf if at_most is None else at_most

    def holds(x: Any) -> bool:
        return isfinite(x) and (low is None or (x > low if above is not None else x >= low)) and x <= high

    words = {
        (True, False): f"above {above} and finite", (True, True): f"above {above} and at most {at_most}",
        (False, False): f"at least {at_least}", (False, True): f"{at_least} to {at_most}",
    }  # fmt: skip
    return holds, words[above is not None, at_most is not None]


@dataclass(frozen=True, kw_only=True)
class Settings(Spelled):
    """Frozen settings that refuse invalid values, and that JSON can hold.

    Raises ValueError that names the setting, what was found and what was expected.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value, about = getattr(self, f.name), f.metadata["about"]
            kind, optional = kinds(type(self))[f.name]
            if value is None and optional:
                continue
            if about.table is not None:
                if not lookup.is_own(value):  # what has to be imported is, when it is needed
                    self.found(f.name)
                continue
            if about.own and (callable(value) or is_dataclass(value) or lookup.is_own(value)):
                continue
            value = plain_value(value, kind)
            object.__setattr__(self, f.name, value)
            check_type(f.name, value, kind)
            if about.choices:
                one_of(f.name, value, about.choices)
            if about.valid:
                check(f.name, value, about.valid[0](value), about.valid[1])

    def found(self, name: str) -> Any:
        """What a setting stands for: the function or class behind a name, or the value itself."""
        about = next(f for f in fields(self) if f.name == name).metadata["about"]
        value = getattr(self, name)
        if about.table is None or value is None:
            return value
        found = lookup.find(name, value, about.table)
        if all(map(callable, about.table.values())) and not hasattr(
            found, "step"
        ):  # instances of optimisers have one
            words = f"a function or class, module:name or one of {', '.join(about.table)}"
            kind = type(found).__name__
            what = (
                repr(found)
                if kind in ("int", "float", "bool", "tuple", "list")
                else f"an object of type {kind}"
            )
            check(name, what, callable(found), words)
        return found

    def refuse_idle(self, given: Collection[str]) -> None:
        """Raise ValueError for settings that were given and would do nothing."""

    @classmethod
    def of_training(cls) -> list[str]:
        """The names of settings that only training needs, where rules and the like may be yours."""
        return [f.name for f in fields(cls) if f.metadata["about"].table is not None]

    def without_own(self) -> Any:
        """The same settings with the default in place of what would have to be imported: enough to read a run."""
        default = type(self)()
        own = self.of_training()
        changes = {name: getattr(default, name) for name in own if lookup.is_own(getattr(self, name))}
        if "optimizer" in changes:
            changes |= {"momentum": None, "weight_decay": 0.0}
        if "learner" in changes:
            changes |= {"learner_options": Options()}
        return replace(self, **changes)

    def to_json(self, to_load: bool = True) -> dict[str, Any]:
        """As JSON can hold it. Raises ValueError for a function or class that has no name to be found by again.

        to_load: False is for a result that is read and not loaded: such a function is shown by the name it has.
        """
        return {f.name: lookup.to_json(f.name, getattr(self, f.name), to_load) for f in fields(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Any:
        """The way back from `to_json`. Settings that are missing have their defaults; unknown ones are refused."""
        of = kinds(cls)
        given = {}
        for name, value in content.items():
            one_of("a setting's name", name, of)
            if of[name][0] is Options and isinstance(value, Mapping):
                given[name] = Options({key: lookup.from_json(name, each) for key, each in value.items()})
            else:
                given[name] = lookup.from_json(name, value)
        return cls(**given)


_kinds: dict[type, dict[str, tuple[Any, bool]]] = {}  # to find them takes a while


def kinds(cls: type[Settings]) -> dict[str, tuple[Any, bool]]:
    """The type of every setting, and whether it may be None."""
    if cls in _kinds:
        return _kinds[cls]
    hints = get_type_hints(cls)
    found = {}
    for f in fields(cls):
        hint = hints[f.name]
        inner = [a for a in get_args(hint) if a is not NoneType] if get_origin(hint) is not tuple else [hint]
        found[f.name] = (inner[0] if inner else hint, NoneType in get_args(hint))
    _kinds[cls] = found
    return found


def plain_value(value: Any, kind: Any) -> Any:
    """Python's own numbers for NumPy's; a float where a whole number does as well; a tuple for a list."""
    if kind is Options and isinstance(value, Mapping):
        return Options(value)
    if get_origin(kind) is tuple:
        return (
            tuple(plain_value(v, get_args(kind)[0]) for v in value)
            if isinstance(value, (list, tuple))
            else value
        )
    if kind in (int, float) and isinstance(value, Number) and not isinstance(value, bool):
        number: Any = value
        if kind is float or number == int(number):
            return kind(number)
    return value


WORDS = {
    int: "a whole number", float: "a number", bool: "True or False", str: "a text", Options: "options by name: a dict",
}  # fmt: skip


def check_type(name: str, value: Any, kind: Any) -> None:
    """Raise ValueError unless the value is of this kind, as `plain_value` leaves it; other kinds are not checked."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        check(name, repr(value), isinstance(value, tuple), f"a tuple, each {WORDS[inner]}")
        for v in value:
            check_type(name, v, inner)
    elif kind in WORDS:
        check(name, repr(value), type(value) is kind, WORDS[kind])
