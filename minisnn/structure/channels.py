"""SCA: channels are pruned and regrown. The only place where a channel mask changes.

Activity scores rank the channels of all layers together, the gradients of batch norm's gamma say which of the pruned
are regrown (SCA Eq. 4, SCA Algorithm 1, §4.2-4.3; chapters 17 and 18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisnn.arguments import bools, check, generator, number, numbers, one_of, whole
from minisnn.backend import Array, array_module, to_host
from minisnn.networks.compose import Sequential, activities
from minisnn.notices import warn
from minisnn.structure.channel_graph import Channels
from minisnn.structure.learner import StructureLearner, structure_rng
from minisnn.structure.schedule import round_down
from minisnn.training.state import TrainingState

Vectors = Mapping[str, np.ndarray]  # one number for every channel: [C] by the layer's key
Masks = dict[str, np.ndarray]  # bool [C] by the layer's key


def channel_counts(n: int, p: float, q: float) -> tuple[int, int]:
    r"""How many of N channels stay by score, $\lfloor (1-p-q) N \rfloor$, and how many regrow, $\lfloor q N \rfloor$.

    n: N, of all layers together. Both p and q are fractions of all channels, as in the authors' code (SCA §4.2-4.3,
    chapter 18). Raises ValueError unless 0 <= p, 0 <= q and p + q < 1.
    """
    if not (p >= 0 and q >= 0 and p + q < 1):
        raise ValueError(f"p and q must be 0 or more and p + q below 1, found p = {p}, q = {q}")
    return round_down((1 - p - q) * n), round_down(q * n)


def keep_most_active(scores: Vectors, count: int) -> Masks:
    """The `count` channels with the highest scores, of all layers together; every layer keeps at least its best.

    scores: numbers [C] by layer. Ties go to the layer that stands first, then to the lowest index. Returns masks, bool
    [C] by layer (SCA §4.2, chapter 17). Raises ValueError if `count` is less than one for each layer or more than all,
    for scores that are NaN, or another shape.
    """
    (scores,), count = _vectors(scores=scores), whole("count", count)
    score = np.concatenate(list(scores.values()))
    if not len(scores) <= count <= len(score):
        raise ValueError(f"cannot keep {count} of {len(score)} channels in {len(scores)} layers")
    if np.isnan(score).any():
        raise ValueError("scores hold NaN: training has diverged, there is nothing to rank")
    starts = np.cumsum([0, *map(len, scores.values())])[:-1]
    best = starts + [int(s.argmax()) for s in scores.values()]
    first = np.zeros(len(score), bool)
    first[best] = True
    order = np.lexsort((-score, ~first))  # each layer's best before all others
    return _split(scores, order[:count])


def regrow(masks: Vectors, gradients: Vectors, scores: Vectors, count: int, strict: bool = False) -> Masks:
    """The channels kept, and the `count` among the pruned with the largest gradient |dgamma| (SCA §4.3, chapter 18).

    masks: of the channels kept, bool [C] by layer; gradients, scores: numbers [C] by layer. Where gradients are equal,
    0 above all, the higher score goes first, then the order of layers and channels. strict: pruned channels without a
    gradient are not regrown, as in the authors' code, so that fewer may return. Returns masks, bool [C] by layer.
    Raises ValueError if fewer than `count` are pruned, a gradient is NaN, or layers or shapes differ.
    """
    masks, gradients, scores = _vectors(masks=masks, gradients=gradients, scores=scores)
    count = whole("count", count)
    bools(masks=np.concatenate(list(masks.values())))
    kept, gradient, score = (np.concatenate(list(v.values())) for v in (masks, gradients, scores))
    if np.isnan(gradient).any():
        raise ValueError("gradients hold NaN: training has diverged, there is nothing to rank")
    if count > (~kept).sum():
        raise ValueError(f"cannot regrow {count} of {(~kept).sum()} pruned channels")
    order = np.lexsort((-score, -gradient, kept))
    back = order[:count]
    if strict:
        back = back[gradient[back] > 0]
    return _split(masks, np.concatenate([np.flatnonzero(kept), back]))


def draw_channels(sizes: Mapping[str, int], p: float, rng: np.random.Generator) -> Masks:
    """An ablation: prune the same fraction of every layer at random. Keeps round((1 - p) C), and at least 1.

    sizes: C by layer; p: the fraction pruned, 0 to 1. Returns masks, bool [C] by layer. Raises ValueError for a p
    outside.
    """
    check("p", p, 0 <= number("p", p) <= 1, "0 to 1")
    masks = {key: np.zeros(size, bool) for key, size in sizes.items()}
    for mask in masks.values():
        count = max(1, round((1 - p) * len(mask)))
        mask[generator("rng", rng).choice(len(mask), count, replace=False)] = True
    return masks


def _vectors(**named: Vectors) -> list[dict[str, np.ndarray]]:
    """Every argument with arrays [C] by layer. Raises ValueError, naming it, unless layers and sizes are the same."""
    found: list[dict[str, np.ndarray]] = []
    for name, vectors in named.items():
        check(name, type(vectors).__name__, isinstance(vectors, Mapping) and len(vectors), "arrays by layer")
        arrays = {key: numbers(**{f"{name} of {key}": v})[0] for key, v in vectors.items()}
        sizes = {key: v.shape for key, v in arrays.items()}
        check(name, sizes, all(v.ndim == 1 and len(v) for v in arrays.values()), "[C] for every layer")
        if found:
            expected = {key: v.shape for key, v in found[0].items()}
            check(
                name,
                sizes,
                list(sizes.items()) == list(expected.items()),
                f"of the same layers and sizes, {expected}",
            )
        found.append(arrays)
    return found


def _split(like: Vectors, chosen: np.ndarray) -> Masks:
    """Masks of the layers, from positions in all of them one after the other."""
    flat = np.zeros(sum(map(len, like.values())), bool)
    flat[chosen] = True
    parts = np.split(flat, np.cumsum([len(v) for v in like.values()])[:-1])
    return dict(zip(like, parts, strict=True))


MODES = ("soft", "hard", "random")


@dataclass(frozen=True)
class SCA(StructureLearner):
    """Spiking Channel Activity: every `every` epochs prune to 1 - p - q by score, and regrow q by |dgamma|.

    layers: the channels that can be pruned, `ChannelGraph.layers`. Its neurons must measure their activity
    (`compose.scored`).
    p:       the fraction of all channels that is masked; q: how many more are pruned and regrown each time. q = 0 is
             the paper's "only prune".
    end:     the last epoch that may change masks; after their last change they are held, as in hard mode.
    mode:    "soft", the paper's way: a masked channel's W, gamma and beta are set to 0 once and learn on from there;
             nothing is masked until the next update. "hard": batch norm puts out 0 until the channel returns; W stays
             where it was (or dgamma would be 0 too, chapter 18), gamma and beta wait. "random", an ablation:
             masks are drawn once, at the start, and held as in hard mode. Evaluation sees the masks in all of them.
    per_map: score sums over a channel's positions, as the L1 norm of Eq. 4 does, in place of their mean.
    strict:  see `regrow`.

    A tied layer (a residual sum) has the mean of its neurons' scores, and of its batch norms' |dgamma|. Scores are
    means over all samples since the last update; gradients are those of the last step.
    Raises ValueError if p and q do not leave a channel for every layer, for values out of range, and at the start
    for a state whose parameters do not fit the layers.
    """

    layers: tuple[Channels, ...]
    p: float
    q: float = 0.1
    every: int = 1
    end: float = np.inf
    mode: str = "soft"
    per_map: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        whole("every", self.every, 1)
        if not self.layers:
            raise ValueError("this network has no channels to prune: it needs convolutions with batch norm")
        n_keep, _ = channel_counts(self.size, self.p, self.q)
        if n_keep < len(self.layers):
            raise ValueError(
                f"p = {self.p}, q = {self.q} keeps {n_keep} of {self.size} channels by their scores, "
                f"but there are {len(self.layers)} layers, and each keeps one"
            )

    @property
    def size(self) -> int:
        """N, the number of all channels."""
        return sum(layer.size for layer in self.layers)

    def start(self, state: TrainingState) -> None:
        self._check(state)
        for layer in self.layers:
            like = state.params[f"{layer.norms[0]}.gamma"]
            state.channels[layer.key] = array_module(like).ones(layer.size, bool)
            for key in ("activity", "score", "dgamma"):
                state.structure[f"{layer.key}.{key}"] = array_module(like).zeros_like(like)
            for name in layer.norms if self.mode == "hard" else ():
                for key in ("gamma", "beta"):
                    state.structure[f"{name}.{key}"] = state.params[f"{name}.{key}"].copy()
        state.structure["samples"] = np.zeros(1, int)
        if self.mode == "random":
            masks = draw_channels(
                {layer.key: layer.size for layer in self.layers}, self.p, structure_rng(state)
            )
            self._change(state, masks)

    def after_forward(self, state: TrainingState, net: Sequential, cache: Any, samples: int) -> None:
        """Add up the activity of the batch."""
        found = activities(net, cache)
        if missing := [name for layer in self.layers for name in layer.neurons if name not in found]:
            raise ValueError(
                f"{', '.join(missing)}: no activity was measured; train `compose.scored(net, ...)`"
            )
        for layer in self.layers:
            mean = sum(found[name] for name in layer.neurons) / len(layer.neurons)
            check(
                f"activity of {layer.key}", mean.shape, mean.shape == (layer.size,), f"[C] = ({layer.size},)"
            )
            mean *= samples * (layer.positions if self.per_map else 1)
            state.structure[f"{layer.key}.activity"] += mean
        state.structure["samples"] += samples

    def before_step(self, state: TrainingState, grads: dict[str, Array]) -> None:
        """Record |dgamma|; keep held channels unchanged."""
        for layer in self.layers:
            total = sum(abs(grads[f"{name}.gamma"]) for name in layer.norms)
            state.structure[f"{layer.key}.dgamma"] = total / len(layer.norms)
        if self._held(state.epoch):
            for layer in self.layers:
                for key in self._keys(state, layer):
                    grads[key] *= state.channels[layer.key]

    def after_epoch(self, state: TrainingState) -> None:
        if self.mode == "random" or state.epoch % self.every or state.epoch > self.end:
            return
        read = {
            key: {
                layer.key: to_host(state.structure[f"{layer.key}.{key}"]).astype(float)
                for layer in self.layers
            }
            for key in ("activity", "dgamma")
        }
        samples = max(1, int(to_host(state.structure["samples"])[0]))
        scores = {key: activity / samples for key, activity in read["activity"].items()}
        n_keep, n_grow = channel_counts(self.size, self.p, self.q)
        kept = keep_most_active(scores, n_keep)
        gone = np.concatenate([read["dgamma"][key][~to_host(mask)] for key, mask in state.channels.items()])
        if n_grow and len(gone) and not gone.any():  # of those just pruned, most have one
            warn(
                "no masked channel has a gradient to regrow by: only those pruned just now can return. In hard mode "
                "this needs a surrogate that reaches a potential of 0, in soft mode momentum"
            )
        self._change(state, regrow(kept, read["dgamma"], scores, n_grow, self.strict))
        for layer in self.layers:
            mask, activity = state.channels[layer.key], state.structure[f"{layer.key}.activity"]
            state.structure[f"{layer.key}.score"] = activity / samples * mask
            activity[...] = 0
        state.structure["samples"] = np.zeros(1, int)

    def parameters(self, state: TrainingState) -> dict[str, Array]:
        """The parameters of the masked network: gamma and beta are 0 where a channel is masked."""
        masked = {
            f"{name}.{key}": state.params[f"{name}.{key}"] * state.channels[layer.key]
            for layer in self.layers
            for name in layer.norms
            for key in ("gamma", "beta")
        }
        return state.params | masked

    def _check(self, state: TrainingState) -> None:
        """Raise ValueError unless the state has the parameters of these layers, in their sizes."""
        for layer in self.layers:
            for key in [*(f"{n}.gamma" for n in layer.norms), *(f"{n}.weight" for n in layer.convs)]:
                if key not in state.params:
                    raise ValueError(
                        f"layer {layer.key}: found no parameter {key}, expected the network's state"
                    )
                shape = state.params[key].shape
                if shape[-1:] != (layer.size,):
                    raise ValueError(
                        f"layer {layer.key}: {key} has the shape {shape}, expected {layer.size} channels"
                    )

    def _held(self, epoch: int) -> bool:
        """Are masked channels held in this epoch (the first is 0)? In soft mode, only after the last update."""
        return self.mode != "soft" or (epoch // self.every + 1) * self.every > self.end

    def _change(self, state: TrainingState, masks: Masks) -> None:
        """Replace the old masks by new ones."""
        held = self._held(state.epoch)
        for layer in self.layers:
            old = state.channels[layer.key]
            xp = array_module(old)
            new = xp.asarray(masks[layer.key])
            state.channels[layer.key] = new
            for name in layer.norms if self.mode == "hard" else ():
                for key in (f"{name}.gamma", f"{name}.beta"):
                    kept = state.structure[key]  # what a channel had when it was pruned
                    kept[...] = xp.where(old, state.params[key], kept)
                    state.params[key] = xp.where(old, state.params[key], kept)
            for key in self._keys(state, layer):
                norm = not key.endswith((".weight", ".bias"))
                if norm or self.mode == "soft":
                    state.params[key] *= new
                if held:  # or momentum would move what no gradient moves
                    for moment in state.moments.get(key, ()):
                        moment *= new

    def _keys(self, state: TrainingState, layer: Channels) -> list[str]:
        """Parameters whose last axis runs over a layer's channels."""
        keys = [f"{name}.{key}" for name in layer.norms for key in ("gamma", "beta")]
        keys += [f"{name}.{key}" for name in layer.convs for key in ("weight", "bias")]
        return [key for key in keys if key in state.params]
