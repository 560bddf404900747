"""The tasks of chapter 10, the loss at every time step."""

import math

import numpy as np
from scipy.special import logsumexp, softmax

from minisnn.course.declare import choice, number, task

# warm-up: (2, 0), (0, 0), class 0
(
    number(10, "warm-up", "tet_of_two_steps", (math.log(1 + math.exp(-2)) + math.log(2)) / 2)
    .usual(
        math.log(1 + math.exp(-1)),
        "the outputs are averaged before the loss is taken: this is SDT",
        "The question",
    )
    .usual(
        math.log(1 + math.exp(-2)) + math.log(2),
        "the losses are added up: Eq. 10 takes their mean",
        "The question",
    )
    .usual((math.log(1 + math.exp(2)) + math.log(2)) / 2, "class 1 is taken for the right one")
    .usual(-(math.log(1 + math.exp(-2)) + math.log(2)) / 2, "the minus before the logarithm is left out")
    .usual(
        -math.log((1 / (1 + math.exp(-2)) + 0.5) / 2),
        "the mean of the probabilities is taken first: Eq. 10 takes the mean of the losses",
        "The question",
    )
    .usual(math.log(1 + math.exp(-2)) / 2, "the second step is taken to cost nothing: there p is 1/2")
    .usual(math.log(2), "only the last step counts", "The question")
    .usual(
        (1 / (1 + math.exp(-2)) + 0.5) / 2,
        "the logarithm is left out: this is a mean probability",
        "The derivation",
    )
)


def _loss(outputs, labels):
    """The mean of the cross-entropies of all steps and samples."""
    right = np.take_along_axis(outputs, np.asarray(labels)[None, :, None], 2)[..., 0]
    return float((logsumexp(outputs, axis=2) - right).mean())


def _by_differences(loss, outputs):
    """Central differences by every element."""
    gradient, h = np.zeros(outputs.shape), 1e-5
    for index in np.ndindex(outputs.shape):
        step = np.zeros(outputs.shape)
        step[index] = h
        gradient[index] = (loss(outputs + step) - loss(outputs - step)) / (2 * h)
    return np.round(gradient, 9)


def _tet(outputs, labels, over=2, divide=True):
    T, B, K = outputs.shape
    return (softmax(outputs, axis=over) - np.eye(K)[labels]) / (T * B)


def _fits(outputs, labels):
    return (
        outputs.ndim == 3
        and outputs.shape[1] == len(labels)
        and 0 <= min(labels) <= max(labels) < outputs.shape[2]
    )


def _draw(rng):
    yield np.array([[[1.0, 0.0]]]), np.array([0])
    yield np.array([[[1.0, 0.0]], [[0.0, 2.0]]]), np.array([0])
    yield np.array([[[1.0, 0.0]], [[0.0, 2.0]]]), np.array([1])
    for _ in range(8):
        T, B, K = (int(n) for n in (rng.integers(1, 5), rng.integers(1, 4), rng.integers(2, 5)))
        yield rng.normal(0, 2, (T, B, K)), rng.integers(0, K, B)


# core: the accumulated readout
@task(10, "core", rtol=1e-5, atol=1e-8, valid=_fits)
def accumulated_gradient(outputs, labels):
    """Central differences of the loss of the sums."""
    return _by_differences(lambda O: _loss(np.cumsum(O, 0), labels), outputs)


accumulated_gradient.cases(_draw)


@accumulated_gradient.wrong(
    "the gradient is that by the sums, not by the outputs", "Core: the accumulated readout"
)
def by_the_sums(outputs, labels):
    return _tet(np.cumsum(outputs, 0), labels)


@accumulated_gradient.wrong(
    "the sum over time runs forwards in the backward, too", "Core: the accumulated readout"
)
def forwards(outputs, labels):
    return np.cumsum(_tet(np.cumsum(outputs, 0), labels), 0)


@accumulated_gradient.wrong("the outputs are not added up before the loss", "Core: the accumulated readout")
def not_accumulated(outputs, labels):
    return np.cumsum(_tet(outputs, labels)[::-1], 0)[::-1]


@accumulated_gradient.wrong(
    "each step leaves out itself: O_s takes part in Σ_s, too", "Core: the accumulated readout"
)
def later_only(outputs, labels):
    gradient = _tet(np.cumsum(outputs, 0), labels)
    return np.cumsum(gradient[::-1], 0)[::-1] - gradient


@accumulated_gradient.wrong("the mean over time is left out", "The derivation")
def sum_over_steps(outputs, labels):
    return accumulated_gradient(outputs, labels) * len(outputs)


@accumulated_gradient.wrong("the mean over the batch is left out", "The derivation")
def sum_over_batch(outputs, labels):
    return accumulated_gradient(outputs, labels) * len(labels)


@accumulated_gradient.wrong("only the last sum is given a loss", "The question")
def last_only(outputs, labels):
    last = _tet(np.cumsum(outputs, 0)[-1:], labels)
    return np.repeat(last, len(outputs), 0)


@accumulated_gradient.wrong(
    "nothing is accumulated: this is the gradient of Eq. 10", "Core: the accumulated readout"
)
def plain_tet(outputs, labels):
    return _tet(outputs, labels)


@accumulated_gradient.wrong("the sum over the future is not turned round again: its steps run backwards")
def not_turned_back(outputs, labels):
    return np.cumsum(_tet(np.cumsum(outputs, 0), labels)[::-1], 0)


