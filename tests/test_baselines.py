"""Methods that the papers compare with, and baselines: the worked examples, naive twins, invariants."""

import re
from math import pi, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes
from test_learners import begin, optimizers, some_weights, step

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.admm import ADMM, largest
from minisnn.methods.gradual import GradualPruning, MagnitudePruning, cubic_sparsity
from minisnn.methods.rigl import RigL
from minisnn.methods.snip import Snip
from minisnn.methods.stds import STDS, spine_threshold
from minisnn.structure.schedule import cosine_fraction
from minisnn.training import checkpoint
from minisnn.training.optim import SGD, Adam

SIX = [[0.5, -0.1, 0.3, 0.05, -0.4, 0.2]]


def active(state):
    """Positions of the active connections of layer a."""
    return np.flatnonzero(to_host(state.masks["a"])).tolist()


# gradual pruning


def test_the_cubic_schedule_by_hand():
    found = [cubic_sparsity(t, 0.9, 20, 75) for t in (10, 20, 30, 47, 60, 75, 80)]
    np.testing.assert_allclose(found, [0, 0, 0.407062, 0.781251, 0.881743, 0.9, 0.9], atol=5e-7)


def test_gradual_pruning_by_hand(xp):
    """At a quarter of the way 0.520313 of 8 weights are gone: 4."""
    learner = GradualPruning({"a": 0.1}, t_start=0, t_end=4, every=1)
    state = begin(xp, learner, SGD(0), np.array([[*SIX[0], -0.02, 0.6]]))
    assert step(xp, learner, SGD(0), state, np.zeros((1, 8))) == 4
    assert active(state) == [0, 2, 4, 7]


@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0, 1), optimizer=optimizers)
def test_gradual_pruning_is_exact_and_never_returns(xp, rng, N, M, density, optimizer):
    learner = GradualPruning({"a": density}, t_start=2, t_end=9, every=3)
    state = begin(xp, learner, optimizer, rng.standard_normal((N, M)))
    before = to_host(state.masks["a"]).copy()
    for t in range(1, 12):
        weight = to_host(state.params["a"])
        step(xp, learner, optimizer, state, rng.standard_normal((N, M)))
        mask = to_host(state.masks["a"])
        assert not (mask & ~before).any()
        sparsity = cubic_sparsity(t, 1 - density, 2, 9) if t in (2, 5, 8, 9) else None
        if sparsity is not None:
            assert (~mask).sum() == round(sparsity * N * M)
        elif t not in (2, 5, 8, 9):
            assert (mask == before).all()
        before = mask.copy()
        assert weight.shape == mask.shape
    assert mask.sum() == N * M - round((1 - density) * N * M)


# magnitude, once


def test_magnitude_pruning_by_hand(xp):
    for scope, kept in (("layer", [0, 2, 4]), ("global", [0, 2, 4])):
        learner = MagnitudePruning({"a": 0.5}, at=2, scope=scope)
        state = begin(xp, learner, SGD(0), np.array(SIX))
        assert step(xp, learner, SGD(0), state, np.zeros((1, 6))) == 0
        assert step(xp, learner, SGD(0), state, np.zeros((1, 6))) == 3
        assert active(state) == kept


@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0.1, 0.9))
def test_global_pruning_ranks_all_layers_together(xp, rng, N, M, density):
    learner = MagnitudePruning({"a": density, "dense": density}, at=1, scope="global")
    state = begin(xp, learner, SGD(0), rng.standard_normal((N, M)))
    state.params["dense"] *= 3  # its weights are larger, so that it keeps more
    step(xp, learner, SGD(0), state, np.zeros((N, M)))
    a, b = (to_host(state.masks[key]) for key in ("a", "dense"))
    assert a.sum() + b.sum() == round(2 * density * N * M)
    assert a.sum() <= b.sum()


# SNIP


def test_snip_by_hand(xp):
    learner = Snip({"a": 0.5})
    state = begin(xp, learner, SGD(0), np.array(SIX))
    gradient = np.array([[0.1, 0.9, -0.2, 2, 0.05, -0.6]])
    grads = {key: xp.asarray(gradient.copy()) for key in state.params}
    learner.before_step(state, grads)
    sensitivity = to_host(state.structure["a.sensitivity"])
    np.testing.assert_allclose(
        sensitivity / sensitivity.sum(), [[0.1136, 0.2045, 0.1364, 0.2273, 0.0455, 0.2727]], atol=5e-5
    )
    assert step(xp, learner, SGD(0), state, gradient) == 3
    assert active(state) == [1, 3, 5]
    np.testing.assert_allclose(
        to_host(state.params["a"]), [[0, -0.1, 0, 0.05, 0, 0.2]]
    )  # no weight has moved


