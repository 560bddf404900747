"""Data sets: one file for each, one interface for all."""

from __future__ import annotations

from minisnn.data.catalogue import EVENT_LOADERS, LOADERS
from minisnn.data.cifar import load_cifar10, load_cifar100
from minisnn.data.cifar10_dvs import load_cifar10_dvs
from minisnn.data.dataset import DataSet
from minisnn.data.digits import load_digits
from minisnn.data.idx import DataError
from minisnn.data.info import DataInfo
from minisnn.data.mnist import load_fashion_mnist, load_mnist
from minisnn.data.own import load_path
from minisnn.data.rows import Split, hold_out
from minisnn.data.simulated import load_event_digits, load_simulated_dvs
from minisnn.data.stand_in import load_stand_in
from minisnn.data.tiny_imagenet import load_tiny_imagenet

__all__ = [
    "EVENT_LOADERS",
    "LOADERS",
    "DataError",
    "DataInfo",
    "DataSet",
    "Split",
    "hold_out",
    "load_cifar10",
    "load_cifar10_dvs",
    "load_cifar100",
    "load_digits",
    "load_event_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_path",
    "load_simulated_dvs",
    "load_stand_in",
    "load_tiny_imagenet",
]
