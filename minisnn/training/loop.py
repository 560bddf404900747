"""Training: a step, an epoch, an evaluation, and the loop around them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import wraps
from math import isfinite, prod
from typing import Any, NamedTuple, TypeVar

import numpy as np

from data_loaders.common.progress import tqdm
from minisnn.arguments import check
from minisnn.backend import Array, to_device
from minisnn.batches.interface import Samples, Splits
from minisnn.batches.prefetch import prefetch
from minisnn.networks.compose import firing_rates
from minisnn.notices import warn_of_silence
from minisnn.structure.answers import check_left, checked_replaced
from minisnn.training.finite import Diverged, check_arrays, check_images, first_trouble, origin, quiet, sound
from minisnn.training.optim import first_moments, stepped
from minisnn.training.setup import Setup
from minisnn.training.state import TrainingState

Row = dict[str, float]
Function = TypeVar("Function", bound=Callable[..., Any])


class Step(NamedTuple):
    """What one training step tells."""

    loss: float
    correct: int
    replaced: int  # connections rewired
    firing: dict[str, float]  # each layer's spikes per neuron and time step


def start(setup: Setup, seed: int, dtype: Any = np.float32) -> TrainingState:
    """Initial parameters, masks and moments. Each use of random numbers has its own stream, so that runs which
    differ in one thing see the same data in the same order."""
    names = ("weights", "data", "structure")
    rngs = dict(zip(names, map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3)), strict=True))
    params, buffers = (
        {key: to_device(_as(w, dtype), setup.device) for key, w in arrays.items()}
        for arrays in setup.net.init(rngs.pop("weights"), setup.shape)
    )
    state = TrainingState(params, buffers, rngs=rngs)
    state.moments = first_moments(setup.optimizer, state.params)
    setup.learner.start(state)
    return state


def _as(w: Array, dtype: Any) -> Array:
    """Real numbers in another precision; counts and seeds stay integers."""
    return w.astype(dtype) if w.dtype.kind == "f" else w


def _around(function: Function) -> Function:
    """The function, whose first argument is a setup, within the context that the setup asks for."""

    @wraps(function)
    def inside(setup: Setup, *args: Any, **named: Any) -> Any:
        with setup.around():
            return function(setup, *args, **named)

    return inside  # type: ignore[return-value]


@_around
@quiet()
def step(setup: Setup, state: TrainingState, images: Array, labels: Array, lr: float) -> Step:
    """Forward, backward, optimiser, whatever the structure learner does, and W = M * W.

    Raises Diverged, before weights move, if images, loss, gradients or running statistics hold what is not finite. Of
    the parameters it looks at one in each step, in turn.
    """
    buffers, when = state.buffers, f"epoch {state.epoch + 1}, step {state.iteration + 1}"
    check_images(images, when)
    try:
        loss, correct, firing, grads = gradients(setup, state, images, labels)
    except ValueError as error:  # first-spike layers refuse what is not finite
        raise _diverged(setup, state, (images, labels), {}, lr) or error from None
    for penalty in setup.penalties:
        for key, weight in state.params.items():
            if penalty.applies_to(key, weight):
                cost, cache = penalty.forward(weight)
                if cost > 0:
                    loss = loss + penalty.weight * cost
                    grads[key] += penalty.backward(penalty.weight, cache)
    setup.normalise(grads, state.masks)
    setup.learner.before_step(state, grads)
    one = list(state.params.values())[state.iteration % len(state.params)]
    if not (sound(*grads.values(), *state.buffers.values(), one) and isfinite(float(loss))):
        state.buffers = buffers
        raise _diverged(setup, state, (images, labels), grads, lr) or FloatingPointError(when)
    moves = setup.learner.takes_step(state)
    state.iteration += 1
    if moves:
        stepped(setup.optimizer, state.params, grads, state.moments, lr, state.iteration)
    replaced = setup.learner.after_step(state, grads, setup.optimizer, lr)
    replaced = checked_replaced(setup.learner, replaced, state.params, state.masks)
    _mask_weights(state)
    return Step(float(loss), correct, replaced, firing)


def _mask_weights(state: TrainingState) -> None:
    """W = M * W."""
    for key, mask in state.masks.items():
        state.params[key] *= mask


def _diverged(
    setup: Setup, state: TrainingState, batch: tuple[Array, Array], grads: dict[str, Array], lr: float
) -> Diverged | None:
    """Where a step went wrong: forwards, backwards from the loss, or in what came on top of the gradient, `grads`."""
    (images, labels), advice = batch, f"try a learning rate below {lr:g}"
    when = f"epoch {state.epoch + 1}, step {state.iteration + 1}"
    for part in _parts(setup, len(labels)):
        x = setup.encode(to_device(images[part], setup.device))
        if found := origin(setup.net, state.params, state.buffers, x):
            return Diverged(found, when, advice)
    try:
        loss, _, _, pure = gradients(setup, state, images, labels)
    except ValueError:
        return None
    if not isfinite(float(loss)):
        return Diverged(f"the loss is {float(loss)}", when, advice)
    if found := first_trouble(pure, "the gradient of "):  # in backward order
        return Diverged(found, when, advice)
    if setup.penalties:
        advice = "try penalties smaller than " + ", ".join(f"{p.weight:g}" for p in setup.penalties)
    found = first_trouble(grads, "the gradient with penalties of ")
    return Diverged(found or "what is added to the loss is not finite", when, advice)


def _parts(setup: Setup, n: int) -> list[np.ndarray]:
    """Indices of the parts in which a batch of n goes through. Raises ValueError for an empty one."""
    check("samples in the batch", n, n >= 1, "at least 1")
    return np.array_split(np.arange(n), min(setup.accumulate, n))


def gradients(
    setup: Setup, state: TrainingState, images: Array, labels: Array
) -> tuple[Array, int, dict[str, float], dict[str, Array]]:
    """Loss, number of right answers, firing rates and the gradient of the loss, over one batch.

    The batch's parts are weighted by their sizes. Batch norm can only see one part at a time.
    """
    loss, correct, firing, grads = 0.0, 0, dict[str, float](), dict[str, Array]()
    for part in _parts(setup, len(labels)):
        share = len(part) / len(labels)
        y, cache, part_loss, loss_cache = _forward(setup, state, images[part], labels[part], train=True)
        setup.learner.after_forward(state, setup.net, cache, len(part))
        correct += int((setup.objective.predict(y) == to_device(labels[part], setup.device)).sum())
        loss += share * part_loss
        for name, rate in firing_rates(setup.net, cache).items():
            firing[name] = firing.get(name, 0.0) + share * float(rate)
        dy = setup.objective.backward(share, loss_cache)
        _, new = setup.net.backward(state.params, dy, cache, need_dx=False)
        for key, g in new.items():
            if key in grads:
                grads[key] += g
            else:
                grads[key] = g
    return loss, correct, firing, grads


def _forward(
    setup: Setup, state: TrainingState, images: Array, labels: Array, train: bool
) -> tuple[Array, Any, Array, Any]:
    """Outputs and the net's cache, loss and the loss's cache. In training, moves the running statistics on."""
    x = setup.encode(to_device(images, setup.device))
    params = state.params if train else setup.learner.parameters(state)
    y, cache, buffers = setup.net.forward(params, state.buffers, x, train)
    if train:
        state.buffers = buffers
    return y, cache, *setup.objective.forward(y, to_device(labels, setup.device))


def batches(n: int, size: int, rng: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Indices of the batches of one pass over n samples, shuffled if there is an rng; the last may be smaller."""
    order = np.arange(n) if rng is None else rng.permutation(n)
    return (order[k : k + size] for k in range(0, n, size))


