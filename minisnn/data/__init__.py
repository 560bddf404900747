"""Data sets: one file for each, one interface for all."""

from __future__ import annotations

from minisnn.data.dataset import DataSet, Split, hold_out
from minisnn.data.digits import load_digits
from minisnn.data.idx import DataError
from minisnn.data.mnist import load_mnist

LOADERS = {"digits": load_digits, "mnist": load_mnist}

__all__ = ["LOADERS", "DataError", "DataSet", "Split", "hold_out", "load_digits", "load_mnist"]
