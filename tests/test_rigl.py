"""RigL: the authors' update by hand, a naive twin connection by connection, a run by name."""

from itertools import product
from math import cos, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_resuming_changes_nothing, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.rigl import RigL
from minisnn.structure.schedule import cosine_fraction
from minisnn.training.optim import SGD, Adam

STEPS = 12


def test_by_hand(xp):
    """Two of four are dropped; one comes back with its weight, one grows where none was."""
    drawn = np.array([[True] * 4 + [False] * 4])
    learner, optimizer = RigL({"a": 0.5}, 100, lambda *_: drawn, alpha=0.5), SGD(0.9)
    state = begin(xp, learner, optimizer, np.array([[0.5, -0.1, 0.3, 0.05, 1, 1, 1, 1]]))
    state.moments["a"][0][...] = 1
    gradient = np.array([[0.1, 0.9, 0.2, 0.3, -0.8, 0.4, 0.05, -0.6]])
    dense = to_host(state.params["dense"]).copy()
    assert step(xp, learner, optimizer, state, gradient) == 2
    assert to_host(state.masks["a"]).tolist() == [[True, True, True, False, True, False, False, False]]
    assert to_host(state.params["a"]).tolist() == [[0.5, -0.1, 0.3, 0, 0, 0, 0, 0]]
    assert to_host(state.moments["a"][0]).tolist() == [[1, 1, 1, 1, 0, 1, 1, 1]]
    np.testing.assert_array_equal(to_host(state.params["dense"]), dense)  # nothing moves
    assert to_host(state.structure["a.last_active"]).tolist() == [[1, 1, 1, 1, 1, -1, -1, -1]]
    assert step(xp, learner, optimizer, state, gradient) == 0  # an ordinary step
    np.testing.assert_allclose(
        to_host(state.params["a"])[0, :3], np.array([0.5, -0.1, 0.3]) - [0.1, 0.18, 0.11]
    )


def test_the_fraction_of_the_authors_cifar_runs():
    assert cosine_fraction(10_000, 0.3, 75_000) == pytest.approx(0.287032, abs=5e-7)


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=st.sampled_from([SGD(0), SGD(0.9), Adam()]),
    alpha=st.sampled_from([0.0, 0.3, 1.0]), every=st.sampled_from([1, 3, 0.25]), end=st.sampled_from([1.0, 0.5, 8]),
)  # fmt: skip
def test_equals_naive(xp, rng, N, M, optimizer, alpha, every, end):
    weight, size = some_weights(rng, (N, M)), N * M
    count = int(rng.integers(1, size + 1))
    learner = RigL({"a": count / size}, STEPS, alpha=alpha, every=every, end=end)
    state = begin(xp, learner, optimizer, weight)
    places = list(product(range(N), range(M)))
    active = {p for p in places if to_host(state.masks["a"])[p]}
    w = {p: {"w": np.array(weight[p] if p in active else 0.0)} for p in places}
    moments = {p: optimizer.init(w[p]) for p in places}
    until = {1.0: 12, 0.5: 6, 8: 8}[end]
    for t in range(STEPS):
        g = np.round(rng.standard_normal((N, M)), 1)  # with ties
        replaced = step(xp, learner, optimizer, state, g)
        if t < until and t % {1: 1, 3: 3, 0.25: 3}[every] == 0:
            n = int(alpha / 2 * (1 + cos(pi * t / until)) * count + 1e-9)
            kept = set(sorted(active, key=lambda p: (abs(w[p]["w"]), p))[n:])
            grown = sorted(set(places) - kept, key=lambda p: (-abs(g[p]), p))[:n]
            for p in set(grown) - active:
                w[p]["w"][...] = 0
                for moment in moments[p]["w"]:
                    moment[...] = 0
            assert replaced == n
            active = kept | set(grown)
        else:
            assert replaced == 0
            for p in places:
                optimizer.step(w[p], {"w": np.array(g[p])}, moments[p], 0.1, t + 1)
        found, mask = to_host(state.params["a"]), to_host(state.masks["a"])
        assert mask.sum() == count
        assert {p for p in places if mask[p]} == active
        for p in set(places) - active:
            w[p]["w"][...] = 0
        np.testing.assert_allclose(found.ravel(), [float(w[p]["w"]) for p in places], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_resuming_equals_never_having_stopped(optimizer, tmp_path):
    rng = np.random.default_rng(0)
    learner = RigL({"a": 0.4}, 2 * STEPS, every=5, end=1.0)
    gradients = rng.standard_normal((2 * STEPS, 9, 7)).astype("float32")
    weight = some_weights(rng, (9, 7)).astype("float32")
    assert_resuming_changes_nothing(learner, optimizer, weight, gradients, tmp_path)


def test_a_run_by_name(few_digits):
    run = snn.train(
        "lif", data="digits", net="30FC-10FC", T=2, density=0.3, epochs=8, lr=0.02, learner="rigl", sample="exact",
        learner_options={"every": 0.1, "end": 0.5},
    )  # fmt: skip
    assert run.result["density"] == pytest.approx(0.3, abs=0.01)
    assert run.result["test_accuracy"] > 40
    assert [row["replaced"] > 0 for row in run.log] == [True] * 4 + [False] * 4
    assert 0.3 < run.result["exploration_rate"] < 0.9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 2}, "alpha must be a fraction, 0 to 1, found 2"),
        ({"every": 0}, "every must be above 0: a fraction, or a whole number of iterations, found 0"),
        ({"every": 2.5}, "every must be above 0"),
        ({"end": 60}, "end must be at most 50, the iterations of training, found 60"),
        ({"densities": {"a": 2}}, "density of a must be 0 to 1"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        RigL(**({"densities": {"a": 0.5}, "iterations": 50} | change))
