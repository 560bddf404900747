"""Channels leave for good: the small network fires as the masked one does, learns as it does, and costs less."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import shallow
from slow import slow_but
from strategies import rngs, seeds
from test_cost import on
from test_faster import close, notations

from minisnn.backend import to_host
from minisnn.faster import fast
from minisnn.gradcheck import check_gradient
from minisnn.networks import architectures
from minisnn.networks.build import build
from minisnn.networks.compose import Residual, Sequential, neuron_caches
from minisnn.networks.cost import connections, measure
from minisnn.networks.describe import from_text, to_text
from minisnn.networks.notation import SCA_STYLE, STYLES, from_notation
from minisnn.networks.registry import NETWORKS
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, GlobalPool, MaxPool
from minisnn.networks.stages.readouts import CumulativeSum, MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat, Select
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron
from minisnn.structure.channel_graph import ChannelGraph
from minisnn.structure.slim import Slimmer
from minisnn.training import checkpoint
from minisnn.training.optim import OPTIMIZERS
from minisnn.training.state import TrainingState

BN, IF = BatchNorm(), LIF(SCA_STYLE.neuron)


def ready(rng, net, shape):
    """Parameters and statistics as training might leave them: all channels say something, none like another."""
    params, buffers = net.init(rng, shape)
    for key, w in params.items():
        params[key] = w * rng.uniform(0.5, 2) if w.ndim > 1 else w + 0.5 * rng.standard_normal(w.shape)
    mean, var = (
        {key: rng.uniform(low, high, a.shape) for key, a in buffers.items() if key.endswith(end)}
        for low, high, end in ((-0.3, 0.3, "mean"), (0.2, 2, "var"))
    )
    return params, {key: (mean | var)[key] for key in buffers}


def draw_masks(rng, net, shape, least=1):
    """Of every layer between 1 and all channels; some layers have no mask."""
    masks = {}
    for layer in ChannelGraph(net, shape).layers:
        mask = np.zeros(layer.size, bool)
        mask[rng.choice(layer.size, rng.integers(least, layer.size, endpoint=True), replace=False)] = True
        if rng.random() < 0.9:
            masks[layer.key] = mask
    return masks


def masked(params, layers, masks):
    """Channels are silenced by batch norm, whose gamma and beta are 0 there."""
    params = dict(params)
    for layer in layers:
        for name in layer.norms if layer.key in masks else ():
            for key in ("gamma", "beta"):
                params[f"{name}.{key}"] = params[f"{name}.{key}"] * masks[layer.key]
    return params


def spikes_of(net, cache):
    return {name: to_host(c.spikes) for name, c in neuron_caches(net, cache)}


def kept_channels(a, left):
    """Which of a's channels `left` has, in its order: of a stream, those that are still read."""
    found, channels = np.zeros(a.shape[-1], bool), iter(range(a.shape[-1]))
    for c in range(left.shape[-1]):
        found[next(k for k in channels if (a[..., k] == left[..., c]).all())] = True
    return found


