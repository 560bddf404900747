"""The tasks of chapter 13, batch norm."""

import math

import numpy as np

from minisnn.course.declare import choice, number, task
from minisnn.ops.norm import RunningStats, batch_norm_forward

# warm-up: 0, 0, 0, 4: mean 1, variance 3
(
    number(13, "warm-up", "normalised_outlier", math.sqrt(3))
    .usual(
        1.5, "the variance is divided by N - 1: that is done in the running variance only", "The derivation"
    )
    .usual(4 / math.sqrt(3), "the mean is not subtracted", "The question")
    .usual(1.0, "the variance divides, and not its root", "The question")
    .usual(3.0, "nothing divides: this is the distance from the mean", "The question")
    .usual(2.0, "the mean is left out, in the variance and before it", "The question")
)


# core: folded into the layer before
@task(
    13,
    "core",
    rtol=1e-7,
    valid=lambda weight, gamma, beta, mean, var: (
        weight.ndim == 2
        and weight.shape[1] == len(gamma) == len(beta) == len(mean) == len(var)
        and min(var) > 0.01
    ),
)
def one_layer(weight, gamma, beta, mean, var):
    """Probed: one input alone at a time, and nothing."""
    probes = np.vstack([np.eye(len(weight)), np.zeros(len(weight))])
    y, _, _ = batch_norm_forward(probes @ weight, gamma, beta, RunningStats(mean, var), train=False)
    return np.vstack([y[:-1] - y[-1], y[-1]])


@one_layer.cases
def _(rng):
    one, zero = np.ones(1), np.zeros(1)
    yield np.array([[2.0]]), one, zero, zero, one
    yield np.array([[2.0]]), 3 * one, zero, zero, one
    yield np.array([[2.0]]), one, one, zero, 4 * one
    yield np.array([[2.0]]), one, zero, one, 4 * one
    for n_in, n_out in ((3, 2), (2, 2), (4, 4), (5, 1), (2, 6)):
        yield rng.normal(size=(n_in, n_out)), *rng.normal(size=(3, n_out)), rng.uniform(0.3, 2, n_out)


def _folded(weight, bias, factor):
    return np.vstack([weight * factor, bias])


@one_layer.wrong("the running mean is left out of the bias", "The question")
def no_mean(weight, gamma, beta, mean, var):
    return _folded(weight, beta, gamma / np.sqrt(var + 1e-5))


@one_layer.wrong("the mean is subtracted without the factor that everything else has", "The question")
def mean_as_it_is(weight, gamma, beta, mean, var):
    return _folded(weight, beta - mean, gamma / np.sqrt(var + 1e-5))


@one_layer.wrong("the variance divides, and not its root", "The question")
def no_root(weight, gamma, beta, mean, var):
    a = gamma / (var + 1e-5)
    return _folded(weight, beta - mean * a, a)


@one_layer.wrong("γ is left out", "The question")
def no_gamma(weight, gamma, beta, mean, var):
    a = 1 / np.sqrt(var + 1e-5)
    return _folded(weight, beta - mean * a, a)


@one_layer.wrong("β is multiplied by the factor, too: it is added at the end", "The question")
def beta_scaled(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var + 1e-5)
    return _folded(weight, (beta - mean) * a, a)


@one_layer.wrong("the mean comes in with a plus", "The question")
def plus(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var + 1e-5)
    return _folded(weight, beta + mean * a, a)


@one_layer.wrong("β is left out of the bias", "The question")
def no_beta(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var + 1e-5)
    return _folded(weight, -mean * a, a)


@one_layer.wrong("10⁻⁵ is left out", "The question")
def no_epsilon_here(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var)
    return _folded(weight, beta - mean * a, a)


@one_layer.wrong("10⁻⁵ is added to the root: it stands below it", "The question")
def epsilon_outside(weight, gamma, beta, mean, var):
    a = gamma / (np.sqrt(var) + 1e-5)
    return _folded(weight, beta - mean * a, a)


@one_layer.wrong(
    "the bias is the first row: it belongs below the weights", "Core: folded into the layer before"
)
def bias_first(weight, gamma, beta, mean, var):
    a = gamma / np.sqrt(var + 1e-5)
    return np.vstack([beta - mean * a, weight * a])


# break it: over what?
@task(13, "break it", rtol=1e-6, atol=1e-9, valid=lambda x: x.ndim == 3 and x.shape[0] * x.shape[1] > 1)
def normalised(x):
    """Channel by channel, in plain sums."""
    found = np.empty(x.shape)
    for c in range(x.shape[2]):
        values = x[..., c].ravel().tolist()
        mean = math.fsum(values) / len(values)
        variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
        found[..., c] = (x[..., c] - mean) / math.sqrt(variance + 1e-5)
    return found


