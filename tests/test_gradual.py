"""Gradual magnitude pruning: the schedule and a pruning by hand, a naive twin, a run by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_resuming_changes_nothing, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.gradual import GradualPruning, cubic_sparsity
from minisnn.training.optim import SGD, Adam

STEPS = 12


def test_the_schedule_of_the_cifar_runs():
    found = [
        cubic_sparsity(t, 20_000, 75_000, 0.9) for t in (0, 20_000, 30_000, 47_000, 60_000, 75_000, 90_000)
    ]
    np.testing.assert_allclose(found, [0, 0, 0.407062, 0.781251, 0.881743, 0.9, 0.9], atol=5e-7)
    assert cubic_sparsity(10, 10, 20, 0.9, initial=0.5) == 0.5
    assert [cubic_sparsity(t, 10, 10, 0.9) for t in (9, 10)] == [0, 0.9]  # at once
    for arguments, said in [
        ((1, 0, 2, 1.5), "final must be a fraction, 0 to 1, found 1.5"),
        ((1, 0, 2, 0.5, -1), "initial must be a fraction"),
        ((1, 3, 2, 0.5), "t1 must be at least t0 = 3, found 2"),
    ]:
        with pytest.raises(ValueError, match=said):
            cubic_sparsity(*arguments)


def test_by_hand(xp):
    """A quarter of the way from t0 to t1: four of eight weights go, the smallest."""
    learner, optimizer = GradualPruning({"a": 0.1}, 6, t0=2, t1=6, every=1), SGD(0)
    weight = np.array([[0.5, -0.1, 0.3, 0.05, -0.4, 0.2, -0.02, 0.6]])
    state = begin(xp, learner, optimizer, weight)
    state.iteration = 2
    assert step(xp, learner, optimizer, state, np.zeros((1, 8))) == 4
    assert to_host(state.params["a"]).tolist() == [[0.5, 0, 0.3, 0, -0.4, 0, 0, 0.6]]
    assert [step(xp, learner, optimizer, state, np.zeros((1, 8))) for _ in range(3)] == [2, 1, 0]
    assert to_host(state.masks["a"]).tolist() == [[False] * 7 + [True]]


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=st.sampled_from([SGD(0), Adam()]), density=st.floats(0, 1),
    every=st.sampled_from([1, 3, 0.25]), t0=st.sampled_from([0, 0.25, 6]), t1=st.sampled_from([0.5, 1.0, 8]),
)  # fmt: skip
def test_equals_naive(xp, rng, N, M, optimizer, density, every, t0, t1):
    weight, size = some_weights(rng, (N, M)), N * M
    learner = GradualPruning({"a": density}, STEPS, t0, t1, every)
    state = begin(xp, learner, optimizer, weight)
    first, last = {0: 1, 0.25: 3, 6: 6}[t0], {0.5: 6, 1.0: 12, 8: 8}[t1]
    w, gone = {"a": weight.copy()}, []
    moments = optimizer.init(w)
    for t in range(1, STEPS + 1):
        gradient, before = rng.standard_normal((N, M)), len(gone)
        pruned = step(xp, learner, optimizer, state, gradient)
        optimizer.step(w, {"a": gradient}, moments, 0.1, t)
        if t in {*range(first, last + 1, {1: 1, 3: 3, 0.25: 3}[every]), last}:
            way = (t - first) / (last - first) if t < last else 1
            wanted = round(size * ((1 - density) - (1 - density) * (1 - way) ** 3))
            alive = sorted(set(range(size)) - set(gone), key=lambda i: (abs(w["a"].flat[i]), i))
            gone += alive[: wanted - len(gone)]
        for i in gone:
            w["a"].flat[i] = 0
        np.testing.assert_allclose(to_host(state.params["a"]), w["a"], rtol=1e-9, atol=1e-12)
        assert set(np.flatnonzero(~to_host(state.masks["a"]))) == set(gone)
        assert pruned == len(gone) - before
    assert len(gone) == round(size * (1 - density))


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_resuming_equals_never_having_stopped(optimizer, tmp_path):
    rng = np.random.default_rng(0)
    learner = GradualPruning({"a": 0.4}, 2 * STEPS)
    gradients = rng.standard_normal((2 * STEPS, 9, 7)).astype("float32")
    weight = some_weights(rng, (9, 7)).astype("float32")
    assert_resuming_changes_nothing(learner, optimizer, weight, gradients, tmp_path)


def test_a_run_by_name(few_digits):
    run = snn.train(
        "lif", data="digits", net="30FC-10FC", T=2, density=0.2, epochs=8, lr=0.02, learner="gmp",
        learner_options={"t0": 0.25, "t1": 0.75},
    )  # fmt: skip
    assert run.result["density"] == pytest.approx(0.2, abs=0.01)
    assert run.result["test_accuracy"] > 40
    assert [row["replaced"] > 0 for row in run.log] == [False] * 2 + [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"every": 0}, "every must be above 0: a fraction, or a whole number of iterations, found 0"),
        ({"t0": 0.9}, "t1 must be no earlier than t0 = 0.9, found 0.77"),
        ({"t1": 60}, "t1 must be at most 50, the iterations of training, found 60"),
        ({"t0": -1}, "t0 must be a fraction of training"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        GradualPruning(**({"densities": {"a": 0.5}, "iterations": 50} | change))