def check_slim(xp, net, shape, rng, T=1, B=3):
    """The small network does all that the masked one does, in evaluation and in training, both plain and fast."""
    params, buffers = ready(rng, net, shape)
    masks = draw_masks(rng, net, shape)
    slimmer = Slimmer(net, shape, {key: xp.asarray(mask) for key, mask in masks.items()})
    layers = slimmer.graph.layers
    params, buffers = on(xp, masked(params, layers, on(np, masks)[0]), buffers)
    small, statistics = slimmer.arrays(params), slimmer.arrays(buffers)
    started = slimmer.net.init(rng, shape)
    for ours, theirs in zip((small, statistics), started, strict=True):
        assert {key: a.shape for key, a in ours.items()} == {key: a.shape for key, a in theirs.items()}
    mask_of = {name: masks.get(layer.key) for layer in layers for name in layer.neurons}
    x = xp.asarray(2 * rng.standard_normal((T, B, *shape)))
    dy = None
    for twin in (lambda net: net, lambda net: fast(net, shape)):
        for train in (False, True):
            (y, cache, new), (z, thin, fresh) = (
                n.forward(p, b, x, train)
                for n, p, b in ((twin(net), params, buffers), (twin(slimmer.net), small, statistics))
            )
            close({"y": z}, {"y": y})
            if not train:
                np.testing.assert_allclose(to_host(z), to_host(y), rtol=1e-12, atol=1e-12)
            whole, left = spikes_of(twin(net), cache), spikes_of(twin(slimmer.net), thin)
            assert list(whole) == list(left)
            for name, a in whole.items():
                kept = kept_channels(a, left[name]) if mask_of.get(name) is None else mask_of[name]
                np.testing.assert_array_equal(a[..., kept], left[name], err_msg=name)
                assert name not in mask_of or not a[..., ~kept].any(), name
            dy = xp.asarray(rng.standard_normal(y.shape)) if dy is None else dy
            dx, grads = twin(net).backward(params, dy, cache)
            dz, fewer = twin(slimmer.net).backward(small, dy, thin)
            close({"dx": dz}, {"dx": dx})
            close(fewer, slimmer.arrays(grads))
            close(fresh, slimmer.arrays(new))
    return params, buffers, masks, slimmer, x


TINY = {
    "vgg16": ((32, 32, 1), lambda T: architectures.vgg16((32, 32, 1), 3, T, channels=(3,) * 13, hidden=4)),
    "vggsnn": ((16, 16, 2), lambda T: architectures.vggsnn((16, 16, 2), 3, T, width=0.05)),
    "resnet19": ((8, 8, 2), lambda T: architectures.resnet19((8, 8, 2), 3, T, widths=(4, 4, 5, 9, 4))),
    "pre-resnet18": ((8, 8, 2), lambda T: architectures.pre_resnet18((8, 8, 2), 3, T, widths=(4, 4, 5, 9))),
    "5conv": ((32, 32, 1), lambda T: architectures.five_conv((32, 32, 1), 3, T, width=0.05)),
    "mlp": ((4, 4, 1), lambda T: architectures.mlp((4, 4, 1), 3, T, width=0.01)),
}


def test_no_network_is_forgotten():
    assert set(TINY) == set(NETWORKS)


@pytest.mark.parametrize("T", slow_but([None], [None, 2]))  # `test_what_is_left_to_pay` is of static images
@pytest.mark.parametrize("name", slow_but(TINY.keys() - {"vgg16"}, TINY))
def test_every_network(xp, name, T):
    shape, build = TINY[name]
    for seed in range(2 if xp is np else 1):  # masks are walked on the host
        check_slim(xp, build(T), shape, np.random.default_rng(seed), T=2 if T is None else 1)


@settings(max_examples=10)
@given(
    rng=rngs, drawn=notations(), T=st.none() | st.integers(1, 3), style=st.sampled_from([*STYLES.values()])
)
def test_any_notation(xp, rng, drawn, T, style):
    notation, shape = drawn
    check_slim(xp, from_notation(notation, shape, T, style), shape, rng, T=2 if T is None else 1)


def chain(*stages):
    return Sequential(tuple((f"s{n}", stage) for n, stage in enumerate(stages)))


