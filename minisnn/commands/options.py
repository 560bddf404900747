"""The options of a recipe's settings, and a parser whose errors are one line."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, NoReturn, get_args, get_origin

from minisnn.arguments import nearest
from minisnn.lookup import is_own
from minisnn.recipes import RECIPES, Recipe, defaults_of
from minisnn.recipes.settings import Options, Settings, kinds

GROUPS = ("data", "network", "neurons", "training", "connections", "channels")
"""The headings of the help, in order."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and the nearest option that there is; the usage is for --help."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As its parent; but what is not known is refused here, where the options are."""
        options = [option for action in self._actions for option in action.option_strings]
        unknown = []
        if args and args[0].startswith(
            "-"
        ):  # or argparse would take the value of a wrong option for a command
            known = [
                name
                for action in self._actions
                if action.nargs == argparse.PARSER
                for name in action.choices or ()
            ]
            if known and not set(known) & set(args) and not any(map(is_own, args)):
                unknown = [
                    word for word in args if word[:2] == "--" and word.partition("=")[0] not in options
                ]
        if not unknown:
            found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            self.error(f"unknown argument {unknown[0]}{nearest(word, options)}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if is_own(value) and hasattr(action, "add_own") and value not in (action.choices or ()):
            try:
                action.add_own(value)
            except ValueError as error:
                raise argparse.ArgumentError(None, str(error)) from error
        if action.choices is not None and value not in action.choices:
            known = list(action.choices)
            name = action.option_strings[0] if action.option_strings else action.metavar or action.dest
            text = (
                f"{name} must be one of {', '.join(map(str, known))}, found {value!r}{nearest(value, known)}"
            )
            raise argparse.ArgumentError(None, text)


def add_kinds(kinds: Any, add: Callable[[Any, str], None]) -> None:
    """A parser for every kind of network, and one for `module:name` of your own when it is asked for.

    kinds: what `add_subparsers` returns. add: (kinds, name) adds one parser.
    """
    for name in RECIPES:
        add(kinds, name)
    kinds.add_own = partial(add, kinds)


def settings_of(cls: type[Recipe]) -> tuple[str, ...]:
    """The names of all settings of a recipe."""
    return tuple(f.name for f in fields(cls))


def flag(name: str) -> str:
    """The option of a setting: t_iter is --t-iter."""
    return "--" + name.replace("_", "-")


def as_options(text: str, names: Collection[str]) -> str:
    """A message of the library with the options of the command line in place of the settings that it names.

    names: of the settings that are options. They are found where a message begins with them ("density must be"), in
    lists ("hidden, width"), before " = " and after "needs", and anywhere if there is an underscore in them.
    """
    if not names:
        return text
    one = "(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + ")"
    free = r"(?<![\w./:'\"-])"  # not within a path, a quotation or an option
    joined = "(?:, or |, | or | and )"
    places = (
        rf"(?:^|(?<=: )|(?<=\n  )){one}(?:{joined}{one})*(?= must\b| needs?\b|: | \d)",
        rf"{free}{one}(?:{joined}{one})+(?![\w.])",
        rf"{free}{one}(?= [=+] )|(?<= \+ ){one}\b",
        rf"(?<=needs ){one}(?! like)\b",
        rf"{free}(?=\w*_){one}(?![\w.])",
    )

    def options(found: re.Match[str]) -> str:
        return re.sub(rf"\b{one}\b", lambda name: flag(name[0]), found[0])

    for place in places:
        text = re.sub(place, options, text)
    return re.sub(
        r"hand it over, as in snn\.\w+\(.*\)", "save it as an .npz file and give that as --data", text
    )


def add_settings(parser: argparse.ArgumentParser, cls: type[Recipe], several: bool = False) -> None:
    """An option for every setting of a recipe, in groups. The help shows the defaults for two data sets.

    several: options take several values, as a sweep wants it.
    """
    defaults = defaults_of(cls)
    digits, mnist = (defaults.get(name) or cls() for name in ("digits", "mnist"))
    for group in dict.fromkeys([*GROUPS, *(f.metadata["about"].group for f in fields(digits))]):
        chosen = [f for f in fields(digits) if f.metadata["about"].group == group and f.name != "data"]
        chosen.sort(
            key=lambda f: f.name not in type(digits).__annotations__
        )  # its own before those it shares
        heading = parser.add_argument_group(group) if chosen or group == "data" else parser
        if group == "data":
            heading.add_argument(
                "--data", metavar="NAME|PATH", help=f"{_about(digits, 'data').text} (default digits)"
            )
        for f in chosen:
            _add(heading, type(digits), f.name, _default(digits, mnist, f.name), several)


def _about(recipe: Settings | type[Settings], name: str) -> Any:
    return next(f for f in fields(recipe) if f.name == name).metadata["about"]


def _default(digits: Settings, mnist: Settings, name: str) -> str:
    a, b = (
        ",".join(map(str, x)) if isinstance(x, tuple) else x
        for x in (getattr(r, name) for r in (digits, mnist))
    )
    if a is None or a is False or a == {}:
        return ""
    return f" (default {a})" if a == b else f" (default {a} for digits, {b} for mnist)"


def _add(parser: Any, recipe: type[Settings], name: str, default: str, several: bool) -> None:
    about = _about(recipe, name)
    kind, _ = kinds(recipe)[name]
    text = about.text.replace("%", "%%")
    if kind is bool and not several:
        shown = f" (default {flag(name)})" if default else ""
        parser.add_argument(flag(name), action=argparse.BooleanOptionalAction, help=text + shown)
        return
    options: dict[str, Any] = {
        "type": _reader(name, kind),
        "metavar": about.metavar or _placeholder(name, kind, about),
    }
    known = about.table if about.table is not None else about.choices
    if known:
        own = ", or module:name" if about.table is not None or about.own else ""
        text += f": {', '.join(known)}{own}"
    if several:
        options["nargs"] = "+"
    if kind is Options:
        options |= {"type": _options_reader, "nargs": "+"} | ({} if several else {"action": _Merged})
        text += " (several with commas)" if several else ""
    if get_origin(kind) is tuple:
        options["type"] = _tuple_reader(name, kind)
        text += " (with commas, as in 100,50)"
    parser.add_argument(flag(name), help=text + default, **options)


def _placeholder(name: str, kind: Any, about: Any) -> str:
    return (
        "N"
        if kind is int
        else "X"
        if kind is float
        else "NAME"
        if about.table or about.choices
        else name.upper()
    )


def _reader(name: str, kind: Any) -> Any:
    """Reads one word of the command line; errors name the option."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind

    def read(word: str) -> Any:
        if inner is bool:
            if word.lower() in ("true", "false"):
                return word.lower() == "true"
            raise argparse.ArgumentTypeError(f"expected true or false, found {word!r}")
        if inner not in (int, float):
            return word
        try:
            return inner(word)
        except ValueError:
            words = "a whole number" if inner is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {words}, found {word!r}") from None

    return read


