"""Data sets: one file for each, one interface for all."""

from __future__ import annotations

from minisnn.data.cifar import load_cifar10, load_cifar100
from minisnn.data.dataset import DataSet, Split, hold_out
from minisnn.data.digits import load_digits
from minisnn.data.idx import DataError
from minisnn.data.mnist import load_mnist

LOADERS = {"digits": load_digits, "mnist": load_mnist, "cifar10": load_cifar10, "cifar100": load_cifar100}

__all__ = [
    "LOADERS",
    "DataError",
    "DataSet",
    "Split",
    "hold_out",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_mnist",
]
