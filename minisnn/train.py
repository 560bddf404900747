"""Training: a step, an epoch, an evaluation, and the loop around them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minisnn.backend import Array
from minisnn.data.dataset import DataSet, Split
from minisnn.losses import (
    first_spike_loss_backward,
    first_spike_loss_forward,
    first_spike_prediction,
    weight_sum_cost_backward,
    weight_sum_cost_forward,
)
from minisnn.optim import Optimizer
from minisnn.stages import Sequential
from minisnn.state import TrainingState
from minisnn.structure.learner import StructureLearner

Row = dict[str, float]


@dataclass(frozen=True)
class Setup:
    """A training run, ready to go: everything that does not change."""

    net: Sequential
    encode: Callable[[Array], Array]  # images -> the network's input
    augment: Callable[..., Array]  # (images, rng=...) -> images
    optimizer: Optimizer
    normalise: Callable[..., None]  # (grads, masks), in place
    lr: Callable[[int], float]  # of the epoch
    learner: StructureLearner
    weight_sum: float  # K, the price of weights that sum to less than 1
    batch_size: int
    epochs: int


class Step(NamedTuple):
    """What one training step tells."""

    loss: float
    correct: int
    replaced: int  # connections rewired
    firing: dict[str, float]  # the fraction of each layer's neurons that fired


def start(setup: Setup, shape: tuple[int, ...], seed: int, dtype: Any = np.float32) -> TrainingState:
    """Initial parameters, masks and moments. Each use of chance has its own stream, so that runs which
    differ in one thing see the same data in the same order."""
    names = ("weights", "data", "structure")
    rngs = dict(zip(names, map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3)), strict=True))
    params, buffers, _ = setup.net.init(rngs.pop("weights"), shape)
    state = TrainingState({key: w.astype(dtype) for key, w in params.items()}, buffers, rngs=rngs)
    state.moments = setup.optimizer.init(state.params)
    setup.learner.start(state)
    return state


def step(setup: Setup, state: TrainingState, x: Array, labels: Array, lr: float) -> Step:
    """Forward, backward, optimiser, W = M * W, and then whatever the structure learner does."""
    z, caches, state.buffers = setup.net.forward(state.params, state.buffers, x, train=True)
    loss, cache = first_spike_loss_forward(z, labels)
    _, grads = setup.net.backward(state.params, first_spike_loss_backward(1.0, cache), caches, need_dx=False)
    for key, weight in state.params.items():
        cost, short = weight_sum_cost_forward(weight)
        if cost > 0:
            loss = loss + setup.weight_sum * cost
            grads[key] += weight_sum_cost_backward(setup.weight_sum, short)
    setup.normalise(grads, state.masks)
    setup.learner.before_step(state, grads)
    state.iteration += 1
    setup.optimizer.step(state.params, grads, state.moments, lr, state.iteration)
    for key, mask in state.masks.items():
        state.params[key] *= mask
    replaced = setup.learner.after_step(state, grads, setup.optimizer)
    correct = int((first_spike_prediction(z) == labels).sum())
    return Step(float(loss), correct, replaced, firing_fractions(caches))


def firing_fractions(caches: dict[str, Any]) -> dict[str, float]:
    """The fraction of each layer's neurons, over the batch, that fired."""
    return {name: float((cache.z_out < np.inf).mean()) for name, cache in caches.items()}


def batches(n: int, size: int, rng: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Indices of the batches of one pass over n samples, shuffled if there is an rng; the last may be smaller."""
    order = np.arange(n) if rng is None else rng.permutation(n)
    return (order[k : k + size] for k in range(0, n, size))


def train_epoch(setup: Setup, state: TrainingState, split: Split, bar: tqdm) -> Row:
    """One pass over the training data; a row for the log."""
    began = time.perf_counter()
    n, lr, rng = len(split.labels), setup.lr(state.epoch), state.rngs["data"]
    steps, sizes = [], []
    for index in batches(n, setup.batch_size, rng):
        x = setup.encode(setup.augment(split.images[index], rng=rng))
        steps.append(step(setup, state, x, split.labels[index], lr))
        sizes.append(len(index))
        bar.update(len(index))
    state.epoch += 1
    setup.learner.after_epoch(state)
    weight = np.array(sizes) / n
    return {
        "epoch": state.epoch,
        "lr": lr,
        "train_loss": float(weight @ [s.loss for s in steps]),
        "train_accuracy": 100 * sum(s.correct for s in steps) / n,
        "replaced": sum(s.replaced for s in steps),
        "explored": setup.learner.explored(state),
        **{f"firing_{name}": float(weight @ [s.firing[name] for s in steps]) for name in steps[0].firing},
        "seconds": time.perf_counter() - began,
    }


def evaluate(setup: Setup, state: TrainingState, split: Split) -> tuple[float, float]:
    """Accuracy in percent and mean loss."""
    correct, loss, n = 0, 0.0, len(split.labels)
    for index in batches(n, setup.batch_size):
        z, _, _ = setup.net.forward(
            state.params, state.buffers, setup.encode(split.images[index]), train=False
        )
        labels = split.labels[index]
        correct += int((first_spike_prediction(z) == labels).sum())
        loss += float(first_spike_loss_forward(z, labels)[0]) * len(index) / n
    return 100 * correct / n, loss


def fit(
    setup: Setup,
    state: TrainingState,
    data: DataSet,
    after_epoch: Callable[[Row], None] = lambda row: None,
    progress: str | None = None,
) -> list[Row]:
    """Train from where `state` stands to the last epoch; a progress bar is shown if it has a name. Returns the log."""
    rows = []
    n = len(data.train.labels)
    with tqdm(
        total=setup.epochs * n, initial=state.epoch * n, unit="img", unit_scale=True, desc=progress,
        disable=progress is None,
    ) as bar:  # fmt: skip
        while state.epoch < setup.epochs:
            row = train_epoch(setup, state, data.train, bar)
            row["val_accuracy"], row["val_loss"] = evaluate(setup, state, data.validation)
            bar.set_postfix_str(f"epoch {state.epoch}/{setup.epochs}, validation {row['val_accuracy']:.2f} %")
            rows.append(row)
            after_epoch(row)
    return rows
