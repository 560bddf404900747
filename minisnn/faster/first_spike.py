"""The first-spike layer without the arrays [B, N, M] of its plain twin (chapter 05).

Multiply by z and the quotient of Eq. 5 disappears: U_j(z) = z V_j(z) = sum_i w_ij max(0, z - z_i)
is piecewise linear, its slope A_j is the sum of the weights that have arrived, and the threshold
becomes the straight line U_j = z. So we follow F_j(z) = U_j(z) - z from arrival to arrival. The
neuron fires in the first gap at whose end F_j >= 0. Ties are gaps of width 0, and inputs that
never arrive and neurons that never fire end at Z_MAX: none of them is a special case.

Some arrivals at a time stay in cache, and a product with a triangle of ones sums them up; where all
inputs have few distinct times, one product brings all that arrive at one. A device has memory and no
such cache: it takes the plain pair, for as many samples at a time as fit. The workspace never grows
with N * M beyond that. tests/test_twins.py holds it equal to ops/first_spike.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisnn.arguments import cotangent
from minisnn.backend import Array, array_module
from minisnn.faster.product import product
from minisnn.ops import first_spike as plain
from minisnn.ops.first_spike import EPS, Z_MAX, FirstSpikeCache, checked

FEW_TIMES = 32  # up to this many distinct input times, one matrix product for each is fastest
ON_DEVICE = 1 << 26  # entries of one array [B, N, M] on a device, of some ten: 256 MiB of float32
BLOCK = 1 << 14  # elements worked on at a time: about 64 KiB in float32, which stays in cache


def first_spike_forward(z_in: Array, weight: Array) -> tuple[Array, FirstSpikeCache]:
    """The twin of `ops.first_spike.first_spike_forward`."""
    z_in, weight = checked(z_in, weight)  # an input that never comes arrives in a gap of width 0
    if not len(z_in):
        return plain.first_spike_forward(z_in, weight)
    times = _few_times(z_in)
    if times is None and not isinstance(z_in, np.ndarray):
        z_out, slope = _forward_on_device(z_in, weight)
    else:
        z_out, slope = _forward(times, z_in, weight)
    return z_out, FirstSpikeCache(z_in, weight, z_out, slope, times)


def _forward(times: Array | None, z_in: Array, weight: Array) -> tuple[Array, Array]:
    """z_out and slope, K gaps between arrivals at a time; times: of the arrivals, where they are few."""
    xp = array_module(z_in)
    B, M = len(z_in), weight.shape[1]
    z_out, slope_out = xp.full(B * M, xp.inf, z_in.dtype), xp.full(B * M, xp.inf, z_in.dtype)
    waiting = xp.ones(B * M, bool)
    slope = xp.full(B * M, -1, z_in.dtype)  # A - 1: no weight has arrived
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
        hit = xp.flatnonzero(_first((F_end >= 0) & (slopes > EPS), waiting))  # where in [K, B, M]
        if hit.size:
            neuron = hit % (B * M)
            F_start = xp.where(hit < B * M, F[neuron], F_end.ravel()[hit - B * M])
            slope_out[neuron] = slopes.ravel()[hit]
            z_out[neuron] = z_now.ravel()[hit // M] - F_start / slope_out[neuron]
        slope, F = slopes[-1], F_end[-1]
    if not xp.isfinite(slope).all():
        raise ValueError("weight holds values that are not finite")
    return z_out.reshape(B, M), slope_out.reshape(B, M)


def _first(crossed: Array, waiting: Array) -> Array:
    """Only the first crossing [K, B * M] of each neuron that was waiting for one. Changes both in place."""
    if not isinstance(crossed, np.ndarray):
        crossed &= (crossed.cumsum(0) == 1) & waiting
        waiting ^= crossed.any(0)
        return crossed
    for here in crossed:
        here &= waiting
        waiting ^= here
    return crossed


def _forward_on_device(z_in: Array, weight: Array) -> tuple[Array, Array]:
    """z_out and slope by the plain pair, for some samples at a time."""
    xp = array_module(z_in)
    parts = [plain.first_spike_forward(z_in[n], weight)[1] for n in _samples(z_in, weight)]
    return xp.concatenate([part.z_out for part in parts]), xp.concatenate([part.slope for part in parts])


def _backward_on_device(
    dz_out: Array, cache: FirstSpikeCache, need_dz_in: bool
) -> tuple[Array | None, Array]:
    """The same gradients by the plain pair, for some samples at a time."""
    xp = array_module(dz_out)
    dz_in, dweight = [], xp.zeros_like(cache.weight)
    for n in _samples(cache.z_in, cache.weight):
        part = FirstSpikeCache(cache.z_in[n], cache.weight, cache.z_out[n], cache.slope[n])
        dz, dw = plain.first_spike_backward(dz_out[n], part, need_dz_in)
        dz_in.append(dz)
        dweight += dw
    return xp.concatenate(dz_in) if need_dz_in else None, dweight


def _samples(z_in: Array, weight: Array) -> list[slice]:
    """So many samples at a time that their [B, N, M] fits on a device."""
    size = max(1, ON_DEVICE // weight.size)
    return [slice(k, k + size) for k in range(0, max(1, len(z_in)), size)]


def first_spike_backward(
    dz_out: Array, cache: FirstSpikeCache, need_dz_in: bool = True
) -> tuple[Array | None, Array]:
    """The twin of `ops.first_spike.first_spike_backward`."""
    z_in, weight, z_out, slope, times = cache
    dz_out = cotangent("dz_out", dz_out, z_out.shape, weight)
    xp = array_module(z_in)
    if times is None and not isinstance(z_in, np.ndarray):
        return _backward_on_device(dz_out, cache, need_dz_in)
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
