"""Attention maps' distance, and the rewiring of attention-guided compression without them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes
from test_learners import begin, some_weights, step

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.attention_free import AttentionFree
from minisnn.ops.attention import attention_distance_backward, attention_distance_forward
from minisnn.structure.evolve import Evolve
from minisnn.structure.redistribute import Layer, share_by_momentum
from minisnn.training import checkpoint
from minisnn.training.optim import SGD, Adam

A = np.array([[1.0, 2, 0, 2], [2, 1, 2, 0]]).T[None]  # [1, positions, channels]
B = np.array([[1.0, 1, 1, 1], [3, 0, 1, 1]]).T[None]


def test_distance_by_hand(xp):
    """Q is [5, 5, 4, 4] and [10, 1, 2, 2]."""
    distance, cache = attention_distance_forward(xp.asarray(A), xp.asarray(B))
    np.testing.assert_allclose(to_host(distance), [0.705695], atol=5e-7)
    np.testing.assert_allclose(to_host(cache.q * cache.length), [[5, 5, 4, 4]])


def naive_distance(a, b):
    """One sample, position by position."""
    maps = []
    for x in (a, b):
        Q = [sum(x[*p, c] ** 2 for c in range(x.shape[-1])) for p in np.ndindex(x.shape[:-1])]
        length = sum(v * v for v in Q) ** 0.5
        maps.append([v / length if length else 0.0 for v in Q])
    return sum((v - w) ** 2 for v, w in zip(*maps, strict=True)) ** 0.5


@given(rng=rngs, n=sizes, H=sizes, W=sizes, C=sizes, D=sizes, flat=st.booleans())
def test_distance_equals_naive_and_its_gradient_is_right(xp, rng, n, H, W, C, D, flat):
    shape = (n, H * W) if flat else (n, H, W)
    a, b = rng.standard_normal((*shape, C)), rng.standard_normal((*shape, D))
    distance, _ = attention_distance_forward(xp.asarray(a), xp.asarray(b))
    np.testing.assert_allclose(
        to_host(distance), [naive_distance(*pair) for pair in zip(a, b, strict=True)], atol=1e-12
    )
    if H * W > 1:  # a single position is always the same map
        snn.check_gradient(
            lambda s: attention_distance_forward(s, xp.asarray(b)), attention_distance_backward, [xp.asarray(a)], rng,
            rtol=1e-5, atol=1e-8,
        )  # fmt: skip


def test_a_wrong_gradient_is_found():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 5))
    with pytest.raises(snn.GradientError):
        snn.check_gradient(
            lambda s: attention_distance_forward(s, b), lambda d, cache: attention_distance_backward(d, cache) / 2,
            [a], rng,
        )  # fmt: skip


def test_equal_maps_and_maps_of_nothing_have_no_gradient(xp):
    for a, b, expected in ((A, A, 0), (A, 2 * A, 0), (0 * A, B, 1), (A, 0 * B, 1)):
        distance, cache = attention_distance_forward(xp.asarray(a), xp.asarray(b))
        assert float(distance[0]) == pytest.approx(expected, abs=1e-12)
        gradient = to_host(attention_distance_backward(xp.ones(1), cache))
        np.testing.assert_allclose(gradient, 0 * a, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (A, B[:, :3], "teacher must be (1, 4) and channels, like student, found (1, 3, 2)"),
        (A[0, 0], B, "student must be [B, ..., C], found (2,)"),
        (A.astype(int), B, "student must be floating"),
    ],
)
def test_nonsense_is_refused(a, b, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        attention_distance_forward(a, b)


def test_shares_by_hand():
    """12 pruned, mean momenta 0.4, 0.1, 0.3: 6, 1.5 and 4.5; of the two halves the first is rounded up."""
    layers = {key: Layer(4, 1000, m) for key, m in {"a": 0.4, "b": 0.1, "c": 0.3}.items()}
    assert share_by_momentum(layers, np.random.default_rng(0)) == {"a": 6, "b": 2, "c": 4}


@given(rng=rngs, N=sizes, M=sizes)
@pytest.mark.filterwarnings("ignore:.* no connection was drawn")
def test_it_is_evolve_with_these_rules(xp, rng, N, M):
    """Bit for bit; and the total is exact."""
    densities, seed = {"a": 0.5, "dense": 0.3}, int(rng.integers(1 << 32))
    weight, gradients = rng.standard_normal((N, M)), rng.standard_normal((12, N, M))
    fields = {"t_iter": 3, "alpha": 0.4, "sample": snn.exact_mask}
    rules = {"prune": snn.prune_magnitude, "grow": snn.grow_momentum, "redistribute": share_by_momentum}
    one, two = AttentionFree(densities, 12, **fields), Evolve(densities, 12, **fields, **rules)
    states = [begin(xp, learner, Adam(), weight, seed) for learner in (one, two)]
    total = sum(int(mask.sum()) for mask in states[0].masks.values())
    for gradient in gradients:
        for learner, state in zip((one, two), states, strict=True):
            step(xp, learner, Adam(), state, gradient)
        assert sum(int(mask.sum()) for mask in states[0].masks.values()) == total
        for key in densities:
            np.testing.assert_array_equal(*(to_host(state.masks[key]) for state in states))
            np.testing.assert_array_equal(*(to_host(state.params[key]) for state in states))


def test_resuming_equals_never_having_stopped(tmp_path):
    rng, learner = np.random.default_rng(0), AttentionFree({"a": 0.4}, 16, 2, sample=snn.exact_mask)
    state = begin(np, learner, SGD(), some_weights(rng, (9, 7)).astype("float32"))
    gradients = rng.standard_normal((16, 9, 7)).astype("float32")
    for gradient in gradients[:8]:
        step(np, learner, SGD(), state, gradient)
    checkpoint.save(tmp_path / "checkpoint.npz", state)
    resumed, halfway = checkpoint.load(tmp_path / "checkpoint.npz"), state.masks["a"].copy()
    for gradient in gradients[8:]:
        for one in (state, resumed):
            step(np, learner, SGD(), one, gradient)
    assert (state.masks["a"] != halfway).any()
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(resumed, group)
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_it_trains_by_its_name(few_digits):
    run = snn.train("lif", learner="attention-free", density=0.2, epochs=4, test=False)
    learner = run.setup.learner
    assert learner == replace(
        learner, prune=snn.prune_magnitude, grow=snn.grow_momentum, redistribute=share_by_momentum
    )
    assert learner.t_iter * run.recipe.epochs == run.state.iteration
    assert run.result["density"] == pytest.approx(0.2, abs=0.03)
    assert run.result["train_accuracy"] > 14
    assert [row["replaced"] > 0 for row in run.log] == [True, True, True, False]  # the fraction ends at 0
    with pytest.raises(
        ValueError, match="learner_options must be left out: the learner attention-free has none"
    ):
        snn.train("lif", learner="attention-free", density=0.2, learner_options={"grow": "random"})
    with pytest.raises(ValueError, match="density of a must be 0 to 1, found 2"):
        AttentionFree({"a": 2}, 10)
