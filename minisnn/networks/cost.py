"""What a network costs: connections, operations and joules (chapter 20).

`connections` counts the weights, as ESL's Table 1 does. `measure` runs a batch and counts the operations that its
spikes cause: a spike costs one addition at every synapse that it reaches, a real number costs a multiplication and an
addition. Neither includes neuron updates, batch norm, pools and memory traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from operator import or_
from typing import Any, NamedTuple

from minisnn.arguments import numbers, one_of
from minisnn.backend import Array, array_module
from minisnn.networks.compose import Residual, Sequential, inside, residual_sum, walked
from minisnn.networks.stages.base import EMITS, Arrays, Arrivals, Stage

# Constants recovered from ESL's Table 1. The origin of the second is unknown: published figures for TrueNorth range
# from 2.5 to 26 pJ.
E_GPU = 250 / 14e12  # J per operation: 250 W at 14 TFLOPS
E_TRUENORTH = 12.52e-12  # J per synaptic operation
# 32-bit floating point in 45 nm: an addition 0.9 pJ, a multiplication 3.7 pJ more (Horowitz, ISSCC 2014).
E_MAC = 4.6e-12  # J per multiplication with addition
E_AC = 0.9e-12  # J per addition


class Connections(NamedTuple):
    """The number of weights."""

    active: int  # those that no mask removes
    possible: int

    @property
    def density(self) -> float:
        """The fraction that no mask removes."""
        return self.active / self.possible


def connections(params: Mapping[str, Array], masks: Mapping[str, Array]) -> Connections:
    """Count the weights of a network, active and possible; biases and batch norm are not counted.

    params: arrays by key; those with more than one axis are weights. masks: bool, by some of these keys (ESL Table 1).
    """
    weights = {key: w for key, w in params.items() if w.ndim > 1}
    active = sum(int(masks[key].sum()) if key in masks else w.size for key, w in weights.items())
    return Connections(active, sum(w.size for w in weights.values()))


class LayerCost(NamedTuple):
    """What one layer with weights costs, or the sum over layers."""

    connections: int  # weights that no mask removes; each kernel entry counts once
    possible: int  # weights, masked or not
    operations: float  # MACs of one sample's pass at one time step: connections * positions of the kernel
    dense_operations: float  # the same for all possible weights
    events: float  # incoming spikes: nonzero inputs of a sample, over all T; 0 where the input is analog
    neurons_in: int  # inputs of a sample at one time step
    synops: float  # synaptic operations: unmasked synapses that these events reach, per sample, over all T
    macs: float  # operations on analog inputs, per sample, over all T; 0 where the input is spikes

    @property
    def joules_gpu(self) -> float:
        """As ESL counts: one operation per connection, regardless of spikes, time steps and positions; on a GPU."""
        return self.connections * E_GPU

    @property
    def joules_truenorth(self) -> float:
        """As ESL counts: one operation per connection; on TrueNorth."""
        return self.connections * E_TRUENORTH

    @property
    def joules_45nm(self) -> float:
        """Per sample over all T, as measured: macs * E_MAC + synops * E_AC, in 45 nm."""
        return self.macs * E_MAC + self.synops * E_AC


def total(costs: Mapping[str, LayerCost]) -> LayerCost:
    """Sum each count over all layers. costs: what `measure` returns. Raises ValueError if there is no layer."""
    if not costs:
        raise ValueError("costs is empty: expected what `measure` returns for a net with weights")
    return LayerCost(*(sum(column) for column in zip(*costs.values(), strict=True)))


def training_operations(
    dense: Mapping[str, float], densities: Iterable[Mapping[str, float]], steps: float, dense_gradients: float
) -> float:
    r"""Multiplications with additions of a whole training in which only active connections are computed.

    $$ \sum_e n \sum_l o_l (2 d_{el} + g), \qquad g = \max(d_{el}, \gamma) $$

    A layer's three products are forward, gradient of the input and gradient of the weights. The first two need what is
    active, the third more where a method looks at absent connections. Methods that start dense pay for it.
    dense: o_l, `dense_operations` of a sample's step by key of the weight. densities: d_el of each epoch by these keys,
    1 for those left out. steps: n, time steps of all samples of an epoch. dense_gradients: gamma, the share of the
    steps with dense gradients.
    """
    return sum(
        steps * o * (2 * (d := epoch.get(key, 1.0)) + d + (1 - d) * dense_gradients)
        for epoch in densities
        for key, o in dense.items()
    )


def measure(
    net: Sequential, params: Arrays, buffers: Arrays, masks: Arrays, x: Array, analog: bool | None = None
) -> dict[str, LayerCost]:
    r"""Exact costs of a plain network on given inputs, for every weight by its key; means over the batch.

    $$ \text{synops} = \frac{1}{B} \sum_{n,t,i} [s_{nti} \ne 0] \; \lvert\{j : m_{ij} = 1\}\rvert $$

    where j runs over the neurons that input i can reach: fewer at the border or with a stride than elsewhere.
    An event is a nonzero entry of any value: after an average pool of spikes the entries are 0, 1/4, ...

    - Analog inputs cost macs instead of synops: the image, and a residual sum of real numbers that a convolution
      reads. A static image is counted once, not T times, before and after `Repeat`.
    - mean(fc) = fc(mean): for a linear layer after `MeanOverTime` the spikes before the mean are counted, over all T.
    - Stages declare what they emit (`base.EMITS`), by default real numbers, and count what reaches their weights.
    - A first-spike neuron reads the inputs that arrive before it fires, or all inputs if it never fires.

    x: the network's input, [T or 1, B, ...], or z_in [B, N] of first-spike layers. masks: of weights, bool; a weight
    without one is dense. analog: whether x holds real numbers rather than events; None means that it does if the
    network contains a `Repeat` (first-spike layers ignore it). Returns costs by the keys of weights. Raises
    ValueError for an x without samples, a stage of a fast network, a stage with weights that it does not count, or
    masks that do not fit.
    """
    (x,) = numbers(x=x)
    if not x.size:
        raise ValueError(f"x must hold at least one sample, found shape {x.shape}")
    _check_masks(params, masks)
    costs: dict[str, LayerCost] = {}

    def walk(stage: Any, name: str, x: Array, frames: int) -> tuple[Array, int]:
        """A stage's output, and how many different frames of real numbers it holds; 0 if it holds events."""
        if isinstance(stage, Residual):
            y, main = walk(stage.main, f"{name}main.", x, frames)
            z, shortcut = walk(stage.shortcut, f"{name}shortcut.", x, frames)
            y = residual_sum(y, z)
            return y, main if main == shortcut else len(y)
        if isinstance(stage, Sequential):
            stages = list(stage.stages)
            while stages:
                inner, s = stages.pop(0)
                waits = getattr(s, "averages_time", False) and not frames
                if waits and stages and getattr(stages[0][1], "affine", False):
                    stages.insert(1, (inner, s))  # mean(fc) = fc(mean)
                else:
                    x, frames = walk(s, f"{name}{inner}.", x, frames)
            return x, frames
        own = inside(name[:-1], params)
        _check_countable(stage, name, own)
        y, cache, _ = stage.forward(own, inside(name[:-1], buffers), x, False)
        for key in getattr(stage, "counted", ()):
            arrived = stage.arrivals(key, cache, x)
            costs[name + key] = _layer(arrived, own[key], masks.get(name + key), y, frames)
        emits = getattr(stage, "emits", "real")
        one_of(f"emits of {name[:-1]}", emits, EMITS)
        return y, {"spikes": 0, "same": frames, "mapped": frames or len(x), "real": len(y)}[emits]

    walk(net, "", x, len(x) if (_repeats(net) if analog is None else analog) else 0)
    return costs


