"""SNIP: scores by hand, a naive ranking, masks that stay, a run by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_layer import assert_resuming_changes_nothing, begin, some_weights, step
from strategies import rngs, sizes

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.snip import Snip
from minisnn.recipes.lif import LIF_DEFAULTS
from minisnn.training import loop
from minisnn.training.optim import SGD, Adam

optimizers = st.sampled_from([SGD(0.9, 0.1), Adam(weight_decay=0.1)])


def test_by_hand(xp):
    learner, optimizer = Snip({"a": 0.5}), SGD(0)
    weight = np.array([[0.5, -0.1, 0.3, 0.05, -0.4, 0.2]])
    state = begin(xp, learner, optimizer, weight)
    assert to_host(state.masks["a"]).all()
    gradient = np.array([[0.1, 0.9, -0.2, 2, 0.05, -0.6]])
    score = abs(weight * gradient)
    np.testing.assert_allclose(
        score / score.sum(), [[0.1136, 0.2045, 0.1364, 0.2273, 0.0455, 0.2727]], atol=5e-5
    )
    assert step(xp, learner, optimizer, state, gradient) == 3
    assert to_host(state.masks["a"]).tolist() == [[False, True, False, True, False, True]]
    assert to_host(state.params["a"]).tolist() == [[0, -0.1, 0, 0.05, 0, 0.2]]  # no step was taken
    assert step(xp, learner, optimizer, state, 1000 * np.ones((1, 6))) == 0
    assert to_host(state.masks["a"]).tolist() == [[False, True, False, True, False, True]]
    np.testing.assert_allclose(to_host(state.params["a"]), [[0, -100.1, 0, -99.95, 0, -99.8]])


@given(rng=rngs, N=sizes, M=sizes, optimizer=optimizers, density=st.floats(0, 1))
@pytest.mark.filterwarnings("ignore:.*SNIP kept no connection")
def test_equals_naive(xp, rng, N, M, optimizer, density):
    """Over two layers together; the one is large and the other small."""
    weight = some_weights(rng, (N, M))
    learner = Snip({"a": density, "dense": density})
    state = begin(xp, learner, optimizer, weight)
    state.params["dense"][...] = xp.asarray(weight / 2)
    g = np.round(rng.standard_normal((N, M)), 1)
    removed = step(xp, learner, optimizer, state, g)
    scores = [(-abs(w * g.flat[i]), key, i) for key, f in (("a", 1), ("dense", 2))
              for i, w in enumerate(weight.flat / np.float64(f))]  # fmt: skip
    count = round(2 * density * N * M)
    best = {(key, i) for _, key, i in sorted(scores)[:count]}
    for key, factor in (("a", 1), ("dense", 2)):
        kept = {(key, i) for i in np.flatnonzero(to_host(state.masks[key]))}
        assert kept == {place for place in best if place[0] == key}
        np.testing.assert_array_equal(to_host(state.params[key]), weight / factor * to_host(state.masks[key]))
        assert not any(to_host(moment).any() for moment in state.moments[key])
    assert removed == 2 * N * M - count
    masks = {key: to_host(mask).copy() for key, mask in state.masks.items()}
    for _ in range(3):
        assert step(xp, learner, optimizer, state, rng.standard_normal((N, M))) == 0
        assert all((to_host(state.masks[key]) == mask).all() for key, mask in masks.items())


def test_resuming_equals_never_having_stopped(tmp_path):
    """Stopped after the choice: it is not made again. Stopped before: by the next step."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((2, 9, 7)).astype("float32")
    weight = some_weights(rng, (9, 7)).astype("float32")
    assert_resuming_changes_nothing(Snip({"a": 0.4}), Adam(), weight, gradients, tmp_path, changes=False)
    assert_resuming_changes_nothing(Snip({"a": 0.4}), Adam(), weight, gradients[:1], tmp_path)


def test_a_layer_that_keeps_nothing_is_named(xp):
    state = begin(xp, Snip({"a": 0.5, "dense": 0.5}), SGD(0), np.ones((1, 2)))
    state.params["dense"] *= 2
    with pytest.warns(UserWarning, match="a: SNIP kept no connection"):
        step(xp, Snip({"a": 0.5, "dense": 0.5}), SGD(0), state, np.ones((1, 2)))


def test_the_choice_is_made_by_the_gradient_of_the_first_batch():
    """In the loop of training, of a real network: scores from the gradients of the initial weights."""
    recipe = replace(LIF_DEFAULTS["digits"], net="20FC-10FC", T=2, learner="snip", density=0.6)
    data = recipe.load()
    setup, batch = recipe.setup(data), (data.train.images[:64], data.train.labels[:64])
    state = loop.start(setup, seed=0)
    weights = {key: state.params[key].copy() for key in setup.learner.densities}
    _, _, _, grads = loop.gradients(setup, loop.start(setup, seed=0), *batch)
    loop.step(setup, state, *batch, 0.01)
    scores = np.concatenate([abs(weights[key] * grads[key]).ravel() for key in weights])
    mask = np.concatenate([state.masks[key].ravel() for key in weights])
    assert mask.sum() == round(0.6 * mask.size)  # of which ERK would keep one layer dense
    assert scores[mask].min() >= scores[~mask].max()
    assert set(weights) == {"fc1.weight", "fc2.weight"}


def test_a_run_by_name(few_digits):
    run = snn.train(
        "lif", data="digits", net="30FC-10FC", T=2, density=0.3, epochs=8, lr=0.02, learner="snip"
    )
    assert run.result["density"] == pytest.approx(0.3, abs=1e-3)
    assert run.result["test_accuracy"] > 40
    assert [row["replaced"] > 0 for row in run.log] == [True] + [False] * 7
