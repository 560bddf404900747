r"""LIF neurons that also hear each other's spikes of the step before (explicit recurrence, as in Bellec et al. 2018).

    I_t = x_t + a_{t-1} W,   a_0 = 0

and charge, fire, reset as in lif.py.
"""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import check, cotangent, floating
from minisnn.backend import Array, array_module
from minisnn.ops.neuron import Neuron
from minisnn.ops.score import spike_rate


class RecurrentLIFCache(NamedTuple):
    """What `recurrent_lif_backward` needs."""

    u: Array  # [T, B, N] potentials before the reset
    spikes: Array  # [T, B, N]
    weight: Array  # [N, N]
    neuron: Neuron

    def firing_rate(self) -> Array:
        """Spikes per neuron and step."""
        return spike_rate(self.spikes)


def recurrent_lif_forward(x: Array, weight: Array, neuron: Neuron) -> tuple[Array, RecurrentLIFCache]:
    r"""Spikes of a layer whose neurons are connected among each other.

    $$ I_t = x_t + a_{t-1} W, \qquad u_t = V_\mathrm{rest} + \tau (v_{t-1} - V_\mathrm{rest}) + \kappa I_t, \qquad
       a_t = \Theta(u_t - V_\mathrm{th}) $$

    x: [T, B, N] floating, currents from below, in the unit of the threshold. weight: W [N, N] of the same dtype, from
    neuron i to neuron j; neuron: see `lif_forward`, as for the reset. Returns spikes [T, B, N], bool (floating if the
    neuron is smooth), and the cache. Raises ValueError for shapes or dtypes that do not fit.
    """
    x, weight = floating(x=x, weight=weight)
    check("x", x.shape, x.ndim == 3 and len(x), "[T, B, N] with T of at least 1")
    check("weight", weight.shape, weight.shape == (x.shape[-1],) * 2, f"[N, N] with N = {x.shape[-1]}")
    xp, decay, rest = array_module(x), neuron.decay, neuron.rest
    u = xp.empty(x.shape, x.dtype)
    spikes = xp.empty(x.shape, x.dtype if neuron.smooth else bool)
    v, a = xp.full(x.shape[1:], rest, x.dtype), xp.zeros(x.shape[1:], x.dtype)
    for t in range(len(x)):
        u[t] = decay * v + (1 - decay) * rest + neuron.gain * (x[t] + a @ weight)  # charge
        spikes[t] = neuron.fire(u[t])
        a = spikes[t].astype(x.dtype)
        v = neuron.reset(u[t], spikes[t])
    return spikes, RecurrentLIFCache(u, spikes, weight, neuron)


def recurrent_lif_backward(dspikes: Array, cache: RecurrentLIFCache) -> tuple[Array, Array]:
    r"""Gradients of `recurrent_lif_forward`: dx [T, B, N] and dweight [N, N].

    $$ \delta_t = \Bigl(\frac{\partial L}{\partial a_t} + \kappa\,\delta_{t+1} W^\top\Bigr) h_t
       + \tau \delta_{t+1} \frac{dv_t}{du_t}, \qquad dx_t = \kappa \delta_t, \qquad
       dW = \sum_{t > 1} a_{t-1}^\top dx_t $$

    with dv_t / du_t as in `lif_backward`: a spike acts on the next step through the reset and through W. dspikes:
    [T, B, N] floating. dweight is dense: absent synapses have a gradient too. Raises ValueError for another shape or
    dtype.
    """
    u, spikes, weight, neuron = cache
    dspikes, xp = cotangent("dspikes", dspikes, u.shape, u), array_module(u)
    h = neuron.surrogate.slope(u - neuron.v_th)
    kept = neuron.reset_slope(u, spikes, h)
    dx, delta = xp.empty(u.shape, u.dtype), xp.zeros(u.shape[1:], u.dtype)
    dweight = xp.zeros_like(weight)
    for t in reversed(range(len(u))):
        da = dspikes[t] + neuron.gain * delta @ weight.T
        delta = da * h[t] + neuron.decay * delta * kept[t]
        dx[t] = neuron.gain * delta
        if t:
            dweight += spikes[t - 1].astype(u.dtype).T @ dx[t]
    return dx, dweight
