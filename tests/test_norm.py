"""Batch norm against its formulas, worked numbers and finite differences; fused with the neuron against the two."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arctans, few, neurons, pieces, rngs, sigmoids, sizes

from minisnn.backend import to_host
from minisnn.faster import norm, norm_lif
from minisnn.faster.norm_lif import norm_lif_backward, norm_lif_forward
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops.lif import lif_backward, lif_forward
from minisnn.ops.neuron import Neuron
from minisnn.ops.norm import RunningStats, batch_norm_backward, batch_norm_forward
from minisnn.ops.score import SCORES
from minisnn.ops.surrogate.arctan import ArcTan

scales = st.just(1.0) | st.floats(0.5, 2)
PIECES = (norm_lif, "BLOCK"), (norm, "ROWS_OF")


def draw(xp, rng, *shape):
    """x, gamma, beta and running statistics."""
    C = shape[-1]
    x, gamma, beta, mean = (rng.standard_normal(s) for s in (shape, C, C, C))
    running = RunningStats(xp.asarray(mean), xp.asarray(rng.uniform(0.5, 2, C)))
    return xp.asarray(2 * x + 1), xp.asarray(gamma), xp.asarray(beta), running


def naive(x, gamma, beta, running, train, scale):
    """One channel after the other."""
    y, mean, var = np.empty_like(x), running[0].copy(), running[1].copy()
    for c, x_c in enumerate(np.moveaxis(x, -1, 0)):
        mu, var_c = (x_c.mean(), x_c.var()) if train else (mean[c], var[c])
        y[..., c] = gamma[c] * scale * (x_c - mu) / np.sqrt(var_c + 1e-5) + beta[c]
        if train:
            mean[c] = 0.9 * mean[c] + 0.1 * mu
            var[c] = 0.9 * var[c] + 0.1 * x_c.var(ddof=1)
    return y, mean, var


def close(found, expected, tolerance=1e-10):
    for a, b in zip(found, expected, strict=True):
        b = to_host(b)
        np.testing.assert_allclose(to_host(a), b, rtol=tolerance, atol=tolerance * (1 + abs(b).max()))


def test_worked_numbers(xp):
    x = xp.asarray(np.array([[1.0], [2], [3], [6]]))
    running = RunningStats(xp.asarray([0.0]), xp.asarray([1.0]))
    y, cache, new = batch_norm_forward(x, xp.asarray([2.0]), xp.asarray([0.5]), running, train=True)
    np.testing.assert_allclose(to_host(y)[:, 0], [-1.638087, -0.569043, 0.5, 3.707131], atol=5.1e-7)
    np.testing.assert_allclose([float(z[0]) for z in new], [0.3, 1.366667], atol=5.1e-7)
    dx, dgamma, dbeta = batch_norm_backward(xp.asarray(np.array([[1.0], [0], [0], [2]])), cache)
    np.testing.assert_allclose(to_host(dx)[:, 0], [0.878141, -0.496342, -0.801783, 0.419984], atol=5.1e-7)
    np.testing.assert_allclose([float(dgamma[0]), float(dbeta[0])], [2.138087, 3], atol=5.1e-7)
    assert [float(z[0]) for z in running] == [0, 1]  # the old ones are left alone


@given(rng=rngs, T=few, B=sizes, H=few, C=sizes, train=st.booleans(), scale=scales)
def test_equals_its_formula(xp, rng, T, B, H, C, train, scale):
    x, gamma, beta, running = draw(xp, rng, T, B + 1, H, C)
    y, _, new = batch_norm_forward(x, gamma, beta, running, train, scale=scale)
    host = [to_host(z) for z in (x, gamma, beta)]
    close((y, *new), naive(*host, [to_host(z) for z in running], train, scale))
    if train and scale == 1:
        flat = to_host(y).reshape(-1, C)
        np.testing.assert_allclose(flat.mean(0), host[2], atol=1e-9)
    else:
        assert train or (new.mean is running.mean and new.var is running.var)


@given(rng=rngs, B=sizes, C=sizes, copies=few, momentum=st.floats(0, 1))
def test_copies_count_but_are_not_there(xp, rng, B, C, copies, momentum):
    """As if x were repeated: y, gradients, running statistics."""
    x, gamma, beta, running = draw(xp, rng, 1, B + 3, C)
    y, cache, new = batch_norm_forward(x, gamma, beta, running, True, momentum, copies)
    y_all, cache_all, new_all = batch_norm_forward(x.repeat(copies, 0), gamma, beta, running, True, momentum)
    close((y.repeat(copies, 0), *new), (y_all, *new_all))
    dy = xp.asarray(rng.standard_normal(y_all.shape))
    dx_all, *others = batch_norm_backward(dy, cache_all)
    found = batch_norm_backward(dy.sum(0, keepdims=True), cache)
    close(found, (dx_all.sum(0, keepdims=True), *others), 1e-8)


@given(rng=rngs, B=few, H=few, C=few, train=st.booleans(), scale=scales, copies=few)
def test_gradient(xp, rng, B, H, C, train, scale, copies):
    *inputs, running = draw(xp, rng, B + 3, H, C)  # of two values x-hat is +-1, and dx all but 0
    check_gradient(
        lambda x, g, b: batch_norm_forward(x, g, b, running, train, copies=copies, scale=scale)[:2],
        batch_norm_backward,
        inputs,
        rng,
    )
    _, cache, _ = batch_norm_forward(*inputs, running, train)
    dx, *found = batch_norm_backward(inputs[0], cache, need_dx=False)
    assert dx is None
    close(found, batch_norm_backward(inputs[0], cache)[1:], 0)


def of_cache(backward, **changes):
    """The right backward of another cache."""
    return lambda dy, cache: backward(
        dy, cache._replace(**{name: change(getattr(cache, name)) for name, change in changes.items()})
    )


def of_result(backward, *factors):
    return lambda dy, cache: [f * d for f, d in zip(factors, backward(dy, cache), strict=True)]


@given(rng=rngs)
def test_damaged_gradients_are_caught(xp, rng):
    *inputs, running = draw(xp, rng, 4, 3, 5)
    for train in (True, False):
        for damaged in [
            of_cache(batch_norm_backward, train=lambda train: not train),
            of_cache(batch_norm_backward, mean=lambda mean: mean + 0.1),
            of_cache(batch_norm_backward, inv=lambda inv: inv * 1.1),
            of_cache(batch_norm_backward, gamma=lambda gamma: gamma + 0.1),
            of_cache(batch_norm_backward, x=lambda x: x[::-1]),
            of_result(batch_norm_backward, -1, 1, 1),
            of_result(batch_norm_backward, 1, 1, 1 / 12),
        ]:
            with pytest.raises(GradientError):
                check_gradient(
                    lambda x, g, b, train=train: batch_norm_forward(x, g, b, running, train)[:2],
                    damaged,
                    inputs,
                    rng,
                )


@given(rng=rngs, B=sizes, C=sizes, train=st.booleans(), size=sizes)
def test_batch_norm_in_pieces(xp, rng, B, C, train, size):
    x, gamma, beta, running = draw(xp, rng, 3, B, C)
    dy = xp.asarray(rng.standard_normal(x.shape))

    def both():
        y, cache, new = norm.batch_norm_forward(x, gamma, beta, running, train)
        return y, *new, *norm.batch_norm_backward(dy, cache)

    whole = both()
    with pieces(size, *PIECES):
        close(both(), whole)


@given(rng=rngs)
def test_large_means_cost_no_digits(xp, rng):
    """The variance of 1e6 + x in float64, where mean(x^2) - mean(x)^2 would have lost twelve digits."""
    x, gamma, beta, running = draw(xp, rng, 50, 3)
    y, _, _ = batch_norm_forward(x, gamma, beta, running, True)
    close(batch_norm_forward(x + 1e6, gamma, beta, running, True)[:1], [y], 1e-8)
    with pieces(7, *PIECES):
        far, _, _ = norm.batch_norm_forward(x + 1e6, gamma, beta, running, True)
    close([far], [y], 1e-8)


def test_float32_stays(xp):
    x, gamma, beta, running = draw(xp, np.random.default_rng(0), 3, 4, 5)
    x, gamma, beta = (z.astype(np.float32) for z in (x, gamma, beta))
    running = RunningStats(*(z.astype(np.float32) for z in running))
    for train in (True, False):
        y, cache, new = batch_norm_forward(x, gamma, beta, running, train, scale=0.5)
        found = [y, *new, *batch_norm_backward(x, cache)]
        _, cache, new = norm_lif_forward(x, gamma, beta, running, train, Neuron(v_reset=-0.1), scale=0.5)
        found += [*new, *norm_lif_backward(x, cache)]
        assert {z.dtype for z in found} == {np.dtype(np.float32)}


@pytest.mark.parametrize("forward", [batch_norm_forward, norm_lif_forward])
def test_bad_input_is_refused(forward):
    more = (Neuron(),) if forward is norm_lif_forward else ()
    one, two = np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="more than one value per channel"):
        forward(np.ones((1, 1, 2)), two, two, RunningStats(two, two), True, *more)
    forward(np.ones((1, 1, 2)), two, two, RunningStats(two, two), False, *more)  # nothing to compute
    for gamma, running in [
        (one, RunningStats(two, two)),
        (two, RunningStats(two, one)),
        (two, RunningStats(one, two)),
    ]:
        with pytest.raises(ValueError, match="vectors"):
            forward(np.ones((3, 1, 2)), gamma, two, running, True, *more)


def test_one_value_counts_with_its_copies(xp):
    x, gamma, beta, running = draw(xp, np.random.default_rng(0), 1, 1, 2)
    y, _, new = batch_norm_forward(x, gamma, beta, running, True, copies=2)
    np.testing.assert_allclose(to_host(y)[0, 0], to_host(beta), rtol=1e-12)
    np.testing.assert_allclose(to_host(new.var), 0.9 * to_host(running.var))


@given(
    rng=rngs,
    T=few,
    repeat=few,
    B=sizes,
    C=sizes,
    neuron=neurons,
    train=st.booleans(),
    scale=scales,
    size=sizes,
)
def test_fused_equals_one_after_the_other(xp, rng, T, repeat, B, C, neuron, train, scale, size):
    """Moving input, and static input against its literal copies; as a whole and in pieces."""
    T = 1 if repeat > 1 else T
    x, gamma, beta, running = draw(xp, rng, T, B + 3, 2, C)
    current, norm_cache, new = batch_norm_forward(
        x.repeat(repeat, 0), gamma, beta, running, train, scale=scale
    )
    spikes, lif_cache = lif_forward(current, neuron)
    dspikes = xp.asarray(rng.standard_normal(spikes.shape))
    dx, dgamma, dbeta = batch_norm_backward(lif_backward(dspikes, lif_cache), norm_cache)
    expected = [*new, dx.reshape(T, repeat, *x.shape[1:]).sum(1), dgamma, dbeta]

    def fused():
        found, cache, new = norm_lif_forward(
            x, gamma, beta, running, train, neuron, repeat=repeat, scale=scale
        )
        before = to_host(found).copy()
        np.testing.assert_array_equal(before, to_host(spikes))
        assert float(cache.firing_rate()) == pytest.approx(before.mean())
        close([*new, *norm_lif_backward(dspikes, cache)], expected)
        np.testing.assert_array_equal(to_host(found), before)  # computed again, and the same again
        dx, *others = norm_lif_backward(dspikes, cache, need_dx=False)
        assert dx is None
        close(others, expected[-2:])

    fused()
    with pieces(size, *PIECES):
        fused()


@given(
    rng=rngs, T=few, repeat=few, B=sizes, C=sizes, neuron=neurons, smooth=st.booleans(),
    train=st.booleans(), score=st.sampled_from(SCORES), size=sizes,
)  # fmt: skip
def test_fused_activity_equals_that_of_the_two(xp, rng, T, repeat, B, C, neuron, smooth, train, score, size):
    """Each of them against a loop in test_lif.py. Static input, too; as a whole and in pieces."""
    neuron = replace(neuron, smooth=smooth)
    x, gamma, beta, running = draw(xp, rng, 1 if repeat > 1 else T, B + 3, 2, C)
    current, _, _ = batch_norm_forward(x.repeat(repeat, 0), gamma, beta, running, train)
    expected = lif_forward(current, neuron, score)[1].activity

    def fused(score):
        return norm_lif_forward(x, gamma, beta, running, train, neuron, repeat=repeat, score=score)[
            1
        ].activity

    assert fused(None) is None
    assert expected.shape == (C,)
    close([fused(score)], [expected])
    with pieces(size, *PIECES):
        close([fused(score)], [expected])


def test_fused_activity_keeps_its_dtype_and_refuses_other_scores(xp):
    x, gamma, beta, running = draw(xp, np.random.default_rng(0), 3, 4, 5)
    x, gamma, beta = (z.astype(np.float32) for z in (x, gamma, beta))
    running = RunningStats(*(z.astype(np.float32) for z in running))
    for v_reset in (None, -0.1):
        _, cache, _ = norm_lif_forward(x, gamma, beta, running, True, Neuron(v_reset=v_reset), score="code")
        assert cache.activity.dtype == np.float32
    with pytest.raises(ValueError, match="score must be one of code, post-reset, pre-reset, found 'l1'"):
        norm_lif_forward(x, gamma, beta, running, True, Neuron(), score="l1")


def smooth_pair(neuron, running, train, repeat):
    def forward(x, gamma, beta):
        return norm_lif_forward(x, gamma, beta, running, train, neuron, repeat=repeat)[:2]

    return forward, norm_lif_backward


@given(
    rng=rngs,
    T=few,
    repeat=few,
    B=few,
    C=few,
    neuron=neurons,
    surrogate=sigmoids | arctans,
    train=st.booleans(),
)
def test_fused_gradient(xp, rng, T, repeat, B, C, neuron, surrogate, train):
    neuron = replace(neuron, smooth=True, detach_reset=False, surrogate=surrogate)
    *inputs, running = draw(xp, rng, 1 if repeat > 1 else T, B + 3, 2, C)
    check_gradient(*smooth_pair(neuron, running, train, repeat), inputs, rng)


@pytest.mark.parametrize("repeat", [1, 3])
@given(rng=rngs)
def test_damaged_fused_gradients_are_caught(xp, repeat, rng):
    neuron = Neuron(surrogate=ArcTan(), smooth=True)
    *inputs, running = draw(xp, rng, 1 if repeat > 1 else 3, 6, 2, 4)
    forward, backward = smooth_pair(neuron, running, True, repeat)
    for damaged in [
        of_cache(backward, norm=lambda norm: norm._replace(train=False)),
        of_cache(backward, beta=lambda beta: beta + 0.1),
        of_cache(backward, neuron=lambda neuron: replace(neuron, decay=0.4)),
        of_cache(backward, neuron=lambda neuron: replace(neuron, detach_reset=True)),
        of_result(backward, 1, -1, 1),
        of_result(backward, repeat + 1, 1, 1),
    ]:
        with pytest.raises(GradientError):
            check_gradient(forward, damaged, inputs, rng)


def test_lists_are_taken_and_integers_refused():
    stats = RunningStats([0.0, 0.0], [1.0, 1.0])
    y, cache, _ = batch_norm_forward([[1.0, 2.0], [3.0, 5.0]], [1.0, 1.0], [0.0, 0.5], stats, True)
    np.testing.assert_allclose(y, [[-1, -0.5], [1, 1.5]], atol=1e-4)
    dx, dgamma, dbeta = batch_norm_backward([[1.0, 0.0], [0.0, 2.0]], cache)
    assert dx.shape == (2, 2)
    assert dbeta.tolist() == [1, 2]
    with pytest.raises(ValueError, match="x must be floating"):
        batch_norm_forward([[1, 2], [3, 5]], [1.0, 1.0], [0.0, 0.5], stats, True)
    for dy in ([[1, 0], [0, 2]], [[1.0]]):
        with pytest.raises(ValueError, match="dy must"):
            batch_norm_backward(dy, cache)
