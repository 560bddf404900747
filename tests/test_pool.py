"""Pools against loops and finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rngs, sizes

from minisnn.backend import to_host
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops.max_pool import max_pool_backward, max_pool_forward
from minisnn.ops.pool import average_pool_backward, average_pool_forward, sum_pool_backward, sum_pool_forward

POOLS = {
    "average": (average_pool_forward, average_pool_backward, np.mean),
    "max": (max_pool_forward, max_pool_backward, np.max),
}
images = {"rng": rngs, "N": few, "H": sizes, "W": sizes, "C": few, "k": few}


def draw(rng, N, H, W, C, k):
    """Floating images no smaller than a window."""
    return rng.standard_normal((N, max(H, k), max(W, k), C))


def naive(x, k, of):
    """One window after the other."""
    y = np.empty((len(x), x.shape[1] // k, x.shape[2] // k, x.shape[3]))
    for i, j in np.ndindex(y.shape[1:3]):
        y[:, i, j] = of(x[:, i * k : i * k + k, j * k : j * k + k], (1, 2))
    return y


def naive_max_backward(dy, x, k):
    """argmax is the first maximum, row by row."""
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        u, v = divmod(x[n, i * k : i * k + k, j * k : j * k + k, c].argmax(), k)
        dx[n, i * k + u, j * k + v, c] = dy[n, i, j, c]
    return dx


@pytest.mark.parametrize("pool", POOLS)
@given(**images, spikes=st.booleans())
def test_equals_a_loop(xp, pool, rng, N, H, W, C, k, spikes):
    forward, _, of = POOLS[pool]
    x = draw(rng, N, H, W, C, k)
    x = x > 0 if spikes else x
    y, _ = forward(xp.asarray(x), k)
    np.testing.assert_allclose(to_host(y), naive(x, k, of), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pool", POOLS)
@given(**images)
def test_gradient(xp, pool, rng, N, H, W, C, k):
    """Odd sizes too; what fills no window has no gradient."""
    forward, backward, _ = POOLS[pool]
    x = xp.asarray(draw(rng, N, H, W, C, k))
    check_gradient(lambda x: forward(x, k), backward, (x,), rng)
    y, cache = forward(x, k)
    dx = to_host(backward(xp.ones(y.shape), cache))
    assert not dx[:, x.shape[1] // k * k :].any()
    assert not dx[:, :, x.shape[2] // k * k :].any()
    np.testing.assert_allclose(naive(dx, k, np.sum), 1)  # every window hands on what it got


@given(**images)
def test_the_first_of_equal_maxima_gets_the_gradient(xp, rng, N, H, W, C, k):
    x = draw(rng, N, H, W, C, k)
    for ties in (x > 0, x.round()):
        y, cache = max_pool_forward(xp.asarray(ties), k)
        dy = rng.standard_normal(y.shape)
        dx = max_pool_backward(xp.asarray(dy), cache)
        np.testing.assert_array_equal(to_host(dx), naive_max_backward(dy, ties, k))


def test_all_silent_and_all_firing(xp):
    for x in (np.zeros((1, 2, 2, 1), bool), np.ones((1, 2, 2, 1), bool)):
        y, cache = max_pool_forward(xp.asarray(x))
        assert y.dtype == bool
        dx = to_host(max_pool_backward(xp.asarray(np.full((1, 1, 1, 1), 3.0)), cache))
        assert dx.ravel().tolist() == [3, 0, 0, 0]


@given(**images)
def test_a_sum_pool_is_k_squared_average_pools(xp, rng, N, H, W, C, k):
    x = xp.asarray(draw(rng, N, H, W, C, k) > 0)
    total, cache = sum_pool_forward(x, k)
    mean, average_cache = average_pool_forward(x, k)
    assert total.dtype == np.uint8
    np.testing.assert_allclose(to_host(total) / k**2, to_host(mean), rtol=1e-14)
    dy = xp.asarray(rng.standard_normal(mean.shape))
    np.testing.assert_allclose(
        to_host(sum_pool_backward(dy / k**2, cache)), to_host(average_pool_backward(dy, average_cache))
    )


def test_sums_are_exact_up_to_15x15(xp):
    total, _ = sum_pool_forward(xp.asarray(np.ones((1, 15, 15, 1), bool)), 15)
    assert int(total[0, 0, 0, 0]) == 225


def test_dtypes_stay(xp):
    x = xp.asarray(np.ones((1, 4, 5, 2), np.float32))
    for forward, backward, _ in POOLS.values():
        y, cache = forward(x)
        assert y.dtype == backward(y, cache).dtype == np.float32
    assert average_pool_forward(x > 0)[0].dtype == np.float64
    dy = xp.asarray(np.ones((1, 2, 2, 2), np.float32))
    for forward, backward in [(sum_pool_forward, sum_pool_backward), POOLS["max"][:2]]:
        assert backward(dy, forward(x > 0)[1]).dtype == np.float32


@pytest.mark.parametrize("pool", POOLS)
@given(rng=rngs)
def test_damaged_gradients_are_caught(xp, pool, rng):
    forward, backward, _ = POOLS[pool]
    damages = [
        lambda dy, cache: -backward(dy, cache),
        lambda dy, cache: sum_pool_backward(dy, cache),  # to every one in the window, in full
        lambda dy, cache: backward(dy, cache)[:, [1, 0, 2, 3, 4]],  # rows exchanged
        lambda dy, cache: backward(dy[:, ::-1], cache),
        lambda dy, cache: backward(dy, cache._replace(x=-cache.x)) / 2,
    ]
    x = xp.asarray(rng.standard_normal((3, 5, 4, 2)))
    if pool == "average":
        del damages[2]  # as it should be: they get the same
    for damaged in damages:
        with pytest.raises(GradientError):
            check_gradient(forward, damaged, (x,), rng)


@pytest.mark.parametrize("forward", [average_pool_forward, max_pool_forward, sum_pool_forward])
@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 1, 3, 4), (2, 3, 1, 4)])
def test_images_without_a_window_are_refused(forward, shape):
    with pytest.raises(ValueError, match="H and W of at least 2"):
        forward(np.zeros(shape, bool))
