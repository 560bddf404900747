"""A neuron with a learnable leak (PLIF, Fang et al. 2021), written outside the package, as a user would."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from strategies import few, rngs

from minisnn import load_digits
from minisnn.faster import fast
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.networks import cost, describe
from minisnn.networks.compose import Sequential, firing_rates
from minisnn.networks.stages.base import Plain
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate import Surrogate
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.recipes.lif import LIF_DEFAULTS
from minisnn.structure.channel_graph import ChannelGraph
from minisnn.structure.slim import Slimmer
from minisnn.training import loop


class PLIFCache(NamedTuple):
    x: Any  # [T, B, ...]
    u: Any
    spikes: Any
    v: Any  # [T, B, ...], before each step
    leak: Any

    def firing_rate(self):
        return self.spikes.mean()


@dataclass(frozen=True)
class PLIF(Plain):
    """u_t = v_{t-1} + k (x_t - v_{t-1}) with k = sigmoid(w) learned; hard reset to 0 where u_t > 1."""

    emits = "spikes"

    surrogate: Surrogate = field(default=Sigmoid())
    smooth: bool = False

    def init(self, rng, shape):
        return {"leak": np.zeros(1)}, {}

    def forward(self, params, buffers, x, train):
        k = 1 / (1 + np.exp(-params["leak"]))
        v, vs, us, spikes = np.zeros(x.shape[1:], x.dtype), [], [], []
        for x_t in x:
            vs.append(v)
            u = v + k * (x_t - v)
            a = self.surrogate.step(u - 1) if self.smooth else u > 1
            v = (1 - a) * u
            us.append(u)
            spikes.append(a)
        return (
            np.stack(spikes),
            PLIFCache(x, np.stack(us), np.stack(spikes), np.stack(vs), params["leak"]),
            {},
        )

    def backward(self, params, dy, cache, need_dx=True):
        x, u, a, v, w = cache
        k = 1 / (1 + np.exp(-w))
        dx, dk, dv = np.empty(x.shape, u.dtype), 0.0, np.zeros(u.shape[1:], u.dtype)
        for t in reversed(range(len(x))):
            du = dv * (1 - a[t]) + (dy[t] - dv * u[t]) * self.surrogate.slope(u[t] - 1)
            dx[t] = k * du
            dk += (du * (x[t] - v[t])).sum()
            dv = (1 - k) * du
        return dx, {"leak": (dk * k * (1 - k)).astype(w.dtype)}


class Nameless(PLIF):
    """The same, but it does not say what it emits."""

    emits = "real"


@given(rng=rngs, T=few, B=few, N=few)
def test_its_gradient(rng, T, B, N):
    stage, x, w = PLIF(smooth=True), rng.standard_normal((T, B, N)) + 1, rng.standard_normal(1)

    def forward(x, w):
        return stage.forward({"leak": w}, {}, x, True)[:2]

    def backward(dy, cache):
        dx, grads = stage.backward({"leak": cache.leak}, dy, cache)
        return dx, grads["leak"]

    check_gradient(forward, backward, (x, w), rng)
    with pytest.raises(GradientError):
        check_gradient(
            forward, lambda dy, cache: (backward(dy, cache)[0], 2 * backward(dy, cache)[1]), (x, w), rng
        )


def networks(neurons):
    """A network of convolution, neurons and readout on 8x8 images, T = 4."""
    return Sequential(
        (("repeat", Repeat(4)), ("conv1", Conv(4)), ("p1", neurons), ("conv2", Conv(4)), ("p2", neurons),
         ("flatten", Flatten()), ("fc", Linear(10)))
    )  # fmt: skip


def test_its_cost_is_that_of_a_lif_neuron_with_the_same_spikes():
    rng, x = np.random.default_rng(0), np.random.default_rng(1).uniform(0, 6, (1, 3, 8, 8, 1))
    neuron = Neuron(decay=0.5, gain=0.5)  # k = 1/2, where leak = 0
    params, buffers = networks(PLIF()).init(rng, (8, 8, 1))
    expected = cost.measure(networks(LIF(neuron)), params, buffers, {}, x)
    assert cost.measure(networks(PLIF()), params, buffers, {}, x) == expected
    assert expected["fc.weight"].synops > 0
    assert expected["fc.weight"].macs == 0
    real = cost.measure(networks(Nameless()), params, buffers, {}, x)
    assert real["conv1.weight"] == expected["conv1.weight"]  # a static image is counted once
    assert real["conv2.weight"].macs == 4 * real["conv2.weight"].operations  # real numbers of four steps
    assert real["fc.weight"].synops == 0
    y, cache, _ = networks(PLIF()).forward(params, buffers, x, True)
    assert firing_rates(networks(PLIF()), cache)["p1"] > 0


def test_what_cannot_be_counted_or_described_says_so():
    @dataclass(frozen=True)
    class Recurrent(PLIF):
        def init(self, rng, shape):
            return {"leak": np.zeros(1), "weight": np.zeros((*shape, *shape))}, {}

    x, net = np.ones((4, 2, 3)), Sequential((("r", Recurrent()),))
    params, buffers = net.init(np.random.default_rng(0), (3,))
    with pytest.raises(
        ValueError, match=r"r: cannot count what r.weight of a Recurrent cost: expected it in `counted`"
    ):
        cost.measure(net, params, buffers, {}, x)

    class Odd(Nameless):
        emits = "numbers"

    net = Sequential((("p", Odd()),))
    with pytest.raises(
        ValueError, match="emits of p must be one of spikes, same, mapped, real, found 'numbers'"
    ):
        cost.measure(net, *net.init(np.random.default_rng(0), (3,)), {}, x)
    with pytest.raises(ValueError, match=r"Recurrent', which has no name by which it could be found again"):
        describe.to_text(Sequential((("r", Recurrent()),)))


class Followed(PLIF):
    """The same; it says what it does to channels."""

    channels = "fire"
    axes: ClassVar = {"leak": (None,)}


def test_it_is_described_by_its_module_and_name():
    net = networks(PLIF(Sigmoid(3.0)))
    text = describe.to_text(net)
    assert '{"is": "test_own_stage:PLIF", "surrogate": {"is": "Sigmoid", "alpha": 3.0}}' in text
    assert describe.from_text(text) == net
    for name, message in [
        ("os:getcwd", "os:getcwd is neither a stage nor a surrogate"),
        ("test_own_stage:PLIFCache", "test_own_stage:PLIFCache is neither a stage nor a surrogate"),
        ("test_own_stage:Nothing", "cannot find test_own_stage:Nothing"),
        ("nowhere:Stage", "cannot find nowhere:Stage"),
    ]:
        with pytest.raises(ValueError, match=message):
            describe.from_text(text.replace("test_own_stage:PLIF", name))


def test_channels_are_followed_through_a_stage_that_says_what_it_does():
    """Else they are left alone: nothing that reaches it, or leaves it, can be pruned."""

    def net(neurons):
        return Sequential(
            (("conv1", Conv(4)), ("bn1", BatchNorm()), ("lif1", LIF()), ("conv2", Conv(5)), ("bn2", BatchNorm()),
             ("p2", neurons), ("conv3", Conv(6)), ("bn3", BatchNorm()), ("lif3", LIF()), ("flatten", Flatten()),
             ("fc", Linear(3)))
        )  # fmt: skip

    assert [layer.key for layer in ChannelGraph(net(PLIF()), (4, 4, 1)).layers] == ["lif1", "lif3"]
    plain = net(Followed())
    graph = ChannelGraph(plain, (4, 4, 1))
    assert [layer.key for layer in graph.layers] == ["lif1", "p2", "lif3"]
    rng = np.random.default_rng(0)
    params, buffers = plain.init(rng, (4, 4, 1))
    keep = np.array([True, False, True, True, False])
    for key in ("bn2.gamma", "bn2.beta"):
        params[key] *= keep
    slimmer = Slimmer(plain, (4, 4, 1), {"p2": keep})
    x = rng.normal(1, 1, (3, 2, 4, 4, 1))
    expected = plain.forward(params, buffers, x, False)[0]
    small, small_buffers = slimmer.arrays(params), slimmer.arrays(buffers)
    assert small["conv2.weight"].shape == (3, 3, 4, 3)
    assert small["p2.leak"].shape == (1,)
    np.testing.assert_allclose(slimmer.net.forward(small, small_buffers, x, False)[0], expected, rtol=1e-12)
    counted = slimmer.connections(params, {})
    assert counted.active == sum(w.size for w in small.values() if w.ndim > 1)


def test_it_trains():
    """Through the library's step, in the plain and in the fast network; its leak learns."""
    data, recipe = load_digits(), LIF_DEFAULTS["digits"]
    setup = recipe.setup(data)
    images, labels = data.train.images[:200], data.train.labels[:200]
    net = Sequential(
        (("repeat", Repeat(4)), ("conv1", Conv(8)), ("bn1", BatchNorm()), ("p1", PLIF()), ("flatten", Flatten()),
         ("fc", Linear(10)))
    )  # fmt: skip
    histories = []
    for network in (net, fast(net, data.shape)):
        mine = replace(setup, net=network)
        state = loop.start(mine, seed=0)
        steps = [loop.step(mine, state, images, labels, lr=0.02) for _ in range(15)]
        histories.append([step.loss for step in steps])
        assert steps[-1].loss < steps[0].loss / 2
        assert steps[-1].correct > 150
        assert set(steps[-1].firing) == {"p1"}
        assert abs(float(state.params["p1.leak"][0])) > 0.01
    np.testing.assert_allclose(*histories, rtol=1e-2)
