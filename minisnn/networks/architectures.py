"""The papers' networks, a function for each."""

from __future__ import annotations

from dataclasses import replace

from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.notation import (
    ESL_STYLE,
    SCA_STYLE,
    Named,
    NotationError,
    from_notation,
    times,
    widened,
)
from minisnn.networks.registry import network
from minisnn.networks.stages.base import Shape
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import GlobalPool, MaxPool
from minisnn.networks.stages.readouts import MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron

VGGSNN = "64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2-10FC"
FIVE_CONV = "64C3-AP2-128C3-AP2-128C3-AP2-256C3-AP2-256C3-AP2-10FC"


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


@network("mlp")
def mlp(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = ESL_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """ESL's multi-spike network, 784-800-10. The paper does not give its hidden size: this is the first-spike net's.

    Arguments as in `from_notation`; width: multiplies the hidden layer.
    """
    return from_notation(widened(f"800FC-{n_classes}FC", width), shape, T, replace(ESL_STYLE, neuron=neuron))


@network("vggsnn")
def vggsnn(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = ESL_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """TET's VGGSNN, ESL's network for CIFAR10-DVS: 9,271,498 parameters at 48x48x2 and 10 classes.

    Arguments as in `from_notation`; width: multiplies all layers but the last. Raises NotationError for a shape that is
    too small.
    """
    notation = widened(VGGSNN.replace("10FC", f"{n_classes}FC"), width)
    return from_notation(notation, shape, T, replace(ESL_STYLE, neuron=neuron))


@network("5conv", "sca")
def five_conv(
    shape: Shape, n_classes: int, T: int | None, neuron: Neuron = SCA_STYLE.neuron, width: float = 1.0
) -> Sequential:
    """SCA's network for CIFAR10-DVS, 5Conv+1FC: 1,111,306 parameters at 48x48x2 and 10 classes.

    Arguments as in `vggsnn`.
    """
    notation = widened(FIVE_CONV.replace("10FC", f"{n_classes}FC"), width)
    return from_notation(notation, shape, T, replace(SCA_STYLE, neuron=neuron))


@network("resnet19")
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


@network("vgg16", "sca")
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


@network("pre-resnet18", "sca")
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


def _built(stages: list[Named], shape: Shape, T: int | None) -> Sequential:
    net = Sequential((*([] if T is None else [("repeat", Repeat(T))]), *stages))
    for name, stage in net.stages:
        try:
            shape = stage.out(shape)
        except ValueError as error:
            raise NotationError(f"{name}: {error}") from None
    return net
