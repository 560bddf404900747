"""Dropout (Srivastava et al. 2014): neurons that are silent for a sample, the same at all time steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minisnn.arguments import check, cotangent, floating
from minisnn.backend import Array, array_module


class DropoutCache(NamedTuple):
    """What `dropout_backward` needs."""

    x: Array  # [T, B, ...]
    factor: Array  # [1, B, ...]: 0, or 1 / (1 - rate)


def dropout_forward(x: Array, rate: float, rng: np.random.Generator) -> tuple[Array, DropoutCache]:
    r"""Drop each neuron of a sample with a probability, at all time steps together.

    $$ y_{tbi} = x_{tbi} \frac{m_{bi}}{1 - \rho}, \qquad m_{bi} \sim \text{Bernoulli}(1 - \rho) $$

    x: [T, B, ...] floating or spikes (bool). rate: rho, at least 0 and below 1. rng: draws m on the host. Time steps
    share m, as in SpikingJelly's `layer.Dropout`: a neuron that came and went from step to step would be noise.
    Returns y in x's dtype, float64 for spikes, and the cache. Raises ValueError for another dtype, shape or rate.
    """
    (x,) = floating(x=x, spikes=("x",))
    check("x", x.shape, x.ndim > 1, "[T, B, ...]")
    check("rate", rate, 0 <= rate < 1, "at least 0 and below 1")
    xp, dtype = array_module(x), x.dtype if x.dtype.kind == "f" else np.dtype(float)
    kept = rng.random((1, *x.shape[1:])) >= rate
    factor = xp.asarray((kept / (1 - rate)).astype(dtype))
    return x * factor, DropoutCache(x, factor)


def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """Gradient of `dropout_forward`, dy m / (1 - rho): [T, B, ...]. Raises ValueError for another shape or dtype."""
    dy = cotangent("dy", dy, cache.x.shape, cache.factor)
    return dy * cache.factor
