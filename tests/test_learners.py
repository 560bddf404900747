"""Deep R and Grad R: naive twins connection by connection, examples by hand, invariants."""

import re
from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes

from minisnn.backend import to_host
from minisnn.methods.deep_r import DeepR
from minisnn.methods.grad_r import GradR, alpha_to_reach, laplace_location
from minisnn.recipes.lif import LIF_DEFAULTS
from minisnn.structure.masks import check_masks
from minisnn.training import checkpoint, loop
from minisnn.training.optim import SGD, Adam
from minisnn.training.state import TrainingState

LR, STEPS = 0.1, 8
optimizers = st.sampled_from([SGD(0), SGD(0.9), Adam()])


def begin(xp, learner, optimizer, weight, seed=0):
    """A network of one layer, as loop.start leaves it; `dense` has no mask."""
    state = TrainingState(
        {"a": xp.asarray(weight.copy()), "dense": xp.asarray(weight.copy())},
        rngs={"structure": np.random.default_rng(seed)},
    )
    state.moments = optimizer.init(state.params)
    learner.start(state)
    return state


def step(xp, learner, optimizer, state, gradient, lr=LR):
    """The end of loop.step."""
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


def bias(optimizer, k):
    """What Adam divides its rate by."""
    return 1 - optimizer.beta1**k if isinstance(optimizer, Adam) else 1.0


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
    c=st.sampled_from([0, 0.3]),
)
def test_deep_r_equals_naive(xp, rng, N, M, optimizer, l1, T, c):
    """And: the count is exact after every step, no sign ever flips, `exploration_rate` is the union of all masks."""
    weight, seed = some_weights(rng, (N, M)), int(rng.integers(1 << 32))
    count = int(rng.integers(1, N * M + 1))
    c = 0 if T else c
    learner = DeepR({"a": count / (N * M)}, l1=l1, temperature=T, noise=c)
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
        moves = {p: naive[p].move(gradient[p] * (p in theta)) for p in places}
        noise = chance.standard_normal((N, M)) if T or c else np.zeros((N, M))
        rate = LR / bias(optimizer, k)
        for p in theta:
            theta[p] += sign[p] * moves[p] - rate * l1 + ((2 * rate * T) ** 0.5 + rate * c) * noise[p]
        theta = {p: value for p, value in theta.items() if value >= 0}
        dormant = [p for p in places if p not in theta]
        assert replaced == count - len(theta)
        new = [dormant[i] for i in chance.choice(len(dormant), replaced, replace=False)]
        theta |= dict.fromkeys(new, 0.0)
        for p in new:
            naive[p].m = naive[p].v = 0.0
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
    density=st.sampled_from([0.05, 0.2, 0.5]), alpha=st.sampled_from([0, 1e-8, 0.5, 3.0]),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Grad R's alpha")
def test_grad_r_equals_naive(xp, rng, N, M, optimizer, density, alpha):
    weight = some_weights(rng, (N, M))
    learner = GradR({"a": density}, alpha=alpha)
    state = begin(xp, learner, optimizer, weight)
    np.testing.assert_array_equal(to_host(state.masks["a"]), weight != 0)

    places = list(product(range(N), range(M)))
    sign = {p: int(np.sign(weight[p])) for p in places}
    theta = {p: abs(weight[p]) for p in places}
    naive = {p: NaiveOptimizer(optimizer) for p in places}
    active = {p for p in places if weight[p]}
    last_active = {p: 0 if p in active else -1 for p in places}
    for k in range(1, STEPS + 1):
        gradient = rng.standard_normal((N, M))
        pruned = step(xp, learner, optimizer, state, gradient)
        for p in places:
            old = theta[p]
            theta[p] += sign[p] * naive[p].move(gradient[p])
            if alpha > 1e-8:
                mu = log(2 * density) / alpha
                theta[p] -= LR / bias(optimizer, k) * alpha * np.sign(old - mu)
            if not sign[p]:
                theta[p] = 0.0
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
    np.testing.assert_array_equal(to_host(state.structure["a.initial"]), weight != 0)
    assert learner.exploration_rate(state) == (weight != 0).mean()


@given(rng=rngs, N=sizes, M=sizes, optimizer=optimizers)
def test_grad_r_without_prior_is_the_plain_optimizer_on_u(xp, rng, N, M, optimizer):
    """Weight and latent together are the dense layer beside it, bit for bit."""
    learner = GradR({"a": 0.3}, alpha=0)
    state = begin(xp, learner, optimizer, rng.standard_normal((N, M)))
    for _ in range(STEPS):
        step(xp, learner, optimizer, state, rng.standard_normal((N, M)))
        latent = to_host(state.structure["a.latent"])
        np.testing.assert_array_equal(to_host(state.params["a"]) + latent, to_host(state.params["dense"]))


