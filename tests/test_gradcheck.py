"""The gradient check itself: it passes what is right and catches what is wrong."""

import numpy as np
import pytest
from hypothesis import given
from strategies import rngs

from minisnn.gradcheck import GradientError, check_gradient


def product_forward(x, w):
    return x @ w, (x, w)


def product_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy


def softmax_forward(x):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p, p


@given(rng=rngs)
def test_a_right_backward_passes(xp, rng):
    x, w = xp.asarray(rng.standard_normal((3, 4))), xp.asarray(rng.standard_normal((4, 2)))
    assert check_gradient(product_forward, product_backward, (x, w), rng) < 1e-6


@given(rng=rngs)
def test_wrong_ones_are_caught(rng):
    x, w = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    for damaged, message in [
        (lambda dy, c: (dy @ c[1].T, 1.1 * c[0].T @ dy), "input 1: finite differences"),
        (lambda dy, c: (dy @ c[1].T, c[0].T @ dy + 0.1), "input 1: finite differences"),
        (lambda dy, c: (0 * c[0], c[0].T @ dy), "input 0: finite differences"),
        (lambda dy, c: (np.nan * c[0], c[0].T @ dy), "input 0: finite differences"),
        (lambda dy, c: (c[0].T, c[0].T @ dy), "input 0 has the shape"),
        (lambda dy, c: c[0].T @ dy, "2 inputs, but backward returned 1"),
    ]:
        with pytest.raises(GradientError, match=message):
            check_gradient(product_forward, damaged, (x, w), rng)


@given(rng=rngs)
def test_a_softmax_without_gradient_is_caught(rng):
    """With a cotangent of ones a backward that returns 0 would pass: the sum of a softmax is always 1."""
    with pytest.raises(GradientError):
        check_gradient(softmax_forward, lambda dy, p: 0 * p, (rng.standard_normal((3, 4)),), rng)
    check_gradient(
        softmax_forward,
        lambda dy, p: p * (dy - (dy * p).sum(1, keepdims=True)),
        (rng.standard_normal((3, 4)),),
        rng,
    )


def test_what_is_allowed_besides_is_absolute():
    """A gradient of 3e-9 beside numbers of 1 is hidden by their rounding; one of 3 is not."""
    rng = np.random.default_rng(0)
    for slope, passes in ((3e-9, True), (3.0, False)):

        def forward(x, slope=slope):
            return 1 + slope * x, None

        def backward(dy, cache, slope=slope):
            return 1.001 * slope * dy

        if passes:
            assert check_gradient(forward, backward, (np.ones(4),), rng, atol=1e-10) == 0
        else:
            with pytest.raises(GradientError):
                check_gradient(forward, backward, (np.ones(4),), rng, atol=1e-10)
    with pytest.raises(ValueError, match="atol must be at least 0, found -1"):
        check_gradient(product_forward, product_backward, (np.ones((1, 1)),) * 2, rng, atol=-1)


def test_outputs_that_are_not_finite_take_no_part():
    def forward(x):
        return np.where(x > 0, x**2, np.inf), x

    x = np.array([1.0, -1.0, 2.0])
    check_gradient(forward, lambda dy, x: np.where(x > 0, 2 * x * dy, 0), (x,), np.random.default_rng(0))
