"""Remove masked channels for good: the small network computes what the masked one computed (SCA §4.1, chapter 19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from minisnn.backend import Array, array_module, to_host
from minisnn.networks.compose import Sequential, rebuilt
from minisnn.networks.cost import Connections
from minisnn.networks.stages.base import Arrays, Shape, Stage
from minisnn.networks.stages.rearrange import Select
from minisnn.structure.channel_graph import Axis, ChannelGraph
from minisnn.training.state import TrainingState


class Slimmer:
    """Removes the masked channels of a network, and all that depends on them.

    That is filters, gamma, beta, running statistics, and the next layers' weights on these inputs. A branch that
    selects from a residual stream gets a `Select`; a stream loses channels that nothing reads any more. Stages and
    parameters keep their names.

    net: a plain network; shape: of one sample; channels: masks [C] by `Channels.key`, bool; a layer without
    one stays whole. `net` is the small network, `take` cuts an array. Raises ValueError for a mask that does not
    fit, or leaves nothing of a layer.
    """

    def __init__(self, net: Sequential, shape: Shape, channels: Mapping[str, Array]):
        self.graph = ChannelGraph(net, shape)
        sizes = {layer.key: layer.size for layer in self.graph.layers}
        masks = {key: to_host(mask) for key, mask in channels.items()}
        for key, mask in masks.items():
            if key not in sizes:
                raise ValueError(
                    f"mask {key}: there is no such layer of channels; there are {', '.join(sizes) or 'none'}"
                )
            if mask.shape != (sizes[key],) or mask.dtype != bool:
                raise ValueError(
                    f"mask {key}: expected bool ({sizes[key]},), found {mask.dtype} {mask.shape}"
                )
            if not mask.any():
                raise ValueError(f"mask {key} must keep at least one channel")
        self.kept = self.graph.kept(masks)
        self.net: Sequential = rebuilt(net, self._smaller)

    def take(self, key: str, array: Array) -> Array:
        """What is left of a parameter or buffer, or of anything of its shape: mask, moment, gradient.

        Raises ValueError for a key that the network does not have, or an array too short or too long.
        """
        if key.rpartition(".")[0] not in self.graph.stages:
            raise ValueError(f"{key}: the network has no such parameter or buffer")
        for axis in self.graph.axes.get(key, ()):
            expected = axis.copies * len(self.kept[axis.group])
            if array.shape[axis.number : axis.number + 1] != (expected,):
                raise ValueError(
                    f"{key}: expected {expected} along axis {axis.number}, found an array of shape {array.shape}"
                )
            array = array.take(array_module(array).asarray(self._index(axis)), axis.number)
        return array

    def connections(self, params: Arrays, masks: Arrays) -> Connections:
        """How many weights masks of connections and of channels leave, among all; no weight is copied for it."""
        active = possible = 0
        for key, w in params.items():
            if w.ndim > 1:
                possible += w.size
                if key in masks:
                    active += int(self.take(key, masks[key]).sum())
                else:
                    shape = list(w.shape)
                    for axis in self.graph.axes.get(key, ()):
                        shape[axis.number] = axis.copies * int(self.kept[axis.group].sum())
                    active += prod(shape)
        return Connections(active, possible)

    def arrays(self, arrays: Arrays) -> Arrays:
        """What is left of all parameters, or of all buffers, or masks."""
        return {key: self.take(key, array) for key, array in arrays.items()}

    def state(self, state: TrainingState) -> TrainingState:
        """What is left of a whole training state. Channel masks and the learner's memory are dropped."""
        return replace(
            state,
            params=self.arrays(state.params),
            buffers=self.arrays(state.buffers),
            masks=self.arrays(state.masks),
            moments={key: tuple(self.take(key, m) for m in moment) for key, moment in state.moments.items()},
            channels={},
            structure={},
        )

    def _index(self, axis: Axis) -> np.ndarray:
        kept = self.kept[axis.group]
        index: np.ndarray = np.arange(axis.copies)[:, None] * len(kept) + np.flatnonzero(kept)
        return index.ravel().astype(np.intp, copy=False)  # `take` wants no other, where an index has 32 bits

    def _smaller(self, name: str, stage: Any) -> list[tuple[str, Stage]]:
        """A stage of the small network, with a selection in front of it where it needs one."""
        inner = name.rpartition(".")[2]
        if getattr(stage, "channels", "") == "make":
            made = self.graph.axes[f"{name}.weight"][1].group
            return [(inner, stage.with_channels(int(self.kept[made].sum())))]
        if name not in self.graph.selecting:
            return [(inner, stage)]
        index = self.graph.selected(self.graph.selecting[name], self.kept)
        if getattr(stage, "channels", "") == "select":
            return [] if index is None else [(inner, Select(index))]
        return [(inner, stage)] if index is None else [(f"select_{inner}", Select(index)), (inner, stage)]
