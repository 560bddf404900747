"""Optimisers, learning-rate schedules and gradient normalisation, on flat dictionaries.

An optimiser is a frozen description. What it remembers lies in `moments`, a dictionary with the
keys of `params`, and is never masked: momentum growth needs the moments of absent synapses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar, Protocol

from minisnn.arguments import check, kind_of
from minisnn.backend import Array, array_module, is_array
from minisnn.lookup import register, shown

Arrays = dict[str, Array]
Moments = dict[str, tuple[Array, ...]]


class Optimizer(Protocol):
    """Interface of an optimiser: a frozen description, whose memory is the dictionary that `init` makes.

    All dictionaries have the keys of `params`; arrays of one key have one shape and floating dtype. A class may have an
    attribute `default_lr`, the learning rate where none is given; recipes have others for some.
    """

    def init(self, params: Arrays) -> Moments:
        """Moments for every parameter, all 0."""

    def step(self, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
        """Update `params` and `moments` in place, by a step at learning rate `lr`; `k` counts the steps from 1."""

    def momentum(self, moment: tuple[Array, ...]) -> Array:
        """How strongly the optimiser pushes each weight, >= 0: the score of momentum growth."""


def first_moments(optimizer: Optimizer, params: Arrays) -> Moments:
    """What `init` returns. Raises ValueError unless it holds, for each parameter, a tuple of arrays of its shape."""
    found: object = optimizer.init(params)
    what = f"what init of the optimizer {shown(optimizer)} returns"
    check(what, kind_of(found), isinstance(found, dict), "a dictionary with the keys of the parameters")
    assert isinstance(found, dict)
    for key, w in params.items():
        moment = found.get(key)
        fits = isinstance(moment, tuple) and all(is_array(m) and m.shape == w.shape for m in moment)
        check(f"{what} for {key}", kind_of(moment), fits, f"a tuple of arrays of the shape {w.shape}")
    return found


def stepped(optimizer: Optimizer, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
    """One step. Raises ValueError if a parameter then has another shape or dtype."""
    before = {key: (w.shape, w.dtype) for key, w in params.items()}
    optimizer.step(params, grads, moments, lr, k)
    for key, (shape, dtype) in before.items():
        w: Array = params.get(key)
        if not (is_array(w) and w.shape == shape and w.dtype == dtype):
            what = f"{key} after a step of the optimizer {shown(optimizer)}"
            check(what, kind_of(w), False, f"as before, {dtype} with the shape {shape}")


def pushed(optimizer: Optimizer, moment: tuple[Array, ...], key: str, weight: Array) -> Array:
    """What `momentum` returns for one weight. Raises ValueError unless it is floating and of the weight's shape."""
    found = optimizer.momentum(moment)
    fits = is_array(found) and found.dtype.kind == "f" and found.shape == weight.shape
    what = f"what momentum of the optimizer {shown(optimizer)} returns for {key}"
    check(what, kind_of(found), fits, f"floating, with the shape {weight.shape}")
    return found


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {}
"""By name: the class, or a function that makes one. Files beside this one put theirs in with `register`."""


