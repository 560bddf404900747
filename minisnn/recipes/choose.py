"""The recipe for a kind of network and some data: sensible settings, and yours in place of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from data_loaders import catalogue
from minisnn import lookup
from minisnn.arguments import check, keywords, one_of
from minisnn.batches.interface import Outline
from minisnn.recipes.esl_mlp import ESL_MLP_DEFAULTS
from minisnn.recipes.lif import LIF_DEFAULTS
from minisnn.recipes.sca import SCA_VGG16_DEFAULTS

DEFAULTS: dict[str, Mapping[str, Any]] = {
    "esl-mlp": ESL_MLP_DEFAULTS,
    "lif": LIF_DEFAULTS,
    "sca-vgg16": SCA_VGG16_DEFAULTS,
}
"""Recipes by kind of network and name of the data set."""

FEW = 5000  # training samples, below which batches are small and epochs many


def make(kind: str, data: str | Path | Outline = "digits", **settings: Any) -> Any:
    """The recipe of `minisnn train KIND --data DATA`, with these settings in place of the defaults.

    kind: "esl-mlp", "lif" or "sca-vgg16". data: a name of `minisnn data list`; your own as a path, as the `module:name`
    of its loader, or as a `DataSet`. For data that have no defaults, network, T, batch size and epochs follow from
    their shape (`chosen` says which).
    Raises ValueError that names the setting, what was found and what was expected; also for settings that would do
    nothing, such as a prune rule for a dense network.
    """
    names = check_names(kind, settings)
    data = str(data) if isinstance(data, Path) else data
    defaults = DEFAULTS[kind]
    if isinstance(data, str) and data in defaults:
        recipe = defaults[data]
    else:
        about = _outline(data, settings) if isinstance(data, str) else data
        recipe = replace(defaults["digits"], **chosen(kind, about, set(settings)))
        recipe = replace(recipe, data=_findable(data) if isinstance(data, str) else data.name)
    if settings.get("density") is not None and "epsilon" in names:
        settings.setdefault("epsilon", None)
    if settings.get("epsilon") is not None:
        settings.setdefault("density", None)
    recipe = replace(recipe, **settings)
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


def check_names(kind: str, settings: Collection[str], others: Collection[str] = ()) -> list[str]:
    """The names of all settings of a kind of network but data. Raises ValueError for a kind or a name not known.

    others: what may have been meant beside a setting.
    """
    one_of("network", kind, DEFAULTS)
    names = [f.name for f in fields(type(DEFAULTS[kind]["digits"])) if f.name != "data"]
    keywords(kind, settings, names, others)
    return names


def chosen(kind: str, data: Outline, given: set[str] | frozenset[str] = frozenset()) -> dict[str, Any]:
    """Settings that follow from the shape of the data, but for those that are given.

    First spikes: 200 hidden neurons up to 256 inputs, else 800, at a density of 0.16, 17 grey levels up to 256 inputs,
    else 4. Convolutions: a pool of 2x2 behind each (behind each pair for sca-vgg16), two of them, three from 48 pixels
    on, as far as at least 2x2 is left; without room for one, linear layers. Up to 5,000 samples: batches of 32 and 20
    epochs (first spikes 25 and 30), else 64 and 10 (100 and 10).
    """
    H, W, C = data.shape
    few = data.n_train <= FEW
    if kind == "esl-mlp":
        small = H * W * C <= 256
        found: dict[str, Any] = {
            "hidden": (200,) if small else (800,), "epsilon": None, "density": 0.16, "levels": 17 if small else 4,
            "batch_size": 25 if few else 100, "epochs": 30 if few else 10, "t_iter": 20 if few else 100,
        }  # fmt: skip
        if "epsilon" in given:
            del found["epsilon"], found["density"]
    else:
        found = {
            "net": _notation(kind, min(H, W), data.n_classes), "T": data.frames if data.is_sequence else 4,
            "batch_size": 32 if few else 64, "epochs": 20 if few else 10,
        }  # fmt: skip
        if kind == "lif":
            found["t_iter"] = 20 if few else 100
    return {name: value for name, value in found.items() if name not in given}


def _notation(kind: str, side: int, n_classes: int) -> str:
    pools = 0
    while side >= 4 and pools < (3 if side * 2**pools >= 48 else 2):
        side, pools = side // 2, pools + 1
    twice = kind == "sca-vgg16"
    layers = [f"{16 * 2**n}C3-" * (1 + twice) + ("MP2" if twice else "AP2") for n in range(pools)]
    check("data", side, pools or not twice, "at least 4 pixels high and wide for convolutions with pools")
    return "-".join([*(layers or ["200FC"]), f"{n_classes}FC"])
