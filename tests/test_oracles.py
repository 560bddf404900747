"""Networks, neurons, losses and optimisers against PyTorch, SpikingJelly and snnTorch, where they are installed.

Narrow versions of the networks, in float64; `python benchmarks/oracles.py` does the same at full width.
"""

import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from slow import slow_but

from minisnn.faster import fast
from minisnn.networks import architectures
from minisnn.networks.build import build
from minisnn.ops.lif import lif_backward, lif_forward
from minisnn.ops.neuron import Neuron, integrate_and_fire, leaky
from minisnn.training.adamw import AdamW
from minisnn.training.losses import mean_loss_backward, mean_loss_forward, tet_loss_backward, tet_loss_forward

pytestmark = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")


@pytest.fixture
def peers(monkeypatch):
    """benchmarks/peers.py, loaded where it is needed: PyTorch takes seconds to import."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "benchmarks")
    return importlib.import_module("peers")


from minisnn.networks.notation import SCA_STYLE, from_notation  # noqa: E402

NARROW = {
    "mlp": lambda T: (from_notation("20FC-5FC", (6, 6, 1), T), (6, 6, 1)),
    "vggsnn": lambda T: (
        from_notation("8C3-9C3-AP2-10C3-10C3-AP2-12C3-12C3-AP2-9C3-9C3-AP2-5FC", (16, 16, 2), T),
        (16, 16, 2),
    ),
    "resnet19": lambda T: (
        architectures.resnet19((12, 12, 3), 5, T, widths=(8, 9, 10, 12, 11)),
        (12, 12, 3),
    ),
    "vgg16": lambda T: (
        architectures.vgg16((32, 32, 3), 5, T, channels=(8, 8, 9, 9, 8, 8, 8, 9, 9, 9, 8, 8, 8), hidden=12),
        (32, 32, 3),
    ),
    "pre-resnet18": lambda T: (
        architectures.pre_resnet18((12, 12, 3), 5, T, widths=(8, 9, 10, 12)),
        (12, 12, 3),
    ),
    "5conv": lambda T: (
        from_notation("8C3-AP2-9C3-AP2-9C3-10C3-AP2-5FC", (11, 9, 2), T, SCA_STYLE),
        (11, 9, 2),
    ),
}


def agree(worst, optimizer="sgd"):
    """To rounding. Adam divides by the gradient's own size, and so makes steps of the rounding of gradients near 0."""
    limit = {"sgd": 1e-9, "adam": 1e-7}[optimizer]
    assert max(worst.values()) < limit, worst
    assert worst["loss"] < 1e-12


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("T", slow_but([4], [1, 2, 4]))
@pytest.mark.parametrize("name", NARROW)
def test_networks_agree_with_pytorch(peers, name, T, optimizer):
    """Loss, outputs, every gradient, batch norm's statistics and parameters over three steps."""
    net, shape = NARROW[name](T)
    agree(peers.compare(net, shape, batch=4, optimizer=optimizer, seed=T), optimizer)


@pytest.mark.parametrize("name", NARROW)
def test_the_plain_network_agrees_too(peers, name):
    """Without the fast stages; and a sequence of frames in place of a static image."""
    net, shape = NARROW[name](None)
    agree(peers.compare(net, shape, batch=4, steps=3, optimizer="sgd", build=lambda net, shape: net))


@pytest.mark.parametrize("name", ["vggsnn", "vgg16"])
def test_networks_agree_with_spikingjelly(peers, name):
    pytest.importorskip("spikingjelly", reason="SpikingJelly is not installed")
    net, shape = NARROW[name](4)
    agree(peers.compare(net, shape, batch=4, neurons="spikingjelly", optimizer="sgd"))


def test_a_damaged_network_does_not_agree(peers):
    """The comparison notices a neuron of another kind, and a gradient that is left out of the reset."""
    net, shape = NARROW["5conv"](4)
    other, _ = build("8C3-AP2-9C3-AP2-9C3-10C3-AP2-5FC", shape, 5, 4, paper="esl")
    with pytest.raises((AssertionError, KeyError)):
        agree(
            peers.compare(net, shape, batch=4, optimizer="sgd", build=lambda net, shape: fast(other, shape))
        )


