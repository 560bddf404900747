"""What a trained network predicts for images: classes, scores, and everything inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minisnn.arguments import check
from minisnn.backend import Array, to_device, to_host
from minisnn.batches.interface import About
from minisnn.networks.compose import Sequential, inside, residual_sum, walked
from minisnn.networks.stages.base import Arrays, Stage
from minisnn.ops.neuron import Neuron
from minisnn.training.loop import batches
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState

NONE = "none"  # the name of no class, where classes have names


class Prediction(NamedTuple):
    """What a network says about B images."""

    classes: np.ndarray  # [B] int64, -1 where no neuron fires
    scores: np.ndarray  # [B, K], larger is better


def as_batch(images: Any, info: About) -> np.ndarray:
    """Images as they lie on disk, as the data set that a network was trained on has them.

    images: for a network on images [B, H, W, C], [B, H, W] if C = 1, or one image without B; integers from 0 to
    `info.max_value`, or floats from 0 to 1 or booleans, which are rounded to these integers. For a network on
    recordings [B, T, H, W, 2], or one without B, finite numbers. Arrays, or lists of arrays of one shape.
    Returns [B, H, W, C] of the smallest unsigned dtype, or [B, T, H, W, 2] float32, B of at least 1. Raises ValueError
    for anything else, saying which shape or values were found and which were expected.
    """
    shape = (info.frames or 1, *info.shape) if info.is_sequence else info.shape
    grey = not info.is_sequence and shape[-1] == 1
    try:
        x = np.asarray(images)
    except ValueError:  # NumPy's words for a ragged list name no shape
        found = ", ".join(sorted({str(np.shape(image)) for image in images}))
        raise ValueError(
            f"images must have one shape, found {found}; expected {_shapes(shape, grey)}"
        ) from None
    if x.shape == shape or (grey and x.shape == shape[:-1]):
        x = x[None]
    if grey and x.shape[1:] == shape[:-1]:
        x = x[..., None]
    if x.shape[1:] != shape or not len(x):
        raise ValueError(f"images must be {_shapes(shape, grey)}, found shape {np.shape(images)}")
    return _frames(x) if info.is_sequence else _grey_values(x, info.max_value)


def _shapes(shape: tuple[int, ...], grey: bool) -> str:
    """The accepted shapes, as text."""
    one = [shape, shape[:-1]] if grey else [shape]
    many, single = (
        " or ".join("[" + ", ".join([*lead, *map(str, s)]) + "]" for s in one) for lead in (["B"], [])
    )
    return f"{many}, B at least 1, or a single {single}"


def _grey_values(x: np.ndarray, max_value: int) -> np.ndarray:
    """Integers from 0 to max_value, as they are or from floats from 0 to 1."""
    check("images", x.dtype, x.dtype.kind in "buif", "integers, floats or booleans")
    if x.dtype.kind == "b":
        x = x.astype(float)
    low, high = x.min(), x.max()
    if x.dtype.kind == "f":
        holds = 0 <= low <= high <= 1  # False for NaN
        check("images", f"{low:g} to {high:g}", holds, "from 0 to 1 if they are floats")
        x = np.rint(x * float(max_value))
    else:
        check("images", f"{low} to {high}", 0 <= low <= high <= max_value, f"integers from 0 to {max_value}")
    return x.astype(np.min_scalar_type(max_value))


def _frames(x: np.ndarray) -> np.ndarray:
    check("images", x.dtype, x.dtype.kind in "buif", "integers, floats or booleans")
    check("images", "NaN or infinity", np.isfinite(x).all(), "finite")
    return x.astype(np.float32)


def predict(setup: Setup, state: TrainingState, images: np.ndarray) -> Prediction:
    """Classes and scores of images that `as_batch` returned, batch by batch, without what masks take away.

    A score is the output, averaged over time; of a first-spike network -t, where t = ln z is the time of the output
    neuron's spike, and -inf where it never fires.
    """
    params = setup.learner.parameters(state)
    classes, scores = [], []
    for index in batches(len(images), max(1, setup.batch_size // setup.accumulate)):
        x = setup.encode(to_device(images[index], setup.device))
        y, _, _ = setup.net.forward(params, state.buffers, x, train=False)
        classes.append(to_host(setup.objective.predict(y)))
        y = to_host(y)
        scores.append(-np.log(y) if setup.fires_once else y.mean(0))
    return Prediction(np.concatenate(classes).astype(np.int64), np.concatenate(scores))


class LIFTrace(NamedTuple):
    """What one layer of neurons over time did. All arrays are [T, B, ...]."""

    current: np.ndarray  # I_t, what charges the neurons
    potential: np.ndarray  # u_t, after charging and before the reset
    spikes: np.ndarray  # a_t, bool
    neuron: Neuron | None  # threshold, decay, reset; None for a kind of neuron that does not say


class FirstSpikeTrace(NamedTuple):
    """What one layer of neurons that fire at most once did; z = exp(t)."""

    z_in: np.ndarray  # [B, N]; Z_MAX stands for an input that never comes
    z_out: np.ndarray  # [B, M], inf where the neuron never fires
    weight: np.ndarray  # [N, M], 0 where a mask lets no synapse be

    def causal_set(self, sample: int, neuron: int) -> np.ndarray:
        """C_j = {i : z_i < z_j}, of the synapses that there are (ESL Eq. 4): [N] bool."""
        return (self.z_in[sample] < self.z_out[sample, neuron]) & (self.weight[:, neuron] != 0)


LayerTrace = LIFTrace | FirstSpikeTrace


@dataclass(frozen=True)
class Trace(Mapping[str, LayerTrace]):
    """Everything that happened in a network: `trace["lif1"].spikes`, `list(trace)`; layers in their order."""

    input: np.ndarray  # what the network saw: currents [T or 1, B, H, W, C], or spike times z [B, N]
    layers: dict[str, LayerTrace]
    output: np.ndarray  # [T or 1, B, K], or z [B, K]

    def __getitem__(self, name: str) -> LayerTrace:
        if name not in self.layers:
            raise KeyError(f"there is no layer {name!r}, only {', '.join(self.layers)}")
        return self.layers[name]

    def __repr__(self) -> str:
        return f"<Trace of {self.output.shape[-2]} samples: {', '.join(self.layers)}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def trace(net: Sequential, params: Arrays, buffers: Arrays, x: Array) -> Trace:
    """A pass of a plain network in evaluation mode, with all that its neurons did, on the host.

    x: what `Setup.encode` returns. Neurons of any kind are traced whose cache has `spikes` and the potentials `u`.
    """
    layers: dict[str, LayerTrace] = {}

    def leaf(key: str, stage: Stage, x: Array) -> Array:
        y, cache, _ = stage.forward(inside(key, params), inside(key, buffers), x, False)
        if hasattr(cache, "z_out"):
            layers[key] = FirstSpikeTrace(*map(to_host, (cache.z_in, cache.z_out, cache.weight)))
        elif hasattr(cache, "spikes"):
            current, potential, spikes = map(to_host, (x, cache.u, cache.spikes))
            layers[key] = LIFTrace(current, potential, spikes, getattr(cache, "neuron", None))
        return y

    y = walked(net, x, leaf, residual_sum)
    return Trace(to_host(x), layers, to_host(y))
