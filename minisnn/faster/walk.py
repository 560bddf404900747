"""The same network, faster: a walk over a network's stages that returns an equivalent one.

Each rule is an equation between stages. Parameters keep their names, so that a plain network and
its fast twin share checkpoints, masks and moments.

    Conv, LIF, ...    = FastConv, FastLIF, ...          the same stage with the fast twin of its pair
    Repeat, Conv      = Conv, Repeat                    a static image is convolved once
    BatchNorm, LIF    = NormLIF                         one pass over memory (norm_lif.py)
    Conv 3x3          = Winograd                        a quarter of the multiplications (winograd.py)
    AveragePool, Conv = SumPool, Scaled(Conv, 1/k^2)    spikes are summed in bytes, exactly

Chapters 12 and 13 explain the last three; tests/test_faster.py holds the two networks equal.
"""

from __future__ import annotations

from dataclasses import replace

from minisnn.faster.stages import TWINS, Held, Named, NormLIF, Scaled, Winograd
from minisnn.networks.compose import Residual, Sequential, rebuilt
from minisnn.networks.stages.base import Shape, Stage
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, SumPool
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear

FEW_CHANNELS = 8  # with fewer the transforms of Winograd's way cost more than they save
SMALL_MAP = 4  # on smaller ones the kernels' transforms do


def fast(net: Sequential, shape: Shape, device: str = "cpu") -> Sequential:
    """A network that computes what `net` does, to rounding, for inputs of this shape (docs/design.md, "Speed").

    shape: of one sample. device: "cpu" or "gpu", where the arrays will live. Either network runs on both, but a GPU is
    faster without Winograd's transforms, and with batch norm and neurons apart. Stages are replaced, joined or
    exchanged; parameters and buffers keep their keys. It has no text, and no costs can be measured on it: take `net`
    for these. Stages of your own stay as they are.
    """
    stages = _static_first(list(net.stages))
    stages = _pool_sums(stages)
    if device == "cpu":
        stages = _norm_and_neurons(stages)
    done: list[Named] = []
    for name, stage in stages:
        done.append((name, _faster(stage, shape, device)))
        shape = stage.out(shape)
    return Held(tuple(done))


def twins(net: Sequential) -> Sequential:
    """The same stages in the same order, each with the fast twin of its pair: traces and costs see them all."""
    return Held(rebuilt(net, lambda name, stage: [(name.rpartition(".")[2], _twin(stage))]).stages)


def _static_first(stages: list[Named]) -> list[Named]:
    """Move Repeat behind stages that treat every step alike."""
    for n in range(len(stages) - 1):
        (name, repeat), (after, stage) = stages[n : n + 2]
        if isinstance(repeat, Repeat) and isinstance(stage, (Conv, Linear, BatchNorm, Flatten)):
            if isinstance(stage, BatchNorm):
                stage = replace(stage, copies=stage.copies * repeat.T)
            stages[n : n + 2] = [(after, stage), (name, repeat)]
    return stages


def _pool_sums(stages: list[Named]) -> list[Named]:
    """Sum spikes in a pool, and scale the weights behind it. Only weights can take up the factor, not batch norm."""
    stages = list(stages)
    for n in range(1, len(stages) - 1):
        name, stage = stages[n]
        m, before = n + 1 + isinstance(stages[n + 1][1], Flatten), stages[n - 1][1]
        spikes = isinstance(before, LIF) and not before.neuron.smooth
        if not (isinstance(stage, AveragePool) and spikes and m < len(stages)):
            continue
        after, weights = stages[m]
        if stage.k <= 15 and isinstance(weights, (Conv, Linear)):
            stages[n], stages[m] = (name, SumPool(stage.k)), (after, Scaled(weights, 1 / stage.k**2))
    return stages


def _norm_and_neurons(stages: list[Named]) -> list[Named]:
    """Join batch norm with the neurons behind it, and with the Repeat between them."""
    stages, done = list(stages), []
    while stages:
        name, stage = stages.pop(0)
        repeat = 1
        if isinstance(stage, BatchNorm) and stages:
            if isinstance(stages[0][1], Repeat) and len(stages) > 1 and isinstance(stages[1][1], LIF):
                repeat = stages.pop(0)[1].T  # type: ignore[attr-defined]
            if isinstance(stages[0][1], LIF):
                inner, neurons = stages.pop(0)
                stage = NormLIF(stage, neurons, inner, repeat)  # type: ignore[arg-type]
        done.append((name, stage))
    return done


def _faster(stage: Stage, shape: Shape, device: str) -> Stage:
    """The fast twin of a single stage, or of what it contains."""
    if isinstance(stage, Scaled):
        return replace(stage, stage=_faster(stage.stage, shape, device))
    if isinstance(stage, Sequential):
        return fast(stage, shape, device)
    if isinstance(stage, Residual):
        return Residual(fast(stage.main, shape, device), fast(stage.shortcut, shape, device))
    if (
        device == "cpu"
        and isinstance(stage, Conv)
        and (stage.k, stage.stride, stage.padding) == (3, 1, 1)
        and shape[2] >= FEW_CHANNELS
        and min(shape[:2]) >= SMALL_MAP
    ):
        return Winograd(stage)
    return _twin(stage)


def _twin(stage: Stage) -> Stage:
    """The same stage with the fast pair; one without, such as yours, as it is."""
    known = TWINS.get(type(stage))
    return known(**vars(stage)) if known else stage
