"""The stages that networks are made of, one short file for each kind.

A new stage is one new file here, or anywhere outside: nothing else has to know it.
"""

from minisnn.networks.stages.base import (
    CHANNELS,
    EMITS,
    Arrays,
    Arrivals,
    Pair,
    Plain,
    Shape,
    Stage,
    merge_time,
    named,
    split_time,
)
from minisnn.networks.stages.dropout import Dropout
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.plif import PLIF
from minisnn.networks.stages.pools import AveragePool, GlobalPool, MaxPool, SumPool, WindowPool
from minisnn.networks.stages.readouts import CumulativeSum, MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat, Select
from minisnn.networks.stages.recurrent_lif import RecurrentLIF
from minisnn.networks.stages.weights import Conv, Linear

__all__ = [
    "CHANNELS", "EMITS", "LIF", "PLIF", "Arrays", "Arrivals", "AveragePool", "BatchNorm", "Conv", "CumulativeSum",
    "Dropout", "FirstSpike", "Flatten", "GlobalPool", "Linear", "MaxPool", "MeanOverTime", "Pair", "Plain",
    "RecurrentLIF", "Repeat", "Select", "Shape", "Stage", "SumPool", "WindowPool", "merge_time", "named", "split_time",
]  # fmt: skip
