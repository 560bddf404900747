"""The first-spike layer: ESL Eq. 3-5 forwards, and their derivatives backwards.

A neuron without leak sums exponential synapses and fires at most once. In the z-domain,
z = exp(t), its potential is V_j(z) = sum_i w_ij max(0, 1 - z_i/z), and it fires where V_j = 1.

Multiply by z and the quotient of Eq. 5 disappears: U_j(z) = z V_j(z) = sum_i w_ij max(0, z - z_i)
is piecewise linear, its slope A_j is the sum of the weights that have arrived, and the threshold
becomes the straight line U_j = z. So we follow F_j(z) = U_j(z) - z from arrival to arrival. The
neuron fires in the first gap at whose end F_j >= 0. Ties are gaps of width 0, and inputs that
never arrive and neurons that never fire end at Z_MAX: none of them is a special case.
Chapters 04 and 05 derive this form from Eq. 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array, array_module
from minisnn.ops.linear import product

Z_MAX = 1e5  # a spike later than this (t = 11.5) counts as never
EPS = 1e-10  # a slope A - 1 no larger than this crosses no threshold
FEW_TIMES = 32  # up to this many distinct input times, one matrix product for each is fastest
BLOCK = 1 << 14  # elements worked on at a time: about 64 KiB in float32, which stays in cache


class FirstSpikeCache(NamedTuple):
    """What `first_spike_backward` needs."""

    z_in: Array  # [B, N]
    weight: Array  # [N, M]
    z_out: Array  # [B, M], inf where the neuron never fires
    slope: Array  # [B, M], A - 1 over the causal set, inf where the neuron never fires
    times: Array | None  # the distinct values of z_in, ascending, where they are few

    def firing_rate(self) -> Array:
        """The fraction of neurons, over the batch, that fired."""
        return (self.z_out < float("inf")).sum() / max(1, self.z_out.size)


def first_spike_forward(z_in: Array, weight: Array) -> tuple[Array, FirstSpikeCache]:
    r"""First spike of every neuron (ESL Eq. 5, chapters 03-05).

    $$ z_j = \frac{\sum_{i \in C_j} w_{ij} z_i}{\sum_{i \in C_j} w_{ij} - 1}, \qquad C_j = \{i : z_i < z_j\} $$

    z_in:   [B, N] floating, z = exp(t) of every input spike, > 0; inf for one that never arrives.
    weight: [N, M] of the same dtype, w_ij from input i to neuron j, 0 where there is no synapse.
    Returns z_out [B, M] in the same dtype, inf where the neuron never fires (by Z_MAX), and the cache.
    The workspace is a few arrays of [K, B, M] elements, K gaps at a time: it does not grow with N * M.
    Raises ValueError for dtypes or shapes that do not fit, a layer without neurons, z_in that is not positive, or
    weights that are not finite.
    """
    z_in, weight = floating(z_in=z_in, weight=weight)
    _check(z_in, weight)
    xp = array_module(z_in)
    z_in = xp.minimum(z_in, Z_MAX)  # an input that never comes arrives in a gap of width 0
    B, M = len(z_in), weight.shape[1]
    z_out, slope_out = xp.full(B * M, xp.inf, z_in.dtype), xp.full(B * M, xp.inf, z_in.dtype)
    if not B:
        return z_out.reshape(B, M), FirstSpikeCache(
            z_in, weight, z_out.reshape(B, M), z_out.reshape(B, M), None
        )
    waiting = xp.ones(B * M, bool)
    slope = xp.full(B * M, -1, z_in.dtype)  # A - 1: no weight has arrived
    times = _few_times(z_in)
    if times is None:
        first, arrivals = z_in.min(1), _arrivals_sorted(z_in, weight)
    else:
        first, arrivals = xp.repeat(times[:1], B), _arrivals_at(times, z_in, weight)
    F = xp.repeat(-first, M)  # U - z at the first arrival, where U is still 0

    triangle = None
    for z_now, gap, arriving in arrivals:  # [K, B], [K, B], [K, B, M]: K gaps between arrivals
        if triangle is None:  # of ones: a product with it gives running sums, faster than cumsum
            triangle = xp.tri(len(gap), dtype=z_in.dtype)
        arriving = arriving.reshape(-1, B * M)
        arriving[0] += slope
        slopes = _running_sum(triangle, arriving)
        rise = (slopes.reshape(-1, B, M) * gap[:, :, None]).reshape(-1, B * M)
        rise[0] += F
        F_end = _running_sum(triangle, rise)
        crossed = (F_end >= 0) & (slopes > EPS)
        for here in crossed:  # keep only the first crossing of each neuron
            here &= waiting
            waiting ^= here
        hit = xp.flatnonzero(crossed)  # where in [K, B, M]
        if hit.size:
            neuron = hit % (B * M)
            F_start = xp.where(hit < B * M, F[neuron], F_end.ravel()[hit - B * M])
            slope_out[neuron] = slopes.ravel()[hit]
            z_out[neuron] = z_now.ravel()[hit // M] - F_start / slope_out[neuron]
        slope, F = slopes[-1], F_end[-1]
    if not xp.isfinite(slope).all():
        raise ValueError("weight holds values that are not finite")
    z_out = z_out.reshape(B, M)
    return z_out, FirstSpikeCache(z_in, weight, z_out, slope_out.reshape(B, M), times)


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
    z_in, weight, z_out, slope, times = cache
    dz_out = cotangent("dz_out", dz_out, z_out.shape, weight)
    xp = array_module(z_in)
    flow = dz_out / slope  # dL/dF with its sign turned; 0 where the neuron never fires, whose slope is inf
    z_out = xp.where(xp.isinf(z_out), 0, z_out)
    if times is not None:
        return _backward_at(times, z_in, weight, z_out, flow, need_dz_in)
    dz_in = xp.zeros_like(z_in) if need_dz_in else None
    dweight = xp.empty_like(weight)
    if len(weight) <= weight.shape[1]:  # loop over the shorter side of W
        for i, z_i in enumerate(z_in.T[:, :, None]):
            flow_i = (z_i < z_out) * flow  # [B, M]: the part of input i
            dweight[i] = z_i[:, 0] @ flow_i - xp.einsum("bj,bj->j", flow_i, z_out)
            if dz_in is not None:
                dz_in[:, i] = flow_i @ weight[i]
    else:
        for j, z_j in enumerate(z_out.T[:, :, None]):
            flow_j = (z_in < z_j) * flow[:, j, None]  # [B, N]: the part of neuron j
            dweight[:, j] = xp.einsum("bi,bi->i", flow_j, z_in) - z_j[:, 0] @ flow_j
            if dz_in is not None:
                dz_in += flow_j * weight[:, j]
    return dz_in, dweight


def _backward_at(
    times: Array, z_in: Array, weight: Array, z_out: Array, flow: Array, need_dz_in: bool
) -> tuple[Array | None, Array]:
    """The same for K input times, in one product.

    The earliest time is the complement of the others: what every input would get if it had arrived then, plus the
    difference for those that arrived later.
    """
    xp = array_module(z_in)
    (B, N), M = z_in.shape, weight.shape[1]
    came = (z_in == times[:, None, None]).astype(weight.dtype)  # [K, B, N]
    since = xp.maximum(z_out - times[:, None, None], 0) * flow  # [K, B, M]
    dweight = product(came[1:].reshape(-1, N).T, (since[0] - since[1:]).reshape(-1, M))
    dweight -= since[0].sum(0)
    if not need_dz_in:
        return None, dweight
    causal = (z_out > times[:, None, None]) * flow  # [K, B, M]
    dz = product(causal.reshape(-1, M), weight.T).reshape(-1, B, N)  # of any input, had it come at each time
    return (dz * came).sum(0), dweight


def _arrivals_sorted(z_in: Array, weight: Array) -> Iterator[tuple[Array, Array, Array]]:
    """The gaps that follow the 1st, 2nd, ... earliest input of each sample, K at a time."""
    xp = array_module(z_in)
    B, M = len(z_in), weight.shape[1]
    order = xp.argsort(z_in, axis=1)
    z = xp.take_along_axis(z_in, order, 1).T
    order, gap = order.T, xp.empty_like(z)
    gap[:-1] = z[1:] - z[:-1]
    gap[-1] = Z_MAX - z[-1]
    K = max(1, BLOCK // (B * M))
    for n in range(0, len(z), K):
        arriving = weight.take(order[n : n + K].ravel(), axis=0)
        yield z[n : n + K], gap[n : n + K], arriving.reshape(-1, B, M)


def _arrivals_at(times: Array, z_in: Array, weight: Array) -> Iterator[tuple[Array, Array, Array]]:
    """The gaps that follow each of K times, which all samples share: one product brings all weights."""
    xp = array_module(z_in)
    (B, N), M = z_in.shape, weight.shape[1]
    came = (z_in == times[:-1, None, None]).astype(weight.dtype)  # [K-1, B, N]
    arriving = product(came.reshape(-1, N), weight).reshape(-1, B, M)
    rest = weight.sum(0) - arriving.sum(0)  # the last time brings all that has not arrived yet
    z_now = xp.repeat(times[:, None], B, 1)
    gap = xp.concatenate([z_now[1:], xp.full_like(z_now[:1], Z_MAX)]) - z_now
    yield z_now, gap, xp.concatenate([arriving, rest[None]])


def _few_times(z_in: Array) -> Array | None:
    """The distinct values of z_in where they are few, as with binarised images; else None."""
    xp = array_module(z_in)
    limit = min(FEW_TIMES, z_in.shape[1] - 1)
    if len(xp.unique(z_in[0])) > limit:  # one sample is enough to say no, and cheap
        return None
    times = xp.unique(z_in)
    return times if len(times) <= limit else None


def _running_sum(triangle: Array, x: Array) -> Array:
    """Running sums over the first axis, which may be shorter than the triangle."""
    n = len(x)
    return x if n == 1 else triangle[:n, :n] @ x


def _check(z_in: Array, weight: Array) -> None:
    if z_in.ndim != 2 or weight.ndim != 2 or z_in.shape[1] != weight.shape[0] or not weight.size:
        raise ValueError(f"expected z_in [B, N] and weight [N, M], found {z_in.shape} and {weight.shape}")
    if z_in.dtype != weight.dtype:
        raise ValueError(f"expected one floating dtype, found z_in {z_in.dtype} and weight {weight.dtype}")
    if not (z_in > 0).all():
        raise ValueError(f"z_in = exp(t) must be > 0, found {z_in.min()}")
