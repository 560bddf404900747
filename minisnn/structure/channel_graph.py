"""Which channels belong together: a walk from the filters that make them to everything that reads them.

Each stage says what it does to channels (`CHANNELS` in networks/stages/base.py). Two things are more than one stage's:

a residual sum  ties the channels of its branches: channel k is removed from both or from neither
batch norm on a residual stream, not behind a convolution, makes a selection: a branch may lose a
                channel that the stream keeps for others (Pre-ResNet)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minisnn.arguments import one_of
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.base import CHANNELS, Shape, Stage


class Channels(NamedTuple):
    """One layer of channels that can be pruned, with the names of the stages they pass through."""

    key: str  # of their mask: the first of their neurons
    size: int
    positions: int  # H * W of a channel's map
    neurons: tuple[str, ...]  # whose activity is their score
    norms: tuple[str, ...]  # whose gamma and beta are theirs
    convs: tuple[str, ...]  # whose filters make them; none where they are selected from a residual stream


class Axis(NamedTuple):
    """Which axis of a parameter runs over the channels of which group."""

    number: int
    group: int
    copies: int = 1  # the index is copy * channels + channel: after Flatten, one copy for each position


@dataclass
class ChannelGroup:
    """Channels that are kept or removed together, during and after the walk."""

    size: int
    positions: int
    fixed: bool = False  # cannot be pruned: inputs, outputs, linear units, what cannot be silenced
    source: int | None = None  # the group that these are a selection of
    index: tuple[int, ...] = ()  # of them among the source's
    convs: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    neurons: list[str] = field(default_factory=list)
    selections: list[int] = field(default_factory=list)  # groups that select from this one
    read: bool = False  # by weights, which see every channel


class Signal(NamedTuple):
    """What passes from one stage to the next."""

    group: int
    shape: Shape
    copies: int = 1
    fresh: bool = False  # from a convolution or selection: the next batch norm belongs to its channels


class ChannelGraph:
    """What a plain network's channels are, and which axes of its parameters and buffers run over them.

    net: a plain network, shape: of one sample. layers: the `Channels` that can be pruned, in the order of the network.
    Through stages of your own that do not say what they do to channels, none can be pruned. Raises ValueError for the
    stages of a fast network.
    """

    def __init__(self, net: Sequential, shape: Shape):
        self.axes: dict[str, tuple[Axis, ...]] = {}  # by key of params and buffers
        self.stages: set[str] = set()  # names of all that were passed
        self.selecting: dict[str, int] = {}  # stages that select from a stream: their new group
        self._groups = [ChannelGroup(shape[-1], prod(shape[:-1]), fixed=True)]
        self._same = [0]  # groups that sums have tied: the number of one of them
        out = self._walk(net, "", Signal(0, shape))
        self._group(out.group).fixed = True
        found: dict[int, Channels] = {}
        for number in range(len(self._groups)):
            number, group = self._root(number), self._group(number)
            if number not in found and _prunable(group):
                names = (tuple(group.neurons), tuple(group.norms), tuple(group.convs))
                found[number] = Channels(group.neurons[0], group.size, group.positions, *names)
        self.layers = tuple(found.values())
        self._prunable = {number: layer.key for number, layer in found.items()}

    def kept(self, channels: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
        """Which channels of every group stay, bool: those that a mask keeps, and all that something still reads.

        A residual stream loses the channels that none of its readers selects. channels: masks by `Channels.key`.
        """
        kept = {number: np.ones(group.size, bool) for number, group in enumerate(self._groups)}
        for number, group in reversed(list(enumerate(self._groups))):  # selections come after their sources
            if number in self._prunable and self._prunable[number] in channels:
                kept[number] = np.asarray(channels[self._prunable[number]], bool)
            elif group.selections and not group.fixed and not group.read:
                kept[number][:] = False
                for s in group.selections:
                    kept[number][self._chosen(s, kept)] = True
        return {number: kept[self._root(number)] for number in kept}

    def selected(self, selection: int, kept: Mapping[int, np.ndarray]) -> tuple[int, ...] | None:
        """The indices that a selection takes from what is left of its source; None if it takes everything, in order."""
        source = self._groups[selection].source
        assert source is not None
        left = kept[source]
        index = left.cumsum()[self._chosen(selection, kept)] - 1
        return None if np.array_equal(index, np.arange(left.sum())) else tuple(map(int, index))

    def _chosen(self, selection: int, kept: Mapping[int, np.ndarray]) -> np.ndarray:
        """What stays of a selection, as indices of its source."""
        return np.array(self._groups[selection].index)[kept[self._root(selection)]]

    def _walk(self, stage: Stage, name: str, x: Signal) -> Signal:
        """The signal after a stage; name: of the stage, followed by a dot."""
        if isinstance(stage, Residual):
            x = x._replace(fresh=False)
            main = self._walk(stage.main, f"{name}main.", x)
            shortcut = self._walk(stage.shortcut, f"{name}shortcut.", x)
            if main.copies == shortcut.copies:
                self._tie(main.group, shortcut.group)
            else:  # a channel meets units of a linear layer
                self._group(main.group).fixed = self._group(shortcut.group).fixed = True
            return main._replace(fresh=False)
        if isinstance(stage, Sequential):
            for inner, s in stage.stages:
                x = self._walk(s, f"{name}{inner}.", x)
            return x
        if hasattr(stage, "parts"):
            raise ValueError(
                f"{name[:-1]}: cannot follow channels through {type(stage).__name__}, a stage of a fast network; take "
                "the plain network"
            )
        self.stages.add(name[:-1])
        does = getattr(stage, "channels", "mix")
        one_of(f"channels of {name[:-1]}", does, CHANNELS)
        return getattr(self, f"_{does}")(stage, name[:-1], x, stage.out(x.shape))

    def _keep(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        return x._replace(shape=shape)

    def _make(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        made = self._read(stage, name, x, self._new(shape))
        self._groups[made].convs.append(name)
        return Signal(made, shape, fresh=True)

    def _unit(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        return Signal(self._read(stage, name, x, self._new(shape, fixed=True)), shape)

    def _mix(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        self._group(x.group).fixed = True
        return Signal(self._new(shape, fixed=True), shape)

    def _scale(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        if x.copies > 1:
            self._group(x.group).fixed = True  # gamma differs from position to position
        if not x.fresh and not self._group(x.group).fixed:
            x = self._selected(name, x, range(shape[-1]))
        self._group(x.group).norms.append(name)
        self._axes(stage, name, x, x.group)
        return x._replace(fresh=False)

    def _fire(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        group = self._group(x.group)
        group.fixed |= stage.fires_at_rest
        if x.copies == 1:
            group.neurons.append(name)
        self._axes(stage, name, x, x.group)
        return x._replace(fresh=False)

    def _flatten(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        return x._replace(shape=shape, copies=x.copies * prod(x.shape[:-1]))

    def _select(self, stage: Any, name: str, x: Signal, shape: Shape) -> Signal:
        if x.copies > 1:
            self._group(x.group).fixed = True  # what is taken differs from position to position
        if self._group(x.group).fixed:
            return Signal(self._new(shape, fixed=True), shape)
        return self._selected(name, x._replace(shape=shape), stage.index)

    def _read(self, stage: Any, name: str, x: Signal, made: int) -> int:
        """Note that weights read all channels, and which axes of them run over channels in and out."""
        self._group(x.group).read = True
        self._axes(stage, name, x, made)
        return made

    def _axes(self, stage: Any, name: str, x: Signal, made: int) -> None:
        for key, axes in getattr(stage, "axes", {}).items():
            if key == "bias" and not getattr(stage, "bias", True):
                continue
            groups = {"in": (x.group, x.copies), "out": (made, x.copies if made == x.group else 1)}
            self.axes[f"{name}.{key}"] = tuple(
                Axis(number, *groups[which]) for number, which in enumerate(axes) if which
            )

    def _selected(self, name: str, x: Signal, index: Iterable[int]) -> Signal:
        """The signal after a stage that selects."""
        self.selecting[name] = made = self._new(x.shape)
        self._groups[made].source, self._groups[made].index = x.group, tuple(index)
        self._group(x.group).selections.append(made)
        return x._replace(group=made, fresh=True)

    def _new(self, shape: Shape, fixed: bool = False) -> int:
        self._groups.append(ChannelGroup(shape[-1], prod(shape[:-1]), fixed))
        self._same.append(len(self._same))
        return len(self._same) - 1

    def _root(self, number: int) -> int:
        while self._same[number] != number:
            number = self._same[number]
        return number

    def _group(self, number: int) -> ChannelGroup:
        return self._groups[self._root(number)]

    def _tie(self, a: int, b: int) -> None:
        """Make one group of two."""
        a, b = sorted((self._root(a), self._root(b)))
        if a == b:
            return
        one, other = self._groups[a], self._groups[b]
        self._same[b] = a
        one.fixed |= other.fixed or one.source is not None or other.source is not None
        one.read |= other.read
        for mine, its in (
            (one.convs, other.convs), (one.norms, other.norms), (one.neurons, other.neurons),
        ):  # fmt: skip
            mine += its
        one.selections += other.selections


def _prunable(group: ChannelGroup) -> bool:
    """Neurons score these channels, and batch norm stands between the neurons and whatever writes the channels."""
    if group.fixed or not group.neurons or not group.norms or group.selections:
        return False
    return group.source is not None or len(group.norms) == len(group.convs)
