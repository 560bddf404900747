"""The fast twin of a network computes what the network computes, and it is made of the fast stages."""

import subprocess
import sys
import textwrap
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_nets import random_nets
from slow import slow_but
from strategies import pieces, rngs

from minisnn import load_digits
from minisnn.backend import to_host
from minisnn.faster import blocks, conv, fast, lif, norm, norm_lif, twins, winograd
from minisnn.faster.stages import (
    FastAveragePool,
    FastConv,
    FastLinear,
    FastMaxPool,
    FastSumPool,
    NormLIF,
    Scaled,
    Winograd,
)
from minisnn.networks import architectures
from minisnn.networks.compose import Residual, Sequential, activities, firing_rates
from minisnn.networks.notation import SCA_STYLE, STYLES, from_notation
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool
from minisnn.networks.stages.readouts import MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv
from minisnn.notices import MinisnnWarning
from minisnn.ops.neuron import Neuron
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS
from minisnn.recipes.base import DEVICES
from minisnn.runs.run import Run
from minisnn.training import loop
from minisnn.training.optim import Adam


def close(a, b):
    """To rounding of the largest number: a bias before batch norm has a gradient of 0, of large terms."""
    assert sorted(a) == sorted(b)
    a, b = ({key: to_host(z) for key, z in arrays.items()} for arrays in (a, b))
    scale = max([1, *(abs(y).max(initial=0) for y in b.values())])
    for key, y in b.items():
        np.testing.assert_allclose(a[key], y, rtol=1e-8, atol=1e-8 * scale, err_msg=key)


def check_twins(xp, net, shape, x, rng):
    """Outputs, gradients, running statistics and firing rates, in training and in evaluation, for either device."""
    for device in DEVICES:
        check_twin(xp, net, fast(net, shape, device), shape, x, rng)


def check_twin(xp, net, twin, shape, x, rng):
    """One of the networks that `fast` makes against the plain one."""
    seed = int(rng.integers(1 << 32))
    (params, buffers), (p, b) = (n.init(np.random.default_rng(seed), shape) for n in (net, twin))
    for ours, theirs in ((params, p), (buffers, b)):
        assert sorted(ours) == sorted(theirs)
        assert all((ours[key] == theirs[key]).all() for key in ours)
    assert twin.out(shape) == net.out(shape)
    params = {key: xp.asarray(w + 0.1 * rng.standard_normal(w.shape)) for key, w in params.items()}
    buffers = {key: xp.asarray(a) for key, a in buffers.items()}
    x = xp.asarray(x)
    for train in (True, False):
        results = []
        for n in (net, twin):
            y, cache, new = n.forward(params, buffers, x, train)
            dy = xp.asarray(np.random.default_rng(seed).standard_normal(y.shape))
            dx, grads = n.backward(params, dy, cache)
            nothing, same = n.backward(params, dy, cache, need_dx=False)
            assert nothing is None
            close(grads, same)
            rates = {name: np.array(float(r)) for name, r in firing_rates(n, cache).items()}
            results.append(({"y": y, "dx": dx}, grads, new, rates, activities(n, cache)))
        for ours, theirs in zip(*results, strict=True):
            close(ours, theirs)
        assert list(results[0][3]) == list(results[1][3])
        assert sorted(results[0][1]) == sorted(params)
        buffers = results[0][2]


@st.composite
def notations(draw):
    """A notation that can be built, and its input's shape."""
    H, W, C = draw(st.integers(3, 9)), draw(st.integers(3, 9)), draw(st.sampled_from([1, 2, 8]))
    side, tokens = min(H, W), []
    for kind in draw(st.lists(st.sampled_from(["C", "C", "AP", "MP"]), max_size=5)):
        if kind == "C":
            stride = draw(st.sampled_from([1, 1, 2]))
            width, k = draw(st.sampled_from([3, 8, 9])), draw(st.sampled_from([1, 3, 3, 5]))
            tokens.append(f"{width}C{k}" + f"S{stride}" * (stride > 1))
            side = (side - 1) // stride + 1
        elif side >= 2:
            k = draw(st.integers(2, min(side, 3)))
            tokens.append(f"{kind}{k}")
            side //= k
    tokens += [f"{draw(st.integers(2, 9))}FC" for _ in range(draw(st.integers(0, 2)))]
    return "-".join([*tokens, "4FC"]), (H, W, C)