def together(split: Samples, size: int) -> int:
    """Batches per hand-over between threads (about 1 MiB)."""
    return max(1, (1 << 20) // (size * prod(split.images.shape[1:]) * split.images.dtype.itemsize))


def train_epoch(setup: Setup, state: TrainingState, split: Samples, bar: tqdm) -> Row:
    """One pass over the training data; a row for the log."""
    began = time.perf_counter()
    n, lr, rng = len(split.labels), setup.lr(state.epoch), state.rngs["data"]
    check("samples to train on", n, n >= 1, "at least 1")
    steps, sizes = [], []
    ready = (
        (setup.augment(split.images[index], rng=rng), split.labels[index])
        for index in batches(n, setup.batch_size, rng)
    )
    for images, labels in prefetch(ready, together=together(split, setup.batch_size)):
        steps.append(step(setup, state, images, labels, lr))
        sizes.append(len(labels))
        bar.update(len(labels))
    state.epoch += 1
    check_arrays(
        state.params | state.buffers, f"after epoch {state.epoch}", f"try a learning rate below {lr:g}"
    )
    before = dict(state.channels)
    setup.learner.after_epoch(state)
    check_left(setup.learner, state.params, state.masks)
    _mask_weights(state)
    weight = np.array(sizes) / n
    firing = {name: float(weight @ [s.firing[name] for s in steps]) for name in steps[0].firing}
    return {
        "epoch": state.epoch,
        "lr": lr,
        "train_loss": float(weight @ [s.loss for s in steps]),
        "train_accuracy": 100 * sum(s.correct for s in steps) / n,
        "replaced": sum(s.replaced for s in steps),
        "exploration_rate": setup.learner.exploration_rate(state),
        **{f"density_{key}": float(mask.mean()) for key, mask in state.masks.items()},
        **{f"channels_{key}": int(mask.sum()) for key, mask in state.channels.items()},
        **(
            {"regrown": sum(int((new & ~before[key]).sum()) for key, new in state.channels.items())}
            if before
            else {}
        ),
        **{f"firing_{name}": rate for name, rate in firing.items()},
        "seconds": time.perf_counter() - began,
    }


@_around
@quiet()
def evaluate(setup: Setup, state: TrainingState, split: Samples) -> tuple[float, float]:
    """Accuracy in percent and mean loss, batch by batch. Raises Diverged rather than judge by what is not finite."""
    when = f"evaluation after epoch {state.epoch}"
    check_arrays(setup.learner.parameters(state) | state.buffers, when, "an earlier checkpoint may be sound")
    correct, loss, n = 0, 0.0, len(split.labels)
    check("samples to evaluate", n, n >= 1, "at least 1")
    size = max(1, setup.batch_size // setup.accumulate)
    ready = ((split.images[index], split.labels[index]) for index in batches(n, size))
    for images, labels in prefetch(ready, together=together(split, size)):
        check_images(images, when)
        y, _, part, _ = _forward(setup, state, images, labels, train=False)
        if not isfinite(float(part)):
            raise Diverged(f"the loss is {float(part)}", when, "try a smaller learning rate")
        correct += int((setup.objective.predict(y) == to_device(labels, setup.device)).sum())
        loss += float(part) * len(labels) / n
    return 100 * correct / n, loss


@_around
def fit(
    setup: Setup,
    state: TrainingState,
    data: Splits,
    after_epoch: Callable[[Row], None] = lambda row: None,
    progress: str | None = None,
) -> list[Row]:
    """Train from where `state` stands to the last epoch; a progress bar is shown if it has a name. Returns the log.

    It changes nothing of the process: several trainings may run in threads of one.
    Raises Diverged, whose `epoch` is the last that `after_epoch` was called for, as soon as numbers are not finite.
    """
    rows, known, good = list[Row](), frozenset[str](), state.epoch
    check_arrays(state.params | state.buffers, f"before epoch {good + 1}", "training cannot start from this")
    n = len(data.train.labels)
    with tqdm(
        total=setup.epochs * n, initial=state.epoch * n, unit="img", unit_scale=True, desc=progress,
        disable=progress is None,
    ) as bar:  # fmt: skip
        while state.epoch < setup.epochs:
            try:
                row = train_epoch(setup, state, data.train, bar)
                row["val_accuracy"], row["val_loss"] = evaluate(setup, state, data.validation)
            except Diverged as error:
                error.epoch = good
                raise
            firing = {key[7:]: rate for key, rate in row.items() if key.startswith("firing_")}
            known = warn_of_silence(firing, state.epoch, setup.fires_once, known)
            bar.set_postfix_str(f"epoch {state.epoch}/{setup.epochs}, validation {row['val_accuracy']:.2f} %")
            rows.append(row)
            after_epoch(row)
            good = state.epoch
    return rows
