"""All that the playground computes, in Python with minisnn: the page draws what these functions return.

`call` is the only door: a name, arguments as JSON in, JSON out. It runs in a browser (Pyodide) as on a desktop, needs
NumPy, threadpoolctl and tqdm, and neither SciPy nor Matplotlib.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

import minisnn as snn
from minisnn.runs import prediction
from minisnn.training import loop
from minisnn.training.setup import Setup

tqdm.monitor_interval = 0  # its monitor is a thread, which a browser cannot start

DATA = snn.load_digits()
SIDE, WHITE = DATA.shape[0], DATA.max_value
CALLS: dict[str, Callable[..., dict[str, Any]]] = {}


def call(name: str, arguments: str = "{}") -> str:
    """The answer of one of CALLS, as JSON; {"error": a sentence} if it fails."""
    try:
        found = CALLS[name](**json.loads(arguments))
    except Exception as error:  # whatever it is, the page shows a sentence and no traceback
        text = " ".join(str(error).split()).rstrip(".")
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}, "
        found = {"error": f"That did not work: {kind}{text or 'without a word'}."}
    return json.dumps(found, allow_nan=False)


def offered(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Put a function, or a method of an object, among CALLS."""
    CALLS[function.__name__] = function
    return function


def epoch(setup: Setup, state: snn.TrainingState) -> dict[str, float]:
    """Train for one epoch: the row of the log, and what the test images say."""
    with tqdm(disable=True) as bar:
        row = loop.train_epoch(setup, state, DATA.train, bar)
    return row | tested(setup, state)


def tested(setup: Setup, state: snn.TrainingState) -> dict[str, float]:
    """Of the test images: how many are answered rightly, and how many not at all, in percent."""
    classes = prediction.predict(setup, state, DATA.test.images).classes
    return {
        "accuracy": 100 * float((classes == DATA.test.labels).mean()),
        "unanswered": 100 * float((classes == -1).mean()),
    }


def numbers(array: Any, digits: int = 4) -> list[Any]:
    """An array as lists of rounded numbers, None where one is infinite."""
    x = np.asarray(array, float)
    return [numbers(row, digits) for row in x] if x.ndim > 1 else [
        round(float(v), digits) if np.isfinite(v) else None for v in x
    ]  # fmt: skip


# ---- 1 Ask a net: a sparse first-spike network answers spike by spike


