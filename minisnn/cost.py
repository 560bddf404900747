"""What a network costs: connections, operations and joules (chapter 20).

`connections` only counts the weights, as ESL's Table 1 does. `measure` runs a batch and counts what its real
spikes set in motion: a spike costs an addition at every synapse that it reaches, a real number costs a
multiplication and an addition. Updates of neurons, batch norm, pools and traffic to memory are in neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from minisnn.arguments import numbers, one_of
from minisnn.backend import Array, array_module
from minisnn.compose import Residual, Sequential, inside, residual_sum
from minisnn.ops.first_spike import Z_MAX, FirstSpikeCache
from minisnn.ops.im2col import views
from minisnn.ops.linear import LinearCache
from minisnn.stages import (
    EMITS,
    Arrays,
    Conv,
    FirstSpike,
    Flatten,
    Linear,
    MeanOverTime,
    Repeat,
    Stage,
    merge_time,
)

# Constants recovered from ESL's Table 1; the origin of the second is unknown (published figures for
# TrueNorth range from 2.5 to 26 pJ).
E_GPU = 250 / 14e12  # J per operation: 250 W at 14 TFLOPS
E_TRUENORTH = 12.52e-12  # J per synaptic operation
# 32-bit floating point in 45 nm: an addition 0.9 pJ, a multiplication 3.7 pJ more (Horowitz, ISSCC 2014).
E_MAC = 4.6e-12  # J per multiplication with addition
E_AC = 0.9e-12  # J per addition


class Connections(NamedTuple):
    """How many weights there are."""

    active: int  # those that masks let be
    possible: int

    @property
    def density(self) -> float:
        """The fraction that masks let be."""
        return self.active / self.possible


def connections(params: Mapping[str, Array], masks: Mapping[str, Array]) -> Connections:
    """Of all weights of a network, those under a mask and those without; biases and batch norm are not counted.

    params: arrays by key; those of more than one axis are weights. masks: bool, by some of these keys (ESL's Table 1).
    """
    weights = {key: w for key, w in params.items() if w.ndim > 1}
    active = sum(int(masks[key].sum()) if key in masks else w.size for key, w in weights.items())
    return Connections(active, sum(w.size for w in weights.values()))


class LayerCost(NamedTuple):
    """What one layer with weights costs, or the sum over layers."""

    connections: int  # weights that a mask lets be; each kernel entry once
    possible: int  # weights, with or without
    operations: float  # MACs of one sample's pass at one time step: connections * positions of the kernel
    dense_operations: float  # the same of all possible weights
    events: float  # spikes that arrive: nonzero inputs of a sample, over all T; 0 where the input is analog
    neurons_in: int  # inputs of a sample at one time step
    synops: float  # synaptic operations: surviving synapses that these events reach, of a sample, over all T
    macs: float  # operations on analog inputs, of a sample, over all T; 0 where spikes arrive

    @property
    def joules_gpu(self) -> float:
        """ESL's way: one operation for each connection, whatever the spikes, time steps and positions; on a GPU."""
        return self.connections * E_GPU

    @property
    def joules_truenorth(self) -> float:
        """ESL's way: one operation for each connection; on TrueNorth."""
        return self.connections * E_TRUENORTH

    @property
    def joules_45nm(self) -> float:
        """Of one sample over all T, as measured: macs * E_MAC + synops * E_AC, in 45 nm."""
        return self.macs * E_MAC + self.synops * E_AC


def total(costs: Mapping[str, LayerCost]) -> LayerCost:
    """The sum over layers of every count. costs: what `measure` returns. Raises ValueError if there is no layer."""
    if not costs:
        raise ValueError("costs is empty: expected what `measure` returns for a net with weights")
    return LayerCost(*(sum(column) for column in zip(*costs.values(), strict=True)))


def measure(
    net: Sequential, params: Arrays, buffers: Arrays, masks: Arrays, x: Array, analog: bool | None = None
) -> dict[str, LayerCost]:
    r"""Exact costs of a plain network on real inputs, for every weight by its key; means over the batch.

    $$ \text{synops} = \frac{1}{B} \sum_{n,t,i} [s_{nti} \ne 0] \; \lvert\{j : m_{ij} = 1\}\rvert $$

    where j runs over the neurons that input i can reach: at the border, or under a stride, fewer than elsewhere.
    An event is a nonzero entry, whatever its value: behind an average pool of spikes entries are 0, 1/4, ...

    - Analog inputs cost macs in place of synops: the image, and what convolutions read from a residual sum of real
      numbers. A static image is counted once, not T times, before and behind `Repeat`.
    - mean(fc) = fc(mean): a linear layer behind `MeanOverTime` counts the spikes before the mean, over all T.
    - Your own stages say what they emit (`stages.EMITS`); without a word it is real numbers.
    - A first-spike neuron reads the inputs that come before it fires; all that ever come if it never does.

    x: the network's input, [T or 1, B, ...], or z_in [B, N] of first-spike layers. masks: of weights, bool; a weight
    without one is dense. analog: whether x holds real numbers, not events; None means that it does if the net holds a
    `Repeat` (first-spike layers have no use for it). Returns costs by the keys of weights. Raises ValueError for an x
    without samples, a stage of a fast network, a stage of your own that has weights, or masks that do not fit.
    """
    (x,) = numbers(x=x)
    if not x.size:
        raise ValueError(f"x must hold at least one sample, found shape {x.shape}")
    for key, mask in masks.items():
        expected = params[key].shape if key in params else "no mask, because there is no such weight"
        if mask.shape != expected:
            raise ValueError(f"mask {key}: found shape {mask.shape}, expected {expected}")
    costs: dict[str, LayerCost] = {}

    def walk(stage: Stage, name: str, x: Array, frames: int) -> tuple[Array, int]:
        """A stage's output and its frames: how many different ones of real numbers it has, 0 if it is events."""
        if isinstance(stage, Residual):
            y, main = walk(stage.main, f"{name}main.", x, frames)
            z, shortcut = walk(stage.shortcut, f"{name}shortcut.", x, frames)
            y = residual_sum(y, z)
            return y, main if main == shortcut else len(y)
        if isinstance(stage, Sequential):
            stages = list(stage.stages)
            while stages:
                inner, s = stages.pop(0)
                waits = isinstance(s, MeanOverTime) and not frames
                if waits and stages and isinstance(stages[0][1], (Flatten, Linear)):
                    stages.insert(1, (inner, s))  # mean(fc) = fc(mean)
                else:
                    x, frames = walk(s, f"{name}{inner}.", x, frames)
            return x, frames
        own = inside(name[:-1], params)
        _refuse_what_cannot_be_counted(stage, name, own)
        y, cache, _ = stage.forward(own, inside(name[:-1], buffers), x, False)
        if isinstance(stage, (Conv, Linear, FirstSpike)):
            costs[f"{name}weight"] = _layer(cache, masks.get(f"{name}weight"), x, y, frames)
        emits = getattr(stage, "emits", "real")
        one_of(f"emits of {name[:-1]}", emits, EMITS)
        return y, {"spikes": 0, "same": frames, "mapped": frames or len(x), "real": len(y)}[emits]

    walk(net, "", x, len(x) if (_repeats(net) if analog is None else analog) else 0)
    return costs


def _refuse_what_cannot_be_counted(stage: Stage, name: str, params: Arrays) -> None:
    """Raise ValueError for a stage whose weights do not pass through `_layer`."""
    if hasattr(stage, "parts"):
        raise ValueError(
            f"{name[:-1]}: found {type(stage).__name__}, expected a stage of a plain network. "
            "Measure the plain net, not its fast twin: weights and keys are the same"
        )
    weights = [name + key for key, w in params.items() if w.ndim > 1]
    if weights and not isinstance(stage, (Conv, Linear, FirstSpike)):
        raise ValueError(
            f"{name[:-1]}: cannot count what {', '.join(weights)} of a {type(stage).__name__} cost, "
            "expected weights only in Conv, Linear and FirstSpike"
        )


def _repeats(stage: Stage) -> bool:
    """Whether a network holds a Repeat."""
    if isinstance(stage, Residual):
        return _repeats(stage.main) or _repeats(stage.shortcut)
    if isinstance(stage, Sequential):
        return any(_repeats(inner) for _, inner in stage.stages)
    return isinstance(stage, Repeat)


def _layer(cache: Any, mask: Array | None, x: Array, y: Array, frames: int) -> LayerCost:
    """The counts of one layer, from the cache, input and output of its stage."""
    xp = array_module(x)
    if mask is None:
        mask = xp.ones(cache.weight.shape, bool)
    if isinstance(cache, FirstSpikeCache):
        x, y, frames = x[None], y[None], 0
        events = cache.z_in < Z_MAX
        z_in = xp.where(events, cache.z_in, xp.inf)[:, :, None]
        pairs = zip(z_in, cache.z_out, strict=True)  # one sample at a time: [B, N, M] may be too large
        synops = sum(float((mask & (z_i < z_j)).sum()) for z_i, z_j in pairs)
    else:
        events = x != 0
        synops = 0 if frames else float((_met(cache, events) * mask.sum(-1)).sum())
    ops, dense = (int(n) * prod(y.shape[2:-1]) for n in (mask.sum(), mask.size))
    n, batch = prod(x.shape[2:]), x.shape[1]
    arrived = 0 if frames else float(events.sum()) / batch
    return LayerCost(int(mask.sum()), mask.size, ops, dense, arrived, n, synops / batch, ops * frames)


def _met(cache: Any, events: Array) -> Array:
    """How many events each input of a layer's weight meets: [N], or [k, k, C] of a convolution."""
    if isinstance(cache, LinearCache):
        return events.sum((0, 1))
    # An event at (si + u - p, sj + v - p) meets entry (u, v) of the kernel, for every position (i, j) that there is.
    k, p, xp = len(cache.weight), cache.padding, array_module(events)
    padded = xp.pad(merge_time(events), ((0, 0), (p, p), (p, p), (0, 0)))
    met = [view.sum((0, 1, 2)) for view in views(padded, k, cache.stride)]
    return xp.stack(met).reshape(k, k, -1)
