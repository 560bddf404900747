"""What learners share: a step left out, times of training, the highest scores of all layers."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs

from minisnn import load_digits, train
from minisnn.backend import to_host
from minisnn.recipes.lif import LIF_DEFAULTS
from minisnn.structure.learner import SparseLearner, TimedLearner, Training, everything, in_iterations
from minisnn.structure.masks import highest_masks
from minisnn.training import loop
from minisnn.training.adamw import AdamW
from minisnn.training.optim import SGD, Adam


@dataclass(frozen=True)
class EverySecond(SparseLearner):
    """Weights stay at every second step; after_step sees the gradient all the same."""

    def start(self, state):
        self.draw_masks(state, everything)

    def takes_step(self, state):
        return state.iteration % 2 == 1

    def after_step(self, state, grads, optimizer, lr):
        assert all((grads[key] != 0).any() for key in self.densities)
        for mask in state.masks.values():
            mask.ravel()[state.iteration] = False
        return 0


@pytest.mark.parametrize("optimizer", [SGD(weight_decay=0.1), Adam(weight_decay=0.1), AdamW()])
def test_a_step_left_out_leaves_weights_and_moments(optimizer):
    recipe = replace(LIF_DEFAULTS["digits"], net="20FC-10FC", T=2, optimizer=optimizer, lr=0.01)
    data = recipe.load()
    setup = recipe.setup(data)
    keys = [key for key in loop.start(setup, 0).params if key.endswith("weight")]
    setup = replace(setup, learner=EverySecond(dict.fromkeys(keys, 0.5)))
    state = loop.start(setup, seed=0)
    batch = data.train.images[:32], data.train.labels[:32]
    for k in range(1, 5):
        before = {key: w.copy() for key, w in state.params.items()}
        moments = {key: [m.copy() for m in ms] for key, ms in state.moments.items()}
        loop.step(setup, state, *batch, 0.01)
        assert state.iteration == k
        for key, w in state.params.items():
            stays = w == before[key] * state.masks.get(key, True)
            assert stays.all() if k % 2 else not stays.all()
            same = all((m == old).all() for m, old in zip(state.moments[key], moments[key], strict=True))
            assert same == (k % 2 == 1)
        assert all(int((~mask).sum()) == k for mask in state.masks.values())


def test_random_masks_that_stay_are_evolve_with_alpha_0(few_digits):
    """The usual baseline needs no learner of its own: the first masks are drawn by chance, and are the last."""
    settings = {"net": "30FC-10FC", "T": 2, "density": 0.3, "epochs": 4, "lr": 0.02, "t_iter": 1}
    first = loop.start(replace(LIF_DEFAULTS["digits"], alpha=0, **settings).setup(load_digits()), 0)
    run = train("lif", data="digits", alpha=0, seed=0, **settings)
    for key, mask in run.masks.items():
        np.testing.assert_array_equal(mask, first.masks[key])
    assert [row["replaced"] for row in run.log] == [0] * 4
    assert run.result["exploration_rate"] == run.result["density"] == pytest.approx(0.3, abs=0.05)
    moved = train("lif", data="digits", alpha=0.3, seed=0, **settings)
    assert all(row["replaced"] > 0 for row in moved.log)


@dataclass(frozen=True)
class Planned(TimedLearner):
    at: float = 0.5
    every: float = 1


def test_a_timed_learner_is_told_the_length_of_training():
    assert set(Planned.options()) == {"at", "every"}
    training = Training({}, 200, 5, Adam(), lambda epoch: 0.1)
    assert Planned.made_for({"a": 0.5}, {}, training) == Planned({"a": 0.5}, 200)
    for at, found in [(0, 1), (0.25, 50), (1, 200), (1.0, 200), (2, 2), (200, 200)]:
        assert Planned.made_for({"a": 0.5}, {"at": at}, training).when("at") == found
    for at, said in [
        (1.5, "at must be a fraction of training, or a whole number of iterations, found 1.5"),
        (-1, "at must be a fraction"),
        (float("nan"), "at must be a fraction"),
        (201, "at must be at most 200, the iterations of training, found 201"),
    ]:
        with pytest.raises(ValueError, match=said):
            Planned({"a": 0.5}, 200, at).when("at")
    with pytest.raises(ValueError, match="iterations must be at least 1, found 0"):
        Planned({"a": 0.5}, 0)
    with pytest.raises(ValueError, match="density of a must be 0 to 1"):
        Planned({"a": 2}, 1)


def test_times_and_intervals():
    assert [in_iterations(t, 40) for t in (0, 0.5, 1, 2, 50)] == [0, 20, 40, 2, 50]
    assert [Planned({}, 40, every=n).interval("every") for n in (0.001, 0.5, 1, 2)] == [1, 20, 1, 2]


@given(rng=rngs, sizes=st.lists(st.integers(0, 6), min_size=1, max_size=3), distinct=st.booleans())
def test_the_highest_scores_of_all_layers(xp, rng, sizes, distinct):
    scores = {n: rng.standard_normal((size, 2)) for n, size in enumerate(sizes)}
    if not distinct:
        scores = {n: np.round(score) for n, score in scores.items()}
    places = [(n, i) for n, size in enumerate(sizes) for i in range(2 * size)]
    count = int(rng.integers(0, len(places) + 1))
    best = sorted(places, key=lambda place: -scores[place[0]].ravel()[place[1]])[:count]  # stable
    found = highest_masks({n: xp.asarray(score) for n, score in scores.items()}, count)
    assert {n: mask.shape for n, mask in found.items()} == {n: score.shape for n, score in scores.items()}
    kept = {n: to_host(mask).ravel() for n, mask in found.items()}
    assert [place for place in places if kept[place[0]][place[1]]] == sorted(best)
    with pytest.raises(ValueError, match="count must be 0 to"):
        highest_masks({n: xp.asarray(score) for n, score in scores.items()}, len(places) + 1)


def test_scores_that_are_not_finite_are_refused(xp):
    assert highest_masks({}, 0) == {}
    with pytest.raises(ValueError, match="scores are not finite: training has diverged"):
        highest_masks({"a": xp.asarray([1.0, np.nan])}, 1)
