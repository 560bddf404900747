"""Losses against worked numbers and finite differences."""

from functools import partial
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rngs, sizes, spikes, weights

from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.networks.compose import Sequential
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.ops.first_spike import Z_MAX
from minisnn.training.losses import (
    first_spike_loss_backward,
    first_spike_loss_forward,
    first_spike_prediction,
    l1_cost_backward,
    l1_cost_forward,
    mean_loss_backward,
    mean_loss_forward,
    mean_prediction,
    tet_loss_backward,
    tet_loss_forward,
    weight_sum_cost_backward,
    weight_sum_cost_forward,
)


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
    if min(slopes) > 0.3:  # nearer to 0 a finite difference is no derivative
        check_gradient(forward, backward, inputs, rng, rtol=1e-4)
    params, caches, cache = forward(*inputs)[1]
    dz = first_spike_loss_backward(1.0, cache)
    dx, grads = net.backward(params, dz, caches, need_dx=False)
    assert dx is None
    for key, g in net.backward(params, dz, caches)[1].items():
        np.testing.assert_array_equal(to_host(g), to_host(grads[key]))


def cross_entropy(o, y):
    """Of one output vector."""
    return log(sum(np.exp(o))) - o[y]


@pytest.mark.parametrize(
    ("lam", "loss", "d"),
    [
        (0, 1.220095, [(-0.134471, 0.134471), (-0.440399, 0.440399)]),
        (0.05, 1.196590, [(-0.127747, 0.102747), (-0.443379, 0.443379)]),
    ],
)
def test_worked_tet_loss(xp, lam, loss, d):
    outputs = xp.asarray(np.array([[[1.0, 0.0]], [[0.0, 2.0]]]))
    found, cache = tet_loss_forward(outputs, xp.asarray([0]), lam)
    assert float(found) == pytest.approx(loss, abs=5.1e-7)
    np.testing.assert_allclose(to_host(tet_loss_backward(1.0, cache))[:, 0], d, atol=5.1e-7)


@given(rng=rngs, T=sizes, B=sizes, K=sizes, lam=st.just(0.0) | st.floats(0, 1), phi=st.floats(-1, 2))
def test_tet_loss(xp, rng, T, B, K, lam, phi):
    """Against a loop over steps and samples, and finite differences."""
    o, y = rng.normal(0, 2, (T, B, K)), rng.integers(0, K, B)
    naive = sum(cross_entropy(o[t, b], y[b]) for t, b in np.ndindex(T, B)) / (T * B)
    naive = (1 - lam) * naive + lam * ((o - phi) ** 2).mean()
    labels = xp.asarray(y)
    assert float(tet_loss_forward(xp.asarray(o), labels, lam, phi)[0]) == pytest.approx(naive, abs=1e-12)
    check_gradient(
        lambda o: tet_loss_forward(o, labels, lam, phi), tet_loss_backward, (xp.asarray(o),), rng, rtol=1e-5
    )


@given(rng=rngs, T=sizes, B=sizes, K=sizes)
def test_mean_loss_and_prediction(xp, rng, T, B, K):
    """Of the outputs' mean over time; of a single step it is TET's."""
    o, y = rng.normal(0, 2, (T, B, K)), rng.integers(0, K, B)
    mean, outputs, labels = o.sum(0) / T, xp.asarray(o), xp.asarray(y)
    loss, _ = mean_loss_forward(outputs, labels)
    assert float(loss) == pytest.approx(sum(map(cross_entropy, mean, y)) / B, abs=1e-12)
    check_gradient(lambda o: mean_loss_forward(o, labels), mean_loss_backward, (outputs,), rng, rtol=1e-5)
    assert to_host(mean_prediction(outputs)).tolist() == [list(m).index(max(m)) for m in mean]
    one, cache = mean_loss_forward(outputs[:1], labels)
    tet, tet_cache = tet_loss_forward(outputs[:1], labels)
    assert float(one) == float(tet)
    d, expected = mean_loss_backward(2.0, cache), tet_loss_backward(2.0, tet_cache)
    np.testing.assert_array_equal(to_host(d), to_host(expected))


def test_ties_go_to_the_lowest_class(xp):
    outputs = xp.asarray(np.array([[[1.0, 2, 0], [0, 0, 0]], [[1.0, 0, 2], [0, 1, 1]]]))
    assert to_host(mean_prediction(outputs)).tolist() == [0, 1]


@given(rng=rngs)
def test_damaged_losses_over_time_are_caught(xp, rng):
    outputs, labels = xp.asarray(rng.standard_normal((3, 5, 4))), xp.asarray(rng.integers(0, 4, 5))
    for forward, backward in [
        (lambda o: tet_loss_forward(o, labels, 0.3), tet_loss_backward),
        (lambda o: mean_loss_forward(o, labels), mean_loss_backward),
    ]:
        for damaged in [
            lambda d, c, backward=backward: -backward(d, c),
            lambda d, c, backward=backward: backward(d, c) * 5,  # the sum over the batch
            lambda d, c, backward=backward: backward(d, c) * 3,  # the sum over time
            lambda d, c, backward=backward: backward(d, c._replace(p=c.p * 1.1)),
            lambda d, c, backward=backward: backward(d, c._replace(labels=(c.labels + 1) % 4)),
            lambda d, c, backward=backward: backward(d, c._replace(lam=c.lam + 0.1)),
        ]:
            with pytest.raises(GradientError):
                check_gradient(forward, damaged, (outputs,), rng)
    with pytest.raises(GradientError):
        check_gradient(
            lambda o: tet_loss_forward(o, labels, 0.3),
            lambda d, c: tet_loss_backward(d, c._replace(phi=0.5)),
            (outputs,),
            rng,
        )


