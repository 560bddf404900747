"""Nothing in, nothing out: without samples ops give empty arrays and gradients of 0. What else is empty is refused."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_nets import random_nets
from strategies import neurons, rngs

from minisnn import load_digits
from minisnn.backend import to_host
from minisnn.batches.augment import flip, roll, shift
from minisnn.batches.encode import direct_code, event_code, latency_code
from minisnn.faster import fast
from minisnn.faster.norm_lif import norm_lif_backward, norm_lif_forward
from minisnn.faster.winograd import winograd_backward, winograd_forward
from minisnn.networks.architectures import first_spike_mlp
from minisnn.networks.compose import firing_rates
from minisnn.ops.conv import conv_backward, conv_forward
from minisnn.ops.first_spike import first_spike_backward, first_spike_forward
from minisnn.ops.lif import lif_backward, lif_forward
from minisnn.ops.linear import linear_backward, linear_forward
from minisnn.ops.max_pool import max_pool_backward, max_pool_forward
from minisnn.ops.neuron import Neuron
from minisnn.ops.norm import (
    RunningStats,
    batch_norm_backward,
    batch_norm_forward,
)
from minisnn.ops.pool import (
    average_pool_backward,
    average_pool_forward,
    global_pool_backward,
    global_pool_forward,
)
from minisnn.ops.score import SCORES
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS
from minisnn.training import loop, losses


@settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(rng=rngs, drawn=random_nets())
def test_any_network_without_samples(xp, rng, drawn):
    net, signal = drawn
    params, buffers = (
        {key: xp.asarray(a) for key, a in arrays.items()} for arrays in net.init(rng, signal.shape)
    )
    x = xp.asarray(np.zeros((signal.T, 0, *signal.shape)))
    for n in (net, fast(net, signal.shape)):
        y, cache, new = n.forward(params, buffers, x, False)
        assert y.shape[1:] == (0, *net.out(signal.shape))
        assert all((new[key] == buffers[key]).all() for key in buffers)
        assert all(float(rate) == 0 for rate in firing_rates(n, cache).values())
        dx, grads = n.backward(params, xp.asarray(np.zeros(y.shape)), cache)
        assert dx.shape == x.shape
        assert {key: g.shape for key, g in grads.items()} == {key: w.shape for key, w in params.items()}
        assert not any(to_host(g).any() for g in grads.values())


@given(rng=rngs)
def test_a_first_spike_network_without_samples(xp, rng):
    net = first_spike_mlp((4,), 3)
    params = {key: xp.asarray(w) for key, w in net.init(rng, (5,))[0].items()}
    z, cache, _ = net.forward(params, {}, xp.asarray(np.ones((0, 5))), True)
    assert z.shape == (0, 3)
    assert list(firing_rates(net, cache).values()) == [0, 0]
    dz, grads = net.backward(params, z, cache)
    assert dz.shape == (0, 5)
    assert not any(to_host(g).any() for g in grads.values())
    assert losses.first_spike_prediction(z).shape == (0,)


STATS = {C: RunningStats(np.zeros(C), np.ones(C)) for C in (0, 2)}


def norm(forward, C, *more, train=False):
    return lambda x: forward(x, np.ones(C), np.zeros(C), STATS[C], train, *more)


@pytest.mark.parametrize("shape", [(0, 3, 3, 2), (2, 0, 3, 2), (2, 3, 0, 2), (2, 3, 3, 0)])
@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: conv_forward(x, np.ones((1, 1, x.shape[3], 2)), np.ones(2)), conv_backward),
        (lambda x: winograd_forward(x, np.ones((3, 3, x.shape[3], 2)), np.ones(2)), winograd_backward),
        (lambda x: linear_forward(x, np.ones((x.shape[3], 2)), np.ones(2)), linear_backward),
        (partial(average_pool_forward, k=2), average_pool_backward),
        (partial(max_pool_forward, k=2), max_pool_backward),
        (global_pool_forward, global_pool_backward),
        *((lambda x, s=s: lif_forward(x, Neuron(), s), lif_backward) for s in (None, *SCORES)),
        (lambda x: norm(batch_norm_forward, x.shape[3])(x), batch_norm_backward),
        (lambda x: norm(batch_norm_forward, x.shape[3], train=True)(x), batch_norm_backward),
        (lambda x: norm(norm_lif_forward, x.shape[3], Neuron())(x), norm_lif_backward),
        (lambda x: norm(norm_lif_forward, x.shape[3], Neuron(), train=True)(x), norm_lif_backward),
    ],
)
def test_every_op_works_or_says_why_not(forward, backward, shape):
    """In these words: not those of a reshape or of an index that fails somewhere inside."""
    try:
        y, cache, *_ = forward(np.zeros(shape))
    except ValueError as error:
        assert any(
            words in str(error) for words in ("at least", "only N may be 0", "must have", "more than one")
        ), error
        return
    grads = backward(np.ones(y.shape), cache)
    dx, *others = grads if isinstance(grads, tuple) else (grads,)
    assert dx.shape == shape
    assert all(np.isfinite(g).all() for g in others if g is not None)
    assert 0 in shape[:1] + y.shape


@given(neuron=neurons)
def test_neurons_without_samples(neuron):
    for score in (None, *SCORES):
        spikes, cache = lif_forward(np.zeros((2, 0, 3)), neuron, score)
        assert spikes.shape == (2, 0, 3)
        assert cache.firing_rate() == 0
        assert cache.activity is None or cache.activity.tolist() == [0, 0, 0]
        assert lif_backward(np.zeros((2, 0, 3)), cache).shape == (2, 0, 3)


def test_first_spikes_of_no_input_or_no_neuron_are_refused():
    for B, N, M in ((2, 0, 3), (2, 3, 0), (0, 0, 0)):
        with pytest.raises(ValueError, match=r"expected z_in \[B, N\] and weight \[N, M\]"):
            first_spike_forward(np.ones((B, N)), np.ones((N, M)))
    z, cache = first_spike_forward(np.ones((0, 3)), np.ones((3, 2)))
    dz, dweight = first_spike_backward(z, cache)
    assert (z.shape, dz.shape, dweight.tolist()) == ((0, 2), (0, 3), 3 * [[0, 0]])


@pytest.mark.parametrize("T", [0, 2])
@pytest.mark.parametrize("B", [0, 2])
@pytest.mark.parametrize("K", [0, 3])
def test_a_loss_of_nothing_is_refused(T, B, K):
    outputs, labels = np.zeros((T, B, K)), np.zeros(B, int)
    for loss in (losses.tet_loss_forward, losses.mean_loss_forward):
        if 0 not in (T, B, K):
            assert np.isfinite(loss(outputs, labels)[0])
            continue
        with pytest.raises(ValueError, match=r"expected outputs \[T, B, K\]"):
            loss(outputs, labels)
    if 0 in (T, K):
        with pytest.raises(ValueError, match=r"expected outputs \[T, B, K\] with T and K of at least 1"):
            losses.mean_prediction(outputs)
    else:
        assert losses.mean_prediction(outputs).shape == (B,)


@pytest.mark.parametrize(("B", "K"), [(0, 3), (2, 0)])
def test_a_first_spike_loss_of_nothing_is_refused(B, K):
    with pytest.raises(ValueError, match=r"expected z \[B, K\] and labels \[B\], found .*: none may be 0"):
        losses.first_spike_loss_forward(np.ones((B, K)), np.zeros(B, int))
    if not K:
        with pytest.raises(ValueError, match="with K of at least 1"):
            losses.first_spike_prediction(np.ones((B, K)))


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (2, 0, 4, 1), (2, 4, 0, 1), (2, 4, 4, 0)])
def test_images_of_nothing(xp, shape):
    rng, images = np.random.default_rng(0), xp.asarray(np.zeros(shape, np.uint8))
    B, H, W, C = shape
    assert latency_code(images, 16).shape == (B, H * W * C)
    assert direct_code(images, 16).shape == (1, *shape)
    assert shift(images, 1, rng).shape == flip(images, rng).shape == shape


@pytest.mark.parametrize("shape", [(0, 3, 4, 4, 2), (2, 0, 4, 4, 2), (2, 3, 0, 4, 2), (2, 3, 4, 0, 2)])
def test_recordings_of_nothing(xp, shape):
    rng, frames = np.random.default_rng(0), xp.asarray(np.zeros(shape, np.float32))
    assert event_code(frames).shape == (shape[1], shape[0], *shape[2:])
    assert roll(frames, 1, rng).shape == flip(frames, rng).shape == shape


@pytest.mark.parametrize("recipe", [LIF_DEFAULTS["digits"], ESL_MLP_DEFAULTS["digits"]])
def test_training_and_evaluating_on_nothing_is_refused(recipe):
    data = load_digits()
    setup = recipe.setup(data)
    state, nothing = loop.start(setup, 0), data.train.take(slice(0))
    with pytest.raises(ValueError, match="samples to evaluate must be at least 1, found 0"):
        loop.evaluate(setup, state, nothing)
    with pytest.raises(ValueError, match="samples in the batch must be at least 1, found 0"):
        loop.step(replace(setup, accumulate=2), state, *nothing, 0.1)
    with pytest.raises(ValueError, match="samples to train on must be at least 1, found 0"):
        loop.train_epoch(setup, state, nothing, None)
