"""Builds a network from its name, its notation, its text or a function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minisnn.arguments import nearest
from minisnn.networks import architectures  # noqa: F401  registers the papers' networks
from minisnn.networks.compose import Sequential
from minisnn.networks.describe import from_text
from minisnn.networks.notation import STYLES, TOKEN, NotationError, from_notation, widened
from minisnn.networks.registry import NETWORKS, Builder
from minisnn.networks.stages.base import Shape
from minisnn.ops.neuron import Neuron


def build(
    net: str | Builder | Sequential, shape: Shape, n_classes: int, T: int | None, paper: str | None = None,
    width: float = 1.0, neuron: Mapping[str, Any] | None = None,
) -> tuple[Sequential, str]:  # fmt: skip
    """A network for inputs of a shape, and the paper whose training it has: its own, or ESL's for a notation.

    net: a name of `NETWORKS`, a notation, a network or its text (`to_text`), or a function as `network` registers them.
    shape: (H, W, C) of an image or frame. T: time steps of static images, None for sequences. paper: whose neurons and
    training in place of its own. width: multiplies the channels and units of all layers but the last. neuron: fields of
    `Neuron` that differ from the paper's. Raises NotationError for what cannot be built, or does not end in n_classes.
    """
    if isinstance(net, Sequential) or (isinstance(net, str) and net.startswith("{")):
        if width != 1 or neuron:
            raise NotationError("width and neurons need a name or a notation: a network's text has its own")
        found = net if isinstance(net, Sequential) else _from_text(net, shape)
        name, own = "the network", "esl"
    elif not isinstance(net, str) or net in NETWORKS:
        known = [a for a in NETWORKS.values() if a.builder is net]
        builder, own = NETWORKS[net] if isinstance(net, str) else known[0] if known else (net, "esl")
        kind = replace(STYLES[paper or own].neuron, **neuron or {})
        name = net if isinstance(net, str) else getattr(net, "__name__", repr(net))
        found = _by_builder(builder, name, shape, n_classes, T, kind, width)
    else:
        name, own = repr(net), "esl"
        style = STYLES[paper or own]
        style = replace(style, neuron=replace(style.neuron, **neuron or {}))
        if "-" not in net and not TOKEN.fullmatch(net):
            raise NotationError(
                f"net must be one of {', '.join(NETWORKS)}, a notation such as 64C3-AP2-10FC, or module:name of your "
                f"own, found {net!r}{nearest(net, NETWORKS)}"
            )
        found = from_notation(widened(net, width), shape, T, style)
    if found.out(shape) != (n_classes,):
        raise NotationError(
            f"{name} ends with {found.out(shape)[0]} outputs, but there are {n_classes} classes"
        )
    return found, paper or own


def _by_builder(
    builder: Builder, name: str, shape: Shape, n_classes: int, T: int | None, neuron: Neuron, width: float
) -> Sequential:
    try:
        net = builder(shape, n_classes, T, neuron, width=width)
    except NotationError as error:
        size, why = "x".join(map(str, shape)), re.sub(r"^token \d+, .*?': ", "", str(error))
        raise NotationError(f"{name} does not fit images of {size}: {why}") from None
    if not isinstance(net, Sequential):
        raise NotationError(f"{name} must return a Sequential, found {type(net).__name__}")
    return net


def _from_text(text: str, shape: Shape) -> Sequential:
    try:
        net = from_text(text)
        net.out(shape)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotationError(f"cannot build the network for {shape}: {error}") from error
    return net
