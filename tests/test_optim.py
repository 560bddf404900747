"""Optimisers, schedules and gradient normalisation against naive twins."""

from itertools import pairwise
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import pieces, rngs, sizes

from minisnn.backend import to_host
from minisnn.faster import adam
from minisnn.training import optim
from minisnn.training.adamw import AdamW
from minisnn.training.optim import SGD, Adam


@given(rng=rngs)
def test_sgd(xp, rng):
    w, mu, lr = rng.standard_normal((3, 4)), 0.9, 0.1
    params = {"w": xp.asarray(w.copy())}
    optimizer = SGD(mu)
    moments = optimizer.init(params)
    m = np.zeros_like(w)
    for k in range(1, 5):
        g = rng.standard_normal(w.shape)
        optimizer.step(params, {"w": xp.asarray(g)}, moments, lr, k)
        m = mu * m + g
        w = w - lr * m
        np.testing.assert_allclose(to_host(params["w"]), w)
    np.testing.assert_allclose(to_host(optimizer.momentum(moments["w"])), abs(m))


@given(rng=rngs)
def test_adam(xp, rng):
    w, lr = rng.standard_normal((3, 4)), 0.01
    params = {"w": xp.asarray(w.copy())}
    optimizer = Adam()
    moments = optimizer.init(params)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for k in range(1, 5):
        g = rng.standard_normal(w.shape)
        optimizer.step(params, {"w": xp.asarray(g)}, moments, lr, k)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - lr * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        np.testing.assert_allclose(to_host(params["w"]), w)
    np.testing.assert_allclose(to_host(optimizer.momentum(moments["w"])), abs(m) / (np.sqrt(v) + 1e-8))


@given(rng=rngs, block=sizes, shape=st.sampled_from([(7,), (3, 5), (2, 2, 3, 2)]), double=st.booleans())
def test_adam_in_pieces_equals_a_loop(rng, block, shape, double):
    """Weight by weight, to the last bit, whatever the pieces and on two threads."""
    dtype = np.float64 if double else np.float32
    w = rng.standard_normal(shape).astype(dtype)
    found, expected = {"w": w.copy()}, [(x, dtype(0), dtype(0)) for x in w.ravel()]
    moments = Adam().init(found)
    for k in range(1, 4):
        grad = rng.standard_normal(shape).astype(dtype)
        with pieces(block, (adam, "BLOCK")):
            adam.Adam().step(found, {"w": grad}, moments, 0.01, k)
        for n, ((x, m, v), g) in enumerate(zip(expected, grad.ravel(), strict=True)):
            m = m * 0.9 + (1 - 0.9) * g
            v = v * 0.999 + (1 - 0.999) * g * g
            x = x - 0.01 / (1 - 0.9**k) * m / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
            expected[n] = x, m, v
    for array, numbers in zip((found["w"], *moments["w"]), zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(array.ravel(), np.array(numbers, dtype))


@given(rng=rngs, block=sizes)
def test_pieces_change_nothing(xp, rng, block):
    w, g = rng.standard_normal((2, 5, 7))
    results = []
    for size in (10**6, block):
        params = {"w": xp.asarray(w.copy())}
        moments = Adam().init(params)
        with pieces(size, (adam, "BLOCK")):
            adam.Adam().step(params, {"w": xp.asarray(g)}, moments, 0.1, 1)
        results.append([to_host(a) for a in (params["w"], *moments["w"])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@given(rng=rngs, block=sizes, decay=st.floats(0, 1))
def test_adamw_equals_a_loop(xp, rng, block, decay):
    """Weight by weight: the decay is in proportion to the weight alone, and the moments do not see it."""
    w, lr = rng.standard_normal((3, 4)), 0.01
    expected = [(float(x), 0.0, 0.0) for x in w.ravel()]
    plain, quick = AdamW(weight_decay=decay), adam.twin(AdamW(weight_decay=decay))
    assert type(quick) is adam.AdamW
    found = [({"w": xp.asarray(w.copy())}, optimizer) for optimizer in (plain, quick)]
    moments = [optimizer.init(params) for params, optimizer in found]
    for k in range(1, 5):
        grad = rng.standard_normal(w.shape)
        with pieces(block, (adam, "BLOCK")):
            for (params, optimizer), memory in zip(found, moments, strict=True):
                optimizer.step(params, {"w": xp.asarray(grad)}, memory, lr, k)
        for n, ((x, m, v), g) in enumerate(zip(expected, grad.ravel(), strict=True)):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            x = x - lr * decay * x
            expected[n] = x - lr * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)) ** 0.5 + 1e-8), m, v
    for (params, _), memory in zip(found, moments, strict=True):
        for array, numbers in zip((params["w"], *memory["w"]), zip(*expected, strict=True), strict=True):
            np.testing.assert_allclose(to_host(array).ravel(), numbers, rtol=1e-12, atol=1e-15)


