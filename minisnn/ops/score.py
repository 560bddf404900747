"""What is measured on neurons: their rate, and SCA's score of a channel (SCA Eq. 4, chapter 17)."""

from __future__ import annotations

from minisnn.arguments import one_of
from minisnn.backend import Array, array_module
from minisnn.ops.neuron import Neuron

SCORES = ("code", "post-reset", "pre-reset")


def spike_rate(spikes: Array) -> Array:
    """Spikes per neuron and step, of spikes [T, ...]; 0 where there are no neurons."""
    return array_module(spikes).count_nonzero(spikes) / max(1, spikes.size)


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
    v = neuron.reset(u, spikes)
    return spikes + abs(v) if score == "code" else abs(v)
