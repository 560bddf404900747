"""The same networks in PyTorch, with TET's, SpikingJelly's and snnTorch's neurons: a walk over our stages.

For the oracle tests and the benchmarks; minisnn itself never imports PyTorch. Parameters keep our
names, with `.` written as `__`; `to_torch` and `from_torch` turn layouts round.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import minisnn as snn
from minisnn.faster import fast
from minisnn.networks import compose
from minisnn.networks.stages.base import Shape
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.ops.surrogate.triangle import Triangle
from minisnn.training.losses import tet_loss_backward, tet_loss_forward
from minisnn.training.optim import SGD, Adam


class Spike(torch.autograd.Function):
    """TET's spike: Heaviside forwards, a surrogate's slope backwards."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * ctx.slope(x), None


def slope(surrogate):
    """The surrogate's slope as a function of tensors, written for itself."""
    if isinstance(surrogate, Triangle):
        gamma = surrogate.gamma
        return lambda x: (1 / gamma**2) * (gamma - x.abs()).clamp(min=0)
    assert isinstance(surrogate, Sigmoid)
    s = lambda x: torch.sigmoid(surrogate.alpha * x)  # noqa: E731
    return lambda x: surrogate.alpha * s(x) * (1 - s(x))


class TETNeuron(nn.Module):
    """TET's LIFSpike: a loop over time with autograd. Takes hard or soft reset, full or detached."""

    def __init__(self, neuron: Neuron):
        super().__init__()
        self.neuron = neuron

    def forward(self, x):
        n, v, out = self.neuron, 0.0, []
        h = slope(n.surrogate)
        for t in range(len(x)):
            v = v * n.decay + n.gain * x[t]
            a = Spike.apply(v - n.v_th, h)
            out.append(a)
            r = a.detach() if n.detach_reset else a
            v = (1 - r) * v if n.v_reset is not None else v - n.v_th * r
        return torch.stack(out)


def spikingjelly_neuron(n: Neuron) -> nn.Module:
    """SpikingJelly's multi-step node, PyTorch backend."""
    from spikingjelly.activation_based import neuron, surrogate

    if isinstance(n.surrogate, Sigmoid):
        surrogate_function = surrogate.Sigmoid(alpha=n.surrogate.alpha)
    else:
        h = slope(n.surrogate)
        surrogate_function = lambda x: Spike.apply(x, h)  # noqa: E731 - any callable is a surrogate there
    settings = {
        "v_threshold": n.v_th, "v_reset": n.v_reset, "surrogate_function": surrogate_function,
        "detach_reset": n.detach_reset, "step_mode": "m",
    }  # fmt: skip
    if n.decay == 1:
        return neuron.IFNode(**settings)
    return neuron.LIFNode(tau=1 / (1 - n.decay), decay_input=n.gain != 1, **settings)


class SnnTorchNeuron(nn.Module):
    """snnTorch's Leaky, reset to zero without delay, step by step."""

    def __init__(self, n: Neuron):
        super().__init__()
        import snntorch

        h = slope(n.surrogate)
        self.leaky = snntorch.Leaky(
            beta=n.decay, threshold=n.v_th, reset_mechanism="zero", reset_delay=False,
            spike_grad=lambda x: Spike.apply(x, h),
        )  # fmt: skip

    def forward(self, x):
        mem, out = self.leaky.init_leaky(), []
        for x_t in x:
            spikes, mem = self.leaky(x_t, mem)
            out.append(spikes)
        return torch.stack(out)


NEURONS = {"torch": TETNeuron, "spikingjelly": spikingjelly_neuron, "snntorch": SnnTorchNeuron}


class Folded(nn.Module):
    """A layer for images, applied to sequences."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Function(nn.Module):
    """A layer without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Sum(nn.Module):
    """main(x) + shortcut(x)."""

    def __init__(self, main: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


def peer(stage: snn.Stage, shape: Shape, neurons: str = "torch") -> nn.Module:
    """The module that computes what a stage of a plain network (not a fast one) does."""
    if isinstance(stage, compose.Sequential):
        parts = nn.Sequential()
        for name, s in stage.stages:
            parts.add_module(name, peer(s, shape, neurons))
            shape = s.out(shape)
        return parts
    if isinstance(stage, compose.Residual):
        return Sum(peer(stage.main, shape, neurons), peer(stage.shortcut, shape, neurons))
    if isinstance(stage, snn.Conv):
        s = stage
        return Folded(nn.Conv2d(shape[2], s.n_out, s.k, s.stride, s.padding, bias=s.bias))
    if isinstance(stage, snn.BatchNorm):
        return Folded((nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[-1]))
    if isinstance(stage, snn.LIF):
        return NEURONS[neurons](stage.neuron)
    if isinstance(stage, snn.AveragePool):
        return Folded(nn.AvgPool2d(stage.k))
    if isinstance(stage, snn.GlobalPool):
        return Folded(nn.AdaptiveAvgPool2d(1))
    if isinstance(stage, snn.MaxPool):
        return Folded(nn.MaxPool2d(stage.k))
    if isinstance(stage, snn.Linear):
        return Folded(nn.Linear(shape[0], stage.n_out, bias=stage.bias))
    if isinstance(stage, snn.Flatten):  # in our order: positions, then channels
        return Function(lambda x: x.permute(0, 1, 3, 4, 2).flatten(2))
    if isinstance(stage, snn.Repeat):
        return Function(lambda x, T=stage.T: x.expand(T, *x.shape[1:]).contiguous())
    if isinstance(stage, snn.MeanOverTime):
        return Function(lambda x: x.mean(0, keepdim=True))
    if isinstance(stage, snn.CumulativeSum):
        return Function(lambda x: x.cumsum(0))
    raise TypeError(f"no peer for {stage}")


NAMES = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}