@given(
    rng=rngs,
    drawn=notations(),
    T=st.none() | st.integers(1, 4),
    B=st.integers(2, 4),
    style=st.sampled_from(list(STYLES.values())),
)
def test_any_notation(xp, rng, drawn, T, B, style):
    notation, shape = drawn
    net = from_notation(notation, shape, T, style)
    steps = int(rng.integers(1, 4)) if T is None else 1
    check_twins(xp, net, shape, 2 * rng.standard_normal((steps, B, *shape)), rng)


@settings(max_examples=20, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(rng=rngs, drawn=random_nets(), B=st.integers(2, 4))
def test_any_network(xp, rng, drawn, B):
    net, signal = drawn
    x = 2 * rng.standard_normal((signal.T, B, *signal.shape))
    check_twins(xp, net, signal.shape, x, rng)


def test_a_norm_that_counts_single_images_stands_before_repeat_and_neurons(xp):
    rng = np.random.default_rng(0)
    net = Sequential((("bn", BatchNorm()), ("repeat", Repeat(4)), ("lif", LIF())))
    check_twins(xp, net, (3, 3, 2), rng.standard_normal((1, 2, 3, 3, 2)), rng)


def test_a_pool_behind_smooth_neurons_sums_no_spikes(xp):
    net = Sequential((("lif", LIF(Neuron(smooth=True))), ("pool", AveragePool(2)), ("conv", Conv(2))))
    check_twins(
        xp,
        net,
        (4, 4, 2),
        np.random.default_rng(0).standard_normal((2, 2, 4, 4, 2)),
        np.random.default_rng(1),
    )


SMALL = {
    "resnet19": lambda T: architectures.resnet19((8, 8, 2), 3, T, widths=(8, 8, 9, 10, 6)),
    "resnet19 of sca's neurons": lambda T: architectures.resnet19(
        (8, 8, 2), 3, T, SCA_STYLE.neuron, widths=(4, 8, 8, 8, 6)
    ),
    "pre_resnet18": lambda T: architectures.pre_resnet18((8, 8, 2), 3, T, widths=(8, 8, 9, 10)),
    "vgg16": lambda T: architectures.vgg16((32, 32, 2), 3, T, channels=(3, 3, *[8] * 11), hidden=9),
}


@pytest.mark.parametrize("T", [None, 3])
@pytest.mark.parametrize("name", slow_but(SMALL.keys() - {"resnet19", "vgg16"}, SMALL))
def test_named_networks(xp, name, T):
    rng = np.random.default_rng(0)
    shape = (32, 32, 2) if name == "vgg16" else (8, 8, 2)
    x = rng.standard_normal((2 if T is None else 1, 3, *shape))
    check_twins(xp, SMALL[name](T), shape, x, rng)


@pytest.mark.parametrize("size", [100, 1000])
def test_in_pieces_on_two_threads(xp, size):
    rng = np.random.default_rng(size)
    net = from_notation("8C3-8C3S2-AP2-8C3-4FC", (8, 9, 2), 2)
    places = [(lif, "BLOCK"), (norm_lif, "BLOCK"), (norm, "ROWS_OF"), (conv, "BLOCK"), (winograd, "ROWS"),
              (winograd, "COLUMNS")]  # fmt: skip
    with pieces(size, *places):
        check_twins(xp, net, (8, 9, 2), rng.standard_normal((1, 3, 8, 9, 2)), rng)


@given(rng=rngs, scale=st.floats(0.5, 1.5), gamma=st.floats(0.5, 2), momentum=st.floats(0.05, 0.5))
def test_batch_norm_keeps_what_it_was_told(xp, rng, scale, gamma, momentum):
    bn = BatchNorm(gamma, momentum, scale=scale)
    layers = (
        ("repeat", Repeat(3)),
        ("conv", Conv(8)),
        ("bn", bn),
        ("lif", LIF()),
        ("bn2", bn),
        ("lif2", LIF()),
    )
    check_twins(xp, Sequential(layers[:4]), (4, 4, 1), rng.standard_normal((1, 2, 4, 4, 1)), rng)
    check_twins(xp, Sequential(layers[:3]), (4, 4, 1), rng.standard_normal((1, 2, 4, 4, 1)), rng)


def kinds(net, shape):
    return {name: type(stage) for name, stage in fast(net, shape).stages}


def test_what_is_replaced():
    notation = "8C3-AP2-16C3-16C5-16C3S2-AP2-20FC-10FC"
    shape, lif, bn = (16, 16, 1), LIF(Neuron()), BatchNorm()
    plain = dict(from_notation(notation, shape, 4).stages)
    twin = dict(twins(from_notation(notation, shape, 4)).stages)
    assert fast(from_notation(notation, shape, 4), shape).stages == (
        ("conv1", twin["conv1"]),  # before it is repeated; one channel is too few for Winograd's way
        ("bn1", NormLIF(replace(bn, copies=4), lif, "lif1", repeat=4)),
        ("pool1", FastSumPool(2)), ("conv2", Scaled(Winograd(plain["conv2"]), 1 / 4)), ("bn2", NormLIF(bn, lif, "lif2")),  # noqa: E501
        ("conv3", twin["conv3"]), ("bn3", NormLIF(bn, lif, "lif3")),
        ("conv4", twin["conv4"]), ("bn4", NormLIF(bn, lif, "lif4")),
        ("pool2", FastSumPool(2)), ("flatten", Flatten()), ("fc1", Scaled(twin["fc1"], 1 / 4)), ("lif5", twin["lif5"]),
        ("fc2", twin["fc2"]),
    )  # fmt: skip


def test_what_is_replaced_for_a_gpu():
    """No transforms, and neurons of their own: fewer kernels to start, and the card's own products are fast."""
    shape = (16, 16, 8)
    net = fast(from_notation("8C3-AP2-16C3-10FC", shape, 4), shape, "gpu")
    twin = dict(twins(from_notation("8C3-AP2-16C3-10FC", shape, 4)).stages)
    assert net.stages == (
        ("conv1", twin["conv1"]), ("bn1", replace(twin["bn1"], copies=4)), ("repeat", Repeat(4)),
        ("lif1", twin["lif1"]), ("pool1", FastSumPool(2)), ("conv2", Scaled(twin["conv2"], 1 / 4)),
        ("bn2", twin["bn2"]), ("lif2", twin["lif2"]), ("flatten", Flatten()), ("fc1", twin["fc1"]),
    )  # fmt: skip


def test_what_is_not_replaced():
    assert kinds(from_notation("AP2-8C3-AP2-AP2-8C3-MP2-10FC", (32, 32, 8), None), (32, 32, 8)) == {
        "pool1": FastAveragePool, "conv1": Winograd, "bn1": NormLIF,  # of images, not of spikes
        "pool2": FastAveragePool, "pool3": FastAveragePool, "conv2": Winograd, "bn2": NormLIF,  # no weights, no spikes
        "pool4": FastMaxPool, "flatten": Flatten, "fc1": FastLinear,
    }  # fmt: skip
    mean = from_notation("8C3-AP2-10FC", (8, 8, 8), None, SCA_STYLE)
    assert kinds(mean, (8, 8, 8)) == {  # the mean over time stands between pool and weights
        "conv1": Winograd, "bn1": NormLIF, "pool1": FastAveragePool, "flatten": Flatten,
        "mean": MeanOverTime, "fc1": FastLinear,
    }  # fmt: skip
    large = kinds(from_notation("8C3-AP16-10FC", (16, 16, 8), None), (16, 16, 8))
    assert large["pool1"] == FastAveragePool  # 256 spikes overflow a byte


def test_a_full_pool_does_not_overflow(xp):
    """All of 15x15 neurons fire."""
    net = from_notation("8C1-AP15-2FC", (15, 15, 8), None)
    assert kinds(net, (15, 15, 8))["pool1"] == FastSumPool
    params, buffers = (
        {k: xp.asarray(a) for k, a in d.items()} for d in net.init(np.random.default_rng(0), (15, 15, 8))
    )
    params["bn1.beta"] = params["bn1.beta"] + 100
    x = xp.asarray(np.random.default_rng(0).standard_normal((1, 2, 15, 15, 8)))
    y, caches, _ = net.forward(params, buffers, x, True)
    assert to_host(caches["lif1"].spikes).all()
    np.testing.assert_allclose(
        to_host(fast(net, (15, 15, 8)).forward(params, buffers, x, True)[0]), to_host(y)
    )


def test_residuals_are_walked_too():
    net = fast(architectures.pre_resnet18((32, 32, 3), 10, 4, widths=(8, 8, 8, 8)), (32, 32, 3))
    stages = dict(net.stages)
    assert [name for name, _ in net.stages][:4] == ["conv1", "bn1", "repeat", "block1"]
    blocks = [stage for stage in stages.values() if isinstance(stage, Residual)]
    assert len(blocks) == 8
    for block in blocks:
        inner = dict(block.main.stages)
        assert list(inner) == ["bn1", "conv1", "bn2", "conv2"]
        assert isinstance(inner["bn1"], NormLIF)
        assert isinstance(inner["conv2"], Winograd)
        assert isinstance(
            inner["conv1"], FastConv if inner["conv1"] == FastConv(8, 3, 2, 1, bias=False) else Winograd
        )
    repeated = fast(architectures.resnet19((32, 32, 3), 10, 4, widths=(8, 8, 8, 8, 8)), (32, 32, 3))
    assert "repeat" not in dict(repeated.stages)
    assert dict(repeated.stages)["bn1"].repeat == 4


def test_a_wrong_twin_is_noticed(monkeypatch):
    """Sums that are not scaled back."""
    monkeypatch.setattr(Scaled, "_scaled", lambda self, arrays: arrays)
    net, rng = from_notation("8C3-AP2-4FC", (4, 4, 2), 2), np.random.default_rng(0)
    with pytest.raises(AssertionError):
        check_twins(np, net, (4, 4, 2), rng.standard_normal((1, 2, 4, 4, 2)), rng)


def test_nothing_plain_knows_that_there_are_fast_twins():
    """Not the ops, the stages, the losses, the optimisers, a training step or the costs."""
    code = """
        import pkgutil, sys
        import minisnn.networks.architectures, minisnn.networks.cost, minisnn.training.loop, minisnn.training.losses
        import minisnn.networks.describe, minisnn.structure.channels, minisnn.structure.evolve, minisnn.structure.slim
        import minisnn.ops
        for module in pkgutil.iter_modules(minisnn.ops.__path__, "minisnn.ops."):
            __import__(module.name)
        print([name for name in sys.modules if name.startswith("minisnn.faster")])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    for room in ("ops", "networks", "training", "structure"):
        for path in (Path(__file__).parents[1] / "minisnn" / room).rglob("*.py"):
            assert "minisnn.faster" not in path.read_text(encoding="utf-8"), path


RECIPES = {
    "esl-mlp": replace(ESL_MLP_DEFAULTS["digits"], epochs=1, optimizer="adam"),
    "lif": replace(LIF_DEFAULTS["digits"], epochs=1, net="8C3-AP2-10FC", density=0.5),
    "sca": replace(SCA_VGG16_DEFAULTS["digits"], epochs=1, net="8C3-MP2-8C3-10FC"),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_chooses_what_trains_evaluates_and_traces(kind):
    """Plain from end to end with fast=False, or fast; the same to rounding."""
    data = load_digits()
    data = replace(data, train=data.train.take(slice(64)), validation=data.validation.take(slice(32)))
    found = []
    for fast_or_not in (True, False):
        recipe = replace(RECIPES[kind], fast=fast_or_not)
        setup = recipe.setup(data)
        assert (setup.around is nullcontext) != fast_or_not
        opened = recipe.as_run(recipe.plain(data))
        for net in (setup.net, opened):
            modules = {type(stage).__module__ for _, stage in net.stages} | {type(net).__module__}
            assert any(name.startswith("minisnn.faster") for name in modules) == fast_or_not
        assert type(setup.optimizer).__module__.startswith("minisnn.faster") == (
            fast_or_not and isinstance(setup.optimizer, Adam)
        )
        run = Run(recipe, data.info, loop.start(setup, 0), data=data)
        images = data.validation.images[:8]
        layers = run.trace(images)
        with pytest.warns(MinisnnWarning, match="not finished"):
            scores = run.scores(images)
        found.append([scores, *(a for layer in layers.values() for a in layer[:2])])
        run.finish(test=False, pictures=False)
        found[-1].append(np.array([run.log[-1]["train_loss"], run.log[-1]["val_loss"]]))
    for a, b in zip(*found, strict=True):
        finite = np.isfinite(a)
        np.testing.assert_array_equal(finite, np.isfinite(b))
        np.testing.assert_allclose(a[finite], b[finite], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("quick", [True, False])
def test_only_a_fast_setup_holds_blas(quick):
    data, seen = load_digits(), []
    data = replace(data, train=data.train.take(slice(16)), validation=data.validation.take(slice(8)))
    setup = replace(RECIPES["lif"], fast=quick, density=1.0).setup(data)

    def encode(images):
        seen.append({lib.num_threads for lib in blocks._blas()})
        return setup.encode(images)

    with blocks.use_threads(2):
        watched = replace(setup, encode=encode)
        loop.fit(watched, loop.start(watched, 0), data)
        assert {lib.num_threads for lib in blocks._blas()} == {2}
    assert seen
    assert all(found == {1 if quick else 2} for found in seen)
