r"""LIF neurons that learn how much they leak (PLIF; Fang et al. 2021, Eq. 8 and 10).

    charge  u_t = v_{t-1} + k (I_t - (v_{t-1} - v_rest)),   k = sigmoid(a) = 1 / tau_m

fire and reset as in lif.py. It is the neuron there with decay = 1 - k and gain = k; what is new is the
gradient for a, one number for a whole layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from minisnn.arguments import check, cotangent, floating
from minisnn.backend import Array, array_module
from minisnn.ops.lif import LIFCache, lif_backward, lif_forward
from minisnn.ops.neuron import Neuron


class PLIFCache(NamedTuple):
    """What `plif_backward` needs."""

    current: Array  # [T, ...]
    k: float
    lif: LIFCache

    @property
    def activity(self) -> Array | None:
        """As in `LIFCache`."""
        return self.lif.activity

    @property
    def spikes(self) -> Array:
        """As in `LIFCache`."""
        return self.lif.spikes

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return self.lif.firing_rate()


def plif_forward(
    current: Array, a: Array, neuron: Neuron, score: str | None = None
) -> tuple[Array, PLIFCache]:
    r"""Spikes of neurons with a learnable leak (Fang et al. 2021).

    $$ u_t = v_{t-1} + k \bigl(I_t - (v_{t-1} - V_\mathrm{rest})\bigr), \qquad k = \frac{1}{1 + e^{-a}} $$

    current: [T, ...] floating, in the unit of the threshold. a: [1] floating, of the whole layer; 0 is tau_m = 2.
    neuron: threshold, reset and surrogate; its decay and gain are not used. score: see `lif_forward`. Returns spikes,
    as `lif_forward`, and the cache. Raises ValueError as it does, and for another shape of a.
    """
    from scipy.special import expit  # takes long to import

    current, a = floating(current=current, a=a)
    check("a", a.shape, a.shape == (1,), "of shape (1,)")
    k = float(expit(float(a[0])))
    spikes, cache = lif_forward(current, replace(neuron, decay=1 - k, gain=k), score)
    return spikes, PLIFCache(current, k, cache)


def plif_backward(dspikes: Array, cache: PLIFCache) -> tuple[Array, Array]:
    r"""Gradients of `plif_forward`: dcurrent [T, ...] and da [1].

    $$ \frac{\partial L}{\partial a} = k (1 - k) \sum_t \delta_t \bigl(I_t - (v_{t-1} - V_\mathrm{rest})\bigr), \qquad
       \frac{\partial L}{\partial I_t} = k \, \delta_t $$

    with delta_t as in `lif_backward`, summed over all neurons and samples. dspikes: [T, ...] floating, of the spikes'
    shape. Raises ValueError for another shape or dtype.
    """
    current, k, (u, spikes, neuron, _) = cache
    dspikes, xp = cotangent("dspikes", dspikes, u.shape, u), array_module(u)
    dcurrent = lif_backward(dspikes, cache.lif)
    v = neuron.reset(u, spikes) - neuron.rest  # v_t - v_rest
    before = xp.concatenate([xp.zeros_like(v[:1]), v[:-1]])  # v_{t-1} - v_rest
    da = (1 - k) * (dcurrent * (current - before)).sum()
    return dcurrent, da.reshape(1)