NEURONS = {
    "TET": Neuron(),
    "TET, detached": Neuron(detach_reset=True),
    "TET, soft reset": Neuron(v_reset=None),
    "SpikingJelly LIF": leaky(2.0),
    "SpikingJelly LIF, tau 3, input not decayed": leaky(3.0, decay_input=False, detach_reset=True),
    "SpikingJelly IF, soft reset": integrate_and_fire(v_reset=None),
    "SCA": integrate_and_fire(detach_reset=True),
}


def run_peer(module, current, dspikes):
    import torch

    x = torch.tensor(current, requires_grad=True)
    spikes = module(x)
    spikes.backward(torch.tensor(dspikes))
    return spikes.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("library", ["torch", "spikingjelly", "snntorch"])
@pytest.mark.parametrize("name", NEURONS)
def test_neurons_agree(peers, name, library):
    """Spikes and gradients of single neurons over eight steps."""
    neuron = NEURONS[name]
    if library != "torch":
        pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "snntorch" and name != "TET":
        pytest.skip("snnTorch's Leaky has this reset and decay only")
    rng = np.random.default_rng(1)
    current, dspikes = rng.standard_normal((2, 8, 50)) + 0.8
    spikes, cache = lif_forward(current, neuron)
    theirs, their_gradient = run_peer(peers.NEURONS[library](neuron), current, dspikes)
    np.testing.assert_array_equal(spikes, theirs)
    np.testing.assert_allclose(lif_backward(dspikes, cache), their_gradient, rtol=1e-10, atol=1e-12)
    assert 0.05 < spikes.mean() < 0.95


def test_at_the_threshold_libraries_differ(peers):
    """u = V_th exactly: SpikingJelly fires, TET and snnTorch do not."""
    pytest.importorskip("spikingjelly", reason="SpikingJelly is not installed")
    pytest.importorskip("snntorch", reason="snnTorch is not installed")
    current = np.ones((1, 1))
    for library, neuron, fires in (
        ("torch", Neuron(), 0),
        ("snntorch", Neuron(), 0),
        ("spikingjelly", leaky(2.0, decay_input=False), 1),
    ):
        theirs, _ = run_peer(peers.NEURONS[library](neuron), current, current)
        assert theirs.item() == lif_forward(current, neuron)[0].item() == fires


def test_label_smoothing_is_pytorch_s():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    outputs, labels = rng.standard_normal((3, 4, 5)), rng.integers(0, 5, 4)
    theirs = torch.tensor(outputs, requires_grad=True)
    for forward, backward, flat in (
        (tet_loss_forward, tet_loss_backward, lambda o: (o.reshape(12, 5), torch.tensor(np.tile(labels, 3)))),
        (mean_loss_forward, mean_loss_backward, lambda o: (o.mean(0), torch.tensor(labels))),
    ):
        theirs.grad = None
        expected = torch.nn.functional.cross_entropy(*flat(theirs), label_smoothing=0.2)
        expected.backward()
        found, cache = forward(outputs, labels, smoothing=0.2)
        assert float(found) == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(backward(1.0, cache), theirs.grad.numpy(), rtol=1e-10, atol=1e-15)


def test_adamw_is_pytorch_s():
    torch = pytest.importorskip("torch")
    rng, optimizer = np.random.default_rng(0), AdamW(beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.3)
    params = {"w": rng.standard_normal((3, 4))}
    theirs = torch.tensor(params["w"].copy(), requires_grad=True)
    other = torch.optim.AdamW([theirs], lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3)
    moments = optimizer.init(params)
    for k in range(1, 6):
        g = rng.standard_normal((3, 4))
        optimizer.step(params, {"w": g}, moments, 0.05, k)
        theirs.grad = torch.tensor(g)
        other.step()
    np.testing.assert_allclose(params["w"], theirs.detach().numpy(), rtol=1e-12)
