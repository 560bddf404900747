"""What holds for every method that starts dense or rewires by a plan; each has a file of tests of its own, too."""

import numpy as np
import pytest
from one_layer import assert_same, begin, some_weights, step

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.admm import ADMM
from minisnn.methods.gradual import GradualPruning
from minisnn.methods.magnitude import MagnitudePruning
from minisnn.methods.rigl import RigL
from minisnn.methods.snip import Snip
from minisnn.methods.stds import STDS
from minisnn.training import checkpoint
from minisnn.training.optim import SGD, Adam

SIX = [[0.5, -0.1, 0.3, 0.05, -0.4, 0.2]]

LEARNERS = [
    GradualPruning({"a": 0.3}, 16, 2, 14, 3), MagnitudePruning({"a": 0.3}, 16, at=10), Snip({"a": 0.3}),
    RigL({"a": 0.3}, 16, every=3, end=13), STDS({"a": 0.3}, 16, D=0.5), ADMM({"a": 0.3}, 16, 0.1, 5, 10),
]  # fmt: skip


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_resuming_equals_never_having_stopped(learner, optimizer, tmp_path):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((16, 9, 7)).astype("float32")
    state = begin(np, learner, optimizer, some_weights(rng, (9, 7)).astype("float32"))
    for t, gradient in enumerate(gradients, 1):
        step(np, learner, optimizer, state, gradient)
        if t == 8:
            checkpoint.save(tmp_path / "checkpoint.npz", state)
            resumed = checkpoint.load(tmp_path / "checkpoint.npz")
        elif t > 8:
            step(np, learner, optimizer, resumed, gradient)
        if t % 5 == 0:
            for one in (state, resumed) if t > 8 else (state,):
                learner.after_epoch(one)
                one.epoch += 1
    assert state.params["a"].dtype == "float32"
    assert not state.masks["a"].all()
    assert_same(state, resumed)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_masks_are_equal_on_every_array_library(xp, learner):
    found = []
    for library in (np, xp):
        rng = np.random.default_rng(1)
        state = begin(library, learner, SGD(0), rng.integers(-4, 5, (8, 6)) / 4.0)  # with many ties
        for t in range(1, 17):
            step(library, learner, SGD(0), state, rng.integers(-4, 5, (8, 6)) / 4.0)
            if t % 5 == 0:
                learner.after_epoch(state)
                state.epoch += 1
        found.append(to_host(state.masks["a"]))
    np.testing.assert_array_equal(*found)


@pytest.mark.filterwarnings("ignore:the density asked for.* STDS ended at 1")
@pytest.mark.parametrize("name", ["gmp", "magnitude", "snip", "rigl", "stds", "admm"])
def test_it_trains_by_its_name(name, few_digits):
    run = snn.train("lif", learner=name, density=0.2, epochs=3, distribution="uniform", test=False)
    if name != "stds":  # whose threshold is low in a short training
        assert run.result["density"] == pytest.approx(0.2, abs=0.03)
        assert run.result["missed_density"] is None
    assert run.result["train_accuracy"] > 14
    assert run.result["training_operations"] > 0


@pytest.mark.parametrize(("learner", "when"), list(zip(LEARNERS[:3], (5, 10, 1), strict=True)))
def test_divergence_is_named(learner, when):
    state = begin(np, learner, SGD(0), np.array(SIX))
    gradient = np.full((1, 6), np.nan)
    state.iteration = when - 1
    with pytest.raises(ValueError, match="not finite"):
        step(np, learner, SGD(0), state, gradient)


def test_gradients_of_absent_connections_that_a_method_needs():
    """In which share of the steps: for the operations of a training."""
    shares = [learner.dense_gradients() for learner in LEARNERS]
    assert shares == [0, 0, 0, 5 / 16, 1, 0]  # RigL in iterations 0, 3, ..., 12
    assert STDS({"a": 0.3}, 16, gradient="relu").dense_gradients() == 0