class Asked:
    """A sparse first-spike network, and what happens inside while it looks at one image."""

    recipe = snn.ESLMLP(
        data="digits", hidden=(60,), epsilon=None, density=0.2, levels=17, epochs=12, batch_size=25, t_iter=20
    )

    def __init__(self) -> None:
        self.setup = self.recipe.setup(DATA.info)
        self.state = loop.start(self.setup, self.recipe.seed)
        self.net = self.recipe.as_run(self.recipe.plain(DATA.info))
        self.trace: prediction.Trace | None = None

    def ask_epoch(self) -> dict[str, Any]:
        """One epoch more; how many there are, and how good the network is now."""
        row = epoch(self.setup, self.state)
        return {
            "epoch": self.state.epoch,
            "epochs": self.recipe.epochs,
            "accuracy": round(row["accuracy"], 1),
        }

    def ask(self, image: list[int], centre: bool = False) -> dict[str, Any]:
        """The spike times t = ln z of all neurons for 64 grey values, row by row, and the answer.

        centre: move a drawing to the middle first, where those are that the network has learned from.
        """
        pixels = np.asarray(image)
        if pixels.shape != (SIDE * SIDE,):
            raise ValueError(f"a drawing has {SIDE * SIDE} pixels, found {pixels.size}")
        pixels = np.clip(pixels, 0, WHITE).reshape(SIDE, SIDE)
        moved = to_the_middle(pixels) if centre else (0, 0)
        seen = np.roll(pixels, moved, (0, 1))
        x = self.setup.encode(seen.reshape(1, SIDE, SIDE, 1).astype(DATA.test.images.dtype))
        self.trace = prediction.trace(self.net, self.state.params, self.state.buffers, x)
        layers = [self.trace.input, *(layer.z_out for layer in self.trace.layers.values())]
        inputs, hidden, output = (np.log(z[0]) for z in layers)
        order = np.argsort(output, kind="stable")
        first, second = (int(k) if np.isfinite(output[k]) else None for k in order[:2])
        return {
            "moved": list(moved),
            "answer": first,
            "second": second,
            "inputs": numbers(inputs),
            "hidden": numbers(hidden),
            "output": numbers(output),
            "end": round(self._end(), 4),
        }

    def neuron(self, layer: str, index: int) -> dict[str, Any]:
        """The potential of a neuron over time up to its spike, and its synapses: time, weight, in the causal set?

        V(z) = sum of w_i max(0, 1 - z_i / z), with z = exp(t): the neuron fires where it reaches 1 (chapters 03-05).
        """
        if self.trace is None:
            raise ValueError("there is no image yet: draw a digit first")
        found = self.trace[layer]
        z_in, weight, spike = found.z_in[0], found.weight[:, index], found.z_out[0, index]
        last = np.log(spike) if np.isfinite(spike) else self._end()
        t = np.unique(np.r_[np.linspace(0, last, 160), np.log(z_in[z_in < np.exp(last)]), last])
        z = np.exp(t)
        potential = (weight * np.maximum(0, 1 - z_in / z[:, None])).sum(1)
        causal = found.causal_set(0, index)
        synapses = np.flatnonzero(weight)
        order = synapses[np.argsort(z_in[synapses], kind="stable")]
        return {
            "t": numbers(t),
            "v": numbers(potential),
            "spike": numbers([np.log(spike)])[0],
            "synapses": [
                {"from": int(i), "t": time, "weight": w, "causal": bool(causal[i])}
                for i, time, w in zip(
                    order, numbers(np.log(z_in[order])), numbers(weight[order]), strict=True
                )
            ],
        }

    def _end(self) -> float:
        """A time at which all has happened."""
        assert self.trace is not None
        times = np.concatenate([layer.z_out[0] for layer in self.trace.layers.values()])
        return float(np.log(times[np.isfinite(times)].max(initial=6))) + 0.15


def to_the_middle(pixels: np.ndarray) -> tuple[int, int]:
    """How far down and across a drawing has to move so that its margins are equal, to a pixel."""
    marked = [np.flatnonzero(pixels.any(1 - axis)) for axis in (0, 1)]
    down, across = (int((SIDE - 1 - n[-1] - n[0]) / 2) if len(n) else 0 for n in marked)
    return down, across


@offered
def example(number: int) -> dict[str, Any]:
    """One of the test images, in turn."""
    k = number % len(DATA.test.labels)
    return {"image": DATA.test.images[k].ravel().tolist(), "label": int(DATA.test.labels[k])}


# ---- 2 Train and rewire live: connections come and go while the network learns


class Rewired:
    """A first-spike network that rewires while it learns, with rules that the visitor chooses."""

    def rewire_start(self, density: float, prune: str, grow: str, alpha: float) -> dict[str, Any]:
        """A new network, not trained yet."""
        recipe = snn.ESLMLP(
            data="digits", hidden=(100,), epsilon=None, density=density, prune=prune, grow=grow, alpha=alpha,
            levels=17, epochs=30, batch_size=25, t_iter=20,
        )  # fmt: skip
        self.epochs, self.setup = recipe.epochs, recipe.setup(DATA.info)
        self.state = loop.start(self.setup, recipe.seed)
        return {"epoch": 0, "epochs": self.epochs, **self._connections()}

    def rewire_epoch(self) -> dict[str, Any]:
        """One epoch: what it came to, and what it changed."""
        row = epoch(self.setup, self.state)
        return {
            "epoch": self.state.epoch,
            "epochs": self.epochs,
            "accuracy": round(row["accuracy"], 2),
            "unanswered": round(row["unanswered"], 2),
            "loss": round(row["train_loss"], 4),
            "pruned": row["replaced"],
            "grown": row["replaced"],  # as many as were pruned: `return_what_was_lost`
            "explored": round(100 * row["exploration_rate"], 1),
            **self._connections(),
        }

    def _connections(self) -> dict[str, Any]:
        weight = self.state.params["hidden.weight"]
        mask = self.state.masks.get("hidden.weight", np.ones(weight.shape, bool))
        counted = snn.connections(self.state.params, self.state.masks)
        return {
            "connections": counted.active,
            "possible": counted.possible,
            "hidden": int(mask.sum()),
            "pixels": mask.sum(1).tolist(),
            "neurons": weight.shape[1],
            "cut_off": int((~mask.any(0)).sum()),  # hidden neurons without any connection
        }


