"""Deep R and Grad R: naive twins connection by connection, examples by hand, invariants."""

from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes

from minisnn import checkpoint
from minisnn.backend import to_host
from minisnn.optim import SGD, Adam
from minisnn.state import TrainingState
from minisnn.structure.deep_r import DeepR
from minisnn.structure.grad_r import GradR, laplace_location
from minisnn.structure.masks import check_masks

LR, STEPS = 0.1, 8
optimizers = st.sampled_from([SGD(0), SGD(0.9), Adam()])


def begin(xp, learner, optimizer, weight, seed=0):
    """A network of one layer, as training.start leaves it; `dense` has no mask."""
    state = TrainingState(
        {"a": xp.asarray(weight.copy()), "dense": xp.asarray(weight.copy())},
        rngs={"structure": np.random.default_rng(seed)},
    )
    state.moments = optimizer.init(state.params)
    learner.start(state)
    return state


def step(xp, learner, optimizer, state, gradient, lr=LR):
    """The end of training.step."""
    grads = {key: xp.asarray(gradient.copy()) for key in state.params}
    learner.before_step(state, grads)
    state.iteration += 1
    optimizer.step(state.params, grads, state.moments, lr, state.iteration)
    replaced = learner.after_step(state, grads, optimizer, lr)
    for key, mask in state.masks.items():
        state.params[key] *= mask
    check_masks(state.params, state.masks)
    return replaced


def some_weights(rng, shape):
    """Of all signs, and a few zeros."""
    return rng.standard_normal(shape) * 0.2 * (rng.random(shape) < 0.8)


class NaiveOptimizer:
    """One number's. How far it moves does not depend on where it is."""

    def __init__(self, optimizer):
        self.optimizer, self.m, self.v, self.k = optimizer, 0.0, 0.0, 0

    def move(self, g):
        o = self.optimizer
        self.k += 1
        if isinstance(o, SGD):
            self.m = o.mu * self.m + g
            return -LR * self.m
        self.m = o.beta1 * self.m + (1 - o.beta1) * g
        self.v = o.beta2 * self.v + (1 - o.beta2) * g * g
        m, v = self.m / (1 - o.beta1**self.k), self.v / (1 - o.beta2**self.k)
        return -LR * m / (v**0.5 + o.eps)


@given(
    rng=rngs,
    N=sizes,
    M=sizes,
    optimizer=optimizers,
    l1=st.sampled_from([0, 0.05]),
    T=st.sampled_from([0, 0.01]),
)
def test_deep_r_equals_naive(xp, rng, N, M, optimizer, l1, T):
    """And: the count is exact after every step, no sign ever flips, `exploration_rate` is the union of all masks."""
    weight, seed = some_weights(rng, (N, M)), int(rng.integers(1 << 32))
    count = int(rng.integers(1, N * M + 1))
    learner = DeepR({"a": count / (N * M)}, l1=l1, temperature=T)
    state = begin(xp, learner, optimizer, weight, seed)

    chance = np.random.default_rng(seed)
    places = list(product(range(N), range(M)))
    sign = {p: 1 if weight[p] >= 0 else -1 for p in places}
    naive = {p: NaiveOptimizer(optimizer) for p in places}
    drawn = learner.sample((N, M), count / (N * M), chance)
    theta = {p: abs(weight[p]) for p in places if drawn[p]}  # of the active ones
    last_active = {p: 0 if p in theta else -1 for p in places}
    for k in range(1, STEPS + 1):
        gradient = rng.standard_normal((N, M))
        replaced = step(xp, learner, optimizer, state, gradient)
        moves = {p: naive[p].move(gradient[p]) for p in places}
        noise = chance.standard_normal((N, M)) if T else np.zeros((N, M))
        for p in theta:
            theta[p] += sign[p] * moves[p] - LR * l1 + (2 * LR * T) ** 0.5 * noise[p]
        theta = {p: value for p, value in theta.items() if value >= 0}
        dormant = [p for p in places if p not in theta]
        assert replaced == count - len(theta)
        theta |= {dormant[i]: 0.0 for i in chance.choice(len(dormant), replaced, replace=False)}
        last_active |= dict.fromkeys(theta, k)

        found, mask = to_host(state.params["a"]), to_host(state.masks["a"])
        assert mask.sum() == count
        assert {p for p in places if mask[p]} == set(theta)
        expected = [sign[p] * theta.get(p, 0.0) for p in places]
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-9, atol=1e-12)
        assert all(found[p] * sign[p] >= 0 for p in places)
    seen = to_host(state.structure["a.last_active"])
    assert {p: seen[p] for p in places} == last_active
    assert learner.exploration_rate(state) == np.mean([k >= 0 for k in last_active.values()])
    np.testing.assert_array_equal(to_host(state.structure["a.initial"]), drawn)