@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0.1, 1), optimizer=optimizers)
def test_snip_chooses_once(xp, rng, N, M, density, optimizer):
    learner = Snip({"a": density})
    weight = rng.standard_normal((N, M))
    state = begin(xp, learner, optimizer, weight)
    first = rng.standard_normal((N, M))
    step(xp, learner, optimizer, state, first)
    kept = active(state)
    scores = sorted(range(N * M), key=lambda i: (-abs(weight.ravel()[i] * first.ravel()[i]), i))
    assert kept == sorted(scores[: round(density * N * M)])
    np.testing.assert_array_equal(to_host(state.params["dense"]), weight)
    for _ in range(3):
        assert step(xp, learner, optimizer, state, rng.standard_normal((N, M))) == 0
    assert active(state) == kept
    assert not any(key.endswith("sensitivity") for key in state.structure)


# RigL


def test_rigl_by_hand(xp):
    assert cosine_fraction(10_000, 0.3, 75_000) == pytest.approx(0.287032, abs=5e-7)
    learner = RigL({"a": 0.5}, alpha=1.0, every=1, t_end=2)  # half of 4 are 2 in the first of two steps
    state = begin(xp, learner, Adam(), np.array([[0.5, -0.1, 0.3, 0.05, 0, 0, 0, 0]]))
    state.masks["a"][...] = xp.asarray(np.array([[True] * 4 + [False] * 4]))
    state.params["a"][...] = xp.asarray(np.array([[0.5, -0.1, 0.3, 0.05, 0, 0, 0, 0]]))
    state.moments["a"][0][...] = 1.0
    gradient = np.array([[0.1, 0.9, 0.2, 0.3, -0.8, 0.4, 0.05, -0.6]])
    assert step(xp, learner, Adam(), state, gradient) == 2
    assert active(state) == [0, 1, 2, 4]
    np.testing.assert_array_equal(to_host(state.params["a"]), [[0.5, -0.1, 0.3, 0, 0, 0, 0, 0]])
    assert to_host(state.moments["a"][0]).tolist() == [[1, 1, 1, 1, 0, 1, 1, 1]]


def naive_rigl(weight, mask, gradient, count):
    """Positions that are active afterwards, one after the other."""
    w, g, on = weight.ravel(), gradient.ravel(), mask.ravel().copy()
    for i in sorted(np.flatnonzero(on), key=lambda i: (abs(w[i]), i))[:count]:
        on[i] = False
    for i in sorted(np.flatnonzero(~on), key=lambda i: (-abs(g[i]), i))[:count]:
        on[i] = True
    return np.flatnonzero(on).tolist()


@pytest.mark.filterwarnings("ignore:a. no connection was drawn")
@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0.1, 1), optimizer=optimizers)
def test_rigl_equals_naive_and_takes_no_step_where_it_rewires(xp, rng, N, M, density, optimizer):
    learner = RigL({"a": density}, alpha=0.5, every=2, t_end=8)
    state = begin(xp, learner, optimizer, rng.standard_normal((N, M)))
    total = int(state.masks["a"].sum())
    for t in range(1, 11):
        before, dense = to_host(state.params["a"]).copy(), to_host(state.params["dense"]).copy()
        mask, gradient = to_host(state.masks["a"]).copy(), rng.standard_normal((N, M))
        step(xp, learner, optimizer, state, gradient)
        due = t % 2 == 0 and t <= 8
        count = int(cosine_fraction(t, 0.5, 8) * total + 1e-9) if due else 0
        assert active(state) == (
            naive_rigl(before, mask, gradient, count) if due else np.flatnonzero(mask).tolist()
        )
        assert int(state.masks["a"].sum()) == total
        if due:
            kept = to_host(state.masks["a"]) & mask
            np.testing.assert_array_equal(to_host(state.params["a"]), before * kept)
            np.testing.assert_array_equal(to_host(state.params["dense"]), dense)
        assert not any("held" in key for key in state.structure)


# STDS


def test_stds_by_hand(xp):
    learner = STDS({"a": 0.5}, D=0.4, iterations=10)
    state = begin(xp, learner, SGD(0), np.array([[0.5, -0.3, 0.05, -0.02, 0.8, 0]]))
    state.iteration = 4
    for _ in (5,):  # D_5 = 0.2
        step(xp, learner, SGD(0), state, np.zeros((1, 6)))
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.3, -0.1, 0, 0, 0.6, 0]])
    step(xp, learner, SGD(0), state, np.array([[1, -1, 2, -2, 0.5, 1]]), lr=0.1)
    assert spine_threshold(6, 0.4, 10) == pytest.approx(0.261803, abs=5e-7)
    np.testing.assert_allclose(to_host(state.structure["a.theta"]), [[0.4, -0.2, -0.15, 0.18, 0.75, 0]])
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.138197, 0, 0, 0, 0.488197, 0]], atol=5e-7)
    assert active(state) == [0, 4]