def test_adam_moves_weights_in_any_layout():
    params = {"w": np.zeros((3, 4)).T}
    Adam().step(params, {"w": np.ones((4, 3))}, Adam().init(params), 0.1, 1)
    np.testing.assert_allclose(params["w"], -0.1)


def test_learning_rates():
    exponential = [optim.exponential_lr(e, 3, 0.01, 0.0001) for e in range(3)]
    np.testing.assert_allclose(exponential, [0.01, 0.001, 0.0001])
    cosine = [optim.cosine_lr(e, 4, 1.0) for e in range(4)]
    np.testing.assert_allclose(cosine, [(1 + np.cos(pi * e / 4)) / 2 for e in range(4)])
    assert optim.exponential_lr(0, 1, 0.3, 0.003) == 0.3


@given(rng=rngs, limit=st.floats(0.1, 10), masked=st.booleans())
def test_normalisation(xp, rng, limit, masked):
    grads = {key: rng.standard_normal(shape) * 2 for key, shape in (("a", (6, 4)), ("b", (3, 5)))}
    mask = rng.random((6, 4)) < 0.5
    masks = {"a": mask} if masked else {}

    def moving(key):
        return grads[key] * masks[key] if key in masks else grads[key]

    norm = {key: np.linalg.norm(moving(key)) for key in grads}
    total = np.hypot(norm["a"], norm["b"])
    expected = {
        "layers": lambda key: min(1, limit / norm[key]) if norm[key] else 1,
        "rows": lambda key: min(1, limit * len(grads[key]) / norm[key]) if norm[key] else 1,
        "global": lambda key: limit / total,
        "neurons": lambda key: np.minimum(1, limit / np.maximum(np.linalg.norm(moving(key), axis=0), 1e-30)),
    }
    assert set(expected) == set(optim.NORMALISATIONS)
    for name, factor in expected.items():
        found = {key: xp.asarray(g.copy()) for key, g in grads.items()}
        optim.NORMALISATIONS[name](found, {key: xp.asarray(m) for key, m in masks.items()}, limit)
        for key, g in grads.items():
            np.testing.assert_allclose(to_host(found[key]), g * factor(key), rtol=1e-12)


@pytest.mark.parametrize("name", list(optim.NORMALISATIONS))
def test_a_gradient_of_zero_stays_zero(name):
    grads = {"a": np.zeros((3, 2))}
    optim.NORMALISATIONS[name](grads, {}, 0.3)
    assert not grads["a"].any()


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 9, 10])
def test_a_restarting_learning_rate(epochs):
    """Each third of the epochs is a half cosine of its own, and begins with the whole learning rate."""
    found = [optim.restarting_lr(epoch, epochs, 1.0, 0.1) for epoch in range(epochs)]
    starts = sorted({-(-n * epochs // 3) for n in range(4)})
    for first, last in pairwise(starts):
        expected = [optim.cosine_lr(e, last - first, 1.0, 0.1) for e in range(last - first)]
        assert found[first:last] == pytest.approx(expected)
        assert found[first] == 1
    if epochs == 9:
        assert [epoch for epoch, lr in enumerate(found) if lr == 1] == [0, 3, 6]
