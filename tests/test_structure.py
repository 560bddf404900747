"""Masks, schedules and rules: worked examples, naive twins and invariants."""

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes

from minisnn.backend import to_host
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.evolve import Evolve, grow_layer, prune_layer
from minisnn.structure.grow import GrowthStatistics
from minisnn.structure.schedule import cosine_fraction, round_up
from minisnn.training.optim import SGD
from minisnn.training.state import TrainingState

EXAMPLE = (0.5, -0.1, 0.02, -0.7, 0.3, -0.05, 0.9, -0.4)
SEPARATING = (0.1, 0.2, 0.3, 0.4, -1, -2, -3, -4)


@pytest.mark.parametrize(
    ("rule", "weights", "count", "gone"),
    [
        ("magnitude", EXAMPLE, 4, {2, 5, 1, 4}),
        ("set", EXAMPLE, 4, {2, 4, 5, 1}),
        ("magnitude", EXAMPLE, 2, {2, 5}),
        ("set", EXAMPLE, 2, {2, 5}),
        ("magnitude", SEPARATING, 4, {0, 1, 2, 3}),
        ("set", SEPARATING, 4, {0, 1, 4, 5}),
        ("magnitude", (0.2, 0.1, 0.1, -0.1, 0.1), 2, {1, 2}),  # ties: the lowest index
        ("set", (0.0, 0.0, 0.0, 1.0, -1.0), 2, {0, 1}),  # grown and not yet trained
        ("set", (0.0, 3.0, 1.0, 2.0), 3, {0, 2, 3}),  # one sign only
        ("set", (-3.0, -1.0, -2.0), 2, {1, 2}),
    ],
)
def test_worked_prunes(xp, rule, weights, count, gone):
    w = xp.asarray(np.array(weights))
    assert set(to_host(prune.RULES[rule](w, w == w, count)).tolist()) == gone


def test_erdos_renyi_of_the_paper():
    """784-800: epsilon 10, 60 and 90, and Table 1's 103K connections."""
    for epsilon, connections in [(10, 15_840), (60, 95_040), (90, 142_560)]:
        assert masks.erdos_renyi_density(784, 800, epsilon) * 784 * 800 == pytest.approx(connections)
    assert masks.erdos_renyi_density(784, 800, 400) == 1
    with pytest.raises(ValueError, match="epsilon > 0"):
        masks.erdos_renyi_density(784, 800, 0)


def test_erk_of_vggsnn():
    widths = [2, 64, 128, 256, 256, 512, 512, 512, 512]
    shapes = {f"conv{n}": (3, 3, a, b) for n, (a, b) in enumerate(pairwise(widths), 1)}
    shapes["fc"] = (4608, 10)
    for density, expected in [
        (0.1, "1 .475 .2339 .1553 .1161 .0772 .0772 .0772 1"),
        (0.01, ".599 .0258 .0127 .0084 .0063 .0042 .0042 .0042 .961"),
        (0.5, "1 1 1 .8449 .6312 .42 .42 .42 1"),
    ]:
        found = masks.erk_densities(shapes, density)
        for value, digits in zip(found.values(), expected.split(), strict=True):
            assert round(value, len(digits.partition(".")[2])) == float(digits)
        sizes = {k: np.prod(s) for k, s in shapes.items()}
        assert sum(found[k] * sizes[k] for k in shapes) == pytest.approx(density * sum(sizes.values()))
    assert set(masks.erk_densities(shapes, 1.0).values()) == {1.0}
    er = masks.er_densities(shapes, 0.1)  # without the kernel's size
    assert round(er["conv2"], 4) == 0.4645
    assert round(er["conv8"], 4) == 0.0774
    assert set(masks.uniform_densities(shapes, 0.1).values()) == {0.1}
    for distribution in masks.DISTRIBUTIONS.values():
        found = distribution(shapes, 0.3)
        assert sum(found[k] * sizes[k] for k in shapes) == pytest.approx(0.3 * sum(sizes.values()))
        assert set(distribution(shapes, 1.0).values()) == {1.0}
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            distribution(shapes, 0)


@given(rng=rngs, N=sizes, M=sizes, density=st.floats(0, 1))
def test_sampling(rng, N, M, density):
    assert masks.exact_mask((N, M), density, rng).sum() == round(density * N * M)
    mask = masks.bernoulli_mask((200, 50), density, rng)
    assert abs(mask.mean() - density) < 0.05
    assert masks.bernoulli_mask((N, M), 1.0, rng).all()
    assert not masks.bernoulli_mask((N, M), 0.0, rng).any()


