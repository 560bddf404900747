"""The table of a grid, a line of JSON for each run: read, written, grouped by settings, summarised.

A row is what the run found, by column, and under "recipe" its settings. Runs belong together if they differ in
nothing but the seed and the device, whatever their names are.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from data_loaders.common.files import write_atomically
from minisnn.arguments import check, one_of
from minisnn.lookup import is_own, to_json
from minisnn.recipes import RECIPES, Recipe, kind_of, recipe_class
from minisnn.training.checkpoint import write_csv

COLUMNS = ("name", "seed", "test_accuracy", "val_accuracy", "train_accuracy", "density", "connections",
           "parameters", "operations", "synops", "macs", "training_operations", "exploration_rate", "seconds",
           "threads", "densities", "channels", "regrown", "scores", "kind", "recipe")  # fmt: skip
NESTED = ("densities", "channels", "regrown", "scores", "recipe")
NUMBERS = tuple(key for key in COLUMNS if key not in (*NESTED, "name", "kind"))
COUNTS = ("density", "connections", "parameters", "synops", "macs", "training_operations", "seconds")
SETTING = "setting_"  # begins the columns that say what a sweep varies
NO_SETTING = ("seed", "device")  # fields of a recipe in which runs of one setting may differ

Row = dict[str, Any]


def row_of(name: str, recipe: Recipe, result: Mapping[str, Any], threads: int) -> Row:
    """The row of a finished run. result: as in result.json. threads: how many BLAS and the network had."""
    found = {key: result[key] for key in COLUMNS if key in result}
    identity = {"name": name, "seed": recipe.seed, "threads": threads, "kind": kind_of(recipe)}
    return found | identity | {"recipe": plain(recipe)}


def read(path: Path) -> list[Row]:
    """The rows of a table; none if there is no file yet. What a row or an older table lacks is None.

    Raises ValueError, naming file and line, for a file that is no table of a grid.
    """
    if not path.exists():
        return []
    rows = []
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = dict.fromkeys(COLUMNS) | json.loads(line)
            _check(row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {n}: not a run of a grid ({error})") from error
        rows.append(row)
    return rows


def _check(row: Row) -> None:
    """Raise an error for what is no row. A recipe's class of your own is not imported."""
    dict(row["recipe"])
    if not is_own(kind := kind_of_row(row)):
        one_of("kind", kind, RECIPES)
    for key in NUMBERS:
        check(key, repr(row[key]), isinstance(row[key], (int, float, NoneType)), "a number")


def write(path: Path, rows: Sequence[Row]) -> None:
    """A table, atomically: `path` as JSON lines, and beside it, for spreadsheets, as a CSV that nothing reads."""
    check("path", path, path.suffix == ".jsonl", "a file NAME.jsonl")
    lines = [
        json.dumps({key: row[key] for key in _columns([row]) if row.get(key) is not None}) for row in rows
    ]
    text = "".join(line + "\n" for line in lines)
    write_atomically(path, lambda file: file.write(text.encode()))
    cells = [flat(row) for row in rows]
    write_csv(path.with_suffix(".csv"), cells, _columns(cells))


def _columns(rows: Sequence[Row]) -> list[str]:
    """The columns of rows: the names, what varies, results, other settings."""
    known = dict.fromkeys(key for row in rows for key in row)
    settings = [key for key in known if key.startswith(SETTING)]
    return [key for key in (*COLUMNS[:2], *settings, *COLUMNS[2:]) if key in known]


def flat(row: Row) -> Row:
    """A row without what is nested: results that are numbers, and every setting, `setting_NAME`, as text."""
    settings = {SETTING + name: said(value) for name, value in row["recipe"].items() if name != "seed"}
    found = {key: row.get(key) for key in COLUMNS if key not in NESTED}
    return found | settings | {key: value for key, value in row.items() if key.startswith(SETTING)}


