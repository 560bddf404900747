"""Neurons that integrate, leak, fire and reset: ESL Eq. 7-9, SCA Eq. 1-3, and their backward through time.

    charge  u_t = r + decay (v_{t-1} - r) + gain I_t,   v_0 = r   (chapters 07, 11)
    fire    a_t = 1[u_t > v_th]                                   (chapter 08)
    reset   v_t = (1 - a_t) u_t + a_t v_reset    hard             (chapter 09)
            v_t = u_t - v_th a_t                 soft

where r, the potential at rest, is v_reset, or 0 with the soft reset. ESL's and TET's neuron has
decay = tau and gain = 1; a leak with time constant tau_m in SpikingJelly's sense has
decay = 1 - 1 / tau_m, and gain = 1 / tau_m if the input decays too; without a leak, decay = 1.
Time is the first axis. This is the only file in which a step depends on the one before.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import check, cotangent, floating, one_of
from minisnn.backend import Array, array_module
from minisnn.blocks import each, split
from minisnn.ops.lif_cuda import lif_cuda_backward, lif_cuda_forward, runs_here
from minisnn.ops.linear import column_sums
from minisnn.ops.neuron import Neuron

BLOCK = 1 << 15  # neurons at a time: their arrays of 128 KiB stay in cache from step to step


class LIFCache(NamedTuple):
    """What `lif_backward` needs."""

    u: Array  # [T, ...] potentials before the reset
    spikes: Array  # [T, ...]
    neuron: Neuron
    activity: Array | None = None  # [C], mean over all axes but the last; None unless asked for

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return array_module(self.spikes).count_nonzero(self.spikes) / max(1, self.spikes.size)


def lif_forward(current: Array, neuron: Neuron, score: str | None = None) -> tuple[Array, LIFCache]:
    r"""Spikes of neurons over time (ESL Eq. 7-9; chapters 07-09 and 11).

    $$ u_t = r + \lambda (v_{t-1} - r) + g I_t, \qquad a_t = \Theta(u_t - V_{th}), \qquad
       v_t = (1 - a_t) u_t + a_t V_{reset} $$

    current: [T, ...] floating, in the unit of the threshold. neuron: see `Neuron`; lambda is its decay, g its gain.
    score: one of `SCORES`, the measure of channels' activity that the cache holds; None measures nothing.
    Returns spikes, bool of the same shape (floating if the neuron is smooth), and the cache.
    Raises ValueError for another dtype, an array without time, or an unknown score.
    """
    (current,) = floating(current=current)
    check("current", current.shape, current.ndim and len(current), "[T, ...] with T of at least 1")
    if score:
        one_of("score", score, SCORES)
    xp = array_module(current)
    if not current.shape[-1]:
        raise ValueError(f"current must have at least one neuron, found {current.shape}")
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
    r"""Gradient of `lif_forward`, backwards through time (chapter 09; the surrogate's slope is h).

    $$ \delta_t = g_t h_t + \lambda \delta_{t+1} \bigl[(1 - a_t) + (V_{reset} - u_t) h_t\bigr], \qquad
       \frac{\partial L}{\partial I_t} = g \, \delta_t $$

    with g_t = dspikes; g, without an index, is the gain. Soft reset: 1 - V_th h_t in the brackets. detach_reset: the
    terms with h_t in the brackets are left out. dspikes: [T, ...] floating, of the spikes' shape. Returns dcurrent
    [T, ...] in the potential's dtype. Raises ValueError for another shape or dtype.
    """
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


SCORES = ("code", "post-reset", "pre-reset")


def potential_magnitude(u: Array, spikes: Array, neuron: Neuron, score: str) -> Array:
    r"""How far each potential is from 0, at each step: what SCA's score of a channel averages (Eq. 4, chapter 17).

    $$ \text{code: } a_t + |v_t| \qquad \text{post-reset: } |v_t| \qquad \text{pre-reset: } |u_t| $$

    u, spikes: potentials before the reset and the spikes they cause, of equal shapes; v_t is the potential after the
    reset. "code" is what SCA's code does; the others are readings of the paper's text. Returns an array of u's shape
    and dtype. Raises ValueError for another score.
    """
    one_of("score", score, SCORES)
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
