"""Losses against worked numbers and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from strategies import rngs, sizes, spikes, weights

from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.losses import (
    first_spike_loss_backward,
    first_spike_loss_forward,
    first_spike_prediction,
    weight_sum_cost_backward,
    weight_sum_cost_forward,
)
from minisnn.ops.first_spike import Z_MAX
from minisnn.stages import FirstSpike, Sequential


def test_worked_loss(xp):
    loss, cache = first_spike_loss_forward(xp.asarray([[2.0, 4.0, 3.0]]), xp.asarray([0]))
    assert float(loss) == pytest.approx(0.407606, abs=5e-7)
    np.testing.assert_allclose(to_host(cache.p)[0], [0.665241, 0.090031, 0.244728], atol=5e-7)
    dz = to_host(first_spike_loss_backward(1.0, cache))
    np.testing.assert_allclose(dz[0], [0.334759, -0.090031, -0.244728], atol=5e-7)


def test_worked_chain(xp):
    """Two layers and the loss: two inputs, two hidden neurons, two classes."""
    net = Sequential((("hidden", FirstSpike(2)), ("output", FirstSpike(2))))
    params = {
        "hidden.weight": xp.asarray([[3.0, 2.0], [0.5, 1.0]]),
        "output.weight": xp.asarray([[3.0, 0.5], [0.5, 2.0]]),
    }
    z, caches, _ = net.forward(params, {}, xp.asarray([[1.0, 6.0]]), train=True)
    np.testing.assert_allclose(to_host(caches["hidden"].z_out), [[1.5, 2.0]])
    np.testing.assert_allclose(to_host(z), [[2.2, 3.166667]], atol=5e-7)
    loss, cache = first_spike_loss_forward(z, xp.asarray([0]))
    assert float(loss) == pytest.approx(0.322336, abs=5e-7)
    _, grads = net.backward(params, first_spike_loss_backward(1.0, cache), caches)
    np.testing.assert_allclose(
        to_host(grads["output.weight"]), [[-0.077153, 0.306162], [-0.022044, 0.214313]], atol=5e-7
    )
    np.testing.assert_allclose(to_host(grads["hidden.weight"]), [[-0.059702, 0.312285], [0, 0]], atol=5e-7)


@given(rng=rngs, B=sizes, K=sizes)
def test_loss_gradient(xp, rng, B, K):
    labels = xp.asarray(rng.integers(0, K, B))
    z = xp.asarray(spikes(rng, B, K))
    check_gradient(lambda z: first_spike_loss_forward(z, labels), first_spike_loss_backward, (z,), rng)


@given(rng=rngs)
def test_damaged_loss_gradient_is_caught(rng):
    labels, z = rng.integers(0, 4, 5), spikes(rng, 5, 4)
    damaged = (
        lambda dy, c: -first_spike_loss_backward(dy, c),
        lambda dy, c: first_spike_loss_backward(dy, c) * len(c.p),  # the sum, not the mean
        lambda dy, c: first_spike_loss_backward(dy, c._replace(p=0 * c.p)),
    )
    for backward in damaged:
        with pytest.raises(GradientError):
            check_gradient(lambda z: first_spike_loss_forward(z, labels), backward, (z,), rng)


def test_silence():
    """Nobody fires: ln K. The target alone is silent: capped in the loss, unharmed in the gradient."""
    silent = np.full((1, 3), np.inf)
    assert first_spike_loss_forward(silent, np.array([1]))[0] == pytest.approx(np.log(3))
    loss, cache = first_spike_loss_forward(np.array([[np.inf, 2.0, 9.0]]), np.array([0]))
    assert loss == 100
    np.testing.assert_allclose(cache.p[0], [0, 1 / (1 + np.exp(-7)), 1 / (1 + np.exp(7))])
    assert first_spike_loss_forward(np.array([[np.inf, 2.0]]), np.array([0]), cap=np.inf)[0] == pytest.approx(
        Z_MAX - 2
    )
    assert first_spike_prediction(np.array([[np.inf, 3, 2], [2, 2, 9], [np.inf] * 3])).tolist() == [2, 0, -1]


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [
        (np.ones((2, 3)), np.array([0]), "expected z"),
        (np.ones((2, 3)), np.array([0, 3]), "labels must be 0 to 2"),
    ],
)
def test_bad_labels_are_refused(z, labels, message):
    with pytest.raises(ValueError, match=message):
        first_spike_loss_forward(z, labels)


@given(rng=rngs, N=sizes, M=sizes)
def test_weight_sum_cost(xp, rng, N, M):
    w = xp.asarray(weights(rng, N, M))
    check_gradient(weight_sum_cost_forward, weight_sum_cost_backward, (w,), rng)
    naive = sum(max(0, 1 - column.sum()) for column in to_host(w).T)
    assert float(weight_sum_cost_forward(w)[0]) == pytest.approx(naive)
    if naive:
        with pytest.raises(GradientError):
            check_gradient(weight_sum_cost_forward, lambda d, c: -weight_sum_cost_backward(d, c), (w,), rng)


@given(rng=rngs)
def test_whole_network_gradient(xp, rng):
    """The loss of a 6-5-4-3 net by its weights and its input: forward, backward and keys of Sequential."""
    net = Sequential((("a", FirstSpike(5, 8.0)), ("b", FirstSpike(4)), ("c", FirstSpike(3))))
    shapes, _ = net.init(rng, (6,))
    assert net.out((6,)) == (3,)
    keys, labels = sorted(shapes), xp.asarray(rng.integers(0, 3, 4))
    x = xp.asarray(spikes(rng, 4, 6))

    def forward(x, *weights):
        params = dict(zip(keys, weights, strict=True))
        z, caches, _ = net.forward(params, {}, x, train=True)
        loss, cache = first_spike_loss_forward(z, labels, cap=np.inf)  # the gradient knows no cap
        return loss, (params, caches, cache)

    def backward(dloss, cache):
        params, caches, cache = cache
        dx, grads = net.backward(params, first_spike_loss_backward(dloss, cache), caches)
        return dx, *(grads[key] for key in keys)

    inputs = (x, *(xp.asarray(shapes[key]) for key in keys))
    slopes = [to_host(c.slope).min() for c in forward(*inputs)[1][1].values()]
    if min(slopes) > 0.1:  # nearer to 0 a finite difference is no derivative
        check_gradient(forward, backward, inputs, rng, rtol=1e-5)
    params, caches, cache = forward(*inputs)[1]
    dz = first_spike_loss_backward(1.0, cache)
    dx, grads = net.backward(params, dz, caches, need_dx=False)
    assert dx is None
    for key, g in net.backward(params, dz, caches)[1].items():
        np.testing.assert_array_equal(to_host(g), to_host(grads[key]))