@given(
    rng=rngs, N=sizes, M=sizes, optimizer=optimizers,
    density=st.sampled_from([0.2, 0.5, 0.8]), alpha=st.sampled_from([0, 0.5, 3.0]),
)  # fmt: skip
def test_grad_r_equals_naive(xp, rng, N, M, optimizer, density, alpha):
    weight = some_weights(rng, (N, M))
    learner = GradR({"a": density}, alpha=alpha)
    state = begin(xp, learner, optimizer, weight)
    assert to_host(state.masks["a"]).all()

    places = list(product(range(N), range(M)))
    sign = {p: 1 if weight[p] >= 0 else -1 for p in places}
    theta = {p: abs(weight[p]) for p in places}
    naive = {p: NaiveOptimizer(optimizer) for p in places}
    active, last_active = set(places), dict.fromkeys(places, 0)
    for k in range(1, STEPS + 1):
        gradient = rng.standard_normal((N, M))
        pruned = step(xp, learner, optimizer, state, gradient)
        for p in places:
            theta[p] += sign[p] * naive[p].move(gradient[p])
            if alpha:
                mu = log(2 * density) / alpha if density <= 0.5 else -log(2 * (1 - density)) / alpha
                theta[p] -= LR * alpha * (1 if theta[p] > mu else -1)
        before, active = active, {p for p in places if theta[p] > 0}
        last_active |= dict.fromkeys(active, k)
        assert pruned == len(before - active)
        found, mask, latent = map(to_host, (state.params["a"], state.masks["a"], state.structure["a.latent"]))
        assert {p for p in places if mask[p]} == active
        close = {"rtol": 1e-9, "atol": 1e-12}
        np.testing.assert_allclose(found.ravel(), [sign[p] * max(0.0, theta[p]) for p in places], **close)
        np.testing.assert_allclose(latent.ravel(), [sign[p] * min(0.0, theta[p]) for p in places], **close)
    seen = to_host(state.structure["a.last_active"])
    assert {p: seen[p] for p in places} == last_active
    assert to_host(state.structure["a.initial"]).all()
    assert learner.exploration_rate(state) == 1


@given(rng=rngs, N=sizes, M=sizes, optimizer=optimizers)
def test_grad_r_without_prior_is_the_plain_optimizer_on_u(xp, rng, N, M, optimizer):
    """Weight and latent together are the dense layer beside it, bit for bit. A layer of density 1 is left alone."""
    for density in (0.3, 1.0):
        learner = GradR({"a": density}, alpha=0 if density < 1 else 1e-3)
        state = begin(xp, learner, optimizer, some_weights(rng, (N, M)))
        for _ in range(STEPS):
            step(xp, learner, optimizer, state, rng.standard_normal((N, M)))
            latent = to_host(state.structure["a.latent"]) if density < 1 else 0
            np.testing.assert_array_equal(to_host(state.params["a"]) + latent, to_host(state.params["dense"]))
    assert to_host(state.masks["a"]).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_pruned_connection_comes_back_by_hand(xp, sign):
    """theta: 0.1, -0.2 (gone), -0.1 (still), 0.2 (back, and not from 0)."""
    learner, optimizer = GradR({"a": 0.5}, alpha=0), SGD(0)
    state = begin(xp, learner, optimizer, np.array([[sign * 0.1]]))
    for gradient, weight, latent in [(0.3, 0, -0.2), (-0.1, 0, -0.1), (-0.3, 0.2, 0)]:
        step(xp, learner, optimizer, state, np.array([[sign * gradient]]), lr=1.0)
        assert float(state.params["a"][0, 0]) == pytest.approx(sign * weight)
        assert float(state.structure["a.latent"][0, 0]) == pytest.approx(sign * latent)
        assert bool(state.masks["a"][0, 0]) == (weight > 0)


