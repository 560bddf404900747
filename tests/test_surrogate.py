"""Surrogate slopes against their smooth steps."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from strategies import kink_distance, rngs, sizes, surrogates

from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops.surrogate import SURROGATES
from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.rectangle import Rectangle
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle


def pair(surrogate, other=None):
    """step and slope as a forward and a backward; the slope may be of another."""
    return lambda x: (surrogate.step(x), x), lambda dy, x: dy * (other or surrogate).slope(x)


@given(rng=rngs, s=surrogates, B=sizes, N=sizes)
def test_slope_is_the_derivative_of_step(xp, rng, s, B, N):
    x = rng.normal(0, 1, (B, N))
    assume(kink_distance(s, x) > 1e-4)
    check_gradient(*pair(s), (xp.asarray(x),), rng)


@given(rng=rngs, s=surrogates)
def test_damaged_slopes_are_caught(xp, rng, s):
    x = rng.uniform(-1, 1, 50)
    x[0] = 0.1  # under every one of them
    assume(kink_distance(s, x) > 1e-4)
    (name,) = (field.name for field in fields(s))
    wider = replace(s, **{name: 1.1 * getattr(s, name)})
    forward, backward = pair(s)
    for damaged in (pair(s, wider)[1], lambda dy, x: -backward(dy, x), lambda dy, x: backward(dy, x + 0.1)):
        if isinstance(s, Rectangle) and damaged(x, x).tolist() == backward(x, x).tolist():
            continue  # no point between the flanks of both
        with pytest.raises(GradientError):
            check_gradient(forward, damaged, (xp.asarray(x),), rng)


@given(s=surrogates)
def test_a_step_from_0_to_1(xp, s):
    x = np.arange(-100_000, 100_001) / 256
    step, slope = to_host(s.step(xp.asarray(x))), to_host(s.slope(xp.asarray(x)))
    assert step[[0, 100_000, -1]] == pytest.approx([0, 0.5, 1], abs=1e-3)
    assert np.diff(step).min() >= -1e-15
    assert slope.min() >= 0
    np.testing.assert_array_equal(slope, slope[::-1])
    assert slope.sum() / 256 == pytest.approx(1, abs=2e-2)


@pytest.mark.parametrize(
    ("surrogate", "x", "slope"),
    [
        (Triangle(), [-1, -0.2, 0, 0.3, 1, 2], [0, 0.8, 1, 0.7, 0, 0]),
        (Triangle(2.0), [0, 1, 2], [0.5, 0.25, 0]),
        (Rectangle(), [-0.5, -0.4, 0, 0.4, 0.5], [0, 1, 1, 1, 0]),
        (Rectangle(2.0), [0, 0.9, 1], [0.5, 0.5, 0]),
        (Sigmoid(), [0, 0.5], [1, 0.4199743]),
        (ArcTan(), [0, 1 / np.pi], [1, 0.5]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_worked_slopes(xp, surrogate, x, slope, dtype):
    x = xp.asarray(np.array(x, dtype))
    before = to_host(x).copy()
    found = surrogate.slope(x)
    np.testing.assert_allclose(to_host(found), slope, atol=1e-6)
    assert found.dtype == surrogate.step(x).dtype == dtype
    np.testing.assert_array_equal(to_host(x), before)  # the argument is left alone


@pytest.mark.parametrize("name", SURROGATES)
def test_extreme_potentials(xp, name):
    """No overflow, which would be a warning and so an error, and nothing that is not finite."""
    x = xp.asarray(np.array([-1e30, -1e10, -100, 0, 100, 1e10, 1e30], np.float32))
    slope, step = (to_host(f(x)) for f in (SURROGATES[name].slope, SURROGATES[name].step))
    assert np.isfinite(slope).all()
    np.testing.assert_allclose(slope[[0, 1, 5, 6]], 0, atol=1e-15)
    np.testing.assert_allclose(step[[0, 3, 6]], [0, 0.5, 1], atol=1e-7)


@pytest.mark.parametrize("kind", [Triangle, Rectangle, Sigmoid, ArcTan])
@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_bad_widths_are_refused(kind, value):
    with pytest.raises(ValueError, match=r"must be (above 0|a number)"):
        kind(value)