def test_check_masks(xp):
    w, m = xp.asarray([[1.0, 0.0]]), xp.asarray([[True, False]])
    masks.check_masks({"a": w}, {"a": m})
    with pytest.raises(ValueError, match="a: 1 weights are not 0"):
        masks.check_masks({"a": w}, {"a": ~m})
    with pytest.raises(ValueError, match="mask of a must be bool, found float64"):
        masks.check_masks({"a": w}, {"a": w})


def test_cosine_fraction():
    by_hand = [0.5, 0.426777, 0.25, 0.073223, 0, 0]
    np.testing.assert_allclose([cosine_fraction(t, 0.5, 4) for t in range(6)], by_hand, atol=5e-7)
    itop = [0.5, 0.42751, 0.2525, 0.07749, 0.005, 0.005]
    np.testing.assert_allclose([cosine_fraction(t, 0.5, 4, 0.005) for t in range(6)], itop, atol=5e-6)
    assert cosine_fraction(3, 0.5, 0) == 0
    assert round_up(0.07 * 100) == 7  # 7.000000000000001
    for t, alpha in [(-1, 0.5), (1, 1.5)]:
        with pytest.raises(ValueError, match="found"):
            cosine_fraction(t, alpha, 4)


def naive_prune(rule, weight, mask, count):
    """The rules with Python's sort, which is stable."""
    active = [int(i) for i in np.flatnonzero(mask)]
    w = weight.ravel()
    if rule == "magnitude":
        return set(sorted(active, key=lambda i: abs(w[i]))[:count])
    gone = [i for i in active if w[i] == 0][:count]
    positive = sorted((i for i in active if w[i] > 0), key=lambda i: w[i])
    negative = sorted((i for i in active if w[i] < 0), key=lambda i: -w[i])
    rest = count - len(gone)
    k_neg = round(rest * len(negative) / max(1, len(negative) + len(positive)))
    return {*gone, *negative[:k_neg], *positive[: rest - k_neg]}


@given(rng=rngs, N=sizes, M=sizes, rule=st.sampled_from(list(prune.RULES)))
def test_prune_equals_naive(xp, rng, N, M, rule):
    weight = rng.integers(-3, 4, (N, M)) / 2.0  # many ties and zeros
    mask = rng.random((N, M)) < 0.6
    count = int(rng.integers(0, mask.sum() + 1))
    found = to_host(prune.RULES[rule](xp.asarray(weight), xp.asarray(mask), count))
    assert len(found) == count
    assert set(found.tolist()) == naive_prune(rule, weight, mask, count)


def evidence_for(xp, rng, shape):
    score = xp.asarray(rng.integers(-3, 4, shape) / 2.0)
    return GrowthStatistics(score, abs(score) + 1, xp.asarray(rng.integers(-1, 4, shape)))


@given(rng=rngs, N=sizes, M=sizes, rule=st.sampled_from(list(grow.RULES)))
def test_grow(xp, rng, N, M, rule):
    """Exact counts of distinct candidates; the best scores, ties to the lowest index; never-fired ones first."""
    statistics = evidence_for(xp, rng, (N, M))
    candidates = np.flatnonzero(rng.random(N * M) < 0.6)
    count = int(rng.integers(0, len(candidates) + 1))
    seed = int(rng.integers(1 << 32))
    found = to_host(
        grow.RULES[rule](statistics, xp.asarray(candidates), count, np.random.default_rng(seed))
    ).tolist()
    assert len(set(found)) == len(found) == count
    assert set(found) <= set(candidates.tolist())
    fired = to_host(statistics.fired).ravel()
    if rule == "random-unfired":
        unfired = [i for i in candidates if not fired[i]]
        assert sum(not fired[i] for i in found) == min(count, len(unfired))
    if rule == "longest-inactive":
        last = to_host(statistics.last_active).ravel()
        assert sorted(last[found]) == sorted(last[candidates])[:count]
    if rule in ("gradient", "momentum"):
        score = abs(to_host(statistics.gradient if rule == "gradient" else statistics.momentum)).ravel()
        assert found == sorted(candidates.tolist(), key=lambda i: -score[i])[:count]
    on_host = GrowthStatistics(*map(to_host, statistics))
    assert found == grow.RULES[rule](on_host, candidates, count, np.random.default_rng(seed)).tolist()


