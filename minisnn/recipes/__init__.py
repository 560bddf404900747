"""Every experiment of the papers as a frozen dataclass: what it names is what can be changed."""

from __future__ import annotations

from minisnn.batches.interface import About
from minisnn.recipes.base import DEVICES
from minisnn.recipes.choose import DEFAULTS, check_names, chosen, make
from minisnn.recipes.esl_mlp import ESL_MLP_DEFAULTS, ESLMLP
from minisnn.recipes.lif import LIF_DEFAULTS, LIFNet
from minisnn.recipes.sca import SCA_VGG16_DEFAULTS, SCANet

Recipe = ESLMLP | LIFNet | SCANet
RECIPES: dict[str, type[Recipe]] = {"esl-mlp": ESLMLP, "lif": LIFNet, "sca-vgg16": SCANet}
"""By the name that the command line and a run's config.json have for them."""

__all__ = [
    "DEFAULTS", "DEVICES", "ESLMLP", "ESL_MLP_DEFAULTS", "LIF_DEFAULTS", "RECIPES", "SCA_VGG16_DEFAULTS", "About",
    "LIFNet", "Recipe", "SCANet", "check_names", "chosen", "make",
]  # fmt: skip