@register(OPTIMIZERS, "sgd")
@dataclass(frozen=True)
class SGD(Optimizer):
    r"""Stochastic gradient descent with momentum (Polyak 1964; as in PyTorch, without dampening).

    $$ m \leftarrow \mu m + g + \lambda w, \qquad w \leftarrow w - \eta m $$

    mu: 0 to 1; 0 is plain gradient descent. weight_decay: lambda, 0 or more.
    """

    default_lr: ClassVar[float] = 0.01

    mu: float = 0.9
    weight_decay: float = 0.0

    def init(self, params: Arrays) -> Moments:
        return {key: (array_module(w).zeros_like(w),) for key, w in params.items()}

    def step(self, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
        for key, g in grads.items():
            (m,) = moments[key]
            m *= self.mu
            m += g
            if self.weight_decay:
                m += self.weight_decay * params[key]
            params[key] -= lr * m

    def momentum(self, moment: tuple[Array, ...]) -> Array:
        return abs(moment[0])


@register(OPTIMIZERS, "adam")
@dataclass(frozen=True)
class Adam(Optimizer):
    r"""Adam (Kingma and Ba 2015), with bias correction.

    $$ m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
       w \leftarrow w - \frac{\eta}{1 - \beta_1^k} \frac{m}{\sqrt{v / (1 - \beta_2^k)} + \epsilon} $$

    weight_decay: lambda, 0 or more; lambda w is added to g (the L2 norm in the loss, not AdamW's decay).
    """

    default_lr: ClassVar[float] = 0.001

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def init(self, params: Arrays) -> Moments:
        return {key: tuple(array_module(w).zeros_like(w) for _ in "mv") for key, w in params.items()}

    def step(self, params: Arrays, grads: Arrays, moments: Moments, lr: float, k: int) -> None:
        for key, g in grads.items():
            self.update(lr, k, params[key], g, *moments[key])

    def update(self, lr: float, k: int, w: Array, g: Array, m: Array, v: Array) -> None:
        """Step k for the weights of one array, in place; all operations are elementwise."""
        if self.weight_decay:
            g = g + self.weight_decay * w
        self.adapt(lr, k, w, g, m, v)

    def adapt(self, lr: float, k: int, w: Array, g: Array, m: Array, v: Array) -> None:
        """The equation itself: moments and weights of one array follow a gradient, in place."""
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        root = array_module(v).sqrt(v / (1 - self.beta2**k))
        w -= (lr / (1 - self.beta1**k)) * m / (root + self.eps)

    def momentum(self, moment: tuple[Array, ...]) -> Array:
        """|m| / (sqrt(v) + eps), without bias correction (Dettmers and Zettlemoyer 2019)."""
        m, v = moment
        return abs(m) / (array_module(v).sqrt(v) + self.eps)


SCHEDULES: dict[str, Callable[..., float]] = {}
"""By name: (epoch, epochs, lr, lr_end) -> learning rate."""


@register(SCHEDULES, "exponential")
def exponential_lr(epoch: int, epochs: int, lr: float, lr_end: float) -> float:
    r"""From lr in epoch 0 to lr_end in the last, $\eta (\eta_\mathrm{end} / \eta)^{e / (E - 1)}$.

    epoch: e, from 0; epochs: E; lr, lr_end: above 0. Returns the learning rate of the epoch.
    """
    return lr * (lr_end / lr) ** (epoch / max(1, epochs - 1))


@register(SCHEDULES, "cosine")
def cosine_lr(epoch: int, epochs: int, lr: float, lr_end: float = 0.0) -> float:
    r"""A half cosine, $\eta_\mathrm{end} + \frac{\eta - \eta_\mathrm{end}}{2} (1 + \cos(\pi e / E))$ (TET).

    epoch: e, from 0; epochs: E. Returns the learning rate of the epoch; lr_end itself would be that of epoch E.
    """
    return lr_end + (lr - lr_end) / 2 * (1 + cos(pi * epoch / epochs))


@register(SCHEDULES, "step")
def step_lr(epoch: int, epochs: int, lr: float, lr_end: float) -> float:
    r"""Three equal parts of training at $\eta$, $\sqrt{\eta\,\eta_\mathrm{end}}$ and $\eta_\mathrm{end}$.

    With lr_end = lr / 100 they are SCA's steps by 10 in 300 epochs. epoch: from 0; lr, lr_end: above 0. Returns the
    learning rate of the epoch.
    """
    return lr * (lr_end / lr) ** ((3 * epoch // epochs) / 2)


@register(SCHEDULES, "restarts")
def restarting_lr(epoch: int, epochs: int, lr: float, lr_end: float) -> float:
    r"""A half cosine from lr towards lr_end, anew in each third of training: for learners that train in phases.

    epoch: from 0; epochs: E. Thirds begin in the epochs 0, ceil(E / 3) and ceil(2 E / 3). Returns the learning rate of
    the epoch.
    """
    third = 3 * epoch // epochs
    first, last = (-(-n * epochs // 3) for n in (third, third + 1))
    return cosine_lr(epoch - first, last - first, lr, lr_end)


# Gradient normalisation. ESL follows Mostafa 2018 "to avoid the large gradient and small
# denominator" and gives neither form nor size; `clip_layers` at 0.3 works here. Gradients
# are scaled in place. They stay dense, but a norm counts only the connections that a mask lets move,
# so that a limit means the same length of step at every density.


NORMALISATIONS: dict[str, Callable[..., None]] = {}
"""By name: (grads, masks, limit), in place."""


def unlimited(grads: Arrays, masks: Arrays) -> None:
    """Leave gradients as they are. grads, masks: by key of params."""


@register(NORMALISATIONS, "layers")
def clip_layers(grads: Arrays, masks: Arrays, limit: float) -> None:
    r"""Limit the Frobenius norm of each layer's gradient, $g \leftarrow g \min(1, c / \lVert m \odot g \rVert)$.

    grads: floating, by key of params, scaled in place; masks: bool, by some of these keys; limit: c, above 0.
    """
    for key, g in grads.items():
        g *= _factor(_norm(g, masks.get(key)), limit)


@register(NORMALISATIONS, "neurons")
def clip_neurons(grads: Arrays, masks: Arrays, limit: float) -> None:
    r"""Limit the norm of the gradient of each neuron's incoming weights.

    $$ g_j \leftarrow g_j \min(1, c / \lVert m_j \odot g_j \rVert) $$

    Column j of a gradient [N, M] belongs to neuron j. Arguments as in `clip_layers`.
    """
    for key, g in grads.items():
        xp, moving = array_module(g), g * masks[key] if key in masks else g
        g *= xp.minimum(1, limit / xp.maximum(xp.sqrt((moving * moving).sum(0)), TINY))


@register(NORMALISATIONS, "rows")
def clip_rows(grads: Arrays, masks: Arrays, limit: float) -> None:
    r"""Limit the Frobenius norm of each layer's gradient over its number N of inputs, the first axis.

    $$ g \leftarrow g \min(1, c N / \lVert m \odot g \rVert) $$

    Arguments as in `clip_layers`.
    """
    for key, g in grads.items():
        g *= _factor(_norm(g, masks.get(key)) / len(g), limit)


@register(NORMALISATIONS, "global")
def divide_by_norm(grads: Arrays, masks: Arrays, limit: float) -> None:
    r"""Make the norm of all gradients together equal to `limit`.

    $$ g \leftarrow c\,g \Big/ \sqrt{\sum \lVert m \odot g \rVert^2} $$

    Arguments as in `clip_layers`.
    """
    total = sum(_norm(g, masks.get(key)) ** 2 for key, g in grads.items()) ** 0.5
    for g in grads.values():
        g *= limit / max(total, TINY)


TINY = 1e-30


def _norm(g: Array, mask: Array | None) -> float:
    flat = (g if mask is None else g * mask).ravel()
    return float(flat @ flat) ** 0.5


def _factor(norm: float, limit: float) -> float:
    return limit / norm if norm > limit else 1.0