# ---- 3 Prune channels: fewer channels, fewer synaptic operations, fewer right answers


class Pruned:
    """A small convolutional network of LIF neurons, and what is left of it without its least active channels."""

    recipe = snn.SCANet(
        data="digits", net="16C3-MP2-32C3-MP2-10FC", T=2, epochs=4, batch_size=32, lr=0.05, shift=0, flip=False,
        p=0.0, q=0.0,
    )  # fmt: skip

    def __init__(self) -> None:
        self.net = self.recipe.plain(DATA.info)
        self.setup = self.recipe.setup(DATA.info)
        self.state = loop.start(self.setup, self.recipe.seed)
        self.scores: dict[str, np.ndarray] = {}

    def channels_epoch(self) -> dict[str, Any]:
        """One epoch more of the whole network."""
        row = epoch(self.setup, self.state)
        self.scores = {}
        return {
            "epoch": self.state.epoch,
            "epochs": self.recipe.epochs,
            "accuracy": round(row["accuracy"], 1),
        }

    def prune(self, percent: float) -> dict[str, Any]:
        """Remove that part of all channels, the least active first, and measure what is left."""
        scores = self._scores()
        total = sum(map(len, scores.values()))
        count = max(len(scores), round(total * (1 - percent / 100)))
        masks = snn.keep_most_active(scores, count)
        small = snn.Slimmer(self.net, DATA.shape, masks)
        self.small, self.left = small.net, small.state(self.state)
        self.tuning = replace(
            self.setup,
            net=snn.fast(small.net, DATA.shape),
            learner=snn.StructureLearner(),
            lr=lambda epoch: 0.01,
        )
        return {
            "channels": [
                {"name": key, "kept": masks[key].tolist(), "score": numbers(scores[key])} for key in scores
            ],
            **self._measured(tested(self.tuning, self.left)["accuracy"]),
        }

    def tune(self) -> dict[str, Any]:
        """Train what is left for one epoch."""
        return self._measured(epoch(self.tuning, self.left)["accuracy"])

    def _measured(self, accuracy: float) -> dict[str, Any]:
        x = self.setup.encode(DATA.test.images)
        cost = snn.total(snn.measure(self.small, self.left.params, self.left.buffers, {}, x))
        return {
            "accuracy": round(accuracy, 2), "synops": round(cost.synops, 1), "macs": round(cost.macs),
            "connections": cost.connections, "nanojoules": round(1e9 * cost.joules_45nm, 2),
        }  # fmt: skip

    def _scores(self) -> dict[str, np.ndarray]:
        """The spiking activity of every channel over the training images (chapter 17), measured once."""
        if not self.scores:
            net = snn.fast(snn.scored(self.net, "code"), DATA.shape)
            x = self.setup.encode(DATA.train.images)
            _, cache, _ = net.forward(
                self.state.params, self.state.buffers, x, True
            )  # scores are those of training
            found = snn.activities(net, cache)
            layers = snn.ChannelGraph(self.net, DATA.shape).layers
            self.scores = {layer.key: np.asarray(found[layer.key], float) for layer in layers}
        return self.scores


for part, names in (
    (Asked(), "ask_epoch ask neuron"),
    (Rewired(), "rewire_start rewire_epoch"),
    (Pruned(), "channels_epoch prune tune"),
):
    for method in names.split():
        offered(getattr(part, method))
