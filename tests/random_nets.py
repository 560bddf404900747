"""Random networks of any stages in any legal order: branches in branches, repeats anywhere, all neurons."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from strategies import neurons

from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, GlobalPool, MaxPool
from minisnn.networks.stages.readouts import CumulativeSum, MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat, Select
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.score import SCORES

norms = st.builds(
    BatchNorm,
    gamma=st.floats(0.5, 2),
    momentum=st.floats(0.05, 0.5),
    copies=st.sampled_from([1, 1, 2]),
    scale=st.just(1.0) | st.floats(0.5, 2),
)
smooth = st.builds(replace, neurons, smooth=st.just(True))
lifs = st.builds(LIF, neurons | neurons | neurons | smooth, score=st.none() | st.sampled_from(SCORES))


@dataclass(frozen=True)
class Signal:
    """What flows at one place of a network: shape of one sample, steps, and is it spikes (bool)?"""

    shape: tuple[int, ...]
    T: int
    spikes: bool = False


def shallow(net, blocks):
    """A network of the papers with these of its residual blocks, and what follows each, alone."""
    stages, stays = [], True
    for name, stage in net.stages:
        if name.startswith("block"):
            stays = int(name.removeprefix("block")) in blocks
        elif not name.startswith("lif"):
            stays = True
        if stays:
            stages.append((name, stage))
    return Sequential(tuple(stages))


GROUPS = (
    ("norm", "lif"),
    ("norm", "repeat", "lif"),
    ("repeat", "norm", "lif"),
    ("repeat", "conv", "norm", "lif"),
    ("lif", "average", "conv"),
    ("lif", "average", "flatten", "linear"),
)
"""What `fast` looks for, and what chance alone would seldom draw."""


def legal(signal, depth):
    """The kinds of stages that may follow."""
    kinds = (
        ["select", "linear"]
        if len(signal.shape) == 1
        else ["select", "conv", "average", "max", "global", "flatten"]
    )
    kinds += ["cumulative", "lif", "norm"] if not signal.spikes else []
    kinds += ["repeat"] if signal.T == 1 else ["mean"]
    return kinds + ["residual", "residual", "within"] * (depth > 0)


@st.composite
def stage_of(draw, kind, signal, depth):
    """A stage of one kind, and what it makes of the signal."""
    shape, C = signal.shape, signal.shape[-1]
    if kind == "lif":
        lif = draw(lifs)
        return lif, replace(signal, spikes=not lif.neuron.smooth)
    if kind == "norm":
        return draw(norms), signal
    if kind == "repeat":
        T = draw(st.integers(1, 3))
        return Repeat(T), replace(signal, T=T)
    if kind == "mean":
        return MeanOverTime(), replace(signal, T=1, spikes=False)
    if kind == "cumulative":
        return CumulativeSum(), signal
    if kind == "select":
        index = draw(st.lists(st.integers(0, C - 1), min_size=1, max_size=C, unique=True))
        return Select(tuple(index)), replace(signal, shape=(*shape[:-1], len(index)))
    if kind == "within":
        return draw(chains(signal, depth - 1))
    if kind == "residual":
        return draw(residuals(signal, depth - 1))
    if kind == "conv":
        k = draw(st.sampled_from([1, 3, 3, 3, 5]))
        stage = Conv(
            draw(st.sampled_from([2, 8, 9])), k, draw(st.sampled_from([1, 1, 2])), k // 2, draw(st.booleans())
        )
    elif kind in ("average", "max"):
        stage = {"average": AveragePool, "max": MaxPool}[kind](draw(st.integers(1, min(2, *shape[:2]))))
    else:
        stage = {
            "linear": Linear(draw(st.integers(1, 9)), draw(st.booleans())),
            "global": GlobalPool(),
            "flatten": Flatten(),
        }[kind]
    spikes = signal.spikes and kind in ("max", "flatten", "select")
    return stage, Signal(stage.out(shape), signal.T, spikes)


@st.composite
def chains(draw, signal, depth=2, most=6):
    """A `Sequential` of up to `most` stages, and what comes out."""
    stages = []
    while len(stages) < most and draw(st.integers(0, most)):
        group = draw(st.sampled_from(GROUPS)) if draw(st.booleans()) else (None,)
        for kind in group:
            kinds = legal(signal, depth)
            kind = kind or draw(st.sampled_from(kinds))
            if kind not in kinds:
                break
            stage, signal = draw(stage_of(kind, signal, depth))
            stages.append((f"{kind}{len(stages)}", stage))
    return Sequential(tuple(stages)), signal


@st.composite
def residuals(draw, signal, depth):
    """Two branches whose ends are made to fit, by stages that are drawn, too."""
    (main, a), (shortcut, b) = draw(chains(signal, depth, 5)), draw(chains(signal, depth, 2))
    if draw(st.booleans()):
        main, shortcut, a, b = shortcut, main, b, a
    T = max(a.T, b.T)
    width = draw(st.integers(1, 9))

    def fitted(branch, end):
        more = []
        if a.shape != b.shape:
            more += [("flat", Flatten())] if len(end.shape) == 3 else []
            more += [("fit", Linear(width))]
        if 1 < end.T < T:
            more += [("once", MeanOverTime())]
        if end.T < T and draw(st.booleans()):  # else what is the same at every step is added to each
            more += [("again", Repeat(T))]
        return Sequential((*branch.stages, *more))

    main, shortcut = fitted(main, a), fitted(shortcut, b)
    return Residual(main, shortcut), Signal(main.out(signal.shape), T)


@st.composite
def random_nets(draw):
    """A network with something to learn, the shape of its input, and the number of its steps."""
    C = draw(st.sampled_from([1, 2, 8]))
    signal = Signal(
        (draw(st.integers(3, 7)), draw(st.integers(3, 7)), C), draw(st.sampled_from([1, 1, 1, 2]))
    )
    net, _ = draw(chains(signal, 2, 9))
    return net, signal
