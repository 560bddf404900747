"""Every experiment of the papers as a frozen dataclass: what it names is what can be changed.

A file here that registers a class in `RECIPES` is a kind of network of `minisnn train`.
"""

from __future__ import annotations

from collections.abc import Mapping

from minisnn.batches.interface import About
from minisnn.lookup import import_all
from minisnn.recipes.base import DEVICES, RECIPES, Recipe
from minisnn.recipes.choose import check_names, defaults_of, kind_of, make, recipe_class
from minisnn.recipes.esl_mlp import ESL_MLP_DEFAULTS, ESLMLP
from minisnn.recipes.lif import LIF_DEFAULTS, LIFNet
from minisnn.recipes.sca import SCA_VGG16_DEFAULTS, SCANet

import_all("minisnn.recipes", RECIPES)
DEFAULTS: dict[str, Mapping[str, Recipe]] = {name: defaults_of(cls) for name, cls in RECIPES.items()}
"""Recipes by kind of network and name of the data set."""

__all__ = [
    "DEFAULTS", "DEVICES", "ESLMLP", "ESL_MLP_DEFAULTS", "LIF_DEFAULTS", "RECIPES", "SCA_VGG16_DEFAULTS", "About",
    "LIFNet", "Recipe", "SCANet", "check_names", "defaults_of", "kind_of", "make", "recipe_class",
]  # fmt: skip
