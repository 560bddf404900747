"""Costs, counted a second time: one event, one position of the kernel and one synapse after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import slow_but
from strategies import few, kinds, rngs, sizes, spikes, weights

from minisnn.backend import to_host
from minisnn.faster import fast
from minisnn.networks import architectures
from minisnn.networks.architectures import first_spike_mlp
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.cost import (
    E_AC,
    E_GPU,
    E_MAC,
    E_TRUENORTH,
    LayerCost,
    connections,
    measure,
    total,
    training_operations,
)
from minisnn.networks.notation import ESL_STYLE, SCA_STYLE, from_notation
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.pools import AveragePool, MaxPool
from minisnn.networks.stages.readouts import CumulativeSum, MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.first_spike import Z_MAX, first_spike_forward
from minisnn.ops.im2col import output_size


def naive(stage, x, mask):
    """Synaptic operations of one sample: for every event, the synapses that are there and lead somewhere."""
    count = 0
    for event in np.argwhere(x):
        if isinstance(stage, Linear):
            _, _, i = event
            count += mask[i].sum()
            continue
        _, _, h, w, c = event
        rows, columns, _ = stage.out(x.shape[2:])
        for i in range(rows):
            u = h + stage.padding - stage.stride * i
            for j in range(columns):
                v = w + stage.padding - stage.stride * j
                if 0 <= u < stage.k and 0 <= v < stage.k:
                    count += mask[u, v, c].sum()
    return count / x.shape[1]


def watched(net, params, buffers, x, monkeypatch):
    """What `net.forward` gives each stage with weights, in the order of the weights; the spikes before a mean."""
    seen, before = [], []

    def watch(kind):
        real = kind.forward

        def forward(stage, params, buffers, x, train):
            if kind is MeanOverTime:
                before.append(x)
            else:
                seen.append((stage, before[-1] if before else x))
            return real(stage, params, buffers, x, train)

        monkeypatch.setattr(kind, "forward", forward)

    with monkeypatch.context() as monkeypatch:
        for kind in (Conv, Linear, MeanOverTime):
            watch(kind)
        net.forward(params, buffers, x, False)
    return seen


def ready(rng, net, shape, density=0.5):
    """Parameters under which all layers fire, buffers, and masks of every second weight."""
    params, buffers = net.init(rng, shape)
    masks = {key: rng.random(w.shape) < density for key, w in params.items() if w.ndim > 1}
    for key, w in params.items():
        if w.ndim > 1:
            params[key] = masks[key] * 3 * w
        elif key.endswith("beta"):
            params[key] = w + rng.uniform(0, 1, w.shape)
    return params, buffers, masks


def on(xp, *dicts):
    return [{key: xp.asarray(a) for key, a in d.items()} for d in dicts]


@given(
    rng=rngs, T=few, B=few, side=st.integers(1, 6), C=few, M=few, k=few, stride=st.integers(1, 3),
    padding=st.integers(0, 2), masked=st.booleans(),
)  # fmt: skip
def test_a_convolution(xp, rng, T, B, side, C, M, k, stride, padding, masked):
    conv = Conv(M, k, stride, padding)
    net, shape = Sequential((("conv", conv),)), (side + 1, side, C)
    if min(output_size(n, k, stride, padding) for n in shape[:2]) < 1:
        return
    x = rng.integers(0, 3, (T, B, *shape)) / 4
    params, buffers, masks = ready(rng, net, shape)
    (found,) = measure(net, *on(xp, params, buffers, masks if masked else {}), xp.asarray(x)).values()
    mask = masks["conv.weight"] if masked else np.ones((k, k, C, M), bool)
    rows, columns, _ = conv.out(shape)
    assert found == LayerCost(
        connections=mask.sum(),
        possible=mask.size,
        operations=mask.sum() * rows * columns,
        dense_operations=mask.size * rows * columns,
        events=np.count_nonzero(x) / B,
        neurons_in=(side + 1) * side * C,
        synops=naive(conv, x, mask),
        macs=0,
    )


@given(rng=rngs, T=few, B=few, N=sizes, M=sizes, masked=st.booleans())
def test_a_linear_layer(xp, rng, T, B, N, M, masked):
    net = Sequential((("fc", Linear(M)),))
    x = rng.random((T, B, N)) < 0.4
    params, buffers, masks = ready(rng, net, (N,))
    found = measure(net, *on(xp, params, buffers, masks if masked else {}), xp.asarray(x))["fc.weight"]
    mask = masks["fc.weight"] if masked else np.ones((N, M), bool)
    expected = naive(Linear(M), x, mask)
    assert found == LayerCost(mask.sum(), N * M, mask.sum(), N * M, x.sum() / B, N, expected, 0)


@given(rng=rngs, B=few, N=sizes, M=sizes, kind=kinds, dtype=st.sampled_from(["float32", "float64"]))
def test_first_spike_neurons_read_what_comes_before_they_fire(xp, rng, B, N, M, kind, dtype):
    z_in, mask = spikes(rng, B, N, kind), rng.random((N, M)) < 0.7
    if kind == "never":
        z_in[rng.random((B, N)) < 0.2] = 2 * Z_MAX  # as good as never
    params = {"output.weight": (mask * weights(rng, N, M)).astype(dtype)}
    net = Sequential((("output", FirstSpike(M)),))
    found = measure(net, *on(xp, params, {}, {"output.weight": mask}), xp.asarray(z_in))["output.weight"]
    z_out = first_spike_forward(z_in.astype(dtype), params["output.weight"])[0]
    pairs = 0
    for n in range(B):
        for i in range(N):
            for j in range(M):
                z_i = z_in.astype(dtype)[n, i]
                pairs += mask[i, j] and z_i < Z_MAX and z_i < z_out[n, j]
    came = (z_in < Z_MAX).sum() / B
    nnz = mask.sum()
    assert found == LayerCost(nnz, N * M, nnz, N * M, came, N, pairs / B, 0)
    assert found.synops <= nnz


def test_first_spike_by_hand():
    """The input at 1 makes the first neuron fire at 2 * 1 / (2 - 1) = 2, before the others; the second never fires."""
    params = {"output.weight": np.array([[2.0, 0.1], [1.0, 0.1], [1.0, 0.1], [0.0, 0.1]])}
    z_in = np.array([[1.0, 2.5, 3.0, np.inf]])
    assert first_spike_forward(z_in, params["output.weight"])[0].tolist() == [[2, np.inf]]
    net = Sequential((("output", FirstSpike(2)),))
    found = measure(net, params, {}, {}, z_in)["output.weight"]
    assert (found.synops, found.events, found.macs) == (1 + 3, 3, 0)
    assert measure(net, params, {}, {}, z_in, analog=True)["output.weight"] == found  # times are events


def test_a_convolution_by_hand():
    """3x3 on 3x3 with a border: an event in a corner is seen at 4 positions, in the middle at 9."""
    net = Sequential((("conv", Conv(2)),))
    params = {"conv.weight": np.ones((3, 3, 1, 2)), "conv.bias": np.zeros(2)}
    x = np.zeros((1, 1, 3, 3, 1))
    x[0, 0, 0, 0] = 7
    assert measure(net, params, {}, {}, x)["conv.weight"].synops == 4 * 2
    x[0, 0, 1, 1] = -1
    assert measure(net, params, {}, {}, x)["conv.weight"].synops == (4 + 9) * 2
    mask = np.zeros((3, 3, 1, 2), bool)
    mask[0, 0, 0, 1] = True  # sees what is up and to the left: the corner once, the middle once
    found = measure(net, params, {}, {"conv.weight": mask}, x)["conv.weight"]
    assert found == LayerCost(1, 18, 9, 162, 2, 9, 2, 0)
    assert measure(net, params, {}, {"conv.weight": mask}, x, analog=True)["conv.weight"] == LayerCost(
        1, 18, 9, 162, 0, 9, 0, 9
    )


T = 3
NETS = {  # name: net, shape of a sample, whether the input is a static image, {weight with analog input: its frames}
    "resnet19": (architectures.resnet19((8, 8, 2), 3, T, widths=(2, 3, 2, 3, 4)), (8, 8, 2), True, {"conv1": 1}),
    "pre_resnet18": (
        architectures.pre_resnet18((8, 6, 2), 3, T, widths=(2, 3, 2, 3)), (8, 6, 2), True,
        {"conv1": 1} | {f"block{n}.shortcut.conv": T for n in (3, 5, 7)},
    ),
    "pre_resnet18 on events": (
        architectures.pre_resnet18((8, 6, 2), 3, None, widths=(2, 3, 2, 3)), (8, 6, 2), False,
        {f"block{n}.shortcut.conv": T for n in (3, 5, 7)},
    ),
    "vgg16": (
        architectures.vgg16((32, 32, 1), 3, T, channels=(2, 1, 2, 2, 3, 2, 3, 2, 2, 3, 3, 2, 3), hidden=5),
        (32, 32, 1), True, {"conv1": 1},
    ),
    "pools on events": (from_notation("3C3S2-AP2-4C5-MP2-6FC-3FC", (11, 9, 2), None, ESL_STYLE), (11, 9, 2), False, {}),
    "mean": (from_notation("3C3-AP2-4FC-3FC", (7, 6, 2), T, SCA_STYLE), (7, 6, 2), True, {"conv1": 1}),
    "mlp": (from_notation("4FC-3FC", (3, 3, 1), T, ESL_STYLE), (3, 3, 1), True, {"fc1": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", slow_but(NETS.keys() - {"vgg16"}, NETS))
def test_networks(xp, name, monkeypatch):
    net, shape, static, analog = NETS[name]
    rng = np.random.default_rng(5)
    params, buffers, masks = ready(rng, net, shape)
    x = rng.standard_normal((1, 2, *shape)) if static else rng.poisson(0.5, (T, 2, *shape)).astype(float)
    found = measure(net, *on(xp, params, buffers, masks), xp.asarray(x))
    seen = watched(net, params, buffers, x, monkeypatch)
    assert list(found) == list(masks)
    for (key, mask), (stage, x_in) in zip(masks.items(), seen, strict=True):
        layer = found[key]
        frames = analog.get(key.removesuffix(".weight"), 0)
        positions = np.prod(stage.out(x_in.shape[2:])[:-1], dtype=int)
        assert (layer.connections, layer.possible) == (mask.sum(), mask.size)
        assert layer.operations == mask.sum() * positions
        assert layer.dense_operations == mask.size * positions
        assert layer.neurons_in == x_in[0, 0].size
        assert layer.macs == frames * layer.operations
        if frames:
            assert layer.synops == layer.events == 0
        else:
            assert layer.events == np.count_nonzero(x_in) / 2 > 0
            assert layer.synops == naive(stage, x_in, mask) > 0


def test_what_is_analog_is_for_the_caller_to_say():
    rng = np.random.default_rng(0)
    still, moving = (from_notation("2C3-3FC", (4, 4, 1), n) for n in (T, None))
    params, buffers, masks = ready(rng, still, (4, 4, 1))
    image = (rng.random((1, 2, 4, 4, 1)) < 0.5).astype(float)
    as_events = measure(still, params, buffers, masks, image, analog=False)["conv1.weight"]
    repeated = measure(moving, params, buffers, masks, np.repeat(image, T, 0))["conv1.weight"]
    assert as_events == repeated
    assert as_events.synops > 0 == as_events.macs
    as_frames = measure(moving, params, buffers, masks, np.repeat(image, T, 0), analog=True)["conv1.weight"]
    assert as_frames.macs == T * as_frames.operations > 0 == as_frames.synops


CONV = (("conv", Conv(1, bias=False)),)
LIF_AND_CONV = (("lif", LIF()), *CONV)


@pytest.mark.parametrize(
    ("stages", "key", "macs"),
    [
        ((*CONV, ("repeat", Repeat(T))), "conv", 1),
        ((("repeat", Repeat(T)), *CONV), "conv", 1),
        ((("repeat", Repeat(T)), ("pool", AveragePool(1)), *CONV), "conv", 1),
        ((("inner", Sequential((("repeat", Repeat(T)), *CONV))),), "inner.conv", 1),
        ((("repeat", Repeat(T)), ("res", Residual(Sequential(LIF_AND_CONV), Sequential(CONV)))),
         "res.shortcut.conv", 1),
        ((("repeat", Repeat(T)), ("res", Residual(Sequential(CONV))), ("then", Conv(1, bias=False))), "then", 1),
        ((("repeat", Repeat(T)), ("res", Residual(Sequential(LIF_AND_CONV))), ("then", Conv(1, bias=False))),
         "then", T),
        ((("repeat", Repeat(T)), ("res", Residual(Sequential((("lif", LIF()),)))), *CONV), "conv", T),
        ((("res", Residual(Sequential((("repeat", Repeat(T)),)))), *CONV), "conv", 1),
        ((("res", Residual(Sequential(), Sequential((("repeat", Repeat(T)),)))), *CONV), "conv", 1),
        ((("res", Residual(Sequential(CONV), Sequential((("repeat", Repeat(T)), *LIF_AND_CONV)))),
          ("then", Conv(1, bias=False))), "then", T),
        ((("repeat", Repeat(T)), ("sum", CumulativeSum()), *CONV), "conv", T),
        ((("repeat", Repeat(T)), ("lif", LIF()), ("mean", MeanOverTime()), *CONV), "conv", 1),
        ((("repeat", Repeat(T)), ("lif", LIF()), ("pool", MaxPool(1)), *CONV), "conv", 0),
        ((("res", Residual(Sequential((("repeat", Repeat(T)), ("lif", LIF()))),
                           Sequential((("again", Repeat(T)), ("lif", LIF()))))), *CONV), "conv", 0),
    ],
)  # fmt: skip
def test_real_numbers_that_stay_are_counted_once(stages, key, macs):
    """macs: how many times each operation of the convolution is done on real numbers; 0 if it sees spikes."""
    net = Sequential(stages)
    params, buffers = net.init(np.random.default_rng(1), (3, 3, 1))
    params = {k: np.abs(w) for k, w in params.items()}
    found = measure(net, params, buffers, {}, np.full((1, 2, 3, 3, 1), 2.0))[f"{key}.weight"]
    assert found.macs == macs * 81
    assert (found.synops > 0) == (macs == 0)


def test_the_mean_waits_for_the_readout():
    """A linear layer behind the mean over time reads all spikes; so does one behind a mean and a flattening."""
    spikes = np.zeros((T, 1, 1, 2, 1), bool)
    spikes[:, :, :, 0] = True
    spikes[0] = True  # 3 + 1 events at 2 inputs
    params, buffers = {"fc.weight": np.ones((2, 5)), "fc.bias": np.zeros(5)}, {}
    mean, flatten, fc = ("mean", MeanOverTime()), ("flatten", Flatten()), ("fc", Linear(5))
    for stages in ((flatten, mean, fc), (mean, flatten, fc), (mean, flatten, fc, ("repeat", Repeat(T)))):
        found = measure(Sequential(stages), params, buffers, {}, spikes, analog=False)["fc.weight"]
        assert (found.events, found.synops, found.macs) == (4, 20, 0)
    found = measure(Sequential((mean, flatten, fc)), params, buffers, {}, spikes + 0.5, analog=True)
    assert found["fc.weight"].macs == 10  # the mean of real numbers is one frame


def test_total():
    layers = {"a": LayerCost(1, 2, 3, 4, 5.5, 6, 7.25, 8), "b": LayerCost(10, 20, 30, 40, 50, 60, 70, 80)}
    both = total(layers)
    assert both == LayerCost(11, 22, 33, 44, 55.5, 66, 77.25, 88)
    assert both.joules_45nm == 88 * 4.6e-12 + 77.25 * 0.9e-12 == 88 * E_MAC + 77.25 * E_AC
    assert both.joules_gpu == 11 * E_GPU
    assert both.joules_truenorth == 11 * E_TRUENORTH
    with pytest.raises(ValueError, match="costs is empty"):
        total({})


@pytest.mark.parametrize(
    ("active", "gpu", "truenorth"), [(635_200, 1.1343e-5, 7.95e-6), (103_040, 1.84e-6, 1.29e-6)]
)
def test_table_1_of_the_paper(active, gpu, truenorth):
    net = first_spike_mlp()
    params, buffers = net.init(np.random.default_rng(0), (784,))
    mask = np.arange(784 * 800) < active - 8000
    masks = {"hidden.weight": mask.reshape(784, 800)}
    params["hidden.weight"] *= masks["hidden.weight"]
    assert connections(params, masks) == (active, 635_200)
    assert connections(params, masks).density == active / 635_200
    measured = total(measure(net, params, buffers, masks, np.full((1, 784), 1.0)))
    assert measured.connections == measured.operations == active
    assert measured.possible == 635_200
    assert measured.joules_gpu == pytest.approx(gpu, rel=1e-4)
    assert measured.joules_truenorth == pytest.approx(truenorth, rel=2e-3)
    assert 0 < measured.synops <= active


def test_a_fast_network_is_refused():
    for net, shape in [
        (from_notation("2C3-3FC", (4, 4, 1), T), (4, 4, 1)),
        (Sequential((("inner", from_notation("8C3-8C3-3FC", (4, 4, 1), T)),)), (4, 4, 1)),
    ]:
        params, buffers = net.init(np.random.default_rng(0), shape)
        x = np.ones((1, 1, *shape))
        assert measure(net, params, buffers, {}, x)
        with pytest.raises(ValueError, match=r"bn1: found NormLIF, expected .* plain net, not its fast twin"):
            measure(fast(net, shape), params, buffers, {}, x)


def test_bad_input_is_refused_in_words():
    net = Sequential((("fc", Linear(3, bias=False)),))
    params = {"fc.weight": np.ones((2, 3))}
    with pytest.raises(ValueError, match=r"x must hold at least one sample, found shape \(4, 0, 2\)"):
        measure(net, params, {}, {}, np.ones((4, 0, 2)))
    x = np.ones((4, 1, 2))
    with pytest.raises(ValueError, match=r"mask fc.weight: found shape \(1, 3\), expected \(2, 3\)"):
        measure(net, params, {}, {"fc.weight": np.ones((1, 3), bool)}, x)
    with pytest.raises(
        ValueError, match=r"mask fc1.weight: found shape \(2, 3\), expected .* no such weight"
    ):
        measure(net, params, {}, {"fc1.weight": np.ones((2, 3), bool)}, x)


def test_nothing_is_changed(xp):
    net = from_notation("2C3-3FC", (4, 4, 1), T)
    params, buffers, masks = on(xp, *ready(np.random.default_rng(0), net, (4, 4, 1)))
    x = xp.asarray(np.ones((1, 2, 4, 4, 1)))
    before = {key: to_host(a).copy() for key, a in {**params, **buffers, **masks, "x": x}.items()}
    first = measure(net, params, buffers, masks, x)
    assert measure(net, params, buffers, masks, x) == first
    for key, a in {**params, **buffers, **masks, "x": x}.items():
        np.testing.assert_array_equal(to_host(a), before[key])


def test_what_a_training_costs():
    """By hand: two epochs of 10 time steps in all; layer a falls from dense to a fifth, layer b has no mask."""
    dense, epochs = {"a": 100.0, "b": 7.0}, [{"a": 1.0}, {"a": 0.2}]
    b = 2 * 10 * 3 * 7
    assert training_operations(dense, epochs, 10, 0) == pytest.approx(10 * 100 * 3 * 1.2 + b)
    assert training_operations(dense, epochs, 10, 1) == pytest.approx(10 * 100 * (3 + 0.4 + 1) + b)
    assert training_operations(dense, epochs, 10, 0.5) == pytest.approx(10 * 100 * (3 + 0.6 + 0.4) + b)
