"""STDS: the authors' step by hand, a naive twin weight by weight, a run by name."""

from itertools import product
from math import pi, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_resuming_changes_nothing, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.stds import STDS, linear_threshold, sine_threshold
from minisnn.structure.learner import Training
from minisnn.training.optim import SGD, Adam

STEPS = 8


def test_by_hand(xp):
    """Half and three fifths of the way: a sign flips, what is below the threshold learns, a theta of 0 does not."""
    learner, optimizer = STDS({"a": 0.5}, 10, D=0.4), SGD(0)
    state = begin(xp, learner, optimizer, np.array([[0.5, -0.3, 0.05, -0.02, 0.8, 0]]))
    assert to_host(state.masks["a"]).tolist() == [[True, True, True, True, True, False]]
    state.iteration = 4
    assert step(xp, learner, optimizer, state, np.zeros((1, 6)), lr=0.1) == 2
    close = {"atol": 5e-7}
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.3, -0.1, 0, 0, 0.6, 0]], **close)
    gradient = np.array([[1, -1, 2, -2, 0.5, 1]])
    assert step(xp, learner, optimizer, state, gradient, lr=0.1) == 1
    theta = to_host(state.structure["a.theta"])
    np.testing.assert_allclose(theta, [[0.4, -0.2, -0.15, 0.18, 0.75, 0]], **close)
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.138197, 0, 0, 0, 0.488197, 0]], **close)
    assert sine_threshold(0.4, 0.6) == pytest.approx(0.261803, abs=5e-7)
    assert learner.exploration_rate(state) == 5 / 6


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=st.sampled_from([SGD(0), SGD(0.9), Adam(), Adam(weight_decay=0.1)]),
    D=st.sampled_from([0, 0.3, 1.0]), schedule=st.sampled_from(["sine", "linear"]),
    gradient=st.sampled_from(["identity", "relu"]),
)  # fmt: skip
def test_equals_naive(xp, rng, N, M, optimizer, D, schedule, gradient):
    weight = some_weights(rng, (N, M))
    learner = STDS({"a": 0.5}, STEPS, D, schedule, gradient)
    state = begin(xp, learner, optimizer, weight)
    places = list(product(range(N), range(M)))
    theta = {p: {"w": np.array(weight[p])} for p in places}  # a network of one number each
    moments = {p: optimizer.init(theta[p]) for p in places}
    threshold, active = 0.0, {p for p in places if weight[p]}
    for k in range(1, STEPS + 1):
        g = rng.standard_normal((N, M))
        pruned = step(xp, learner, optimizer, state, g)
        for p in places:
            value = float(theta[p]["w"])
            learns = value != 0 if gradient == "identity" else abs(value) > threshold
            optimizer.step(theta[p], {"w": np.array(g[p] if learns else 0.0)}, moments[p], 0.1, k)
        threshold = D * k / STEPS if schedule == "linear" else D * (1 + sin(pi * (k / STEPS - 0.5))) / 2
        expected = {}
        for p in places:
            value = float(theta[p]["w"])
            expected[p] = np.sign(value) * max(abs(value) - threshold, 0)
        found, mask = to_host(state.params["a"]), to_host(state.masks["a"])
        np.testing.assert_allclose(found.ravel(), [expected[p] for p in places], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(mask, found != 0)
        before, active = active, {p for p in places if mask[p]}
        assert pruned == len(before - active)
    plain = to_host(state.structure["a.theta"])
    np.testing.assert_allclose(plain.ravel(), [float(theta[p]["w"]) for p in places], rtol=1e-9, atol=1e-12)
    assert learner.density(state) == len(active) / (N * M)


@given(rng=rngs, N=sizes, optimizer=st.sampled_from([SGD(0.9), Adam()]))
def test_without_a_threshold_it_is_the_plain_optimizer(xp, rng, N, optimizer):
    """Bit for bit the dense layer beside it."""
    learner = STDS({"a": 0.5}, STEPS, D=0.0)
    state = begin(xp, learner, optimizer, rng.standard_normal((N, 3)))
    for _ in range(STEPS):
        step(xp, learner, optimizer, state, rng.standard_normal((N, 3)))
        np.testing.assert_array_equal(to_host(state.params["a"]), to_host(state.params["dense"]))


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
@pytest.mark.parametrize("gradient", ["identity", "relu"])
def test_resuming_equals_never_having_stopped(optimizer, gradient, tmp_path):
    rng = np.random.default_rng(0)
    learner = STDS({"a": 0.5}, 2 * STEPS, D=1.0, gradient=gradient)
    gradients = rng.standard_normal((2 * STEPS, 9, 7)).astype("float32")
    weight = some_weights(rng, (9, 7)).astype("float32")
    assert_resuming_changes_nothing(learner, optimizer, weight, gradients, tmp_path)


@pytest.mark.parametrize("threshold", [sine_threshold, linear_threshold])
def test_thresholds(threshold):
    found = [threshold(2.0, part) for part in np.linspace(0, 1, 11)]
    assert found == sorted(found)
    assert (found[0], found[5], found[-1]) == pytest.approx((0, 1, 2))
    for D, part, said in [
        (-1, 0, "D must be 0 or more"),
        (1, 1.5, "part must be 0 to 1"),
        (1, -1, "part must be"),
    ]:
        with pytest.raises(ValueError, match=said):
            threshold(D, part)
    assert sine_threshold(1, 0.25) < 0.25 < sine_threshold(1, 0.25) + 0.2


def test_divergence_stays_in_sight(xp):
    learner = STDS({"a": 0.5}, 2)
    state = begin(xp, learner, SGD(), np.ones((1, 2)))
    step(xp, learner, SGD(), state, np.array([[np.nan, 0.0]]))
    assert np.isnan(to_host(state.params["a"])).tolist() == [[True, False]]
    assert to_host(state.masks["a"]).tolist() == [[True, True]]


def test_a_run_by_name(few_digits):
    """All layers take part; D alone decides how sparse it gets, and a run that gets elsewhere says so."""
    options = {"D": 0.1, "schedule": "linear"}
    with pytest.warns(
        UserWarning, match="was not reached: STDS ended at .* D alone decides: it was 0.1, a larger"
    ):
        run = snn.train(
            "lif", data="digits", net="30FC-10FC", T=2, density=0.9, epochs=8, lr=0.02, learner="stds",
            learner_options=options,
        )  # fmt: skip
    assert set(run.masks) == {"fc1.weight", "fc2.weight"}
    assert 0.02 < run.result["density"] < 0.8
    assert run.result["test_accuracy"] > 40
    for key, mask in run.masks.items():
        np.testing.assert_array_equal(run.weights[key] != 0, mask)


def test_a_recipe_scales_the_threshold_of_the_authors_to_its_training():
    training = Training({}, 6_400_000, 2, Adam(), lambda epoch: [1e-4, 3e-4][epoch])
    found = STDS.made_for({"a": 0.5}, {}, training).D
    assert found == pytest.approx(2)
    assert STDS.made_for({"a": 0.5}, {"D": 0.3}, training) == STDS({"a": 0.5}, 6_400_000, D=0.3)
    assert STDS({"a": 0.5}, 1).D == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"D": -1}, "D must be 0 or more, and finite, found -1"),
        ({"D": float("nan")}, "D must be 0 or more"),
        ({"schedule": "cosine"}, "schedule must be one of sine, linear, found 'cosine'"),
        ({"gradient": "st"}, "gradient must be one of identity, relu, found 'st'"),
        ({"iterations": 0}, "iterations must be at least 1"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        STDS(**({"densities": {"a": 0.5}, "iterations": 5} | change))