def test_a_full_layer_of_deep_r_stops_at_zero(xp):
    """Whatever becomes dormant is all that can become active: the mask stays and weights keep their signs."""
    learner, optimizer = DeepR({"a": 1.0}, l1=0), SGD(0)
    state = begin(xp, learner, optimizer, np.array([[0.1, -0.1, 0.4, 0.0]]))
    assert step(xp, learner, optimizer, state, np.array([[1.0, -1.0, 1.0, -1.0]]), lr=0.2) == 2
    assert to_host(state.params["a"]).tolist() == [[0, 0, 0.2, 0.2]]
    assert to_host(state.masks["a"]).all()
    assert step(xp, learner, optimizer, state, np.array([[-1.0, -1.0, 1.0, 0.0]]), lr=0.1) == 1
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.1, 0, 0.1, 0.2]])
    assert step(xp, learner, optimizer, state, np.zeros((1, 4))) == 0  # theta = 0 is still active


@pytest.mark.parametrize(
    "learner", [DeepR({"a": 0.4}, l1=0.1, temperature=0.1), GradR({"a": 0.4}, alpha=3.0)]
)
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_resuming_equals_never_having_stopped(learner, optimizer, tmp_path):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((2 * STEPS, 9, 7)).astype("float32")
    state = begin(np, learner, optimizer, some_weights(rng, (9, 7)).astype("float32"))
    for gradient in gradients[:STEPS]:
        step(np, learner, optimizer, state, gradient)
    checkpoint.save(tmp_path / "checkpoint.npz", state)
    resumed = checkpoint.load(tmp_path / "checkpoint.npz")
    halfway = state.masks["a"].copy()
    for gradient in gradients[STEPS:]:
        step(np, learner, optimizer, state, gradient)
        step(np, learner, optimizer, resumed, gradient)
    assert (state.masks["a"] != halfway).any()
    assert state.params["a"].dtype == "float32"
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(resumed, group)
        assert set(ours) == set(theirs)
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype
            np.testing.assert_array_equal(ours[key], theirs[key])


@given(rng=rngs, density=st.floats(0.05, 0.95), alpha=st.floats(0.1, 10))
def test_laplace_location(rng, density, alpha):
    mu = laplace_location(density, alpha)
    assert abs((rng.laplace(mu, 1 / alpha, 20_000) > 0).mean() - density) < 0.03
    p = 1 - density
    if p >= 0.5:
        assert mu == pytest.approx(log(2 - 2 * p) / alpha)
    assert laplace_location(0.1, 1e-3) == pytest.approx(-1609, abs=1)


def test_divergence_stays_in_sight(xp):
    """NaN is neither pruned nor set to 0."""
    for learner in (DeepR({"a": 1.0}), GradR({"a": 0.5})):
        state = begin(xp, learner, SGD(), np.ones((1, 2)))
        step(xp, learner, SGD(), state, np.array([[np.nan, 0.0]]))
        assert np.isnan(to_host(state.params["a"])).tolist() == [[True, False]]
        assert to_host(state.masks["a"]).all()


def test_an_empty_layer_stays_empty(xp):
    learner = DeepR({"a": 0.0})
    with pytest.warns(UserWarning, match="a: no connection was drawn"):
        state = begin(xp, learner, SGD(), np.ones((2, 3)))
    assert step(xp, learner, SGD(), state, np.ones((2, 3))) == 0
    assert not to_host(state.masks["a"]).any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DeepR({"a": 0.5}, l1=-1), "l1 must not be negative, found -1"),
        (lambda: DeepR({"a": 0.5}, temperature=float("nan")), "temperature must not be negative, found nan"),
        (lambda: DeepR({"a": 1.5}), "density of a must be 0 to 1, found 1.5"),
        (lambda: GradR({"a": 0.5}, alpha=-1), "alpha must not be negative, found -1"),
        (lambda: GradR({"a": 0}), "density of a must be above 0 and at most 1, found 0"),
    ],
)
def test_nonsense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
