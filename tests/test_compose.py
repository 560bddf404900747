"""What is made of several stages: what a residual sum adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rngs

from minisnn.backend import to_host
from minisnn.gradcheck import check_gradient
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.rearrange import Repeat, Select
from minisnn.networks.stages.weights import Linear


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


@given(rng=rngs, T=few, turned=st.booleans(), bias=st.booleans())
def test_a_branch_of_one_step_is_the_same_at_each(xp, rng, T, turned, bias):
    """The gradient against finite differences, of a repeat in one branch only."""
    branches = Sequential((("repeat", Repeat(T)), ("fc", Linear(3)))), Sequential((("fc", Linear(3, bias)),))
    net = Residual(*branches[:: -1 if turned else 1])
    params = {key: xp.asarray(w) for key, w in net.init(rng, (4,))[0].items()}

    def forward(x, *values):
        return net.forward(dict(zip(params, values, strict=True)), {}, x, True)[:2]

    def backward(dy, cache):
        dx, grads = net.backward(params, dy, cache)
        return dx, *(grads[key] for key in params)

    check_gradient(forward, backward, (xp.asarray(rng.standard_normal((1, 2, 4))), *params.values()), rng)


def test_branches_that_do_not_fit_are_refused(xp):
    x = xp.asarray(np.ones((1, 2, 4)))
    for T, C, found in ((3, 4, r"\(3, 2, 4\) and \(2, 2, 4\)"), (1, 3, r"\(1, 2, 3\) and \(2, 2, 4\)")):
        net = Residual(
            Sequential((("select", Select(tuple(range(C)))), ("repeat", Repeat(T)))),
            Sequential((("repeat", Repeat(2)),)),
        )
        with pytest.raises(ValueError, match=f"equal shapes, found {found}"):
            net.forward({}, {}, x, True)