def said(value: Any) -> str:
    """A setting's value as text."""
    if value is None:
        return "default"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, (tuple, list)):
        return "-".join(map(said, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(each)}" for name, each in value.items()) or "default"
    return getattr(value, "__name__", None) or str(value)


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe's settings as JSON has them."""
    found: dict[str, Any] = json.loads(json.dumps(portable(recipe).to_json()))
    return found


def portable(recipe: Recipe) -> Recipe:
    """The recipe with the rules themselves in place of names that a script has put into a table.

    Such a name means nothing to other processes, and nothing tomorrow.
    """
    own = {}
    for field in fields(recipe):
        table, value = field.metadata["about"].table, getattr(recipe, field.name)
        if not table or not isinstance(value, str) or value not in table:
            continue
        if not table[value].__module__.startswith("minisnn."):
            own[field.name] = table[value]
    return replace(recipe, **own) if own else recipe


def kind_of_row(row: Row) -> str:
    """The same of a row; in an older table the settings tell. Raises ValueError if they do not."""
    if row.get("kind"):
        return str(row["kind"])
    for name, cls in RECIPES.items():
        if set(row["recipe"]) <= {field.name for field in fields(cls)}:
            return name
    raise ValueError(f"the settings {', '.join(row['recipe'])} are of no kind of network")


def recipe_of(row: Row) -> Recipe:
    """The recipe of a row. Settings that did not exist when it was run have their defaults."""
    recipe: Recipe = recipe_class(kind_of_row(row)).from_json(row["recipe"])
    return recipe


@lru_cache
def _defaults(kind: str) -> dict[str, Any]:
    return plain(recipe_class(kind)())


def settings_of(row: Row) -> dict[str, Any]:
    """What distinguishes a row's run from others but for chance: its kind, and all settings but seed and device."""
    kind = kind_of_row(row)
    found = {"kind": kind} | _defaults(kind) | row["recipe"]
    return {key: value for key, value in found.items() if key not in NO_SETTING}


def same(recipe: Recipe, row: Row) -> bool:
    """Is the row a run of this recipe, seed and device included?"""
    kind = kind_of_row(row)
    return kind == kind_of(recipe) and _defaults(kind) | row["recipe"] == plain(recipe)


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings that are not the same in all, with the value of each; None where a kind has no such setting."""
    names = dict.fromkeys(name for each in settings for name in each)
    values = {name: [each.get(name) for each in settings] for name in names}
    return {name: found for name, found in values.items() if any(x != found[0] for x in found)}


class Summary(NamedTuple):
    """The runs of one setting, together."""

    name: str
    mean: float  # accuracy in percent
    error: float  # standard error of the mean: std of the runs over sqrt(n); nan for one run
    accuracies: tuple[float, ...]
    density: float
    connections: float
    parameters: float  # biases and batch norm included
    synops: float  # of an image, over all time steps; nan where it was not measured
    macs: float  # of an image, on its grey values
    training_operations: float  # of the whole training, on active connections; nan where not measured
    seconds: float  # of training
    rows: tuple[Row, ...]

    @property
    def plus_minus(self) -> str:
        """Mean and error as text."""
        return f"{self.mean:.2f} ± {self.error:.2f}" if len(self.rows) > 1 else f"{self.mean:.2f}"

    @property
    def recipe(self) -> Any:
        """The `Recipe` of the first run; the others differ from it in nothing but seed and device."""
        return recipe_of(self.rows[0])


def summarise(rows: Iterable[Row], key: str = "test_accuracy") -> dict[str, Summary]:
    """Mean and error of the runs of each name, in the order of the names' first rows.

    Raises ValueError if runs of one name differ in a setting: their mean would mean nothing.
    """
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["name"], []).append(row)
    return {name: summary(name, mine, key) for name, mine in grouped.items()}


def summary(name: str, rows: Sequence[Row], key: str = "test_accuracy") -> Summary:
    """Mean and error of the runs of one setting. Raises ValueError if they are of several."""
    if others := differing([settings_of(row) for row in rows]):
        found = "; ".join(
            f"{setting} {' and '.join(dict.fromkeys(map(str, values)))}" for setting, values in others.items()
        )
        raise ValueError(f"the runs of {name!r} have different settings, and no mean in common: {found}")
    a = tuple(float(row[key]) for row in rows)
    error = statistics.stdev(a) / len(a) ** 0.5 if len(a) > 1 else float("nan")
    counts = {column: _mean(row.get(column) for row in rows) for column in COUNTS}
    return Summary(name, statistics.mean(a), error, a, rows=tuple(rows), **counts)


def of_recipes(
    rows: Sequence[Row], recipes: Mapping[str, Recipe], key: str = "test_accuracy"
) -> dict[str, Summary]:
    """Summaries of recipes by name, of all seeds that there are; rows of other settings are left out.

    A seed counts once, whatever the device. Names without a run are left out.
    """
    found = {}
    for name, recipe in recipes.items():
        wanted = settings_of({"kind": kind_of(recipe), "recipe": plain(recipe)})
        mine = (row for row in rows if row["name"] == name and row[key] is not None)
        once = {row["seed"]: row for row in mine if settings_of(row) == wanted}
        if once:
            found[name] = summary(name, [once[seed] for seed in sorted(once)], key)
    return found


def _mean(values: Iterable[float | None]) -> float:
    """nan if one of them is missing."""
    found = [float("nan") if x is None else x for x in values]
    return statistics.mean(found)


def half_width(values: Sequence[float], confidence: float = 0.95) -> float:
    r"""Half the width of the confidence interval of a mean, by Student's t; nan for a single value.

    $$ t_{n-1}\!\left(\frac{1 + c}{2}\right) \frac{s}{\sqrt n} $$

    with s the standard deviation of the n values and t the quantile function of `scipy.stats.t`.
    """
    from scipy import stats  # takes long to import

    n = len(values)
    if n < 2:
        return float("nan")
    return float(stats.t.ppf((1 + confidence) / 2, n - 1)) * statistics.stdev(values) / n**0.5


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as JSON can hold it: None for nan, names for functions."""
    return {key: None if value != value else to_json(key, value) for key, value in row.items()}


def markdown(rows: Sequence[Mapping[str, str]], heads: Mapping[str, str]) -> str:
    """A Markdown table. heads: column of the rows -> its heading."""
    lines = [heads.values(), ["---", *["---:"] * (len(heads) - 1)], *([r[k] for k in heads] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
