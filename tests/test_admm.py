"""ADMM: a round by hand, a naive twin of all three phases, a run by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_same, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.admm import ADMM
from minisnn.training import checkpoint
from minisnn.training.optim import SGD, Adam

STEPS, EPOCH = 18, 2


def test_by_hand(xp):
    """A connection that lost its place in Z comes back through U."""
    learner, optimizer = ADMM({"a": 0.5}, 12, rho=1.0, t0=2, t1=6), SGD(0)
    state = begin(xp, learner, optimizer, np.array([[0.9, -0.1, 0.4, 0.05, -0.6, 0.3]]))
    state.iteration = 2
    step(xp, learner, optimizer, state, np.array([[0.5, -0.2, 0.1, 0, 0.3, -0.1]]))
    close = {"atol": 1e-12}
    assert to_host(state.structure["a.Z"]).tolist() == [[0.9, 0, 0.4, 0, -0.6, 0]]
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.85, -0.07, 0.39, 0.045, -0.63, 0.28]], **close)
    learner.after_epoch(state)
    np.testing.assert_allclose(to_host(state.structure["a.U"]), [[0, -0.07, 0, 0.045, 0, 0.28]], **close)
    state.params["a"][...] = xp.asarray(np.array([[0.8, -0.1, 0.34, 0, -0.5, 0.33]]))
    learner.after_epoch(state)
    np.testing.assert_allclose(to_host(state.structure["a.Z"]), [[0.8, 0, 0, 0, -0.5, 0.61]], **close)
    assert to_host(state.masks["a"]).all()
    state.iteration = 5
    state.params["a"][...] = xp.asarray(np.array([[0.8, -0.1, 0.34, 0, -0.5, 0.33]]))
    learner = ADMM({"a": 0.5}, 12, rho=0, t0=2, t1=6)
    assert step(xp, learner, optimizer, state, np.zeros((1, 6))) == 3
    assert to_host(state.params["a"]).tolist() == [[0.8, 0, 0.34, 0, -0.5, 0]]  # of W, not of W + U
    assert set(state.structure) == {"a.initial", "a.last_active"}


def few(values, k):
    """The k largest by size, 0 for the others; of equal ones the first."""
    kept = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))[:k]
    return [v if i in kept else 0.0 for i, v in enumerate(values)]


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=st.sampled_from([SGD(0.9), Adam()]), density=st.floats(0, 1),
    rho=st.sampled_from([0, 0.1, 1.0]), t0=st.sampled_from([1 / 3, 5]), t1=st.sampled_from([2 / 3, 1.0]),
)  # fmt: skip
def test_equals_naive(xp, rng, N, M, optimizer, density, rho, t0, t1):
    weight, size = some_weights(rng, (N, M)), N * M
    learner = ADMM({"a": density}, STEPS, rho, t0, t1)
    state = begin(xp, learner, optimizer, weight)
    first, last, k = {1 / 3: 6, 5: 5}[t0], {2 / 3: 12, 1.0: 18}[t1], round(density * size)
    w, Z, U, mask = {"a": weight.copy()}, None, [0.0] * size, [True] * size
    moments = optimizer.init(w)
    for t in range(1, STEPS + 1):
        g = rng.standard_normal((N, M))
        pruned = step(xp, learner, optimizer, state, g)
        if first < t <= last:
            values = w["a"].ravel().tolist()
            Z = few(values, k) if Z is None else Z
            pull = [rho * (v - z + u) for v, z, u in zip(values, Z, U, strict=True)]
            g = g + np.reshape(pull, (N, M))
        optimizer.step(w, {"a": g}, moments, 0.1, t)
        if t == last:
            values = abs(w["a"]).ravel()
            order = sorted(range(size), key=lambda i: (-values[i], i))
            mask = [i in order[:k] for i in range(size)]
        w["a"] *= np.reshape(mask, (N, M))
        assert pruned == (size - k if t == last else 0)
        np.testing.assert_allclose(to_host(state.params["a"]), w["a"], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(to_host(state.masks["a"]).ravel(), mask)
        if t % EPOCH == 0:
            learner.after_epoch(state)
            if first < t < last:
                values = w["a"].ravel().tolist()
                Z = few([v + u for v, u in zip(values, U, strict=True)], k)
                U = [u + v - z for v, z, u in zip(values, Z, U, strict=True)]


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
@pytest.mark.parametrize("stop", [3, 9, 14])
def test_resuming_equals_never_having_stopped(optimizer, stop, tmp_path):
    """Stopped in any of the three phases."""
    rng = np.random.default_rng(0)
    learner = ADMM({"a": 0.3}, STEPS, rho=0.1)
    state = begin(np, learner, optimizer, some_weights(rng, (9, 7)).astype("float32"))
    resumed = None
    for t in range(1, STEPS + 1):
        gradient = rng.standard_normal((9, 7)).astype("float32")
        for each in [state] if resumed is None else [state, resumed]:
            step(np, learner, optimizer, each, gradient)
            if t % EPOCH == 0:
                learner.after_epoch(each)
        if t == stop:
            checkpoint.save(tmp_path / "checkpoint.npz", state)
            resumed = checkpoint.load(tmp_path / "checkpoint.npz")
    assert state.params["a"].dtype == "float32"
    assert state.masks["a"].sum() == round(0.3 * 63)
    assert_same(state, resumed)
    assert set(state.structure) == {"a.initial", "a.last_active"}  # the last phase needs no Z, no U


def test_the_pull_makes_what_will_be_pruned_small():
    """Without gradients W goes to Z: what is pruned at the end is less than without a pull."""
    rng = np.random.default_rng(0)
    weight, left = rng.standard_normal((9, 7)), []
    for rho in (0.0, 1.0):
        learner = ADMM({"a": 0.3}, 99, rho)
        state = begin(np, learner, SGD(0), weight)
        for t in range(1, learner.when("t1")):
            step(np, learner, SGD(0), state, np.zeros((9, 7)))
            if t % 5 == 0:
                learner.after_epoch(state)
        left.append(np.sort(abs(state.params["a"]).ravel())[: round(0.7 * 63)].sum())
    assert left[1] < left[0] / 2


def test_a_run_by_name(few_digits):
    run = snn.train(
        "lif", data="digits", net="30FC-10FC", T=2, density=0.3, epochs=9, lr=0.02, learner="admm",
        learner_options={"rho": 0.01}, schedule="restarts",
    )  # fmt: skip
    assert run.result["density"] == pytest.approx(0.3, abs=0.001)
    assert run.result["test_accuracy"] > 40
    assert [row["replaced"] > 0 for row in run.log] == [False] * 5 + [True] + [False] * 3
    assert [epoch for epoch, row in enumerate(run.log) if row["lr"] == 0.02] == [0, 3, 6]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rho": -1}, "rho must be 0 or more, and finite, found -1"),
        ({"t0": 0.9}, "t1 must be no earlier than t0 = 0.9, found 0.66"),
        ({"t1": 51}, "t1 must be at most 50, the iterations of training, found 51"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        ADMM(**({"densities": {"a": 0.5}, "iterations": 50} | change))