def _check_masks(params: Arrays, masks: Arrays) -> None:
    """Raise ValueError for a mask that does not fit its weight."""
    for key, mask in masks.items():
        expected = params[key].shape if key in params else "no mask, because there is no such weight"
        if mask.shape != expected:
            raise ValueError(f"mask {key}: found shape {mask.shape}, expected {expected}")


def _check_countable(stage: Stage, name: str, params: Arrays) -> None:
    """Raise ValueError for a stage with weights that it does not count."""
    if hasattr(stage, "parts"):
        raise ValueError(
            f"{name[:-1]}: found {type(stage).__name__}, expected a stage of a plain network. "
            "Measure the plain net, not its fast twin: weights and keys are the same"
        )
    silent = [
        name + key for key, w in params.items() if w.ndim > 1 and key not in getattr(stage, "counted", ())
    ]
    if silent:
        raise ValueError(
            f"{name[:-1]}: cannot count what {', '.join(silent)} of a {type(stage).__name__} cost: expected it in "
            "`counted` of the stage, and a method `arrivals`"
        )


def _repeats(stage: Stage) -> bool:
    """Does the network repeat a static image?"""
    found: bool = walked(stage, False, lambda _, s, before: before or getattr(s, "repeats", False), or_)
    return found


def _layer(arrived: Arrivals, weight: Array, mask: Array | None, y: Array, frames: int) -> LayerCost:
    """The counts of one weight, from what reached it and the output of its stage."""
    frames = 0 if arrived.only else frames
    if mask is None:
        mask = array_module(weight).ones(weight.shape, bool)
    ops, dense = (int(n) * prod(y.shape[2:-1]) for n in (mask.sum(), mask.size))
    events, synops = (0.0, 0.0) if frames else (arrived.events, float((arrived.reached * mask).sum()))
    B = arrived.samples
    return LayerCost(
        int(mask.sum()), mask.size, ops, dense, events / B, arrived.neurons, synops / B, ops * frames
    )
