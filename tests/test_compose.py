"""What is made of several stages: what a residual sum adds up."""

import numpy as np
import pytest

from minisnn.backend import to_host
from minisnn.compose import Residual, Sequential
from minisnn.stages import LIF, Repeat


def test_two_spikes_add_up_to_two(xp):
    """NumPy's bool + bool is "or"."""
    net = Residual(Sequential((("a", LIF()),)), Sequential((("b", LIF()),)))
    x = xp.asarray(np.array([0.5, 2.0])[None, None])
    y, cache, _ = net.forward({}, {}, x, True)
    assert to_host(y).tolist() == [[[0, 2]]]
    assert y.dtype == "float64"
    dx, _ = net.backward({}, xp.ones(y.shape), cache)
    alone = net.main.backward({}, xp.ones(y.shape), cache["main"])[0]
    np.testing.assert_array_equal(to_host(dx), to_host(2 * alone))


def test_branches_with_different_steps_are_refused(xp):
    """NumPy would broadcast one, and the gradient would have steps that its input does not have."""
    net = Residual(Sequential((("repeat", Repeat(3)),)))
    with pytest.raises(ValueError, match=r"equal shapes, found \(3, 2, 4\) and \(1, 2, 4\)"):
        net.forward({}, {}, xp.asarray(np.ones((1, 2, 4))), True)
