"""Smooth stand-ins for the Heaviside step, and their slopes: one file for each.

A file here that holds a class with the decorator `surrogate` is one of `SURROGATES`; nothing else has to know it.
"""

from minisnn.lookup import import_all
from minisnn.ops.surrogate.base import SURROGATES, Surrogate

import_all("minisnn.ops.surrogate", SURROGATES)

__all__ = ["SURROGATES", "Surrogate"]