def test_impossible_counts_and_nan_are_refused():
    w, m = np.ones((2, 2)), np.eye(2, dtype=bool)
    with pytest.raises(ValueError, match="cannot prune 3 of 2"):
        prune.prune_magnitude(w, m, 3)
    with pytest.raises(ValueError, match="not finite"):
        prune.prune_set(w * np.nan, m, 1)
    statistics = GrowthStatistics(w * np.nan, w, m)
    for rule in grow.RULES.values():
        with pytest.raises(ValueError, match="cannot grow 3 of 2"):
            rule(statistics, np.array([1, 2]), 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="NaN"):
        grow.grow_gradient(statistics, np.array([1, 2]), 1, np.random.default_rng(0))


@given(
    rng=rngs, N=sizes, M=sizes, exclude=st.booleans(), keep=st.booleans(),
    rules=st.tuples(st.sampled_from(list(prune.RULES)), st.sampled_from(list(grow.RULES))),
)  # fmt: skip
def test_rewiring_invariants(xp, rng, N, M, exclude, keep, rules):
    mask = rng.random((N, M)) < rng.random()
    weight = rng.standard_normal((N, M)) * mask
    weight_x, mask_x = xp.asarray(weight.copy()), xp.asarray(mask.copy())
    count = int(rng.integers(0, mask.sum() + 1))
    gone = prune_layer(weight_x, mask_x, count, prune.RULES[rules[0]])
    pruned = set(to_host(gone).tolist())
    assert to_host(gone).tolist() == sorted(pruned)
    candidates = N * M - int(mask.sum()) + count
    new = min(
        candidates, max(0, count + int(rng.integers(-3, 4)))
    )  # redistribution may ask for more or fewer
    come = grow_layer(
        weight_x, mask_x, evidence_for(xp, rng, (N, M)), gone, new, grow.RULES[rules[1]], rng, exclude, keep
    )
    weight_x *= mask_x  # as training does
    grown = set(to_host(come).tolist())
    active, after = set(np.flatnonzero(mask).tolist()), set(np.flatnonzero(to_host(mask_x)).tolist())
    assert len(pruned) == count
    assert len(grown) == new
    assert pruned <= active
    assert not grown & (active - pruned)
    assert after == (active - pruned) | grown
    back = grown & pruned
    if exclude:
        assert len(back) == max(0, new - (N * M - int(mask.sum())))
        assert all(abs(weight.ravel()[i]) >= abs(weight.ravel()[j]) for i in back for j in pruned - back)
    w, after_w = weight.ravel(), to_host(weight_x).ravel()
    expected = {i: w[i] for i in active - pruned} | {i: w[i] * keep for i in back}
    assert after_w.tolist() == [expected.get(i, 0.0) for i in range(N * M)]


layers = st.builds(
    lambda lost, more, momentum: redistribute.Layer(lost, lost + more, momentum),
    st.integers(0, 30), st.integers(0, 30), st.floats(0, 10),
)  # fmt: skip


@given(rng=rngs, layers=st.lists(layers, max_size=5), rule=st.sampled_from(list(redistribute.RULES)))
def test_redistribution(rng, layers, rule):
    """Never more than there is room for; in all as many as were lost, but for a chance draw."""
    layers = {f"layer{n}": layer for n, layer in enumerate(layers)}
    counts = redistribute.RULES[rule](layers, rng)
    assert list(counts) == list(layers)
    assert all(0 <= counts[key] <= layers[key].free for key in layers)
    if rule != "bernoulli":
        assert sum(counts.values()) == sum(layer.lost for layer in layers.values())
    if rule == "none":
        assert counts == {key: layer.lost for key, layer in layers.items()}


def test_momentum_shares():
    """Two layers lose 10; the one that wants to move three times as much gets three quarters, as far as it has room."""
    a, b = redistribute.Layer(5, 100, 3.0), redistribute.Layer(5, 100, 1.0)
    rng = np.random.default_rng(0)
    assert redistribute.share_by_momentum({"a": a, "b": b}, rng) == {"a": 8, "b": 2}  # 7.5 and 2.5: the first
    assert redistribute.share_by_momentum({"a": a._replace(free=5), "b": b}, rng) == {"a": 4, "b": 6}
    still = {"a": a._replace(momentum=0.0), "b": b._replace(momentum=0.0)}
    assert redistribute.share_by_momentum(still, rng) == {"a": 5, "b": 5}
    full = {"a": redistribute.Layer(3, 3, 1.0), "b": redistribute.Layer(1, 1, 9.0)}
    assert redistribute.share_by_momentum(full, rng) == {"a": 3, "b": 1}