def test_grad_r_by_hand(xp):
    """The authors' first step with Adam: the prior is divided by 1 - beta1, and weights of 0 stay away."""
    learner, optimizer = GradR({"a": 0.05}, alpha=0.5), Adam()
    state = begin(xp, learner, optimizer, np.array([[0.30, -0.03, 0.02, -0.30, 0, 0.04]]))
    assert laplace_location(0.05, 0.5) == pytest.approx(-4.605170, abs=5e-7)
    gradient = np.array([[1.0, -1, -1, 2, 1, 1]])
    assert step(xp, learner, optimizer, state, gradient, lr=0.01) == 3
    close = {"atol": 1e-8}
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.24, 0, 0, -0.26, 0, 0]], **close)
    u = to_host(state.params["a"]) + to_host(state.structure["a.latent"])
    theta = [[0.24, -0.03, -0.02, 0.26, 0, -0.02]]
    np.testing.assert_allclose(u * [[1, -1, 1, -1, 1, 1]], theta, **close)
    assert to_host(state.masks["a"]).tolist() == [[True, False, False, True, False, False]]
    for _ in range(100):  # a weight of 0 never comes to life
        step(xp, learner, optimizer, state, -gradient, lr=0.1)
    assert to_host(state.masks["a"]).tolist() == [[True, True, False, False, False, True]]
    assert set(state.structure) == {f"a.{key}" for key in ("initial", "last_active", "sign", "latent")}


def test_the_prior_looks_at_theta_before_the_step(xp):
    """theta = 0.1 is above mu = 0 and is pulled down, although the gradient takes it below."""
    learner, optimizer = GradR({"a": 0.5}, alpha=1.0), Adam(beta1=0.0)
    state = begin(xp, learner, optimizer, np.array([[0.1]]))
    step(xp, learner, optimizer, state, np.array([[1.0]]), lr=0.2)
    assert float(state.structure["a.latent"][0, 0]) == pytest.approx(0.1 - 0.2 - 0.2)
    step(xp, learner, optimizer, state, np.array([[-1.0]]), lr=0.2)  # now from below mu, pulled up
    assert float(state.params["a"][0, 0] + state.structure["a.latent"][0, 0]) > -0.3 + 0.2


@given(rng=rngs, density=st.floats(0.05, 0.3), K=st.integers(1, 30), beta1=st.sampled_from([0.0, 0.9]))
def test_alpha_to_reach_a_density_without_gradients(rng, density, K, beta1):
    """Then strengths only fall, and the density at the end is the one asked for."""
    weight, optimizer = (
        0.1 * rng.standard_normal((40, 25)),
        Adam(beta1=beta1),
    )  # small: mu must stay out of reach
    alpha = alpha_to_reach(density, [weight[:20], weight[20:].tolist()], LR, K, beta1, spread=0)
    learner = GradR({"a": density}, alpha)
    state = begin(np, learner, optimizer, weight)
    for _ in range(K):
        step(np, learner, optimizer, state, np.zeros(weight.shape))
    assert learner.density(state) == pytest.approx(density, abs=0.01)
    assert learner.target_density(state) == pytest.approx(density)
    assert learner.missed_target(state) == ""
    more = alpha_to_reach(density, [weight], LR, K, beta1, spread=1)
    assert more > alpha
    state.masks["a"][...] = True
    said = (
        rf"density asked for, .* was not reached: GradR ended at 1. With Grad R alpha alone .* was {alpha:g}"
    )
    assert re.search(said, learner.missed_target(state))
    assert GradR({"a": density}, 0.0).missed_target(state) == ""  # without a prior no density is asked for


def test_alpha_to_reach_on_digits():
    """A LIF network, dense at the start, ends near the density asked for, and has learned something."""
    recipe = replace(
        LIF_DEFAULTS["digits"], epochs=5, lr=0.005, density=0.1, distribution="uniform", learner="grad-r"
    )
    data = recipe.load()
    setup = recipe.setup(data)
    state = loop.start(setup, seed=0)
    weights = [state.params[key] for key in setup.learner.densities]
    lr = np.mean([setup.lr(epoch) for epoch in range(recipe.epochs)])
    alpha = alpha_to_reach(recipe.density, weights, lr, recipe.iterations(data))
    setup = replace(recipe, learner_options={"alpha": alpha}).setup(data)
    state = loop.start(setup, seed=0)
    loop.fit(setup, state, data)
    assert 0.05 < setup.learner.density(state) < 0.2
    accuracy, _ = loop.evaluate(setup, state, data.test)
    assert accuracy > 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"density": 0.6}, "density must be above 0 and at most 1/2"),
        ({"lr": 0}, "lr must be above 0 and finite, found 0"),
        ({"iterations": 0}, "iterations must be at least 1, found 0"),
        ({"iterations": 1.5}, "iterations must be a whole number, found 1.5"),
        ({"weights": []}, "weights must be the initial weights of a layer or more, found 0 arrays"),
        ({"weights": [[1, 2]]}, "weight 0 must be floating, found int(32|64): write 1.0"),
        ({"spread": -1}, "spread must be 0 or more, and finite, found -1"),
    ],
)
def test_alpha_to_reach_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        alpha_to_reach(**({"density": 0.1, "weights": [[1.0]], "lr": 0.1, "iterations": 9} | change))


