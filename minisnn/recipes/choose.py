"""The recipe for a kind of network and some data: sensible settings, and yours in place of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from data_loaders import catalogue
from minisnn import lookup
from minisnn.arguments import check, keywords
from minisnn.batches.interface import Outline
from minisnn.recipes.base import RECIPES, Recipe


def recipe_class(kind: str | type[Recipe]) -> type[Recipe]:
    """The class of a kind of network: by its name, as `module:name`, or itself. Raises ValueError for anything else."""
    found: type[Recipe] = lookup.find("network", kind, RECIPES)
    is_one = isinstance(found, type) and issubclass(found, Recipe)
    check("network", repr(found), is_one, f"one of {', '.join(RECIPES)}, or a class derived from snn.Recipe")
    return found


def kind_of(recipe: Recipe) -> str:
    """The name of a recipe's kind: that of `minisnn train`, or `module:name` of a class of your own."""
    own = lookup.shown(type(recipe))
    return next((name for name, cls in RECIPES.items() if type(recipe) is cls), own)


def defaults_of(cls: type[Recipe]) -> dict[str, Recipe]:
    """Its defaults by data set; not those that it inherits, which are recipes of another class."""
    return {name: recipe for name, recipe in cls.defaults().items() if type(recipe) is cls}


def make(kind: str | type[Recipe], data: str | Path | Outline = "digits", **settings: Any) -> Any:
    """The recipe of `minisnn train KIND --data DATA`, with these settings in place of the defaults.

    kind: "esl-mlp", "lif" or "sca-vgg16"; or your own, a class or its "module:name". data: a name of `minisnn data
    list`; your own as a path, as the `module:name` of its loader, or as a `DataSet`. For data that have no defaults,
    network, T, batch size and epochs follow from their shape (the recipe's `chosen` says which).
    Raises ValueError that names the setting, what was found and what was expected; also for settings that would do
    nothing, such as a prune rule for a dense network.
    """
    cls = recipe_class(kind)
    check_names(kind, settings)
    data = str(data) if isinstance(data, Path) else data
    defaults = defaults_of(cls)
    if isinstance(data, str) and data in defaults:
        recipe = defaults[data]
    else:
        about = _outline(data, settings) if isinstance(data, str) else data
        recipe = replace(defaults.get("digits") or cls(), **cls.chosen(about, set(settings)))
        recipe = replace(recipe, data=_findable(data) if isinstance(data, str) else data.name)
    recipe = replace(recipe, **cls.completed(settings))
    recipe.refuse_idle(settings)
    return recipe


def _outline(data: str, settings: Mapping[str, Any]) -> Outline:
    """What is declared of a data set, or else found by loading it."""
    if data in catalogue.DATA_SETS:
        return catalogue.DATA_SETS[data].outline(settings.get("T"))
    return catalogue.load(data, **{key: settings[key] for key in ("T", "by") if key in settings})


def _findable(data: str) -> str:
    """`module:name` in place of the name that a data set was given outside of `data_loaders`: others can import it."""
    declared = catalogue.DATA_SETS.get(data)
    if declared is None or not declared.is_own:
        return data
    try:
        return lookup.name_of("data", declared.load)
    except ValueError:  # defined in a function: known in this process only
        return data


def check_names(
    kind: str | type[Recipe], settings: Collection[str], others: Collection[str] = ()
) -> list[str]:
    """The names of all settings of a kind of network but data. Raises ValueError for a kind or a name not known.

    others: what may have been meant beside a setting.
    """
    cls = recipe_class(kind)
    names = [f.name for f in fields(cls) if f.name != "data"]
    keywords(kind if isinstance(kind, str) else cls.__name__, settings, names, others)
    return names
