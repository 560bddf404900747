"""Losses: each a forward beside its backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from minisnn.arguments import check, floating, integers
from minisnn.backend import Array, array_module
from minisnn.lookup import register
from minisnn.ops.first_spike import Z_MAX


@dataclass(frozen=True)
class Objective:
    """What a network's output is trained for, and how its class is read."""

    forward: Callable[..., tuple[Array, Any]]  # (outputs, labels) -> loss, cache
    backward: Callable[[float, Any], Array]  # (dloss, cache) -> doutputs
    predict: Callable[[Array], Array]  # outputs -> class of each sample, -1 for none


LOSSES: dict[str, Objective] = {}
"""Of LIF networks, by the names that recipes and the command line take; a file beside this one may add its own. A
forward that has an argument `lam` or `smoothing` is given the recipe's."""


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
    Returns the loss (0-d) and the cache. Raises ValueError for dtypes, shapes or labels that do not fit.
    """
    (z,), (labels,) = floating(z=z), integers(labels=labels, like=z)
    xp = array_module(z)
    if z.ndim != 2 or labels.shape != z.shape[:1] or not z.size:
        raise ValueError(
            f"expected z [B, K] and labels [B], found {z.shape} and {labels.shape}: none may be 0"
        )
    _check_labels(labels, z.shape[1])
    z = xp.minimum(z, Z_MAX)
    first = z.min(1, keepdims=True)  # as in logsumexp: exp(-Z_MAX) alone would be 0
    exp = xp.exp(first - z)
    total = exp.sum(1, keepdims=True)
    loss = z[xp.arange(len(z)), labels] - first[:, 0] + xp.log(total[:, 0])
    return xp.minimum(loss, cap).mean(), FirstSpikeLossCache(exp / total, labels)


def first_spike_loss_backward(dloss: float, cache: FirstSpikeLossCache) -> Array:
    r"""Gradient of `first_spike_loss_forward` (chapter 06).

    $$ \frac{\partial L}{\partial z_k} = \frac{[k = g] - p_k}{B}, \qquad p = \mathrm{softmax}(-z) $$

    dloss: a number, dL/dloss; 1 for the loss itself. Returns dz [B, K]. It is finite for neurons that never fired, too;
    the layer that made z blocks it.
    """
    p, labels = cache
    dz = -p
    dz[array_module(p).arange(len(p)), labels] += 1
    dz *= dloss / len(p)
    return dz


def first_spike_prediction(z: Array) -> Array:
    r"""The class that fires first, $\arg\min_k z_k$; -1 where no neuron fires (chapter 06).

    z: [B, K] floating. Returns classes [B], integers; ties go to the lowest. Raises ValueError for another dtype or
    shape.
    """
    (z,) = floating(z=z)
    if z.ndim != 2 or not z.shape[1]:
        raise ValueError(f"expected z [B, K] with K of at least 1, found {z.shape}")
    xp = array_module(z)
    return xp.where(xp.isfinite(z).any(1), z.argmin(1), -1)


class WeightSumCache(NamedTuple):
    """What `weight_sum_cost_backward` needs."""

    short: Array  # [M] bool: the neurons whose weights sum to less than 1
    weight: Array  # [N, M]


def weight_sum_cost_forward(weight: Array) -> tuple[Array, WeightSumCache]:
    r"""How far the neurons' incoming weights fall short of 1: such a neuron stays silent even when all inputs have
    arrived.

    $$ R = \sum_j \max\Bigl(0, 1 - \sum_i w_{ij}\Bigr) $$

    weight: [N, M] floating. Returns R (0-d) and the cache. Raises ValueError for another dtype or shape.
    Source: Mostafa 2018; chapter 06.
    """
    (weight,) = floating(weight=weight)
    check("weight", weight.shape, weight.ndim == 2, "[N, M]")
    xp = array_module(weight)
    missing = 1 - weight.sum(0)
    return xp.maximum(missing, 0).sum(), WeightSumCache(missing > 0, weight)


def weight_sum_cost_backward(dcost: float, cache: WeightSumCache) -> Array:
    r"""Gradient of `weight_sum_cost_forward`: $-dR$ for every weight of a neuron that falls short, else 0.

    dcost: a number. Returns dweight [N, M].
    """
    short, weight = cache
    return array_module(weight).repeat((-dcost * short.astype(weight.dtype))[None], len(weight), 0)


def mean_prediction(outputs: Array) -> Array:
    r"""The class whose output is largest on average over time, $\arg\max_k \sum_t O_{tk}$.

    outputs: [T, B, K] floating. Returns classes [B], integers; ties go to the lowest. Raises ValueError for another
    dtype or shape.
    """
    (outputs,) = floating(outputs=outputs)
    if outputs.ndim != 3 or 0 in (len(outputs), outputs.shape[2]):
        raise ValueError(f"expected outputs [T, B, K] with T and K of at least 1, found {outputs.shape}")
    return outputs.mean(0).argmax(1)


class TETCache(NamedTuple):
    """What `tet_loss_backward` needs."""

    outputs: Array  # [T, B, K]
    p: Array  # [T, B, K], softmax of the outputs
    labels: Array  # [B] integer
    lam: float
    phi: float
    smoothing: float


def tet_loss_forward(
    outputs: Array, labels: Array, lam: float = 0.0, phi: float = 1.0, smoothing: float = 0.0
) -> tuple[Array, TETCache]:
    r"""Cross-entropy at every time step (TET; ESL Eq. 10, chapter 10).

    $$ L = (1 - \lambda) \frac1T \sum_t \mathrm{CE}(O_t, y) + \lambda \, \overline{(O - \phi)^2}, \qquad
       \mathrm{CE} = -\sum_k q_k \ln p_k, \qquad q_k = (1 - \varepsilon) [k = y] + \frac{\varepsilon}{K} $$

    outputs: [T, B, K] floating, O_t; labels: [B] integer. CE is the batch mean; the bar is a mean over all entries.
    smoothing: epsilon, at least 0 and below 1: label smoothing (Szegedy et al. 2016), in neither paper.
    lam: lambda, 0 in ESL, which has no second term; TET's code has 1e-3 and 1e-4 in different files. phi: V_th there.
    Returns the loss (0-d) and the cache. Raises ValueError for dtypes, shapes or labels that do not fit.
    """
    (outputs,), (labels,) = floating(outputs=outputs), integers(labels=labels, like=outputs)
    xp = array_module(outputs)
    if outputs.ndim != 3 or labels.shape != outputs.shape[1:2] or not outputs.size:
        raise ValueError(
            f"expected outputs [T, B, K] and labels [B], found {outputs.shape} and {labels.shape}: none may be 0"
        )
    _check_labels(labels, outputs.shape[2])
    check("smoothing", smoothing, 0 <= smoothing < 1, "at least 0 and below 1")
    high = outputs - outputs.max(2, keepdims=True)  # at most 0: exp cannot overflow
    exp = xp.exp(high)
    total = exp.sum(2)
    loss = (xp.log(total) - high[:, xp.arange(len(labels)), labels]).mean()
    if smoothing:  # ln p_y gives way to the mean of all ln p_k
        loss = loss + smoothing * (high[:, xp.arange(len(labels)), labels] - high.mean(2)).mean()
    if lam:
        loss = (1 - lam) * loss + lam * ((outputs - phi) ** 2).mean()
    return loss, TETCache(outputs, exp / total[:, :, None], labels, lam, phi, smoothing)


def tet_loss_backward(dloss: float, cache: TETCache) -> Array:
    r"""Gradient of `tet_loss_forward` (chapter 10).

    $$ \frac{\partial L}{\partial O_{tbk}} = \frac{1 - \lambda}{T B} \bigl(p_{tbk} - q_{bk}\bigr)
       + \lambda \frac{2 (O_{tbk} - \phi)}{T B K} $$

    dloss: a number, dL/dloss. Returns doutputs [T, B, K].
    """
    outputs, p, labels, lam, phi, smoothing = cache
    T, B, K = p.shape
    doutputs = p - smoothing / K if smoothing else p.copy()
    doutputs[:, array_module(p).arange(B), labels] -= 1 - smoothing
    doutputs *= dloss * (1 - lam) / (T * B)
    if lam:
        doutputs += (dloss * 2 * lam / (T * B * K)) * (outputs - phi)
    return doutputs


register(LOSSES, "tet")(Objective(tet_loss_forward, tet_loss_backward, mean_prediction))


def mean_loss_forward(outputs: Array, labels: Array, smoothing: float = 0.0) -> tuple[Array, TETCache]:
    r"""Cross-entropy of the outputs' mean over time: the loss that TET replaces, and SCA's (chapter 10).

    $$ L = \mathrm{CE}\Bigl(\frac1T \sum_t O_t, y\Bigr) $$

    outputs: [T, B, K] floating; labels: [B] integer. CE is the batch mean; smoothing: as in `tet_loss_forward`. Returns
    the loss (0-d) and the cache. Raises ValueError for dtypes, shapes or labels that do not fit.
    """
    (outputs,) = floating(outputs=outputs)
    if not outputs.ndim or not len(outputs):
        raise ValueError(f"expected outputs [T, B, K] with T of at least 1, found {outputs.shape}")
    loss, cache = tet_loss_forward(outputs.mean(0, keepdims=True), labels, smoothing=smoothing)
    return loss, cache._replace(outputs=outputs)


def mean_loss_backward(dloss: float, cache: TETCache) -> Array:
    r"""Gradient of `mean_loss_forward`: the same at every step, 1/T of the gradient of the mean.

    $$ \frac{\partial L}{\partial O_{tbk}} = \frac{1}{T B} \bigl(p_{bk} - q_{bk}\bigr) $$

    dloss: a number, dL/dloss. Returns doutputs [T, B, K].
    """
    T = len(cache.outputs)
    d = tet_loss_backward(dloss / T, cache._replace(outputs=cache.p))
    return array_module(d).repeat(d, T, 0)


register(LOSSES, "mean")(Objective(mean_loss_forward, mean_loss_backward, mean_prediction))


def l1_cost_forward(weight: Array) -> tuple[Array, Array]:
    r"""The L1 norm, $R = \sum |w|$. SCA's code has it on convolutions, network slimming on gamma.

    weight: floating, any shape. Returns R (0-d), and the weight as the cache. Raises ValueError for another dtype.
    """
    (weight,) = floating(weight=weight)
    return abs(weight).sum(), weight


def l1_cost_backward(dcost: float, weight: Array) -> Array:
    r"""Gradient of `l1_cost_forward`: $dR \; \mathrm{sign}(w)$, 0 where w is 0.

    dcost: a number. weight: the cache. Returns dweight, of its shape.
    """
    return dcost * array_module(weight).sign(weight)


def _check_labels(labels: Array, K: int) -> None:
    if not ((labels >= 0) & (labels < K)).all():
        raise ValueError(f"labels must be 0 to {K - 1}, found {labels.min()} to {labels.max()}")
