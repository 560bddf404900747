r"""Neurons that integrate, leak, fire and reset: ESL Eq. 7-9, SCA Eq. 1-3, and their backward through time.

    charge  u_t = v_rest + decay (v_{t-1} - v_rest) + gain I_t,   v_0 = v_rest   (chapters 07, 11)
    fire    a_t = 1[u_t > v_th]                                                  (chapter 08)
    reset   v_t = (1 - a_t) u_t + a_t v_reset    hard                            (chapter 09)
            v_t = u_t - v_th a_t                 soft

where v_rest, the potential at rest, is v_reset, or 0 with the soft reset. ESL's and TET's neuron has
decay = tau and gain = 1; a leak with time constant tau_m in SpikingJelly's sense has
decay = 1 - 1 / tau_m, and gain = 1 / tau_m if the input decays too; without a leak, decay = 1.
Time is the first axis.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import check, cotangent, floating, one_of
from minisnn.backend import Array, array_module
from minisnn.ops.neuron import Neuron
from minisnn.ops.score import SCORES, potential_magnitude, spike_rate


class LIFCache(NamedTuple):
    """What `lif_backward` needs."""

    u: Array  # [T, ...] potentials before the reset
    spikes: Array  # [T, ...]
    neuron: Neuron
    activity: Array | None = None  # [C], mean over all axes but the last; None unless asked for

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return spike_rate(self.spikes)


def lif_forward(current: Array, neuron: Neuron, score: str | None = None) -> tuple[Array, LIFCache]:
    r"""Spikes of neurons over time (ESL Eq. 7-9, SCA Eq. 1; chapters 07-09 and 11).

    $$ u_t = V_\mathrm{rest} + \tau (v_{t-1} - V_\mathrm{rest}) + \kappa I_t, \qquad
       a_t = \Theta(u_t - V_\mathrm{th}), \qquad v_t = (1 - a_t) u_t + a_t V_\mathrm{reset} $$

    current: [T, ...] floating, in the unit of the threshold. neuron: see `Neuron`; tau is its decay, kappa its gain.
    score: one of `SCORES`, the measure of channels' activity that the cache holds; None measures nothing.
    Returns spikes, bool of the same shape (floating if the neuron is smooth), and the cache.
    Raises ValueError for another dtype, an array without time, or an unknown score.
    """
    current = checked(current, score)
    xp = array_module(current)
    decay, rest, gain = neuron.decay, neuron.rest, neuron.gain
    u = xp.empty(current.shape, current.dtype)
    spikes = xp.empty(current.shape, current.dtype if neuron.smooth else bool)
    v = xp.full(current.shape[1:], rest, current.dtype)
    for t in range(len(current)):
        u[t] = decay * v + (1 - decay) * rest + gain * current[t]  # charge
        spikes[t] = neuron.fire(u[t])  # fire
        v = neuron.reset(u[t], spikes[t])  # reset
    activity = None
    if score:
        magnitude, n = potential_magnitude(u, spikes, neuron, score), max(1, u.size // u.shape[-1])
        activity = (magnitude.reshape(-1, u.shape[-1]).sum(0, float) / n).astype(u.dtype)
    return spikes, LIFCache(u, spikes, neuron, activity)


def lif_backward(dspikes: Array, cache: LIFCache) -> Array:
    r"""Gradient of `lif_forward`, backwards through time (SCA Eq. 3, chapter 09; the surrogate's slope is h).

    $$ \delta_t = g_t h_t + \tau \delta_{t+1} \bigl[(1 - a_t) + (V_\mathrm{reset} - u_t) h_t\bigr], \qquad
       \frac{\partial L}{\partial I_t} = \kappa \, \delta_t $$

    with g_t = dspikes. Soft reset: 1 - V_th h_t in the brackets. detach_reset: the
    terms with h_t in the brackets are left out. dspikes: [T, ...] floating, of the spikes' shape. Returns dcurrent
    [T, ...] in the potential's dtype. Raises ValueError for another shape or dtype.
    """
    u, spikes, neuron, _ = cache
    g, xp = cotangent("dspikes", dspikes, u.shape, u), array_module(u)
    h = neuron.surrogate.slope(u - neuron.v_th)
    kept = neuron.reset_slope(u, spikes, h)  # dv_t / du_t, the brackets
    delta, dcurrent = xp.zeros(u.shape[1:], u.dtype), xp.empty(u.shape, u.dtype)
    for t in reversed(range(len(u))):
        delta = g[t] * h[t] + neuron.decay * delta * kept[t]
        dcurrent[t] = neuron.gain * delta
    return dcurrent


def checked(current: Array, score: str | None) -> Array:
    """The current as an array. Raises ValueError as `lif_forward` says."""
    (current,) = floating(current=current)
    check("current", current.shape, current.ndim and len(current), "[T, ...] with T of at least 1")
    if score:
        one_of("score", score, SCORES)
    if not current.shape[-1]:
        raise ValueError(f"current must have at least one neuron, found {current.shape}")
    return current