@normalised.cases
def _(rng):
    yield np.array([[[1.0], [3.0]], [[1.0], [3.0]]])
    yield np.array([[[1.0], [3.0]], [[3.0], [5.0]]])
    yield np.array([[[1.0], [1.0]], [[1.0], [1.0]]])
    for shape in ((2, 3, 1), (3, 2, 2), (4, 5, 3), (1, 6, 2)):
        yield rng.normal(1, 2, shape)


def _norm(x, axes, ddof=0, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True, ddof=ddof) + eps)


@normalised.wrong("each step is normalised by itself: a channel loses its time course", "The picture")
def planted(x):
    return _norm(x, 1)


@normalised.wrong("each sample is normalised by itself", "The question")
def each_sample(x):
    return _norm(x, 0)


@normalised.wrong("the channels are normalised together", "The question")
def over_all(x):
    return _norm(x, (0, 1, 2))


@normalised.wrong("values are normalised over the channels: this is layer norm", "The question")
def layer_norm(x):
    return _norm(x, 2)


@normalised.wrong(
    "the variance is divided by N - 1: that is done in the running variance only", "The derivation"
)
def unbiased(x):
    return _norm(x, (0, 1), ddof=1)


@normalised.wrong("10⁻⁵ is left out, and a constant channel is divided by 0", "The question")
def no_epsilon(x):
    return _norm(x, (0, 1), eps=0)


@normalised.wrong("10⁻⁵ is added to the root: it stands below it", "The question")
def epsilon_beside(x):
    return (x - x.mean((0, 1))) / (x.std((0, 1)) + 1e-5)


@normalised.wrong(
    "the mean is taken over time and batch, but the variance still over the batch", "The question"
)
def mean_only(x):
    return (x - x.mean((0, 1))) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


@normalised.wrong(
    "the variance is taken over time and batch, but the mean still over the batch", "The question"
)
def variance_only(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var((0, 1)) + 1e-5)


# explore: how good is the mean of a batch?
(
    choice(13, "explore", "four_times_the_batch", "a")
    .wrong("b", "The *variance* falls to a quarter. What does its root do?", "The derivation")
    .wrong("c", "The line falls.")
)


# derive: a norm without a mean
@task(
    13,
    "derive",
    rtol=1e-5,
    atol=1e-7,
    valid=lambda x, gamma, g: len(x) == len(g) > 0 and np.mean(np.square(x)) > 0.05,
)
def rms_backward(x, gamma, g):
    """Central differences of the norm."""

    def loss(values):
        return float(g @ (gamma * values / np.sqrt(np.mean(values**2) + 1e-5)))

    h = 1e-5
    return np.array([(loss(x + step) - loss(x - step)) / (2 * h) for step in h * np.eye(len(x))])


@rms_backward.cases
def _(rng):
    yield np.array([1.0, 1.0]), 1.0, np.array([1.0, 0.0])
    yield np.array([1.0, 2.0]), 1.0, np.array([1.0, 1.0])
    yield np.array([1.0, -1.0, 2.0]), 2.0, np.array([0.0, 0.0, 1.0])
    for n in (2, 3, 5, 8):
        yield rng.normal(0.5, 1, n), float(rng.normal()), rng.normal(size=n)


def _rms(x, gamma, g, mean=0.0, last=1.0, average=True):
    r = 1 / np.sqrt(np.mean(x**2) + 1e-5)
    hat, N = x * r, len(x)
    correction = hat * (g @ hat) / (N if average else 1)
    return gamma * r * (g - mean * g.mean() - last * correction)


@rms_backward.wrong(
    "the mean of g is subtracted: without a mean in the forward there is none in the backward",
    "The derivation",
)
def with_mean(x, gamma, g):
    return _rms(x, gamma, g, mean=1.0)


@rms_backward.wrong("the divisor is taken for a constant", "The derivation")
def constant(x, gamma, g):
    return _rms(x, gamma, g, last=0.0)


@rms_backward.wrong("the correction has the wrong sign", "The derivation")
def sign(x, gamma, g):
    return _rms(x, gamma, g, last=-1.0)


@rms_backward.wrong("the correction is a sum, where it is a mean", "The derivation")
def summed(x, gamma, g):
    return _rms(x, gamma, g, average=False)


@rms_backward.wrong("γ is left out", "The derivation")
def no_gamma_rms(x, gamma, g):
    return _rms(x, 1.0, g)


@rms_backward.wrong("the correction has x where it has x̂", "The derivation")
def not_normalised(x, gamma, g):
    r = 1 / np.sqrt(np.mean(x**2) + 1e-5)
    return gamma * r * (g - x * (g @ x) / len(x))


@rms_backward.wrong("of the two corrections the wrong one is left: that of the mean", "The derivation")
def other_correction(x, gamma, g):
    return _rms(x, gamma, g, mean=1.0, last=0.0)