def test_grad_r_with_sgd_warns_that_alpha_means_something_else(xp):
    learner, optimizer = GradR({"a": 0.5}), SGD()
    state = begin(xp, learner, optimizer, np.ones((1, 2)))
    with pytest.warns(UserWarning, match="alpha is relative to Adam's normalised step, found SGD"):
        step(xp, learner, optimizer, state, np.ones((1, 2)))
    step(xp, learner, optimizer, state, np.ones((1, 2)))  # once is enough


def test_deep_r_by_hand(xp):
    """The authors' update with noise as in their code: two connections die, two of the four dormant ones wake."""

    class Noise:
        def standard_normal(self, shape):
            return np.array([[0, 0, 0, -0.02, 0, 0]])

        def choice(self, n, count, replace):
            assert (n, count) == (4, 2)
            return np.array([1, 3])

    learner, optimizer = DeepR({"a": 4 / 6}, l1=0.01, noise=0.1, sample=lambda *_: drawn), SGD(0)
    drawn = np.array([[True] * 4 + [False] * 2])
    state = begin(xp, learner, optimizer, np.array([[0.5, 0.004, 0.2, 0.001, 0.3, 0.3]]))
    state.rngs["structure"] = Noise()
    assert step(xp, learner, optimizer, state, np.array([[0.1, 0.1, -0.1, 0, 5, -5]]), lr=0.1) == 2
    np.testing.assert_allclose(to_host(state.params["a"]), [[0.489, 0, 0.209, 0, 0, 0]], atol=1e-12)
    assert to_host(state.masks["a"]).tolist() == [[True, False, True, True, False, True]]


def test_the_noise_of_paper_and_code():
    """At one learning rate both are the same walk if T = lr c^2 / 2: the MNIST script's is T = 2.5e-11."""
    weights = {}
    for name, fields in {"paper": {"temperature": 2.5e-3}, "code": {"noise": 0.1}}.items():
        state = begin(np, DeepR({"a": 1.0}, **fields), SGD(0), np.ones((3, 4)))
        step(np, DeepR({"a": 1.0}, **fields), SGD(0), state, np.zeros((3, 4)), lr=0.5)
        weights[name] = state.params["a"]
    np.testing.assert_allclose(weights["paper"], weights["code"])
    assert DeepR({"a": 0.29}).sample((10, 10), 0.29, np.random.default_rng(0)).sum() == 29
    assert DeepR({"a": 0.299}).sample((10, 10), 0.299, np.random.default_rng(0)).sum() == 29


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
@pytest.mark.filterwarnings("ignore:Grad R's alpha")
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


@given(rng=rngs, density=st.floats(0.05, 0.5), alpha=st.floats(0.1, 10))
def test_laplace_location(rng, density, alpha):
    mu = laplace_location(density, alpha)
    assert abs((rng.laplace(mu, 1 / alpha, 20_000) > 0).mean() - density) < 0.03
    assert mu == pytest.approx(log(2 - 2 * (1 - density)) / alpha)
    assert laplace_location(0.1, 1e-3) == pytest.approx(-1609, abs=1)
    assert laplace_location(0.05, 1e-3) == pytest.approx(-2303, abs=1)
    for density, alpha, said in [
        (0.6, 1, "density must be above 0 and at most 1/2"),
        (0.1, 0, "alpha must be above 0"),
    ]:
        with pytest.raises(ValueError, match=said):
            laplace_location(density, alpha)


def test_divergence_stays_in_sight(xp):
    """NaN is neither pruned nor set to 0."""
    for learner in (DeepR({"a": 1.0}), GradR({"a": 0.5}, alpha=0)):
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
        (lambda: DeepR({"a": 0.5}, l1=-1), "l1 must be 0 or more, and finite, found -1"),
        (
            lambda: DeepR({"a": 0.5}, temperature=float("nan")),
            "temperature must be 0 or more, and finite, found nan",
        ),
        (lambda: DeepR({"a": 0.5}, noise=-1), "noise must be 0 or more, and finite, found -1"),
        (
            lambda: DeepR({"a": 0.5}, noise=1, temperature=1),
            "noise must be 0 where temperature is not, found 1",
        ),
        (lambda: DeepR({"a": 1.5}), "density of a must be 0 to 1, found 1.5"),
        (lambda: GradR({"a": 0.5}, alpha=-1), "alpha must be 0 or more, and finite, found -1"),
        (lambda: GradR({"a": 0}), "density of a must be above 0 and at most 1/2: .*, found 0"),
        (lambda: GradR({"a": 0.6}), "density of a must be .* pulls weights up without end, found 0.6"),
        (lambda: GradR({"a": 0.1, "b": 0.2}), r"densities must be one and the same .*, found \[0.1, 0.2\]"),
    ],
)
def test_nonsense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
