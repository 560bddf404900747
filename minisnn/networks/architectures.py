"""The papers' networks, and the reader of their own notation: "64C3-128C3-AP2-256C3-...-10FC".

nC3 is a convolution of 3x3 to n channels, batch norm and neurons; nC3S2 has stride 2. AP2 and MP2 are
average and max pools; nFC is a linear layer, followed by neurons unless it is the last. Inputs are
images [1, B, H, W, C] that count for T steps (direct coding), or, with T = None, sequences
[T, B, H, W, C] such as the frames of an event camera.

`ESL_STYLE` and `SCA_STYLE` say which paper's neurons, biases and readout a network has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.describe import from_text
from minisnn.networks.stages import (
    LIF,
    AveragePool,
    BatchNorm,
    Conv,
    FirstSpike,
    Flatten,
    GlobalPool,
    Linear,
    MaxPool,
    MeanOverTime,
    Repeat,
    Shape,
    Stage,
)
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

VGGSNN = "64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2-10FC"
FIVE_CONV = "64C3-AP2-128C3-AP2-128C3-AP2-256C3-AP2-256C3-AP2-10FC"

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
                raise ValueError(
                    f"expected 64C3, 64C3S2, AP2, MP2, 10FC, or one of {', '.join(NETWORKS)} alone"
                )
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


def first_spike_mlp(
    hidden: tuple[int, ...] = (800,), n_classes: int = 10, densities: tuple[float, ...] = (1.0,)
) -> Sequential:
    """ESL's multi-layer network of neurons that fire once, 784-800-10 in the paper (Table 1).

    hidden: neurons of each hidden layer. densities: the fraction of each hidden layer's incoming synapses that masks
    will keep. The output layer stays dense. Raises ValueError unless there is a density for each hidden layer.
    """
    if len(densities) != len(hidden):
        raise ValueError(f"expected {len(hidden)} densities, one for each hidden layer, found {densities}")
    names = ["hidden"] if len(hidden) == 1 else [f"hidden{n}" for n in range(1, len(hidden) + 1)]
    stages = [
        (name, FirstSpike(n_out, weight_sum=8.0, density=density))
        for name, n_out, density in zip(names, hidden, densities, strict=True)
    ]
    return Sequential((*stages, ("output", FirstSpike(n_classes, weight_sum=4.0))))


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


def mlp(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = ESL_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """ESL's multi-spike network, 784-800-10; the paper does not give its hidden size; this is that of its first-spike
    net.

    Arguments as in `from_notation`; width: multiplies the hidden layer.
    """
    return from_notation(widened(f"800FC-{n_classes}FC", width), shape, T, replace(ESL_STYLE, neuron=neuron))


def vggsnn(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = ESL_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """TET's VGGSNN, ESL's network for CIFAR10-DVS: 9,271,498 parameters at 48x48x2 and 10 classes.

    Arguments as in `from_notation`; width: multiplies all layers but the last. Raises NotationError for a shape that is
    too small.
    """
    notation = widened(VGGSNN.replace("10FC", f"{n_classes}FC"), width)
    return from_notation(notation, shape, T, replace(ESL_STYLE, neuron=neuron))


def five_conv(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = SCA_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """SCA's network for CIFAR10-DVS, 5Conv+1FC: 1,111,306 parameters at 48x48x2 and 10 classes.

    Arguments as in `vggsnn`.
    """
    notation = widened(FIVE_CONV.replace("10FC", f"{n_classes}FC"), width)
    return from_notation(notation, shape, T, replace(SCA_STYLE, neuron=neuron))


def resnet19(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = ESL_STYLE.neuron,
    widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 256), width: float = 1.0,
) -> Sequential:  # fmt: skip
    """TET's ResNet-19, ESL's network for CIFAR: 12,630,858 parameters at 32x32x3 and 10 classes.

    widths: of the first convolution, of the three stages of 3, 3 and 2 blocks (the second and third start with stride
    2), and of the linear layer before the last. Other arguments as in `vggsnn`.
    """
    stem, *wide, hidden = (times(n, width) for n in widths)
    lif = LIF(neuron)

    def conv(n_out: int, stride: int = 1, k: int = 3) -> Conv:
        return Conv(n_out, k, stride, k // 2, bias=False, std=None)

    stages: list[Named] = [("conv1", conv(stem)), ("bn1", BatchNorm()), ("lif1", lif)]
    before, number = stem, 0
    for channels, blocks, first_stride in zip(wide, (3, 3, 2), (1, 2, 2), strict=True):
        for n in range(blocks):
            stride = first_stride if n == 0 else 1
            main = Sequential(
                (("conv1", conv(channels, stride)), ("bn1", BatchNorm()), ("lif1", lif),
                 ("conv2", conv(channels)), ("bn2", BatchNorm()))
            )  # fmt: skip
            shortcut = Sequential((("conv", conv(channels, stride, k=1)), ("bn", BatchNorm())))
            same = (before, stride) == (channels, 1)
            number += 1
            stages += [
                (f"block{number}", Residual(main, Sequential() if same else shortcut)),
                (f"lif{number + 1}", lif),
            ]
            before = channels
    stages += [
        ("pool", GlobalPool()), ("flatten", Flatten()),
        ("fc1", Linear(hidden)), (f"lif{number + 2}", lif), ("fc2", Linear(n_classes)),
    ]  # fmt: skip
    return _built(stages, shape, T)


def vgg16(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = SCA_STYLE.neuron,
    channels: tuple[int, ...] = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    hidden: int = 512, width: float = 1.0,
) -> Sequential:  # fmt: skip
    """SCA's VGG16: 15,250,378 parameters at 32x32x3 and 10 classes.

    channels: of the convolutions; hidden: units of the two linear layers before the last. Other arguments as in
    `vggsnn`.
    """
    stages: list[Named] = []
    pools = 0
    for n, n_out in enumerate(channels, 1):
        conv = Conv(times(n_out, width), bias=False)
        stages += [(f"conv{n}", conv), (f"bn{n}", BatchNorm()), (f"lif{n}", LIF(neuron))]
        if n in (2, 4, 7, 10, 13):
            pools += 1
            stages.append((f"pool{pools}", MaxPool(2)))
    stages.append(("flatten", Flatten()))
    for n in (1, 2):
        name = len(channels) + n
        stages += [
            (f"fc{n}", Linear(times(hidden, width), bias=False, std=0.02)),
            (f"bn{name}", BatchNorm()),
            (f"lif{name}", LIF(neuron)),
        ]
    stages += [("mean", MeanOverTime()), ("fc3", Linear(n_classes, std=0.02))]
    return _built(stages, shape, T)


def pre_resnet18(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = SCA_STYLE.neuron,
    widths: tuple[int, int, int, int] = (64, 128, 256, 512), width: float = 1.0,
) -> Sequential:  # fmt: skip
    """SCA's Pre-ResNet as we read it: the paper does not give its architecture.

    A pre-activation ResNet-18 for small images (He et al. 2016), in the form that network slimming prunes: a
    convolution to 64 channels and batch norm on the image, before it is repeated; four stages of two blocks, 64,
    128, 256 and 512 wide; batch norm, neurons, convolution, twice; a 1x1 convolution as shortcut where the shape
    changes; gammas start at 0.5. widths: of the four stages. Other arguments as in `vggsnn`.
    """
    bn, lif = BatchNorm(gamma=0.5), LIF(neuron)
    wide = [times(n, width) for n in widths]
    stages: list[Named] = [("conv1", Conv(wide[0], bias=False)), ("bn1", bn)]
    stages += [] if T is None else [("repeat", Repeat(T))]
    before, number = wide[0], 0
    for channels, first_stride in zip(wide, (1, 2, 2, 2), strict=True):
        for stride in (first_stride, 1):
            main = Sequential(
                (("bn1", bn), ("lif1", lif), ("conv1", Conv(channels, 3, stride, 1, bias=False)),
                 ("bn2", bn), ("lif2", lif), ("conv2", Conv(channels, bias=False)))
            )  # fmt: skip
            same = (before, stride) == (channels, 1)
            shortcut = Sequential((("conv", Conv(channels, 1, stride, 0, bias=False)),))
            number += 1
            stages.append((f"block{number}", Residual(main, Sequential() if same else shortcut)))
            before = channels
    stages += [
        ("bn2", bn), ("lif2", lif), ("pool", GlobalPool()), ("flatten", Flatten()),
        ("mean", MeanOverTime()), ("fc", Linear(n_classes)),
    ]  # fmt: skip
    return _built(stages, shape, None)


def _from_text(text: str, shape: Shape) -> Sequential:
    try:
        net = from_text(text)
        net.out(shape)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotationError(f"cannot build the network for {shape}: {error}") from error
    return net


def _built(stages: list[Named], shape: Shape, T: int | None) -> Sequential:
    net = Sequential((*([] if T is None else [("repeat", Repeat(T))]), *stages))
    for name, stage in net.stages:
        try:
            shape = stage.out(shape)
        except ValueError as error:
            raise NotationError(f"{name}: {error}") from None
    return net


NETWORKS: dict[str, tuple[Callable[..., Sequential], str]] = {
    "mlp": (mlp, "esl"),
    "vggsnn": (vggsnn, "esl"),
    "resnet19": (resnet19, "esl"),
    "vgg16": (vgg16, "sca"),
    "pre-resnet18": (pre_resnet18, "sca"),
    "5conv": (five_conv, "sca"),
}
"""By name: the builder, and the paper whose neuron, loss and optimiser it has."""


def build(
    name: str, shape: Shape, n_classes: int, T: int | None, paper: str | None = None, width: float = 1.0,
    neuron: Mapping[str, Any] | None = None,
) -> tuple[Sequential, str]:  # fmt: skip
    """A network by name or notation, with the neurons of a paper; by default its own, or ESL's for a notation.

    name: or the text of a network, see `describe`.
    width: multiplies the channels and units of all layers but the last. neuron: fields of `Neuron` that differ from the
    paper's.
    Returns the network and the paper. Raises NotationError for what cannot be built, also if the readout of a
    notation does not have n_classes.
    """
    if name in NETWORKS:
        builder, own = NETWORKS[name]
        kind = replace(STYLES[paper or own].neuron, **neuron or {})
        try:
            return builder(shape, n_classes, T, kind, width=width), paper or own
        except NotationError as error:
            size, why = "x".join(map(str, shape)), re.sub(r"^token \d+, .*?': ", "", str(error))
            raise NotationError(f"{name} does not fit images of {size}: {why}") from None
    style = STYLES[paper or "esl"]
    style = replace(style, neuron=replace(style.neuron, **neuron or {}))
    if name.startswith("{"):
        if width != 1 or neuron:
            raise NotationError("width and neurons need a name or a notation: a network's text has its own")
        net = _from_text(name, shape)
    else:
        net = from_notation(widened(name, width), shape, T, style)
    if net.out(shape) != (n_classes,):
        raise NotationError(
            f"{name!r} ends with {net.out(shape)[0]} outputs, but there are {n_classes} classes"
        )
    return net, paper or "esl"
