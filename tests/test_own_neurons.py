"""A learnable leak, recurrent neurons and dropout: against loops, worked numbers and finite differences."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import few, kink_distance, neurons, rngs, seeds

from minisnn import load, load_digits, resume, train
from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.networks.compose import Sequential
from minisnn.networks.cost import measure
from minisnn.networks.stages.dropout import Dropout
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.plif import PLIF
from minisnn.networks.stages.pools import AveragePool
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.recurrent_lif import RecurrentLIF
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.dropout import dropout_backward, dropout_forward
from minisnn.ops.neuron import Neuron
from minisnn.ops.plif import plif_backward, plif_forward
from minisnn.ops.recurrent_lif import recurrent_lif_backward, recurrent_lif_forward
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.structure.channel_graph import ChannelGraph
from minisnn.training import loop

smooth = neurons.map(lambda n: replace(n, smooth=True, detach_reset=False))


def naive(x, weight, n, decay, gain):
    """One neuron after the other, one number at a time."""
    T, B, N = x.shape
    u, a = np.zeros(x.shape), np.zeros(x.shape, bool)
    for b in range(B):
        v = [n.rest] * N
        for t in range(T):
            for j in range(N):
                heard = sum(weight[i, j] for i in range(N) if t and a[t - 1, b, i])
                u[t, b, j] = n.rest + decay * (v[j] - n.rest) + gain * (x[t, b, j] + heard)
                a[t, b, j] = u[t, b, j] >= n.v_th if n.fire_at_equality else u[t, b, j] > n.v_th
                fired = a[t, b, j]
                v[j] = (
                    u[t, b, j] - n.v_th * fired if n.v_reset is None else n.v_reset if fired else u[t, b, j]
                )
    return u, a


@given(rng=rngs, neuron=neurons, T=few, B=few, N=few)
def test_recurrent_neurons_equal_a_loop(xp, rng, neuron, T, B, N):
    x, weight = rng.normal(0.5, 1, (T, B, N)), rng.standard_normal((N, N))
    u, a = naive(x, weight, neuron, neuron.decay, neuron.gain)
    assume(abs(u - neuron.v_th).min() > 1e-9)
    spikes, cache = recurrent_lif_forward(xp.asarray(x), xp.asarray(weight), neuron)
    assert spikes.dtype == bool
    np.testing.assert_array_equal(to_host(spikes), a)
    np.testing.assert_allclose(to_host(cache.u), u, rtol=1e-12, atol=1e-12)
    assert float(cache.firing_rate()) == pytest.approx(a.mean())


@given(rng=rngs, neuron=neurons, a=st.floats(-3, 3), T=few, B=few, N=few)
def test_a_learnable_leak_equals_a_loop(xp, rng, neuron, a, T, B, N):
    current, k = rng.normal(1, 2, (T, B, N)), 1 / (1 + np.exp(-a))
    u, expected = naive(current, np.zeros((N, N)), neuron, 1 - k, k)
    assume(abs(u - neuron.v_th).min() > 1e-9)
    spikes, cache = plif_forward(xp.asarray(current), xp.asarray([a]), neuron, "pre-reset")
    np.testing.assert_array_equal(to_host(spikes), expected)
    np.testing.assert_allclose(to_host(cache.lif.u), u, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(to_host(cache.activity), abs(u).mean((0, 1)))
    assert float(cache.firing_rate()) == pytest.approx(expected.mean())


def test_a_leak_by_hand():
    """tau_m = 2 at a = 0: v goes half of the way to I; k = 1/4 at a = -ln 3."""
    current = np.array([1.0, 2.0, 2.0]).reshape(3, 1, 1)
    spikes, cache = plif_forward(current, [0.0], Neuron())
    assert cache.lif.u.ravel().tolist() == [
        0.5,
        1.25,
        1.0,
    ]  # 0.5; 0.5 + (2 - 0.5) / 2; after the reset 0 + 2 / 2
    assert spikes.ravel().tolist() == [False, True, False]
    _, cache = plif_forward(current, [-np.log(3)], Neuron())
    np.testing.assert_allclose(cache.lif.u.ravel(), [0.25, 0.6875, 1.015625])


@given(rng=rngs, neuron=smooth, a=st.floats(-2, 2), T=few, B=few, N=few)
def test_gradients_of_a_learnable_leak(xp, rng, neuron, a, T, B, N):
    current = xp.asarray(rng.normal(1, 2, (T, B, N)))
    _, cache = plif_forward(current, xp.asarray([a]), neuron)
    assume(kink_distance(neuron.surrogate, to_host(cache.lif.u) - neuron.v_th) > 1e-4)
    check_gradient(partial(plif_forward, neuron=neuron), plif_backward, (current, xp.asarray([a])), rng)


@given(rng=rngs, neuron=smooth, T=few, B=few, N=few)
def test_gradients_of_recurrent_neurons(xp, rng, neuron, T, B, N):
    x, weight = xp.asarray(rng.normal(0.5, 1, (T, B, N))), xp.asarray(rng.standard_normal((N, N)) / N)
    _, cache = recurrent_lif_forward(x, weight, neuron)
    assume(kink_distance(neuron.surrogate, to_host(cache.u) - neuron.v_th) > 1e-4)
    forward = partial(recurrent_lif_forward, neuron=neuron)
    # by the weights of neurons that hardly fire it is below 1e-8, and rounding of the potentials shows
    check_gradient(forward, recurrent_lif_backward, (x, weight), rng, atol=1e-10)


@pytest.mark.parametrize("name", ["plif", "recurrent"])
def test_a_damaged_backward_fails(name):
    rng, neuron = np.random.default_rng(0), Neuron(surrogate=Sigmoid(4.0), smooth=True)
    x = rng.normal(0.5, 1, (4, 3, 2))
    forward, backward, second = {
        "plif": (plif_forward, plif_backward, np.array([0.3])),
        "recurrent": (recurrent_lif_forward, recurrent_lif_backward, rng.standard_normal((2, 2))),
    }[name]

    def wrong(g, cache):
        first, other = backward(g, cache)
        return first, other * 1.001

    check_gradient(partial(forward, neuron=neuron), backward, (x, second), rng)
    with pytest.raises(GradientError, match="input 1"):
        check_gradient(partial(forward, neuron=neuron), wrong, (x, second), rng, atol=1e-10)


def test_gradients_that_almost_vanish():
    """Rounding shows where a weight is multiplied by a spike of 3e-5."""
    rng, neuron = np.random.default_rng(158909), Neuron(v_th=2.0, surrogate=Sigmoid(4.0), smooth=True)
    x, weight = rng.normal(0.5, 1, (2, 1, 1)), rng.standard_normal((1, 1))
    forward = partial(recurrent_lif_forward, neuron=neuron)
    check_gradient(forward, recurrent_lif_backward, (x, weight), rng, atol=1e-10)

    def wrong(g, cache):
        dx, dweight = recurrent_lif_backward(g, cache)
        return dx, 1.1 * dweight

    with pytest.raises(GradientError, match="input 1"):
        check_gradient(forward, wrong, (x, weight), rng, atol=1e-10)


@given(seed=seeds, rate=st.sampled_from([0.0, 0.25, 0.5, 0.9]), T=few, B=few, dtype=st.sampled_from("fd?"))
def test_dropout(xp, seed, rate, T, B, dtype):
    x = xp.asarray(np.random.default_rng(seed).standard_normal((T, B, 4, 5)).astype(dtype))
    y, cache = dropout_forward(x, rate, np.random.default_rng(seed))
    again, _ = dropout_forward(x, rate, np.random.default_rng(seed))
    assert y.dtype == (x.dtype if dtype != "?" else float)
    np.testing.assert_array_equal(to_host(y), to_host(again))
    kept = np.random.default_rng(seed).random((1, B, 4, 5)) >= rate
    np.testing.assert_allclose(to_host(y), to_host(x) * kept / (1 - rate), rtol=1e-6)
    g = xp.asarray(np.random.default_rng(seed + 1).standard_normal(y.shape).astype(y.dtype))
    np.testing.assert_allclose(to_host(dropout_backward(g, cache)), to_host(g) * kept / (1 - rate), rtol=1e-6)


def test_dropout_keeps_the_mean():
    y, _ = dropout_forward(np.ones((2, 1000, 100)), 0.3, np.random.default_rng(0))
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert (y[0] == y[1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plif_forward(np.ones((2, 1, 1)), np.ones(2), Neuron()),
            r"a must be of shape \(1,\), found \(2,\)",
        ),
        (lambda: plif_forward(np.ones((0, 1, 1)), np.ones(1), Neuron()), "current must be"),
        (lambda: recurrent_lif_forward(np.ones((2, 3)), np.ones((3, 3)), Neuron()), r"x must be \[T, B, N\]"),
        (
            lambda: recurrent_lif_forward(np.ones((2, 1, 3)), np.ones((3, 2)), Neuron()),
            r"weight must be \[N, N\]",
        ),
        (
            lambda: dropout_forward(np.ones((2, 1)), 1.0, np.random.default_rng(0)),
            "rate must be at least 0 and below 1",
        ),
        (lambda: dropout_forward(np.ones((2, 1), int), 0.1, np.random.default_rng(0)), "x must be floating"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- as stages of a network


def learned(T=3):
    """Convolution, a learnable leak, dropout, recurrent neurons, readout."""
    return Sequential(
        (("repeat", Repeat(T)), ("conv1", Conv(4)), ("bn1", BatchNorm()), ("plif1", PLIF()), ("pool", AveragePool()),
         ("flatten", Flatten()), ("drop", Dropout(0.25)), ("fc1", Linear(12, std=0.5)), ("lif2", RecurrentLIF(std=0.1)),
         ("fc2", Linear(10)))
    )  # fmt: skip


def test_a_run_with_them_is_resumed_as_if_it_had_never_stopped(tmp_path, monkeypatch):
    """Their parameters and the seeds of dropout are in the checkpoint, their description in the configuration."""
    data = load_digits()
    part = replace(data, train=data.train.take(slice(96)))
    settings = {
        "net": learned(),
        "batch_size": 32,
        "density": 0.5,
        "t_iter": 2.0,
        "epochs": 3,
        "progress": None,
    }
    whole = train("lif", part, out=tmp_path / "whole", pictures=False, **settings)
    step, calls = loop.step, []

    def stop(*args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            train("lif", part, out=tmp_path / "broken", pictures=False, **settings)
    resumed = resume(tmp_path / "broken", part, pictures=False)
    for group in ("params", "buffers", "masks"):
        found, expected = getattr(resumed.state, group), getattr(whole.state, group)
        assert found.keys() == expected.keys()
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])
    assert whole.state.params["plif1.a"][0] != 0  # it learns
    assert whole.state.buffers["drop.count"] == [9]  # once for each batch, never in evaluation
    assert whole.state.buffers["drop.count"].dtype.kind == "i"
    assert whole.state.masks["lif2.weight"].sum() == resumed.state.masks["lif2.weight"].sum()
    assert whole.result["synops"] > 0
    run = load(tmp_path / "whole")
    assert run.plain == learned()
    np.testing.assert_array_equal(run.predict(data.test.images[:5]), whole.predict(data.test.images[:5]))


def test_what_reaches_recurrent_weights():
    rng, net = np.random.default_rng(0), Sequential((("r", RecurrentLIF(std=1.0)),))
    params, buffers = net.init(rng, (5,))
    x, mask = rng.normal(1, 1, (4, 3, 5)), rng.random((5, 5)) < 0.6
    params["r.weight"] *= mask
    cost = measure(net, params, buffers, {"r.weight": mask}, x, analog=True)["r.weight"]
    spikes = net.forward(params, buffers, x, False)[0]
    synops = sum(
        mask[i].sum() for t, b, i in np.argwhere(spikes) if t < 3
    )  # the last step is heard by nobody
    assert cost.synops == synops / 3
    assert cost.events == spikes[:3].sum() / 3
    assert (cost.connections, cost.possible, cost.macs, cost.operations) == (mask.sum(), 25, 0, mask.sum())


def test_dropout_drops_in_training_alone_and_anew_each_time():
    stage, x = Dropout(0.5), np.ones((2, 3, 40))
    _, buffers = stage.init(np.random.default_rng(0), (40,))
    assert stage.forward({}, buffers, x, False)[0] is x
    one, _, after = stage.forward({}, buffers, x, True)
    two, cache, last = stage.forward({}, after, x, True)
    assert set(np.unique(one)) == {0, 2}
    assert (one != two).any()
    assert (buffers["count"], after["count"], last["count"]) == ([0], [1], [2])
    np.testing.assert_array_equal(stage.backward({}, np.ones(x.shape), cache)[0], two)
    with pytest.raises(ValueError, match="rate must be at least 0 and below 1, found 1"):
        Dropout(1).init(np.random.default_rng(0), (4,))
    with pytest.raises(
        ValueError, match="decay must be above 0 and below 1, where learning can start, found 1"
    ):
        PLIF(Neuron(decay=1.0)).init(np.random.default_rng(0), (4,))
    with pytest.raises(ValueError, match=r"recurrent neurons take vectors, found \(4, 4, 1\): flatten first"):
        RecurrentLIF().out((4, 4, 1))


def test_channels_are_pruned_through_a_learnable_leak():
    layers = ChannelGraph(learned(), (8, 8, 1)).layers
    assert [layer.key for layer in layers] == ["plif1"]