@st.composite
def residual_nets(draw):
    """A stem and blocks in any order: all kinds that the papers' networks have, and some that they do not."""
    channels = st.integers(2, 9)
    lif = LIF(draw(st.sampled_from([style.neuron for style in STYLES.values()])))
    shape, width = (draw(st.integers(4, 7)), 5, draw(st.integers(1, 2))), draw(channels)
    conv = Conv(width, bias=draw(st.booleans()))
    stages = list(draw(st.sampled_from([(conv, BN, lif), (conv, BN), (conv,)])))
    stages.insert(draw(st.integers(0, 1)), Repeat(2))
    spikes = lif in stages
    kinds = ["identity", "wider", "before", "before, wider", "in front", "plain", "again", "pool", "inner"]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=5)):
        new, k = draw(channels), draw(st.sampled_from([1, 3]))
        if spikes and kind not in ("identity", "wider", "plain", "pool"):
            stages.append(AveragePool(1))  # batch norm and neurons take numbers
        one = Conv(new, 1, padding=0, bias=False)
        stages += {
            "identity": [Residual(chain(Conv(new), BN, lif, Conv(width, k, 1, k // 2), BN)), lif],
            "wider": [Residual(chain(Conv(new, k, 1, k // 2), BN), chain(one, BN)), lif],
            "before": [Residual(chain(BN, lif, Conv(new), BN, lif, Conv(width)))],
            "before, wider": [Residual(chain(BN, lif, Conv(new)), chain(one))],
            "in front": [BN, Residual(chain(lif, Conv(width, k, 1, k // 2), BN))],
            "plain": [Conv(new), BN, lif],
            "again": [BN, lif],
            "pool": [draw(st.sampled_from([AveragePool, MaxPool]))(2)],
            "inner": [Residual(chain(Residual(chain(lif, Conv(width), BN)), BN), chain(BN)), BN, lif],
        }[kind]
        spikes = stages[-1] == lif or (spikes and stages[-1] == MaxPool(2))
        width = new if kind in ("wider", "before, wider", "plain") else width
    ends = [
        (AveragePool(1), BN, lif, GlobalPool(), Flatten(), MeanOverTime(), Linear(3)),
        (AveragePool(1), lif, Flatten(), Linear(3), CumulativeSum()),
    ]
    return chain(*stages, *draw(st.sampled_from(ends))), shape


@settings(max_examples=10)
@given(rng=rngs, drawn=residual_nets())
def test_any_residual_network(xp, rng, drawn):
    net, shape = drawn
    try:
        net.out(shape)
    except ValueError:
        assume(False)  # more pools than the image takes
    check_slim(xp, net, shape, rng)


ODD = {
    "batch norm over flattened maps": [Conv(4), BN, Flatten(), BN, IF, Linear(3)],
    "neurons over flattened maps": [Conv(4), BN, Flatten(), IF, Linear(3)],
    "batch norm over the pixels": [Flatten(), BN, IF, Linear(5), BN, IF, Linear(3)],
    "a sum over flattened maps": [Conv(4), BN, IF, Flatten(), Residual(chain(Linear(64), IF)), Linear(3)],
    "a selection in a sum": [Residual(chain(Conv(2), BN, BN)), IF, Flatten(), Linear(3)],
    "batch norm twice": [Conv(4), BN, BN, IF, Flatten(), Linear(3)],
    "no neurons": [Conv(4), BN, Flatten(), Linear(3)],
    "no weights behind": [Conv(4), BN, IF, GlobalPool(), Flatten()],
    "a stream that is the output": [Conv(4), Residual(chain(BN, IF, Conv(4))), GlobalPool(), Flatten()],
    "a stream that a branch reads": [
        Conv(4), Residual(chain(BN, IF, Conv(4), Residual(chain(IF, Conv(4))))), BN, IF, Flatten(), Linear(3)],
    "a stream that a branch selects from": [
        Conv(4), Residual(chain(BN, IF, Conv(4), Residual(chain(BN, IF, Conv(4))))), BN, IF, Flatten(), Linear(3)],
    "a sum of which norm silences one half": [
        Residual(chain(Conv(4), BN), chain(Conv(4))), IF, Flatten(), Linear(3)],
    "norm in one half of a sum": [Conv(4), Residual(chain(BN)), IF, Flatten(), Linear(3)],
    "a sum of a selection and a stream": [
        Conv(4), Residual(chain(Conv(4), BN, BN)), IF, Flatten(), Linear(3)],
    "neurons that fire at rest": [Conv(4), BN, LIF(Neuron(v_th=-0.1, v_reset=None)), Conv(3), BN, IF,
                                  Flatten(), Linear(3)],
    "smooth neurons": [Conv(4), BN, LIF(Neuron(smooth=True)), Conv(3), BN, IF, Flatten(), Linear(3)],
    "a selection that is there already": [Conv(4), Select((3, 1)), BN, IF, Conv(4), BN, IF, Flatten(), Linear(3)],
    "a selection of a selection": [Conv(5), Select((3, 1, 4)), Select((2, 0)), BN, IF, Flatten(), Linear(3)],
    "a selection of pixels": [Flatten(), Select((3, 5, 8)), BN, IF, Linear(3)],
    "a selection of flattened maps": [Conv(4), BN, Flatten(), Select((3, 5, 8)), BN, IF, Linear(3)],
    "a selection for one branch": [Conv(5), Residual(chain(Select((0, 2)), BN, IF, Conv(5)),
                                                     chain(Select((4, 3, 2, 1, 0)))), BN, IF, Flatten(), Linear(3)],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_no_paper_has(xp, name):
    for seed in range(5 if xp is np else 1):  # masks are walked on the host
        check_slim(xp, chain(*ODD[name]), (4, 4, 2), np.random.default_rng(seed), T=2)


# --- which channels belong together


def test_the_layers_of_vgg():
    net = from_notation("4C3-MP2-5C3S2-6FC-3FC", (8, 8, 1), 2, SCA_STYLE)
    assert [tuple(layer) for layer in ChannelGraph(net, (8, 8, 1)).layers] == [
        ("lif1", 4, 64, ("lif1",), ("bn1",), ("conv1",)),
        ("lif2", 5, 4, ("lif2",), ("bn2",), ("conv2",)),
    ]
    assert ChannelGraph(TINY["mlp"][1](2), (4, 4, 1)).layers == ()
    assert [c.key for c in ChannelGraph(TINY["vgg16"][1](2), (32, 32, 1)).layers] == [
        f"lif{n}" for n in range(1, 14)
    ]


def test_the_layers_of_resnet19():
    """A stage's sums tie the channels of all its blocks; the first tie the stem's too if it is as wide."""
    net = architectures.resnet19((8, 8, 1), 3, 2, widths=(4, 4, 5, 6, 7))
    layers = {c.key: c for c in ChannelGraph(net, (8, 8, 1)).layers}
    assert list(layers) == ["lif1", *(f"block{n}.main.lif1" for n in (1, 2, 3)), "block4.main.lif1", "lif5",
        *(f"block{n}.main.lif1" for n in (5, 6)), "block7.main.lif1", "lif8", "block8.main.lif1"]  # fmt: skip
    assert layers["lif1"].neurons == ("lif1", "lif2", "lif3", "lif4")
    assert layers["lif1"].norms == ("bn1", *(f"block{n}.main.bn2" for n in (1, 2, 3)))
    assert layers["lif1"].convs == ("conv1", *(f"block{n}.main.conv2" for n in (1, 2, 3)))
    assert set(layers["lif5"].convs) == {"block4.main.conv2", "block4.shortcut.conv", "block5.main.conv2",
                                         "block6.main.conv2"}  # fmt: skip
    assert set(layers["lif8"].norms) == {"block7.main.bn2", "block7.shortcut.bn", "block8.main.bn2"}
    assert layers["block4.main.lif1"] == ("block4.main.lif1", 5, 16, ("block4.main.lif1",), ("block4.main.bn1",),
                                          ("block4.main.conv1",))  # fmt: skip
    assert (
        "lif2"
        in ChannelGraph(architectures.resnet19((8, 8, 1), 3, 2, widths=(3, 4, 5, 6, 7)), (8, 8, 1))
        .layers[1]
        .neurons
        + ChannelGraph(architectures.resnet19((8, 8, 1), 3, 2, widths=(3, 4, 5, 6, 7)), (8, 8, 1))
        .layers[2]
        .neurons
    )


def test_the_layers_of_pre_resnet18():
    """Every batch norm of a block selects from the stream; what conv1 and the shortcuts make is no layer itself."""
    net = TINY["pre-resnet18"][1](2)
    layers = ChannelGraph(net, (8, 8, 2)).layers
    inner = [f"block{n}.main.lif{k}" for n in range(1, 9) for k in (1, 2)]
    assert [c.key for c in layers] == [*inner, "lif2"]
    for layer in layers:
        second = layer.key.endswith("main.lif2")
        assert layer.convs == ((layer.key.replace("lif2", "conv1"),) if second else ())
        assert layer.norms == (layer.key.replace("lif", "bn"),)


@pytest.mark.parametrize(("name", "blocks"), [("resnet19", (1, 2, 4, 5)), ("pre-resnet18", (1, 3, 4))])
def test_a_channel_is_silent_if_all_its_norms_are_and_not_before(name, blocks):
    """What the walk ties together, found by silencing: each norm of a layer alone lets its channels speak."""
    shape, build = TINY[name]
    net, rng = shallow(build(2), blocks), np.random.default_rng(0)
    params, buffers = net.init(rng, shape)
    params |= {key: w + 9 for key, w in params.items() if key.endswith("beta")}  # everybody fires
    x = rng.standard_normal((1, 3, *shape))

    def fires(silenced):
        changed = {
            f"{norm}.{key}": 0 * params[f"{norm}.{key}"] for norm in silenced for key in ("gamma", "beta")
        }
        _, cache, _ = net.forward(params | changed, buffers, x, False)
        return {name: spikes.any() for name, spikes in spikes_of(net, cache).items()}

    layers = ChannelGraph(net, shape).layers
    scored = {name for layer in layers for name in layer.neurons}
    assert scored <= {name for name, fire in fires(()).items() if fire}
    for layer in layers:
        assert {name for name in scored if not fires(layer.norms)[name]} == set(layer.neurons)
        for norm in layer.norms:
            fire = fires(set(layer.norms) - {norm})
            assert any(fire[name] for name in layer.neurons)


# --- the papers' networks


class Zeros(np.random.Generator):
    """A generator whose numbers cost nothing."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def standard_normal(self, shape):
        return np.zeros(shape, np.float32)

    def uniform(self, low, high, shape):
        return np.zeros(shape, np.float32)


def test_the_authors_vgg16():
    """Their published network at p = 0.1, reached by slimming."""
    counts = (64, 64, 128, 128, 256, 256, 252, 462, 401, 450, 419, 409, 512)
    shape, rng = (32, 32, 3), np.random.default_rng(0)
    net = architectures.vgg16(shape, 10, 4)
    layers = ChannelGraph(net, shape).layers
    masks = {}
    for layer, count in zip(layers, counts, strict=True):
        masks[layer.key] = rng.permutation(layer.size) < count
    slimmer = Slimmer(net, shape, masks)
    expected = architectures.vgg16(shape, 10, 4, channels=counts)
    assert to_text(slimmer.net) == to_text(expected)
    params = net.init(Zeros(), shape)[0]
    assert sum(w.size for w in params.values()) == 15_250_378
    small = slimmer.arrays(params)
    assert sum(w.size for w in small.values()) == 11_727_373
    assert {k: w.shape for k, w in small.items()} == {
        k: w.shape for k, w in expected.init(Zeros(), shape)[0].items()
    }


def stages_of(net, name):
    for inner in name.split("."):
        net = getattr(net, inner) if isinstance(net, Residual) else dict(net.stages)[inner]
    return net


def test_a_stream_keeps_its_width_and_its_readers_select():
    shape, build = TINY["pre-resnet18"]
    net = build(2)
    sizes = {layer.key: layer.size for layer in ChannelGraph(net, shape).layers}
    masks = {key: np.ones(size, bool) for key, size in sizes.items()}
    masks["block1.main.lif1"] = np.array([False, True, False, True])
    masks["block5.main.lif2"] = np.arange(5) == 2
    small = Slimmer(net, shape, masks).net
    assert [name for name, _ in stages_of(small, "block1.main").stages] == [
        "select_bn1", "bn1", "lif1", "conv1", "bn2", "lif2", "conv2",
    ]  # fmt: skip
    assert stages_of(small, "block1.main.select_bn1").index == (1, 3)
    assert stages_of(small, "block5.main.conv1").n_out == 1
    assert stages_of(small, "conv1").n_out == 4
    assert to_text(small).count("Select") == 1
    # of the last stage, the stream is read by two batch norms alone: what neither selects goes
    masks["block8.main.lif1"] = np.isin(np.arange(9), [1, 2, 5])
    masks["lif2"] = np.isin(np.arange(9), [2, 7])
    small = Slimmer(net, shape, masks).net
    for name in ("block7.main.conv2", "block7.shortcut.conv", "block8.main.conv2"):
        assert stages_of(small, name).n_out == 4  # 1, 2, 5, 7
    assert stages_of(small, "block8.main.select_bn1").index == (0, 1, 2)
    assert stages_of(small, "select_bn2").index == (1, 3)
    masks["lif2"] = masks["block8.main.lif1"]
    assert "block8.main.select" not in to_text(Slimmer(net, shape, masks).net)
    assert (
        to_text(Slimmer(net, shape, masks).net).count("Select") == 1
    )  # block1's: nothing to select from the rest


@given(rng=rngs, drawn=residual_nets())
def test_slimming_twice_is_slimming_once(rng, drawn):
    net, shape = drawn
    try:
        net.out(shape)
    except ValueError:
        assume(False)
    params, _ = net.init(rng, shape)
    first = draw_masks(rng, net, shape)
    one = Slimmer(net, shape, first)
    second = draw_masks(rng, one.net, shape)
    both = {}
    for layer in one.graph.layers:
        mask = first.get(layer.key, np.ones(layer.size, bool)).copy()
        mask[np.flatnonzero(mask)] = second.get(layer.key, True)
        both[layer.key] = mask
    two, once = Slimmer(one.net, shape, second), Slimmer(net, shape, both)
    assert to_text(two.net) == to_text(once.net)
    for key, a in once.arrays(params).items():
        np.testing.assert_array_equal(two.take(key, one.take(key, params[key])), a)


def test_nothing_to_remove(xp):
    """Full masks, or none: the very same network."""
    for shape, make in TINY.values():
        net = make(2)
        full = {layer.key: xp.asarray(np.ones(layer.size, bool)) for layer in ChannelGraph(net, shape).layers}
        assert Slimmer(net, shape, full).net == Slimmer(net, shape, {}).net == net


# --- states


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("name", slow_but(["pre-resnet18"], ["resnet19", "pre-resnet18", "vgg16"]))
def test_a_state_trains_on(xp, tmp_path, name, optimizer):
    """Masked and small network stay one and the same while they train on, if what is masked stands still."""
    shape, build = TINY[name]
    net, rng, optimizer = build(2), np.random.default_rng(0), OPTIMIZERS[optimizer]()
    params, buffers = ready(rng, net, shape)
    masks = draw_masks(rng, net, shape)
    slimmer = Slimmer(net, shape, masks)
    layers = slimmer.graph.layers
    params, buffers, masks, weights = on(
        xp, masked(params, layers, masks), buffers, masks,
        {key: rng.random(w.shape) < 0.8 for key, w in params.items() if w.ndim == 4},
    )  # fmt: skip
    params = {key: w * weights[key] if key in weights else w for key, w in params.items()}
    state = TrainingState(params, buffers, weights, masks, optimizer.init(params), {"memory": xp.zeros(3)})
    state.rngs, state.iteration, state.epoch = {"data": rng}, 7, 2
    for moment in state.moments.values():
        for m in moment:
            m += 0.1
    small = slimmer.state(state)
    assert (small.channels, small.structure) == ({}, {})
    assert (small.iteration, small.epoch, small.rngs) == (7, 2, state.rngs)
    x = xp.asarray(rng.standard_normal((1, 4, *shape)))
    for k in (8, 9):
        for n, s in ((net, state), (slimmer.net, small)):
            y, cache, s.buffers = n.forward(s.params, s.buffers, x, True)
            grads = n.backward(s.params, y, cache, need_dx=False)[1]
            for layer in layers if n is net else ():
                for name in layer.norms:
                    for key in (f"{name}.gamma", f"{name}.beta"):
                        if layer.key in masks:
                            grads[key] *= masks[layer.key]
            optimizer.step(s.params, grads, s.moments, 1e-3, k)
            for layer in layers if n is net else ():  # momentum carries on
                s.params |= masked(s.params, [layer], masks)
            for key, mask in s.masks.items():
                s.params[key] *= mask
    expected = slimmer.state(state)
    for ours, theirs in ((small.params, expected.params), (small.buffers, expected.buffers)):
        close(ours, theirs)
    for n in range(len(small.moments["conv1.weight"])):
        close({k: m[n] for k, m in small.moments.items()}, {k: m[n] for k, m in expected.moments.items()})
    checkpoint.save(tmp_path / "small.npz", small)
    again = checkpoint.load(tmp_path / "small.npz")
    for group in ("params", "buffers", "masks"):
        ours, theirs = getattr(again, group), getattr(small, group)
        assert sorted(ours) == sorted(theirs)
        for key, a in ours.items():
            np.testing.assert_array_equal(a, to_host(theirs[key]))


@pytest.mark.parametrize("name", TINY)
def test_what_is_left_to_pay(xp, name):
    """The costs of the small network are those of the masked one's surviving synapses."""
    shape, build = TINY[name]
    net, rng = build(2), np.random.default_rng(1)
    params, buffers, _, slimmer, x = check_slim(xp, net, shape, rng)
    numbered = {key: np.arange(w.size).reshape(w.shape) for key, w in params.items() if w.ndim > 1}
    survive = {key: np.isin(n, slimmer.take(key, n)) for key, n in numbered.items()}
    before = measure(net, params, buffers, *on(xp, survive), x)
    after = measure(slimmer.net, slimmer.arrays(params), slimmer.arrays(buffers), {}, x)
    assert list(before) == list(after)
    for key in before:
        for field in ("connections", "operations", "events", "synops", "macs"):
            if field != "events" or "shortcut" not in key:
                assert getattr(before[key], field) == getattr(after[key], field), (key, field)
        assert after[key].possible == after[key].connections == survive[key].sum()
    thin = connections(slimmer.arrays(params), {}).active
    assert thin == sum(s.sum() for s in survive.values())
    assert name == "mlp" or thin < connections(params, {}).active


def test_take_cuts_whatever_has_the_shape(xp):
    """Behind flattened maps a channel has an input for each position; they lie C apart."""
    net = from_notation("4C3-MP2-5FC-3FC", (4, 4, 1), 2)
    slimmer = Slimmer(net, (4, 4, 1), {"lif1": xp.asarray([False, True, False, True])})
    rows = np.arange(16 * 5).reshape(16, 5)
    expected = rows.reshape(4, 4, 5)[:, [1, 3]].reshape(8, 5)
    for dtype in (bool, np.int32, np.float32):
        found = slimmer.take("fc1.weight", xp.asarray(rows.astype(dtype)))
        assert found.dtype == dtype
        np.testing.assert_array_equal(to_host(found), expected.astype(dtype))
    bias = xp.asarray(np.arange(3.0))
    np.testing.assert_array_equal(to_host(slimmer.take("fc2.bias", bias)), np.arange(3.0))
    gamma = slimmer.take("bn1.gamma", xp.asarray(np.arange(4.0)))
    np.testing.assert_array_equal(to_host(gamma), [1, 3])


# --- what is refused

NET, SHAPE = from_notation("4C3-MP2-5C3-3FC", (8, 8, 1), 2), (8, 8, 1)


@pytest.mark.parametrize(
    ("key", "mask", "message"),
    [
        ("lif3", np.ones(4, bool), "mask lif3: there is no such layer of channels; there are lif1, lif2"),
        ("bn1", np.ones(4, bool), "mask bn1: there is no such layer"),
        ("lif1", np.ones(5, bool), r"mask lif1: expected bool \(4,\), found bool \(5,\)"),
        ("lif1", np.ones((4, 1), bool), r"mask lif1: expected bool \(4,\), found bool \(4, 1\)"),
        ("lif1", np.ones(4), r"mask lif1: expected bool \(4,\), found float64 \(4,\)"),
        ("lif2", np.zeros(5, bool), "mask lif2 must keep at least one channel"),
    ],
)
def test_masks_that_do_not_fit(xp, key, mask, message):
    with pytest.raises(ValueError, match=message):
        Slimmer(NET, SHAPE, {key: xp.asarray(mask)})


def test_networks_that_cannot_be_followed():
    with pytest.raises(
        ValueError, match=r"bn1: cannot follow channels through NormLIF, .* take the plain network"
    ):
        Slimmer(fast(NET, SHAPE), SHAPE, {})
    assert ChannelGraph(architectures.first_spike_mlp(), (784,)).layers == ()
    with pytest.raises(ValueError, match="mask lif: there is no such layer of channels; there are none"):
        Slimmer(TINY["mlp"][1](2), (4, 4, 1), {"lif": np.ones(3, bool)})
    with pytest.raises(ValueError, match="a pool of 2x2 leaves nothing of 1x1"):
        ChannelGraph(NET, (1, 1, 1))


def test_arrays_that_are_not_the_networks():
    slimmer = Slimmer(NET, SHAPE, {"lif1": np.arange(4) < 2})
    with pytest.raises(ValueError, match=r"conv3\.weight: the network has no such parameter or buffer"):
        slimmer.take("conv3.weight", np.ones(4))
    with pytest.raises(ValueError, match=r"bn1\.gamma: expected 4 along axis 0, found an array of shape"):
        slimmer.take("bn1.gamma", np.ones(2))
    with pytest.raises(ValueError, match=r"conv2\.weight: expected 4 along axis 2"):
        slimmer.take("conv2.weight", np.ones((3, 3)))


# --- Select


@given(seed=seeds, C=st.integers(1, 9), floating=st.booleans())
def test_select(xp, seed, C, floating):
    rng = np.random.default_rng(seed)
    index = tuple(map(int, rng.permutation(C)[: rng.integers(1, C, endpoint=True)]))
    stage, shape = Select(index), (2, 3, C)
    assert stage.out(shape) == (2, 3, len(index))
    assert stage.init(rng, shape) == ({}, {})
    x = rng.standard_normal((2, 3, *shape))
    x = x if floating else x > 0
    y, cache, buffers = stage.forward({}, {}, xp.asarray(x), True)
    assert (y.dtype, buffers) == (x.dtype, {})
    for n, k in enumerate(index):
        np.testing.assert_array_equal(to_host(y)[..., n], x[..., k])
    dy = rng.standard_normal(y.shape)
    dx, grads = stage.backward({}, xp.asarray(dy), cache)
    expected = np.zeros(x.shape)
    for n, k in enumerate(index):
        expected[..., k] += dy[..., n]
    np.testing.assert_array_equal(to_host(dx), expected)
    assert grads == {}
    if floating:
        check_gradient(
            lambda x: stage.forward({}, {}, x, True)[:2],
            lambda dy, cache: stage.backward({}, dy, cache)[0],
            (xp.asarray(x),),
            rng,
        )


@pytest.mark.parametrize("index", [(), (4,), (-1, 2), (1, 1)])
def test_selections_that_make_no_sense(index):
    with pytest.raises(ValueError, match=r"cannot select channels .* of 4"):
        Select(index).out((3, 3, 4))


def test_a_slim_network_is_one_like_any_other():
    """Text, fast twin and costs know selections."""
    shape, make = TINY["pre-resnet18"]
    net, rng = make(2), np.random.default_rng(3)
    small = Slimmer(net, shape, draw_masks(rng, net, shape)).net
    assert "Select" in to_text(small)
    assert from_text(to_text(small)) == small
    assert build(to_text(small), shape, 3, None) == (small, "esl")