def test_bernoulli_growth_is_right_on_average():
    """The mean over many draws, and their spread, are those of independent positions."""
    rng, layer = np.random.default_rng(0), {"a": redistribute.Layer(20, 80, 1.0)}
    drawn = np.array([redistribute.draw_binomially(layer, rng)["a"] for _ in range(4000)])
    assert abs(drawn.mean() - 20) < 0.3
    assert abs(drawn.std() - (80 * 0.25 * 0.75) ** 0.5) < 0.2


def run_learner(xp, learner, steps, seed=0, shape=(12, 10)):
    """Steps of random gradients through optimiser, masks and learner, checking the invariants each time."""
    rng = np.random.default_rng(seed)
    state = TrainingState(
        {
            "a.weight": xp.asarray(rng.standard_normal(shape)),
            "b.weight": xp.asarray(rng.standard_normal((5, 4))),
        },
        rngs={"structure": np.random.default_rng(seed)},
    )
    optimizer = SGD()
    state.moments = optimizer.init(state.params)
    learner.start(state)
    count = {key: int(m.sum()) for key, m in state.masks.items()}
    history = []
    for _ in range(steps):
        grads = {key: xp.asarray(rng.standard_normal(w.shape)) for key, w in state.params.items()}
        state.iteration += 1
        optimizer.step(state.params, grads, state.moments, 0.1, state.iteration)
        history.append(learner.after_step(state, grads, optimizer, 0.1))
        for key, mask in state.masks.items():
            state.params[key] *= mask
        masks.check_masks(state.params, state.masks)
        if learner.redistribute is redistribute.return_what_was_lost:
            assert count == {key: int(m.sum()) for key, m in state.masks.items()}
    return state, history


@pytest.mark.parametrize("grow_rule", list(grow.RULES))
def test_evolve(xp, grow_rule):
    learner = Evolve({"a.weight": 0.3}, t_end=10, t_iter=2, alpha=0.5, grow=grow.RULES[grow_rule])
    state, history = run_learner(xp, learner, 14)
    n = int(state.masks["a.weight"].sum())
    expected = [
        round_up(cosine_fraction(t, 0.5, 10) * n) if t % 2 == 0 and t < 10 else 0 for t in range(1, 15)
    ]
    assert history == expected
    assert set(state.masks) == {"a.weight"}
    fired = to_host(state.structure["a.weight.last_active"]) >= 0
    assert (fired >= to_host(state.masks["a.weight"])).all()
    assert learner.exploration_rate(state) == pytest.approx(fired.mean())
    assert float(abs(state.moments["a.weight"][0]).min()) > 0  # dense: never masked
    again, _ = run_learner(np, learner, 14)
    np.testing.assert_array_equal(to_host(state.masks["a.weight"]), again.masks["a.weight"])


def test_rewiring_goes_on_at_eta_min(xp):
    learner = Evolve({"a.weight": 0.3}, t_end=4, t_iter=1, alpha=0.5, eta_min=0.1)
    state, history = run_learner(xp, learner, 8)
    n = int(state.masks["a.weight"].sum())
    assert history[3:] == [round_up(0.1 * n)] * 5
    state, history = run_learner(xp, Evolve({"a.weight": 0.3}, t_end=4, t_iter=1, alpha=0.5), 8)
    assert history[3:] == [0] * 5


def test_full_empty_and_static_layers_are_left_alone(xp):
    for density, alpha in [(1.0, 0.5), (0.0, 0.5), (0.4, 0.0)]:
        empty = pytest.warns(UserWarning, match="no connection was drawn") if not density else nullcontext()
        with empty:
            state, history = run_learner(
                xp, Evolve({"a.weight": density}, t_end=10, t_iter=1, alpha=alpha), 6
            )
        assert not any(history)
        np.testing.assert_array_equal(
            to_host(state.masks["a.weight"]), to_host(state.structure["a.weight.initial"])
        )