# break it: over what do probabilities sum to 1?
@task(10, "break it", rtol=1e-5, atol=1e-8, valid=_fits)
def tet_gradient(outputs, labels):
    """Central differences of the loss."""
    return _by_differences(lambda O: _loss(O, labels), outputs)


@tet_gradient.cases
def _(rng):
    yield from _draw(rng)
    yield np.array([[[1000.0, 0.0]], [[0.0, 990.0]]]), np.array([0])


@tet_gradient.wrong("probabilities sum to 1 over time; they must over classes", "The derivation")
def planted(outputs, labels):
    return _tet(outputs, labels, over=0)


@tet_gradient.wrong("probabilities sum to 1 over the batch; they must over classes", "The derivation")
def over_batch(outputs, labels):
    return _tet(outputs, labels, over=1)


def _half_mended(outputs, labels, top, over):
    T, B, K = outputs.shape
    p = np.exp(outputs - outputs.max(top, keepdims=True))
    return (p / p.sum(over, keepdims=True) - np.eye(K)[labels]) / (T * B)


@tet_gradient.wrong(
    "the sum is over classes, but the maximum is still over time: each class loses another one"
)
def maximum_over_time(outputs, labels):
    return _half_mended(outputs, labels, 0, 2)


@tet_gradient.wrong("the maximum is over classes, but the sum is still over time", "The derivation")
def sum_over_time(outputs, labels):
    return _half_mended(outputs, labels, 2, 0)


@tet_gradient.wrong(
    "the classes are counted in the mean, too: it is over steps and samples", "The derivation"
)
def over_classes(outputs, labels):
    return _tet(outputs, labels) / outputs.shape[2]


@tet_gradient.wrong("every step gets the gradient of the mean: this is SDT", "The derivation")
def of_the_mean(outputs, labels):
    return np.repeat(_tet(outputs.mean(0, keepdims=True), labels), len(outputs), 0) / len(outputs)


@tet_gradient.wrong("the mean over time is left out", "The derivation")
def no_time(outputs, labels):
    return _tet(outputs, labels) * len(outputs)


@tet_gradient.wrong("the mean over the batch is left out", "The derivation")
def no_batch(outputs, labels):
    return _tet(outputs, labels) * len(labels)


@tet_gradient.wrong("nothing is subtracted before the exponential, which overflows for large outputs")
def overflows(outputs, labels):
    T, B, K = outputs.shape
    p = np.exp(outputs)
    return (p / p.sum(2, keepdims=True) - np.eye(K)[labels]) / (T * B)


# explore: which is right when it stops?
(
    choice(10, "explore", "right_when_it_stops", "a")
    .wrong("b", "Read the right chart once more: which colour is on top at 0.4?", "The picture")
    .wrong("c", "Read the right chart at 0.4: the two points lie apart. They meet at higher thresholds.")
)


# derive: the gap to second order
@task(10, "derive", rtol=1e-4, atol=1e-7, valid=lambda mean, d: d.ndim == 2 and d.shape[1] == len(mean) > 1)
def small_gap(mean, d):
    """The gap itself, for deviations that are made very small, and scaled back."""
    d = d - d.mean(0)

    def gap(scale):
        return (logsumexp(mean + scale * d, axis=1).mean() - logsumexp(mean)) / scale**2

    fine, rough = ((gap(scale) + gap(-scale)) / 2 for scale in (1e-3, 2e-3))
    return round(float(4 * fine - rough) / 3, 8)  # what is printed shall look like what it is


@small_gap.cases
def _(rng):
    yield np.zeros(2), np.array([[1.0, -1.0], [-1.0, 1.0]])
    yield np.zeros(2), np.array([[1.0, 1.0], [-1.0, -1.0]])
    yield np.array([1.0, 0.0]), np.array([[1.0, 0.0], [-1.0, 0.0]])
    for _ in range(8):
        T, K = int(rng.integers(2, 6)), int(rng.integers(2, 6))
        d = rng.normal(size=(T, K))
        yield rng.normal(size=K), d - d.mean(0)


@small_gap.wrong("the half of the second order is left out")
def no_half(mean, d):
    d, p = d - d.mean(0), softmax(mean)
    return float((d**2 @ p - (d @ p) ** 2).mean())


@small_gap.wrong(
    "the square of the mean is not subtracted: a constant for all classes must not matter", "The derivation"
)
def second_moment(mean, d):
    d = d - d.mean(0)
    return float((d**2 @ softmax(mean)).mean() / 2)


@small_gap.wrong("all classes count equally, where p_k weights them", "The derivation")
def unweighted(mean, d):
    d = d - d.mean(0)
    return float(d.var(1).mean() / 2)


@small_gap.wrong("the steps are added up, and their mean is asked for", "The derivation")
def summed(mean, d):
    d, p = d - d.mean(0), softmax(mean)
    return float((d**2 @ p - (d @ p) ** 2).sum() / 2)


@small_gap.wrong("this is the gap itself, not its second order")
def exact(mean, d):
    return float(logsumexp(mean + d - d.mean(0), axis=1).mean() - logsumexp(mean))


@small_gap.wrong(
    "only the diagonal of the second derivative is taken: the classes move together", "The derivation"
)
def diagonal(mean, d):
    d, p = d - d.mean(0), softmax(mean)
    return float((d**2 @ (p * (1 - p))).mean() / 2)


@small_gap.wrong("the probability is squared, too")
def p_squared(mean, d):
    d, p = d - d.mean(0), softmax(mean)
    return float(((d**2) @ p**2).mean() / 2)
