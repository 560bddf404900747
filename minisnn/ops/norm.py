"""Batch normalisation over time, batch and positions together (TET; chapter 13)."""

from __future__ import annotations

from typing import NamedTuple

from minisnn.arguments import cotangent, floating
from minisnn.backend import Array

EPS = 1e-5


class RunningStats(NamedTuple):
    """The statistics that evaluation uses."""

    mean: Array  # [C]
    var: Array  # [C], unbiased


class BatchNormCache(NamedTuple):
    """What `batch_norm_backward` needs."""

    x: Array  # [..., C]
    gamma: Array  # [C]
    mean: Array  # [C], of the batch in training, else the running one
    inv: Array  # [C], scale / sqrt(var + eps)
    train: bool
    scale: float


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, running: RunningStats, train: bool,
    momentum: float = 0.1, copies: int = 1, scale: float = 1.0,
) -> tuple[Array, BatchNormCache, RunningStats]:  # fmt: skip
    r"""Every channel to mean beta and standard deviation gamma (Ioffe and Szegedy 2015; TET; chapter 13).

    $$ y = \gamma \hat{x} + \beta, \qquad \hat{x} = s \frac{x - \mu}{\sqrt{\sigma^2 + 10^{-5}}} $$

    x: [..., C] floating; gamma, beta: [C]. In training mu and sigma^2 (divided by N, not N - 1) are those of x over
    all axes but the last, and running statistics r become (1 - momentum) r + momentum * new, the variance with
    N - 1. In evaluation they are `running`. copies: x stands for that many equal copies, such as the steps of a static
    image; this only affects N. scale: s, 1 in TET and SCA; the threshold in the tdBN of Zheng et al. 2021.
    Returns y, the cache and the running statistics. Raises ValueError for one value per channel in training, and for
    dtypes or shapes that do not fit.
    """
    x, gamma, beta, running, N = checked(x, gamma, beta, running, train, copies)
    mean, var = running
    if train:
        rows = x.reshape(-1, x.shape[-1])
        mean, var = rows.mean(0, float).astype(x.dtype), rows.var(0, float).astype(x.dtype)
        old, m = running, momentum
        running = RunningStats((1 - m) * old.mean + m * mean, (1 - m) * old.var + m * N / (N - 1) * var)
    inv = scale / (var + EPS) ** 0.5
    y = gamma * (x - mean) * inv + beta
    return y, BatchNormCache(x, gamma, mean, inv, train, scale), running


def batch_norm_backward(
    dy: Array, cache: BatchNormCache, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    r"""Gradients of `batch_norm_forward`: dx (None unless need_dx), dgamma, dbeta (chapter 13).

    $$ dx = \frac{s \gamma}{\sqrt{\sigma^2 + 10^{-5}}}
       \Bigl( dy - \frac{d\beta}{N} - \frac{\hat{x}}{s^2} \frac{d\gamma}{N} \Bigr) $$

    in training, where mu and sigma move with x; in evaluation without the two last terms. dy and dx: [..., C], dgamma
    and dbeta: [C]. Raises ValueError for a dy of another dtype or shape than y's.
    """
    x, gamma, mean, inv, train, scale = cache
    dy = cotangent("dy", dy, x.shape, x)
    axes = tuple(range(x.ndim - 1))
    x_hat = (x - mean) * inv
    dbeta, dgamma = dy.sum(axes), (dy * x_hat).sum(axes)
    if not need_dx:
        return None, dgamma, dbeta
    if not train:
        return gamma * inv * dy, dgamma, dbeta
    N = x.size // x.shape[-1]
    return gamma * inv * (dy - dbeta / N - x_hat / scale**2 * dgamma / N), dgamma, dbeta


def checked(
    x: Array, gamma: Array, beta: Array, running: RunningStats, train: bool, copies: int
) -> tuple[Array, Array, Array, RunningStats, int]:
    """The arguments of a norm as arrays, and N. Raises ValueError as `batch_norm_forward` says."""
    x, gamma, beta = floating(x=x, gamma=gamma, beta=beta)
    running = RunningStats(*floating(mean=running.mean, var=running.var, like=x))
    C = x.shape[-1] if x.ndim else 0
    vectors = {"gamma": gamma, "beta": beta, **running._asdict()}
    wrong = [f"{name} {z.shape}" for name, z in vectors.items() if z.shape != (C,)]
    if wrong:
        raise ValueError(f"expected x [..., C] and vectors [C] = ({C},), found {', '.join(wrong)}")
    if not C:
        raise ValueError(f"x must have at least one channel, found {x.shape}")
    N = x.size // C * copies
    if train and N < 2:
        raise ValueError(f"batch norm in training needs more than one value per channel, found {x.shape}")
    return x, gamma, beta, running, N