def place(key: str) -> str:
    """Where our `block1.main.conv1.weight` is in a peer's state."""
    *path, name = key.split(".")
    return ".".join([*path, "layer", NAMES.get(name, name)])


def to_torch(array: np.ndarray) -> torch.Tensor:
    """A weight, an image sequence or a vector, in PyTorch's order of axes."""
    order = {4: (3, 2, 0, 1), 5: (0, 1, 4, 2, 3), 2: (1, 0)}.get(array.ndim)
    return torch.tensor(np.ascontiguousarray(array if order is None else array.transpose(order)))


def from_torch(tensor: torch.Tensor) -> np.ndarray:
    """The way back, for weights and vectors."""
    array = tensor.detach().numpy()
    order = {4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim)
    return array if order is None else array.transpose(order)


def load(module: nn.Module, params: dict[str, np.ndarray], buffers: dict[str, np.ndarray]) -> None:
    """Give a peer our parameters and running statistics."""
    state = module.state_dict()
    for key, array in (params | buffers).items():
        assert state[place(key)].shape == to_torch(array).shape, key
        state[place(key)] = to_torch(array)
    module.load_state_dict(state)


def grads(module: nn.Module, keys: list[str]) -> dict[str, np.ndarray]:
    """A peer's gradients under our names, in our layout."""
    named = dict(module.named_parameters())
    return {key: from_torch(named[place(key)].grad) for key in keys}


def reset(module: nn.Module) -> None:
    """Forget the potentials of the last sequence, where a library keeps them."""
    for m in module.modules():
        if m is not module and hasattr(m, "reset") and callable(m.reset):
            m.reset()


def tet_loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """TET's loss with lambda = 0, written as its code does."""
    return sum(nn.functional.cross_entropy(o, labels) for o in outputs) / len(outputs)


def compare(net, shape, batch, steps=None, neurons="torch", optimizer="adam", seed=0, build=fast):
    """Train one of our networks and its peer side by side in float64, three steps from the same start.

    Returns the largest error of each kind: loss, outputs, gradients, running statistics, and parameters after the
    last step. Gradients and parameters relative to the largest entry of their array, or 1e-4 if that is less (a bias
    in front of batch norm has a gradient of 0).
    """
    rng = np.random.default_rng(seed)
    params, buffers = net.init(rng, shape)
    for key, w in params.items():
        if key.endswith((".gamma", ".beta")):  # so that every layer of an untrained net fires
            w += rng.uniform(0, 1, w.shape)
    ours = build(net, shape)
    module = peer(net, shape, neurons).double()
    load(module, params, buffers)
    module.train()
    if optimizer == "adam":
        our_rule, rule = Adam(), torch.optim.Adam(module.parameters(), lr=1e-3)
    else:
        our_rule, rule = SGD(), torch.optim.SGD(module.parameters(), lr=1e-2, momentum=0.9)
    moments = our_rule.init(params)
    worst = dict.fromkeys(("loss", "outputs", "gradients", "running statistics", "parameters"), 0.0)

    def note(kind, a, b, floor=1e-4):
        worst[kind] = max(worst[kind], float(abs(a - b).max() / max(abs(b).max(), floor)))

    for k in range(1, 4):
        x = rng.standard_normal((steps or 1, batch, *shape))
        labels = rng.integers(0, net.out(shape)[0], batch)
        y, cache, buffers = ours.forward(params, buffers, x, train=True)
        loss, loss_cache = tet_loss_forward(y, labels)
        _, gradients = ours.backward(params, tet_loss_backward(1.0, loss_cache), cache, need_dx=False)
        reset(module)
        rule.zero_grad()
        their_y = module(to_torch(x))
        their_loss = tet_loss(their_y, torch.tensor(labels))
        their_loss.backward()
        note("loss", loss, their_loss.detach().numpy())
        note("outputs", y, their_y.detach().numpy())
        for key, g in grads(module, list(params)).items():
            note("gradients", gradients[key], g)
        state = module.state_dict()
        for key, b in buffers.items():
            note("running statistics", b, from_torch(state[place(key)]))
        our_rule.step(params, gradients, moments, 1e-3 if optimizer == "adam" else 1e-2, k)
        rule.step()
    state = module.state_dict()
    for key, w in params.items():
        note("parameters", w, from_torch(state[place(key)]))
    return worst
