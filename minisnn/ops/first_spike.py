"""The first-spike layer: ESL Eq. 3-5 forwards, and their derivatives backwards.

A neuron without leak sums exponential synapses and fires at most once. In the z-domain,
z = exp(t), its potential is V_j(z) = sum_i w_ij max(0, 1 - z_i/z), and it fires where V_j = 1: at
the z_j of Eq. 5, if the causal set C_j is known. It is a prefix of the inputs in the order of
their times, the first whose z_j lies before the next input (chapters 04 and 05). All prefixes of
all neurons are tried at once, in arrays [B, N, M]; `faster/first_spike.py` needs no such array.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array, array_module

Z_MAX = 1e5  # a spike later than this (t = 11.5) counts as never
EPS = 1e-10  # a slope A - 1 no larger than this crosses no threshold


class FirstSpikeCache(NamedTuple):
    """What `first_spike_backward` needs."""

    z_in: Array  # [B, N]
    weight: Array  # [N, M]
    z_out: Array  # [B, M], inf where the neuron never fires
    slope: Array  # [B, M], A - 1 over the causal set, inf where the neuron never fires
    times: Array | None = None  # the distinct values of z_in, if the fast twin found that they are few

    def firing_rate(self) -> Array:
        """The fraction of neurons, over the batch, that fired."""
        return (self.z_out < float("inf")).sum() / max(1, self.z_out.size)


def first_spike_forward(z_in: Array, weight: Array) -> tuple[Array, FirstSpikeCache]:
    r"""First spike of every neuron (ESL Eq. 3-5, chapters 03-05).

    $$ z_j = \frac{\sum_{i \in C_j} w_{ij} z_i}{\sum_{i \in C_j} w_{ij} - 1}, \qquad C_j = \{i : z_i < z_j\} $$

    z_in:   [B, N] floating, z = exp(t) of every input spike, > 0; inf for one that never arrives.
    weight: [N, M] of the same dtype, w_ij from input i to neuron j, 0 where there is no synapse.
    Returns z_out [B, M] in the same dtype, inf where the neuron never fires (by Z_MAX), and the cache.
    Raises ValueError for dtypes or shapes that do not fit, a layer without neurons, z_in that is not positive, or
    weights that are not finite.
    """
    z_in, weight = checked(z_in, weight)
    xp = array_module(z_in)
    if not xp.isfinite(weight).all():
        raise ValueError("weight holds values that are not finite")
    order = z_in.argsort(1)
    z, w = xp.take_along_axis(z_in, order, 1)[:, :, None], weight[order]
    z_next = xp.concatenate([z[:, 1:], xp.full_like(z[:, :1], Z_MAX)], 1)
    A, Q = w.cumsum(1), (w * z).cumsum(1)  # [B, N, M]: over the first 1, 2, ... inputs
    rises = A - 1 > EPS
    slope = xp.where(rises, A - 1, xp.inf)
    z_j = xp.where(rises, Q / slope, xp.inf)
    fires = z_j <= z_next
    first, never = fires.argmax(1)[:, None], ~fires.any(1)
    z_out, slope = (xp.take_along_axis(a, first, 1)[:, 0] for a in (z_j, slope))
    z_out, slope = xp.where(never, xp.inf, z_out), xp.where(never, xp.inf, slope)
    return z_out, FirstSpikeCache(z_in, weight, z_out, slope)


def first_spike_backward(
    dz_out: Array, cache: FirstSpikeCache, need_dz_in: bool = True
) -> tuple[Array | None, Array]:
    r"""Gradients of `first_spike_forward` (chapter 05).

    $$ \frac{\partial z_j}{\partial w_{ij}} = -\frac{\max(0, z_j - z_i)}{A_j - 1}, \qquad
       \frac{\partial z_j}{\partial z_i} = [z_i < z_j] \frac{w_{ij}}{A_j - 1} $$

    dz_out: [B, M] floating. Returns dz_in [B, N] (None unless `need_dz_in`) and dweight [N, M]. The causal
    set is decided by time, not by w_ij != 0: dweight is dense, absent synapses have a gradient too.
    Nothing flows through neurons that never fire or inputs that never arrive. Raises ValueError for another shape or
    dtype.
    """
    z_in, weight, z_out, slope, _ = cache
    dz_out = cotangent("dz_out", dz_out, z_out.shape, weight)
    xp = array_module(z_in)
    flow = (dz_out / slope)[:, None]  # dz_j / (A_j - 1); 0 where the neuron never fires, whose slope is inf
    late = xp.where(xp.isinf(z_out), 0, z_out)[:, None] - z_in[:, :, None]  # z_j - z_i, [B, N, M]
    dweight = -(xp.maximum(late, 0) * flow).sum(0)
    dz_in = ((late > 0) * weight * flow).sum(2) if need_dz_in else None
    return dz_in, dweight


def checked(z_in: Array, weight: Array) -> tuple[Array, Array]:
    """The arguments as arrays; what never arrives arrives at Z_MAX. Raises ValueError as the forward says."""
    z_in, weight = floating(z_in=z_in, weight=weight)
    if z_in.ndim != 2 or weight.ndim != 2 or z_in.shape[1] != weight.shape[0] or not weight.size:
        raise ValueError(f"expected z_in [B, N] and weight [N, M], found {z_in.shape} and {weight.shape}")
    if z_in.dtype != weight.dtype:
        raise ValueError(f"expected one floating dtype, found z_in {z_in.dtype} and weight {weight.dtype}")
    if not (z_in > 0).all():
        raise ValueError(f"z_in = exp(t) must be > 0, found {z_in.min()}")
    return array_module(z_in).minimum(z_in, Z_MAX), weight
