"""The papers' own notation for networks: "64C3-128C3-AP2-256C3-...-10FC".

nC3 is a convolution of 3x3 to n channels, batch norm and neurons; nC3S2 has stride 2. AP2 and MP2 are
average and max pools; nFC is a linear layer, followed by neurons unless it is the last. Inputs are
images [1, B, H, W, C] that count for T steps (direct coding), or, with T = None, sequences
[T, B, H, W, C] such as the frames of an event camera.

`ESL_STYLE` and `SCA_STYLE` say which paper's neurons, biases and readout a network has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from minisnn.networks.compose import Sequential
from minisnn.networks.stages.base import Shape, Stage
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, MaxPool
from minisnn.networks.stages.readouts import MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron, integrate_and_fire

Named = tuple[str, Stage]


@dataclass(frozen=True)
class Style:
    """How the papers differ in networks of the same notation."""

    neuron: Neuron
    bias: bool  # of convolutions; superfluous if batch norm follows
    mean_readout: bool  # the last layer reads the neurons' mean over time, once; else it reads each step


ESL_STYLE = Style(Neuron(), bias=True, mean_readout=False)
SCA_STYLE = Style(integrate_and_fire(detach_reset=True), bias=False, mean_readout=True)
STYLES = {"esl": ESL_STYLE, "sca": SCA_STYLE}

TOKEN = re.compile(  # read in any case
    r"(?P<channels>\d+)C(?P<k>\d+)(S(?P<stride>\d+))?|(?P<kind>[AM])P(?P<pool>\d+)|(?P<units>\d+)FC",
    re.IGNORECASE,
)


class NotationError(ValueError):
    """A notation that cannot be built. The message names the token, its position, and why."""


def from_notation(notation: str, shape: Shape, T: int | None = None, style: Style = ESL_STYLE) -> Sequential:
    """The network that a notation describes, for inputs of a shape (H, W, C).

    shape: of an image or frame. T: time steps of static images, None for sequences. style: whose neurons, biases and
    readout. Raises NotationError for an unknown token, or one that leaves nothing of its input.
    """
    stages: list[Named] = [] if T is None else [("repeat", Repeat(T))]
    tokens = notation.split("-")
    counts = {"conv": 0, "pool": 0, "fc": 0}
    at = 1
    for number, token in enumerate(tokens, 1):
        match = TOKEN.fullmatch(token)
        new = _stages(match, counts, shape, style, last=number == len(tokens)) if match else []
        try:
            if not match:
                raise ValueError("expected 64C3, 64C3S2, AP2, MP2 or 10FC")
            if 0 in [int(n) for n in re.findall(r"\d+", token)]:
                raise ValueError("all numbers must be at least 1")
            if number == len(tokens) and not match["units"]:
                raise ValueError("the last token must be a readout such as 10FC")
            if len(shape) == 1 and not match["units"]:
                raise ValueError("only FC can follow FC")
            for _, stage in new:
                shape = stage.out(shape)
        except ValueError as error:
            raise NotationError(
                f"token {number}, {token!r}, at character {at} of {notation!r}: {error}"
            ) from None
        stages += new
        at += len(token) + 1
    return Sequential(tuple(stages))


def _stages(
    match: re.Match[str], counts: dict[str, int], shape: Shape, style: Style, last: bool
) -> list[Named]:
    """What one token stands for."""
    if match["kind"]:
        counts["pool"] += 1
        k = int(match["pool"])
        return [(f"pool{counts['pool']}", AveragePool(k) if match["kind"] in "Aa" else MaxPool(k))]
    if match["channels"]:
        counts["conv"] += 1
        n, k = counts["conv"], int(match["k"])
        conv = Conv(int(match["channels"]), k, int(match["stride"] or 1), k // 2, style.bias)
        return [(f"conv{n}", conv), (f"bn{n}", BatchNorm()), (f"lif{n}", LIF(style.neuron))]
    counts["fc"] += 1
    n = counts["fc"]
    stages: list[Named] = [("flatten", Flatten())] if len(shape) > 1 else []
    if not last:
        return [
            *stages,
            (f"fc{n}", Linear(int(match["units"]))),
            (f"lif{counts['conv'] + n}", LIF(style.neuron)),
        ]
    if style.mean_readout:
        stages.append(("mean", MeanOverTime()))
    return [*stages, (f"fc{n}", Linear(int(match["units"])))]


def widened(notation: str, width: float) -> str:
    """The notation with all channels and units but the last multiplied by `width` and rounded, see `times`."""
    if width == 1:
        return notation
    *hidden, last = notation.split("-")
    return "-".join(
        [
            *(
                re.sub(r"^\d+(?=[CF])", lambda n: str(times(int(n[0]), width)), t, flags=re.IGNORECASE)
                for t in hidden
            ),
            last,
        ]
    )


def times(n: int, width: float) -> int:
    """n channels or units, multiplied; at least 1, but 0 stays 0, which is refused later."""
    return max(1, round(n * width)) if n else 0