def _tuple_reader(name: str, kind: Any) -> Any:
    """Reads one word as several values, between commas."""
    read = _reader(name, kind)
    return lambda word: tuple(read(part) for part in word.split(","))


def _options_reader(word: str) -> Options:
    """Reads NAME=VALUE, or several with commas. A value is a number, true or false, else a text."""
    found = Options()
    for part in word.split(","):
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {part!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


class _Merged(argparse.Action):
    """The options of several words in one."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        before = getattr(namespace, self.dest, {})
        setattr(
            namespace, self.dest, Options(dict(before) | {k: v for each in values for k, v in each.items()})
        )


def folder_name(kind: str, data: str, settings: dict[str, Any]) -> str:
    """Of a run, from what was asked for: "lif-digits-density0.1-grow-momentum-seed3"."""
    own = [f"{name}-{_short(value)}" for name, value in settings.items() if name not in ("seed", "device")]
    words = [kind, re.sub(r"\.\w+$", "", data.rstrip("/").rpartition("/")[2]), *own]
    name = re.sub(r"[^\w.+=-]+", "-", "-".join(words))[:100].rstrip("-.")
    return f"{name}-seed{settings.get('seed', 0)}"


def _short(value: Any) -> str:
    if isinstance(value, Options):
        return "-".join(f"{name}{each}" for name, each in value.items())
    if isinstance(value, (list, tuple, Sequence)) and not isinstance(value, str):
        return "-".join(map(str, value))
    return str(value)
