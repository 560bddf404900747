"""Neurons over time, a block of them at a time, all steps of one block before the next.

What a step leaves for the next stays in cache, and nothing but the potentials and the spikes is new memory; threads
share the blocks, and on a GPU all steps are one kernel (`lif_cuda.py`). docs/design.md explains it ("Speed").
tests/test_twins.py holds it equal to ops/lif.py, forwards to the last bit.
"""

from __future__ import annotations

from minisnn.arguments import cotangent
from minisnn.backend import Array, array_module
from minisnn.faster.blocks import each, split
from minisnn.faster.lif_cuda import lif_cuda_backward, lif_cuda_forward, runs_here
from minisnn.faster.product import column_sums
from minisnn.ops.lif import LIFCache, checked
from minisnn.ops.neuron import Neuron

BLOCK = 1 << 15  # neurons at a time: their arrays of 128 KiB stay in cache from step to step


def lif_forward(current: Array, neuron: Neuron, score: str | None = None) -> tuple[Array, LIFCache]:
    """The twin of `ops.lif.lif_forward`."""
    current = checked(current, score)
    xp = array_module(current)
    flat = current.reshape(len(current), -1)
    u = xp.empty(flat.shape, current.dtype)
    spikes = xp.empty(flat.shape, current.dtype if neuron.smooth else bool)
    blocks = split(flat.shape[1], 1, BLOCK, u)
    each(lambda n: integrate(flat[:, n], neuron, u[:, n], spikes[:, n]), blocks)
    activity = None
    if score:
        C = current.shape[-1]
        steps = (potential_magnitude(*z, neuron, score) for z in zip(u, spikes, strict=True))
        activity = sum(column_sums(step.reshape(-1, C)) for step in steps) * C / max(1, u.size)
    spikes = spikes.reshape(current.shape)
    return spikes, LIFCache(u.reshape(current.shape), spikes, neuron, activity)


def lif_backward(dspikes: Array, cache: LIFCache) -> Array:
    """The twin of `ops.lif.lif_backward`."""
    u, spikes, neuron, _ = cache
    dspikes = cotangent("dspikes", dspikes, u.shape, u)
    T = len(u)
    dcurrent = array_module(u).empty_like(u)
    flat = [a.reshape(T, -1) for a in (dspikes, u, spikes, dcurrent)]
    each(
        lambda n: adjoint(flat[0][:, n], flat[1][:, n], flat[2][:, n], flat[3][:, n], neuron),
        split(flat[0].shape[1], 1, BLOCK, u),
    )
    return dcurrent


def integrate(current: Array, neuron: Neuron, u: Array, spikes: Array) -> None:
    """Charge, fire and reset, step by step, for one block. Writes u and spikes; u may be current itself."""
    if runs_here(current, neuron):
        flat = [a.reshape(len(a), -1) for a in (current, u, spikes)]
        flat[1][...], flat[2][...] = lif_cuda_forward(flat[0], neuron)
        return
    xp, real = array_module(current), current.dtype.type
    hard = neuron.v_reset is not None
    fires = xp.greater_equal if neuron.fire_at_equality else xp.greater
    v = xp.full(current.shape[1:], neuron.rest, current.dtype)
    for I_t, u_t, a_t in zip(current, u, spikes, strict=True):
        v *= neuron.decay
        if neuron.rest:
            v += (1 - neuron.decay) * neuron.rest
        if neuron.gain != 1:
            xp.multiply(I_t, neuron.gain, out=u_t)
            u_t += v
        else:
            xp.add(I_t, v, out=u_t)
        if neuron.smooth:
            a_t[...] = neuron.surrogate.step(u_t - neuron.v_th)
        else:
            fires(u_t, neuron.v_th, out=a_t)
        if hard:
            xp.multiply(u_t, _not(a_t), out=v)
            if neuron.v_reset:
                v += a_t * real(neuron.v_reset)
        else:
            xp.multiply(a_t, real(neuron.v_th), out=v)
            xp.subtract(u_t, v, out=v)


def adjoint(dspikes: Array, u: Array, spikes: Array, dcurrent: Array, neuron: Neuron) -> None:
    """The recursion of `lif_backward` for one block. Writes dcurrent, which may be u itself."""
    if runs_here(u, neuron):
        dspikes, u, spikes, flat = (a.reshape(len(a), -1) for a in (dspikes, u, spikes, dcurrent))
        flat[...] = lif_cuda_backward(dspikes, u, spikes, neuron)
        return
    xp = array_module(u)
    carry = xp.zeros(u.shape[1:], u.dtype)  # decay * delta_{t+1}
    for t in reversed(range(len(u))):
        g, u_t, delta = dspikes[t], u[t], dcurrent[t]
        h = neuron.surrogate.slope(u_t - neuron.v_th)
        if neuron.detach_reset:
            h *= g
        elif neuron.v_reset is not None:
            through = carry * u_t  # the larger a_t, the more of u_t the reset removes
            if neuron.v_reset:
                through -= neuron.v_reset * carry
            h *= xp.subtract(g, through, out=through)
        else:
            h *= g - neuron.v_th * carry
        if neuron.v_reset is not None:
            carry *= _not(spikes[t])
        xp.add(h, carry, out=delta)
        xp.multiply(delta, neuron.decay, out=carry)
        if neuron.gain != 1:
            delta *= neuron.gain


def potential_magnitude(u: Array, spikes: Array, neuron: Neuron, score: str) -> Array:
    """The twin of `ops.score.potential_magnitude`."""
    if score == "pre-reset":
        return abs(u)
    if neuron.v_reset is None:
        v = u - spikes * u.dtype.type(neuron.v_th)
    else:
        v = u * _not(spikes)
        if neuron.v_reset:
            v += spikes * u.dtype.type(neuron.v_reset)
    array_module(u).absolute(v, out=v)
    if score == "code":
        v += spikes
    return v


def _not(a: Array) -> Array:
    """1 - a, cheaply where a is bool."""
    return ~a if a.dtype == bool else 1 - a
