"""Smooth stand-ins for the Heaviside step, and their slopes: one file for each."""

from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.base import Surrogate
from minisnn.ops.surrogate.rectangle import Rectangle
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle

SURROGATES: dict[str, Surrogate] = {
    "triangle": Triangle(),
    "rectangle": Rectangle(),
    "sigmoid": Sigmoid(),
    "arctan": ArcTan(),
}
"""By the names that recipes and the command line take. Yours is handed over, or named `module:name`."""

__all__ = ["SURROGATES", "ArcTan", "Rectangle", "Sigmoid", "Surrogate", "Triangle"]
