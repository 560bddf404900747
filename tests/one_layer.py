"""Training of one layer without a network: gradients are whatever a test says."""

import numpy as np

from minisnn.structure.masks import check_masks
from minisnn.training import checkpoint
from minisnn.training.state import TrainingState


def begin(xp, learner, optimizer, weight, seed=0):
    """A network of one layer, as loop.start leaves it; `dense` has no mask."""
    state = TrainingState(
        {"a": xp.asarray(weight.copy()), "dense": xp.asarray(weight.copy())},
        rngs={"structure": np.random.default_rng(seed)},
    )
    state.moments = optimizer.init(state.params)
    learner.start(state)
    return state


def step(xp, learner, optimizer, state, gradient, lr=0.1):
    """The end of loop.step."""
    grads = {key: xp.asarray(gradient.copy()) for key in state.params}
    learner.before_step(state, grads)
    moves = learner.takes_step(state)
    state.iteration += 1
    if moves:
        optimizer.step(state.params, grads, state.moments, lr, state.iteration)
    replaced = learner.after_step(state, grads, optimizer, lr)
    for key, mask in state.masks.items():
        state.params[key] *= mask
    check_masks(state.params, state.masks)
    return replaced


def some_weights(rng, shape):
    """Of all signs, and a few zeros."""
    return rng.standard_normal(shape) * 0.2 * (rng.random(shape) < 0.8)


def assert_same(state, other):
    """Bit for bit, in everything that a checkpoint holds of weights and structure."""
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(other, group)
        assert set(ours) == set(theirs)
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype
            np.testing.assert_array_equal(ours[key], theirs[key])


def assert_resuming_changes_nothing(learner, optimizer, weight, gradients, tmp_path, changes=True):
    """A learner stopped halfway and loaded goes on as if it had not been. changes: do masks in the second half?"""
    state = begin(np, learner, optimizer, weight)
    half = len(gradients) // 2
    for gradient in gradients[:half]:
        step(np, learner, optimizer, state, gradient)
    checkpoint.save(tmp_path / "checkpoint.npz", state)
    resumed, halfway = checkpoint.load(tmp_path / "checkpoint.npz"), state.masks["a"].copy()
    for gradient in gradients[half:]:
        step(np, learner, optimizer, state, gradient)
        step(np, learner, optimizer, resumed, gradient)
    assert (state.masks["a"] != halfway).any() == changes
    assert state.params["a"].dtype == weight.dtype
    assert_same(state, resumed)
