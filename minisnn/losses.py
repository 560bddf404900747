"""Losses: each a forward beside its backward."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.backend import Array, array_module
from minisnn.ops.first_spike import Z_MAX


class FirstSpikeLossCache(NamedTuple):
    """What `first_spike_loss_backward` needs."""

    p: Array  # [B, K], softmax(-z)
    labels: Array  # [B] integer


def first_spike_loss_forward(
    z: Array, labels: Array, cap: float = 100.0
) -> tuple[Array, FirstSpikeLossCache]:
    r"""Cross-entropy over first spikes, the batch mean (ESL Eq. 6, chapter 06).

    $$ L = -\ln \frac{\exp(-z_g)}{\sum_k \exp(-z_k)} = z_g + \ln \sum_k \exp(-z_k) $$

    z:      [B, K] floating, the output layer's z = exp(t); inf (never) counts as Z_MAX.
    labels: [B] integer, the target class g.
    cap:    what one sample may add to the reported mean; a silent target would add nearly Z_MAX.
            The gradient ignores it.
    Returns the loss (0-d) and the cache. Raises ValueError for shapes or labels that do not fit.
    """
    xp = array_module(z)
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(f"expected z [B, K] and labels [B], found {z.shape} and {labels.shape}")
    if not ((labels >= 0) & (labels < z.shape[1])).all():
        raise ValueError(f"labels must be 0 to {z.shape[1] - 1}, found {labels.min()} to {labels.max()}")
    z = xp.minimum(z, Z_MAX)
    first = z.min(1, keepdims=True)  # as in logsumexp: exp(-Z_MAX) alone would be 0
    exp = xp.exp(first - z)
    total = exp.sum(1, keepdims=True)
    loss = z[xp.arange(len(z)), labels] - first[:, 0] + xp.log(total[:, 0])
    return xp.minimum(loss, cap).mean(), FirstSpikeLossCache(exp / total, labels)


def first_spike_loss_backward(dloss: float, cache: FirstSpikeLossCache) -> Array:
    r"""Gradient of `first_spike_loss_forward` (chapter 06).

    $$ \frac{\partial L}{\partial z_k} = \frac{[k = g] - p_k}{B}, \qquad p = \mathrm{softmax}(-z) $$

    Returns dz [B, K]. For a neuron that never fired this is a number too; the layer that made z
    lets none of it through.
    """
    p, labels = cache
    dz = -p
    dz[array_module(p).arange(len(p)), labels] += 1
    dz *= dloss / len(p)
    return dz


def first_spike_prediction(z: Array) -> Array:
    """The class that fires first, [B]: ties go to the lowest index, -1 where no neuron fires."""
    xp = array_module(z)
    return xp.where(xp.isfinite(z).any(1), z.argmin(1), -1)


class WeightSumCache(NamedTuple):
    """What `weight_sum_cost_backward` needs."""

    short: Array  # [M] bool: the neurons whose weights sum to less than 1
    weight: Array  # [N, M]


def weight_sum_cost_forward(weight: Array) -> tuple[Array, WeightSumCache]:
    r"""How far the neurons' incoming weights fall short of 1: such a neuron is silent when all inputs have come.

    $$ R = \sum_j \max\Bigl(0, 1 - \sum_i w_{ij}\Bigr) $$

    weight: [N, M]. Returns R (0-d) and the cache. Source: Mostafa 2018; chapter 06.
    """
    xp = array_module(weight)
    missing = 1 - weight.sum(0)
    return xp.maximum(missing, 0).sum(), WeightSumCache(missing > 0, weight)


def weight_sum_cost_backward(dcost: float, cache: WeightSumCache) -> Array:
    """Gradient of `weight_sum_cost_forward`: -dcost for every weight of a neuron that falls short, [N, M]."""
    short, weight = cache
    return array_module(weight).repeat((-dcost * short.astype(weight.dtype))[None], len(weight), 0)
