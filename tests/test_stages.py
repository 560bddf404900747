"""Stages and whole networks of them: shapes, keys, caches, and gradients against finite differences."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import few, rngs

from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.networks.compose import Residual, Sequential, firing_rates, inside, outside
from minisnn.networks.stages.base import merge_time, split_time
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, GlobalPool, MaxPool
from minisnn.networks.stages.readouts import CumulativeSum, MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.sigmoid import Sigmoid

SMOOTH = LIF(Neuron(smooth=True, surrogate=Sigmoid(2.0)))


def chain(*stages):
    """Sequential with the names s1, s2, ..."""
    return Sequential(tuple((f"s{n}", stage) for n, stage in enumerate(stages, 1)))


def started(xp, net, shape, rng):
    """Parameters and buffers where batch norm does something."""
    params, buffers = net.init(rng, shape)
    params = {key: w + 0.3 * rng.standard_normal(w.shape) for key, w in params.items()}
    buffers = {key: b + 0.3 * rng.random(b.shape) for key, b in buffers.items()}
    return tuple({key: xp.asarray(a) for key, a in arrays.items()} for arrays in (params, buffers))


def check_network(xp, net, x, rng, train=True):
    """The gradient of a network by its input and by all of its parameters, side by side in one vector."""
    params, buffers = started(xp, net, x.shape[2:], rng)
    keys = sorted(params)
    ends = np.cumsum([0] + [params[key].size for key in keys]).tolist()

    def split(vector):
        parts = (vector[a:b] for a, b in pairwise(ends))
        return {key: part.reshape(params[key].shape) for key, part in zip(keys, parts, strict=True)}

    def forward(x, vector):
        y, cache, _ = net.forward(split(vector), buffers, x, train)
        return y, (cache, vector)

    def backward(dy, cache):
        dx, grads = net.backward(split(cache[1]), dy, cache[0])
        assert sorted(grads) == keys
        return dx, xp.concatenate([zero, *(grads[key].reshape(-1) for key in keys)])

    zero = xp.zeros(0)
    x, vector = xp.asarray(x), xp.concatenate([zero, *(params[key].reshape(-1) for key in keys)])
    cache = forward(x, vector)[1][0]
    assume(far_from_ties(net, cache))
    assume(steepest(net, cache) < 30)
    # deep networks amplify rounding, and where the gradient vanishes nothing else is left
    check_gradient(forward, backward, (x, vector), rng, rtol=1e-5, atol=1e-9)


def far_from_ties(net, caches):
    """Is the largest of every max pool's window well above the second? Only then has it a derivative."""
    for name, stage in net.stages:
        if isinstance(stage, MaxPool):
            x, k = to_host(caches[name].x), stage.k
            N, H, W, C = x.shape
            windows = x[:, : H // k * k, : W // k * k].reshape(N, H // k, k, W // k, k, C)
            ordered = np.sort(np.moveaxis(windows, 2, 3).reshape(N, H // k, W // k, k * k, C), axis=3)
            if np.diff(ordered, axis=3)[:, :, :, -1:].min(initial=1) < 1e-4:
                return False
    return True


def steepest(stage, cache):
    """The largest factor of a batch norm: few values that almost coincide are blown up until they curve."""
    if isinstance(stage, Residual):
        return max(steepest(stage.main, cache["main"]), steepest(stage.shortcut, cache["shortcut"]))
    if isinstance(stage, Sequential):
        return max((steepest(s, cache[name]) for name, s in stage.stages), default=0)
    return to_host(cache.inv).max() if isinstance(stage, BatchNorm) else 0


@st.composite
def deep_networks(draw):
    """Of up to four parts that keep images images, then neurons, then a readout; and the shape of an input."""
    H, W, C = draw(st.integers(4, 6)), draw(st.integers(4, 6)), draw(few)
    last = draw(st.sampled_from([None, 1]))
    W = H if last is None else W
    reset = draw(st.sampled_from([None, 0.0, -0.5]))
    lif = LIF(replace(SMOOTH.neuron, v_th=0.5, v_reset=reset, decay=draw(st.floats(0, 1))))
    norm = BatchNorm(scale=draw(st.floats(0.5, 1)))
    stages, size, channels = [], min(H, W), C
    for kind in draw(st.lists(st.sampled_from(["conv", "block", "widening", "mean", "max"]), max_size=4)):
        width = draw(few)
        if kind == "conv":
            stages += [Conv(width, draw(st.sampled_from([1, 3])), padding=1), norm, lif]
            size, channels = size + 2 * (stages[-3].k == 1), width
        elif kind == "block":
            main = chain(Conv(channels, bias=False), norm, lif, Conv(channels, std=None), norm)
            stages += [Residual(main), lif]
        elif kind == "widening":
            shortcut = chain(Conv(width, 1, 2, 0, bias=False), norm)
            stages += [Residual(chain(norm, lif, Conv(width, 3, 2, 1)), shortcut), lif]
            size, channels = (size + 1) // 2, width
        elif size >= 2:
            stages.append(AveragePool(2) if kind == "mean" else MaxPool(2))
            size //= 2
    stages += [AveragePool(last) if last else GlobalPool(), Flatten(), Linear(4, std=0.5), lif]
    stages += draw(st.sampled_from([[], [MeanOverTime()], [Linear(3)], [Linear(3), CumulativeSum()]]))
    return chain(*stages), (H, W, C)


def images(rng, T, B, shape):
    return rng.standard_normal((T, B, *shape))


@given(rng=rngs, drawn=deep_networks(), T=few, B=st.integers(2, 4), static=st.booleans(), train=st.booleans())
def test_gradients_of_whole_networks(xp, rng, drawn, T, B, static, train):
    net, shape = drawn
    if static:
        net, x = Sequential((("repeat", Repeat(T)), *net.stages)), images(rng, 1, B, shape)
    else:
        x = images(rng, T, B, shape)
    check_network(xp, net, x, rng, train)


@given(rng=rngs, drawn=deep_networks(), T=few, B=st.integers(2, 4))
def test_shapes_keys_and_caches(xp, rng, drawn, T, B):
    """out() is what forward gives, grads have the keys and shapes of params, and a cache outlives a second forward."""
    net, shape = drawn
    params, buffers = started(xp, net, shape, rng)
    x = xp.asarray(images(rng, T, B, shape))
    y, cache, new = net.forward(params, buffers, x, train=True)
    averaged = any(isinstance(stage, MeanOverTime) for _, stage in net.stages)
    assert y.shape == (1 if averaged else T, B, *net.out(shape))
    assert {key: b.shape for key, b in new.items()} == {key: b.shape for key, b in buffers.items()}
    dy = xp.asarray(rng.standard_normal(y.shape))
    dx, grads = net.backward(params, dy, cache)
    assert dx.shape == x.shape
    assert {key: g.shape for key, g in grads.items()} == {key: w.shape for key, w in params.items()}
    net.forward(params, buffers, 2 * x, train=True)
    nothing, again = net.backward(params, dy, cache, need_dx=False)
    assert nothing is None
    for key, g in grads.items():
        np.testing.assert_array_equal(to_host(g), to_host(again[key]))


IMAGE = (5, 6, 2)
ALL = {
    "linear": (Linear(3), (4,), (3,), {"weight": (4, 3), "bias": (3,)}),
    "linear without bias": (Linear(3, bias=False, std=0.1), (4,), (3,), {"weight": (4, 3)}),
    "conv": (Conv(3), IMAGE, (5, 6, 3), {"weight": (3, 3, 2, 3), "bias": (3,)}),
    "conv with stride": (Conv(3, 5, 2, 0, bias=False), IMAGE, (1, 1, 3), {"weight": (5, 5, 2, 3)}),
    "batch norm": (BatchNorm(), IMAGE, IMAGE, {"gamma": (2,), "beta": (2,)}),
    "neurons": (SMOOTH, IMAGE, IMAGE, {}),
    "average pool": (AveragePool(2), IMAGE, (2, 3, 2), {}),
    "mean over positions": (GlobalPool(), (5, 5, 2), (1, 1, 2), {}),
    "max pool": (MaxPool(3), IMAGE, (1, 2, 2), {}),
    "flatten": (Flatten(), IMAGE, (60,), {}),
    "mean over time": (MeanOverTime(), (4,), (4,), {}),
    "accumulate": (CumulativeSum(), (4,), (4,), {}),
    "residual": (
        Residual(chain(Conv(3, 3, 2)), chain(Conv(3, 1, 2, 0, bias=False))), IMAGE, (3, 3, 3),
        {"main.s1.weight": (3, 3, 2, 3), "main.s1.bias": (3,), "shortcut.s1.weight": (1, 1, 2, 3)},
    ),
    "residual with x itself": (
        Residual(chain(Linear(2, bias=False))), (2,), (2,), {"main.s1.weight": (2, 2)},
    ),
    "nothing": (Sequential(), IMAGE, IMAGE, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@given(rng=rngs, T=few, B=st.integers(2, 3))
def test_every_stage(xp, name, rng, T, B):
    stage, shape, out, keys = ALL[name]
    params, _ = stage.init(rng, shape)
    assert {key: w.shape for key, w in params.items()} == keys
    assert stage.out(shape) == out
    x = images(rng, T, B, shape)
    y = stage.forward(*started(xp, stage, shape, rng), xp.asarray(x), train=True)[0]
    assert y.shape == (1 if stage == MeanOverTime() else T, B, *out)
    check_network(xp, chain(stage), x, rng)


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 6, 2), (6, 4, 2)])
def test_one_mean_over_all_positions(xp, shape):
    x = images(np.random.default_rng(0), 2, 3, shape)
    y = GlobalPool().forward({}, {}, xp.asarray(x), True)[0]
    np.testing.assert_allclose(to_host(y), x.mean((2, 3), keepdims=True))


def backwards(stage, change):
    """A stage whose backward is damaged: `change(stage's class, self, dx, grads)` -> dx, grads."""

    class Damaged(type(stage)):
        def backward(self, params, dy, cache, need_dx=True):
            return change(super(), params, dy, cache)

    return Damaged(**{field.name: getattr(stage, field.name) for field in fields(stage)})


def scaled(factor):
    def change(stage, params, dy, cache):
        dx, grads = stage.backward(params, dy, cache)
        return dx * factor, grads

    return change


BLOCK = Residual(chain(Conv(2), BatchNorm(), SMOOTH), chain(Conv(2, 1, 1, 0)))
DAMAGED = {
    "no shortcut": (BLOCK, lambda s, p, dy, c: (BLOCK.main.backward(inside("main", p), dy, c["main"])[0],
                                                s.backward(p, dy, c)[1])),
    "one branch's gradients twice": (BLOCK, lambda s, p, dy, c: (s.backward(p, dy, c)[0], s.backward(p, 2 * dy, c)[1])),
    "mean over time as a sum": (MeanOverTime(), scaled(4)),
    "repeat as a mean": (Repeat(4), scaled(0.25)),
    "accumulate forwards in time": (CumulativeSum(), lambda s, p, dy, c: (dy.cumsum(0), {})),
    "flatten in another order": (Flatten(), lambda s, p, dy, c: (dy.reshape(c)[:, :, ::-1], {})),
    "average pool as a sum": (AveragePool(2), scaled(4)),
    "max pool as an average": (MaxPool(2), lambda s, p, dy, c: (AveragePool(2).backward(p, dy, c)[0], {})),
    "batch norm with a fixed mean": (BatchNorm(), lambda s, p, dy, c: s.backward(p, dy, c._replace(train=False))),
    "neurons detached": (SMOOTH, lambda s, p, dy, c: s.backward(
        p, dy, c._replace(neuron=replace(c.neuron, detach_reset=True)))),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
@settings(max_examples=10)  # gradients of whole networks
@given(rng=rngs)
def test_damaged_stages_are_caught(xp, name, rng):
    """In the middle of a network, so that what is behind it passes and what is before it shows the damage."""
    stage, change = DAMAGED[name]
    T = 1 if isinstance(stage, Repeat) else 4
    for middle in (stage, backwards(stage, change)):
        net = chain(Conv(2), BatchNorm(), SMOOTH, middle, SMOOTH)
        if middle is stage:
            check_network(xp, net, images(rng, T, 2, (4, 4, 2)), rng)
        else:
            with pytest.raises(GradientError):
                check_network(xp, net, images(rng, T, 2, (4, 4, 2)), rng)


@given(rng=rngs, T=few)
def test_readouts_by_hand(xp, rng, T):
    outputs = rng.standard_normal((T, 2, 3))
    mean, _, _ = MeanOverTime().forward({}, {}, xp.asarray(outputs), False)
    sums, _, _ = CumulativeSum().forward({}, {}, xp.asarray(outputs), False)
    np.testing.assert_allclose(to_host(mean), outputs.sum(0, keepdims=True) / T)
    for t in range(T):
        np.testing.assert_allclose(to_host(sums)[t], outputs[: t + 1].sum(0))
    a = outputs > 0
    np.testing.assert_allclose(
        to_host(MeanOverTime().forward({}, {}, xp.asarray(a), False)[0])[0], a.mean(0), rtol=1e-12
    )


@given(rng=rngs, T=few, B=few)
def test_flatten_and_fold(xp, rng, T, B):
    x = rng.standard_normal((T, B, 3, 4, 2))
    flat = to_host(Flatten().forward({}, {}, xp.asarray(x), False)[0])
    assert flat[T - 1, B - 1, (2 * 4 + 1) * 2 + 1] == x[T - 1, B - 1, 2, 1, 1]  # position * C + channel
    np.testing.assert_array_equal(to_host(merge_time(xp.asarray(x)))[(T - 1) * B], x[T - 1, 0])
    np.testing.assert_array_equal(to_host(split_time(merge_time(xp.asarray(x)), xp.asarray(x))), x)


@given(rng=rngs, T=few, B=st.integers(2, 3))
def test_firing_rates(xp, rng, T, B):
    """Of every layer of neurons, however deep, under its stage's name."""
    lif = LIF(Neuron())
    inner = Sequential(
        (("conv1", Conv(2)), ("lif1", lif), ("conv", Conv(2)), ("bn", BatchNorm()), ("lif2", lif))
    )
    net = Sequential(
        (("bn", BatchNorm(gamma=2.0)), ("lif1", lif), ("block", Residual(inner, chain(Conv(2)))), ("lif2", lif),
         ("flatten", Flatten()), ("fc", Linear(3)))
    )  # fmt: skip
    params, buffers = started(xp, net, (3, 3, 2), rng)
    x = xp.asarray(images(rng, T, B, (3, 3, 2)))
    _, caches, _ = net.forward(params, buffers, x, train=True)
    rates = firing_rates(net, caches)
    main = caches["block"]["main"]
    expected = {
        "lif1": caches["lif1"], "block.main.lif1": main["lif1"],
        "block.main.lif2": main["lif2"], "lif2": caches["lif2"],
    }  # fmt: skip
    assert list(rates) == list(expected)
    for name, cache in expected.items():
        assert float(rates[name]) == pytest.approx(to_host(cache.spikes).mean())
    net = Sequential((("a", FirstSpike(3)),))
    z, caches, _ = net.forward({"a.weight": xp.asarray(rng.standard_normal((4, 3)))}, {}, xp.asarray(
        np.exp(rng.random((5, 4)))), True)  # fmt: skip
    assert float(firing_rates(net, caches)["a"]) == pytest.approx(np.isfinite(to_host(z)).mean())


@given(rng=rngs)
def test_initial_weights(rng):
    fan_out = Conv(64, 3).init(rng, (8, 8, 32))[0]["weight"]
    assert fan_out.std() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    for stage, shape, n in ((Conv(64, 3, std=None), (8, 8, 32), 288), (Linear(500), (200,), 200)):
        params, _ = stage.init(rng, shape)
        for w in params.values():
            assert abs(w).max() <= n**-0.5
            assert abs(w.mean()) < 0.3 * n**-0.5
        assert abs(params["weight"]).max() > 0.95 * n**-0.5
    assert Linear(500, std=0.02).init(rng, (200,))[0]["weight"].std() == pytest.approx(0.02, rel=0.05)
    params, buffers = BatchNorm(gamma=0.5).init(rng, (4, 4, 3))
    assert {key: a.tolist() for key, a in (params | buffers).items()} == {
        "gamma": [0.5] * 3, "beta": [0] * 3, "mean": [0] * 3, "var": [1] * 3,
    }  # fmt: skip


def test_running_statistics_move_in_training_only(xp):
    rng = np.random.default_rng(0)
    net = Sequential((("bn", BatchNorm()),))
    params, buffers = net.init(rng, (2,))
    x = 3 + 2 * rng.standard_normal((4, 5, 2))
    device = {key: xp.asarray(b) for key, b in buffers.items()}
    params = {key: xp.asarray(w) for key, w in params.items()}
    _, _, new = net.forward(params, device, xp.asarray(x), train=True)
    np.testing.assert_allclose(to_host(new["bn.mean"]), 0.1 * x.mean((0, 1)))
    np.testing.assert_allclose(to_host(new["bn.var"]), 0.9 + 0.1 * x.var((0, 1), ddof=1))
    np.testing.assert_array_equal(to_host(device["bn.var"]), 1)  # the old ones are left alone
    same = net.forward(params, new, xp.asarray(x), train=False)[2]
    assert all((to_host(same[key]) == to_host(new[key])).all() for key in new)


def test_inside_is_the_way_back_from_outside():
    arrays = {"weight": 1, "s.bias": 2}
    assert inside("a", outside("a", arrays) | {"ab.weight": 3, "a2.weight": 4}) == arrays


@pytest.mark.parametrize(
    ("stage", "shape", "message"),
    [
        (Linear(3), (4, 4, 2), r"takes vectors, found \(4, 4, 2\): flatten first"),
        (Conv(3, 5, padding=0), (4, 6, 2), "kernel of 5x5 does not fit into 4x6"),
        (AveragePool(3), (4, 2, 1), "pool of 3x3 leaves nothing of 4x2"),
        (MaxPool(5), (4, 4, 1), "pool of 5x5 leaves nothing of 4x4"),
        (Residual(chain(Conv(3))), (4, 4, 2), r"equal shapes, found \(4, 4, 3\) and \(4, 4, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(stage, shape, message):
    with pytest.raises(ValueError, match=message):
        stage.out(shape)


def test_a_sequence_is_not_repeated():
    with pytest.raises(ValueError, match="static input has one time step"):
        Repeat(3).forward({}, {}, np.zeros((2, 1, 4)), False)