@pytest.mark.parametrize("gradient", ["identity", "relu"])
@given(rng=rngs, N=sizes, M=sizes, D=st.floats(0, 1), lr=st.floats(0.01, 0.5))
def test_stds_equals_naive(xp, gradient, rng, N, M, D, lr):
    """Each connection by itself, with plain gradient descent."""
    learner = STDS({"a": 0.5}, D, 6, "sine", gradient)
    theta = some_weights(rng, (N, M))
    state = begin(xp, learner, SGD(0), theta)
    weight = theta.copy()
    for k in range(1, 7):
        g = rng.standard_normal((N, M))
        step(xp, learner, SGD(0), state, g, lr)
        D_k = D * sin(pi * k / 12) ** 2
        for i in np.ndindex(N, M):
            lives = theta[i] != 0 if gradient == "identity" else weight[i] != 0
            theta[i] -= lr * g[i] * lives
            weight[i] = np.sign(theta[i]) * max(abs(theta[i]) - D_k, 0)
        np.testing.assert_allclose(to_host(state.params["a"]), weight, atol=1e-12)
        np.testing.assert_allclose(to_host(state.structure["a.theta"]), theta, atol=1e-12)


# ADMM


def test_admm_by_hand(xp):
    learner = ADMM({"a": 0.5}, rho=1.0, pull_from=0, prune_after=3)
    state = begin(xp, learner, SGD(0), np.array([[0.9, -0.1, 0.4, 0.05, -0.6, 0.3]]))
    step(xp, learner, SGD(0), state, np.array([[0.5, -0.2, 0.1, 0, 0.3, -0.1]]), lr=0.1)
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.85, -0.07, 0.39, 0.045, -0.63, 0.28]])
    learner.after_epoch(state)
    np.testing.assert_allclose(to_host(state.structure["a.U"]), [[0, -0.07, 0, 0.045, 0, 0.28]])
    state.params["a"][...] = xp.asarray(np.array([[0.8, -0.1, 0.34, 0, -0.5, 0.33]]))
    learner.after_epoch(state)
    np.testing.assert_allclose(to_host(state.structure["a.Z"]), [[0.8, 0, 0, 0, -0.5, 0.61]])


@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0, 1), optimizer=optimizers)
def test_admm_prunes_once_to_the_largest(xp, rng, N, M, density, optimizer):
    learner = ADMM({"a": density}, rho=0.1, pull_from=1, prune_after=2)
    state = begin(xp, learner, optimizer, rng.standard_normal((N, M)))
    for epoch in range(4):
        for _ in range(2):
            step(xp, learner, optimizer, state, rng.standard_normal((N, M)))
        assert ("a.Z" in state.structure) == (epoch == 1)
        learner.after_epoch(state)
        state.epoch += 1
        assert len(active(state)) == (round(density * N * M) if epoch >= 2 else N * M)


def test_largest_breaks_ties_by_index(xp):
    assert to_host(largest(xp.asarray(np.array([[1.0, -1], [1, 0.5]])), 2)).tolist() == [
        [True, True],
        [False, False],
    ]


# all of them

LEARNERS = [
    GradualPruning({"a": 0.3}, 2, 14, 3), MagnitudePruning({"a": 0.3}, at=10), Snip({"a": 0.3}),
    RigL({"a": 0.3}, every=3, t_end=15), STDS({"a": 0.3}, D=0.5, iterations=16), ADMM({"a": 0.3}, 0.1, 1, 2),
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
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(resumed, group)
        assert set(ours) == set(theirs)
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])


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


@pytest.mark.parametrize("name", ["gmp", "magnitude", "snip", "rigl", "stds", "admm"])
def test_it_trains_by_its_name(name, few_digits):
    run = snn.train("lif", learner=name, density=0.2, epochs=3, distribution="uniform", test=False)
    if name != "stds":
        assert run.result["density"] == pytest.approx(0.2, abs=0.03)
        assert run.result["missed_density"] is None
    assert run.result["train_accuracy"] > 14
    assert run.result["training_operations"] > 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GradualPruning({"a": 0.3}, 5, 3), "t_end must be t_start = 5 or later, found 3"),
        (lambda: MagnitudePruning({"a": 0.3}, scope="all"), "scope must be one of layer, global"),
        (lambda: RigL({"a": 0.3}, alpha=2), "alpha must be a fraction, 0 to 1, found 2"),
        (lambda: STDS({"a": 0.3}, D=-1), "D must be 0 or more, and finite, found -1"),
        (
            lambda: ADMM({"a": 0.3}, pull_from=3, prune_after=1),
            "prune_after must be pull_from = 3 or later, found 1",
        ),
        (lambda: Snip({"a": 2}), "density of a must be 0 to 1, found 2"),
    ],
)
def test_nonsense_is_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


@pytest.mark.parametrize(("learner", "when"), list(zip(LEARNERS[:3], (5, 10, 1), strict=True)))
def test_divergence_is_named(learner, when):
    state = begin(np, learner, SGD(0), np.array(SIX))
    gradient = np.full((1, 6), np.nan)
    state.iteration = when - 1
    with pytest.raises(ValueError, match="not finite"):
        step(np, learner, SGD(0), state, gradient)