@given(
    rng=rngs, T=few, B=few, K=st.integers(1, 5), lam=st.sampled_from([0.0, 0.3]), smoothing=st.floats(0, 0.99)
)
def test_label_smoothing(xp, rng, T, B, K, lam, smoothing):
    """Against sums over single numbers; its gradient; without it nothing changes, digit for digit."""
    outputs, labels = rng.standard_normal((T, B, K)), rng.integers(0, K, B)
    log_p = outputs - np.log(np.exp(outputs).sum(2, keepdims=True))
    mean_p = outputs.mean(0) - np.log(np.exp(outputs.mean(0)).sum(1, keepdims=True))
    q = [[(1 - smoothing) * (k == labels[b]) + smoothing / K for k in range(K)] for b in range(B)]
    each = [-q[b][k] * log_p[t, b, k] for t in range(T) for b in range(B) for k in range(K)]
    tet = (1 - lam) * sum(each) / (T * B) + lam * ((outputs - 1) ** 2).mean()
    mean = -sum(q[b][k] * mean_p[b, k] for b in range(B) for k in range(K)) / B
    x, y = xp.asarray(outputs), xp.asarray(labels)
    for forward, backward, expected in (
        (partial(tet_loss_forward, lam=lam), tet_loss_backward, tet),
        (mean_loss_forward, mean_loss_backward, mean),
    ):
        found, cache = forward(x, y, smoothing=smoothing)
        assert float(found) == pytest.approx(expected, rel=1e-9)
        check_gradient(lambda o, forward=forward: forward(o, y, smoothing=smoothing), backward, (x,), rng)
        if K > 1 and smoothing > 0.1:
            with pytest.raises(GradientError):  # the label alone
                check_gradient(
                    lambda o, forward=forward: forward(o, y, smoothing=smoothing),
                    lambda d, c, backward=backward: backward(d, c._replace(smoothing=0.0)), (x,), rng,
                )  # fmt: skip
        plain, without = forward(x, y), forward(x, y, smoothing=0.0)
        assert float(plain[0]) == float(without[0])
        np.testing.assert_array_equal(to_host(backward(1.0, plain[1])), to_host(backward(1.0, without[1])))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_is_a_fraction(smoothing):
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1, found"):
        tet_loss_forward(np.ones((2, 3, 4)), np.zeros(3, int), smoothing=smoothing)


@pytest.mark.parametrize("forward", [tet_loss_forward, mean_loss_forward])
def test_large_outputs_do_not_overflow(xp, forward):
    outputs = xp.asarray(np.array([[[1e4, -1e4, 0]], [[1e4, 1e4, 0]]], np.float32))
    loss, cache = forward(outputs, xp.asarray([1]))
    backward = tet_loss_backward if forward is tet_loss_forward else mean_loss_backward
    assert np.isfinite(float(loss))
    assert np.isfinite(to_host(backward(1.0, cache))).all()
    assert backward(1.0, cache).dtype == cache.p.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((2, 3), [0, 1], "expected outputs"),
        ((2, 3, 4), [0, 1], "expected outputs"),
        ((2, 3, 4), [0, 1, 4], "labels must be 0 to 3, found 0 to 4"),
        ((2, 3, 4), [0, -1, 3], "labels must be 0 to 3, found -1 to 3"),
    ],
)
def test_bad_labels_over_time_are_refused(shape, labels, message):
    for forward in (tet_loss_forward, mean_loss_forward):
        with pytest.raises(ValueError, match=message):
            forward(np.ones(shape), np.array(labels))


@given(rng=rngs, N=sizes, M=sizes)
def test_l1_cost(xp, rng, N, M):
    w = rng.choice([-1, 1], (N, M)) * rng.uniform(0.1, 1, (N, M))
    w[rng.random((N, M)) < 0.2] = 0
    cost, cache = l1_cost_forward(xp.asarray(w))
    assert float(cost) == pytest.approx(sum(map(abs, w.ravel())))
    dw = to_host(l1_cost_backward(2.0, cache))
    np.testing.assert_array_equal(dw, 2 * np.sign(w))
    w = xp.asarray(np.where(w, w, 1))
    check_gradient(l1_cost_forward, l1_cost_backward, (w,), rng)
    for damaged in (lambda d, w: -l1_cost_backward(d, w), lambda d, w: d * w):
        with pytest.raises(GradientError):
            check_gradient(l1_cost_forward, damaged, (0.5 * w,), rng)
