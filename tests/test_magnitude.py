"""Magnitude pruning after training: by hand, a naive twin for both scopes, fixed masks, a run by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_resuming_changes_nothing, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.magnitude import MagnitudePruning
from minisnn.training.optim import SGD, Adam

STEPS = 8


def test_by_hand(xp):
    """One step of training, one after which half of the weights go, one of fine-tuning."""
    learner, optimizer = MagnitudePruning({"a": 0.5}, 3, at=2), SGD(0)
    state = begin(xp, learner, optimizer, np.array([[0.5, -0.1, 0.3, 0.05]]))
    gradient = np.array([[0.0, 3, 0, -1]])
    assert step(xp, learner, optimizer, state, gradient) == 0
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.5, -0.4, 0.3, 0.15]])
    assert step(xp, learner, optimizer, state, gradient) == 2
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.5, -0.7, 0, 0]])
    assert step(xp, learner, optimizer, state, 100 * gradient) == 0
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.5, -30.7, 0, 0]])


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=st.sampled_from([SGD(0.9), Adam()]), density=st.floats(0, 1),
    at=st.sampled_from([0, 0.5, 3, 1]), scope=st.sampled_from(["layer", "global"]),
)  # fmt: skip
def test_equals_naive(xp, rng, N, M, optimizer, density, at, scope):
    """Two layers, of which the second ends with half the weights of the first, so that scopes differ."""
    learner = MagnitudePruning({"a": density, "dense": density}, STEPS, at, scope)
    weight, size = some_weights(rng, (N, M)), N * M
    state = begin(xp, learner, optimizer, weight)
    state.params["dense"][...] = xp.asarray(weight / 2)
    w = {"a": weight.copy(), "dense": weight / 2}
    moments, kept = optimizer.init(w), {(key, i) for key in w for i in range(size)}
    for k in range(1, STEPS + 1):
        g = rng.standard_normal((N, M))
        pruned = step(xp, learner, optimizer, state, g)
        optimizer.step(w, {key: g.copy() for key in w}, moments, 0.1, k)
        before = len(kept)
        if k == {0: 1, 0.5: 4, 3: 3, 1: 8}[at]:
            ranked = sorted(kept, key=lambda place: (-abs(w[place[0]].flat[place[1]]), place))
            if scope == "global":
                kept = set(ranked[: round(2 * density * size)])
            else:
                kept = {p for key in w for p in [q for q in ranked if q[0] == key][: round(density * size)]}
        for key, i in {(key, i) for key in w for i in range(size)} - kept:
            w[key].flat[i] = 0
        assert pruned == before - len(kept)
        for key, values in w.items():
            np.testing.assert_allclose(to_host(state.params[key]), values, rtol=1e-9, atol=1e-12)
            mask = to_host(state.masks[key])
            assert {(key, i) for i in np.flatnonzero(mask)} == {place for place in kept if place[0] == key}


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_resuming_equals_never_having_stopped(scope, tmp_path):
    rng = np.random.default_rng(0)
    learner = MagnitudePruning({"a": 0.4}, 2 * STEPS, at=0.75, scope=scope)
    gradients = rng.standard_normal((2 * STEPS, 9, 7)).astype("float32")
    weight = some_weights(rng, (9, 7)).astype("float32")
    assert_resuming_changes_nothing(learner, Adam(), weight, gradients, tmp_path)


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_a_run_by_name(few_digits, scope):
    run = snn.train(
        "lif", data="digits", net="30FC-10FC", T=2, density=0.3, epochs=8, lr=0.02, learner="magnitude",
        learner_options={"scope": scope}, distribution="uniform",
    )  # fmt: skip
    assert run.result["density"] == pytest.approx(0.3, abs=0.001)
    assert (run.masks["fc1.weight"].mean() == pytest.approx(0.3, abs=0.001)) == (scope == "layer")
    assert run.result["test_accuracy"] > 40
    assert [row["replaced"] > 0 for row in run.log] == [False] * 3 + [True] + [False] * 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"at": 51}, "at must be at most 50, the iterations of training, found 51"),
        ({"at": -1}, "at must be a fraction of training"),
        ({"scope": "all"}, "scope must be one of layer, global, found 'all'"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        MagnitudePruning(**({"densities": {"a": 0.5}, "iterations": 50} | change))
