"""Convolution and linear layer against loops and finite differences; Winograd against the convolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, pieces, rngs, sizes

from minisnn.backend import to_host
from minisnn.faster import conv, winograd
from minisnn.faster.winograd import F2, F4, winograd_backward, winograd_forward
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops.conv import conv_backward, conv_forward
from minisnn.ops.im2col import output_size
from minisnn.ops.linear import linear_backward, linear_forward

kernels = st.integers(1, 4)
strides = st.integers(1, 3)
paddings = st.integers(0, 2)
maps_of = st.sampled_from([F2, F4, None])


def naive_conv(x, w, b, stride, padding):
    """One position of the kernel after the other."""
    x, k = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0))), len(w)
    rows, columns = ((n - k) // stride + 1 for n in x.shape[1:3])
    y = np.empty((len(x), rows, columns, w.shape[3]))
    for i, j in np.ndindex(rows, columns):
        window = x[:, i * stride : i * stride + k, j * stride : j * stride + k]
        y[:, i, j] = np.tensordot(window, w, 3) + (0 if b is None else b)
    return y


def draw(xp, rng, N, H, W, C, F, k, dtype=float):
    """x, weight and bias."""
    shapes = (N, H, W, C), (k, k, C, F), (F,)
    return [xp.asarray(rng.standard_normal(shape).astype(dtype)) for shape in shapes]


def close(found, expected, tolerance=1e-10):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(to_host(a), to_host(b), rtol=tolerance, atol=tolerance)


@given(
    rng=rngs, N=few, H=sizes, W=sizes, C=few, F=few, k=kernels, s=strides, p=paddings, has_bias=st.booleans()
)
def test_conv_equals_a_loop(xp, rng, N, H, W, C, F, k, s, p, has_bias):
    H, W = (max(size, k - 2 * p) for size in (H, W))
    x, w, b = draw(xp, rng, N, H, W, C, F, k)
    b = b if has_bias else None
    y, _ = conv_forward(x, w, b, s, p)
    expected = naive_conv(*(None if z is None else to_host(z) for z in (x, w, b)), s, p)
    assert y.shape == expected.shape == (N, output_size(H, k, s, p), output_size(W, k, s, p), F)
    close([y], [expected])


@given(rng=rngs, N=few, H=few, W=few, C=few, F=few, k=kernels, s=strides, p=paddings, has_bias=st.booleans())
def test_conv_gradient(xp, rng, N, H, W, C, F, k, s, p, has_bias):
    inputs = draw(xp, rng, N, H + k, W + k, C, F, k)[: 2 + has_bias]
    check_gradient(
        lambda *inputs: conv_forward(*inputs[:2], inputs[2] if has_bias else None, s, p),
        lambda dy, cache: conv_backward(dy, cache)[: 2 + has_bias],
        inputs,
        rng,
    )


@given(rng=rngs, N=few, H=sizes, W=sizes, C=few, F=few, k=kernels, s=strides, size=st.integers(0, 99))
def test_conv_in_pieces(xp, rng, N, H, W, C, F, k, s, size):
    x, w, b = draw(xp, rng, N, H + k, W + k, C, F, k)
    y, cache = conv_forward(x, w, b, s, 1)
    expected = [y, *conv_backward(y, cache)]
    with pieces(size, (conv, "BLOCK")):
        parts, cache = conv.conv_forward(x, w, b, s, 1)
        close([parts, *conv.conv_backward(y, cache)], expected)


def linear(x, w, b=None):
    return linear_forward(x, w, b)


def conv_strided(x, w, b=None):
    return conv_forward(x, w, b, stride=2, padding=1)


PAIRS = {
    "linear": (linear, linear_backward),
    "conv": (conv_strided, conv_backward),
    "winograd": (winograd_forward, winograd_backward),
}


@pytest.mark.parametrize("pair", PAIRS)
@given(rng=rngs, N=few, H=sizes, C=few, F=few)
def test_spikes_are_numbers_and_dx_is_optional(xp, pair, rng, N, H, C, F):
    forward, backward = PAIRS[pair]
    _, w, _ = draw(xp, rng, N, H, H, C, F, 3)
    w = w[0, 0] if pair == "linear" else w
    spikes = rng.random((N, H, H, C)) < 0.5
    y, cache = forward(xp.asarray(spikes), w)
    y_floating, cache_floating = forward(xp.asarray(spikes.astype(float)), w)
    np.testing.assert_array_equal(to_host(y), to_host(y_floating))
    dx, dw, db = backward(y, cache)
    close((dx, dw), backward(y, cache_floating)[:2], 0)
    assert db is None
    dx, dw_alone, _ = backward(y, cache, need_dx=False)
    assert dx is None
    close([dw_alone], [dw], 0)


@pytest.mark.parametrize("pair", PAIRS)
def test_float32_stays(xp, pair):
    forward, backward = PAIRS[pair]
    x, w, b = draw(xp, np.random.default_rng(0), 2, 5, 5, 3, 4, 3, np.float32)
    w = w[0, 0] if pair == "linear" else w
    y, cache = forward(x > 0, w, b)
    assert {z.dtype for z in (y, *backward(y, cache))} == {np.dtype(np.float32)}


def changed(change):
    """A damage to the gradients (dx, dw, db), from them, dy and the cache."""
    return lambda backward: lambda dy, cache: change(*backward(dy, cache), dy, cache)


def of_cache(**changes):
    """The right backward of another cache."""
    return lambda backward: (
        lambda dy, cache: backward(
            dy, cache._replace(**{name: change(getattr(cache, name)) for name, change in changes.items()})
        )
    )


DAMAGES = {
    "sign of dx": changed(lambda dx, dw, db, *_: (-dx, dw, db)),
    "sign of dw": changed(lambda dx, dw, db, *_: (dx, -dw, db)),
    "no bias": changed(lambda dx, dw, db, *_: (dx, dw, 0 * db)),
    "mean over the batch": changed(lambda dx, dw, db, dy, _: (dx, dw, db / len(dy))),
    "reversed kernel": of_cache(weight=lambda w: w[::-1, ::-1]),
    "rows moved": of_cache(x=lambda x: x[:, [1, 2, 3, 4, 0]]),
    "samples exchanged": of_cache(x=lambda x: x[::-1]),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("damage", DAMAGES)
@given(rng=rngs)
def test_damaged_gradients_are_caught(xp, pair, damage, rng):
    forward, backward = PAIRS[pair]
    x, w, b = draw(xp, rng, 2, 5, 5, 4, 3, 3)
    w = xp.asarray(rng.standard_normal((4, 3))) if pair == "linear" else w
    with pytest.raises(GradientError):
        check_gradient(forward, DAMAGES[damage](backward), (x, w, b), rng)


@given(rng=rngs)
def test_damaged_strides_and_maps_are_caught(xp, rng):
    x, w, b = draw(xp, rng, 2, 5, 5, 4, 3, 3)
    wrong = F4._replace(input=F4.input * (1, 1, 1, 1, -1, 1))
    for forward, backward, damage in [
        (conv_strided, conv_backward, of_cache(stride=lambda _: 3, padding=lambda _: 2)),
        (conv_strided, conv_backward, of_cache(weight=lambda w: w.swapaxes(0, 1))),
        (winograd_forward, winograd_backward, of_cache(maps=lambda _: wrong)),
    ]:
        with pytest.raises(GradientError):
            check_gradient(forward, damage(backward), (x, w, b), rng)


@given(rng=rngs, N=few, H=sizes, W=sizes, C=few, F=few, maps=maps_of, has_bias=st.booleans())
def test_winograd_equals_the_convolution(xp, rng, N, H, W, C, F, maps, has_bias):
    x, w, b = draw(xp, rng, N, H, W, C, F, 3)
    b = b if has_bias else None
    dy = xp.asarray(rng.standard_normal((N, H, W, F)))
    y, cache = conv_forward(x, w, b, 1, 1)
    found, winograd_cache = winograd_forward(x, w, b, maps)
    close([found, *winograd_backward(dy, winograd_cache)], [y, *conv_backward(dy, cache)])


@given(rng=rngs, N=few, H=sizes, W=sizes, C=few, F=few, maps=maps_of, rows=st.integers(1, 9), columns=sizes)
def test_winograd_in_pieces(xp, rng, N, H, W, C, F, maps, rows, columns):
    """Several batches of samples and blocks of columns, on two threads."""
    x, w, b = draw(xp, rng, N, H, W, C, F, 3)
    y, cache = winograd_forward(x, w, b, maps)
    expected = [y, *winograd_backward(y, cache)]
    with pieces(rows, (winograd, "ROWS")), pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "COLUMNS", columns)
        parts, cache = winograd_forward(x, w, b, maps)
        close([parts, *winograd_backward(y, cache)], expected)


@given(rng=rngs, N=few, H=sizes, W=sizes, maps=maps_of)
def test_winograd_gradient(xp, rng, N, H, W, maps):
    inputs = draw(xp, rng, N, H, W, 2, 3, 3)
    check_gradient(lambda *inputs: winograd_forward(*inputs, maps), winograd_backward, inputs, rng)


@pytest.mark.parametrize("maps", [F2, F4])
def test_winograd_in_float32(xp, maps):
    """Rounding relative to the largest entry, forwards and backwards."""
    x, w, b = draw(xp, np.random.default_rng(0), 3, 9, 10, 64, 32, 3)
    y, cache = conv_forward(x, w, b, 1, 1)
    expected = [y, *conv_backward(y, cache)]
    x, w, b, dy = (z.astype(np.float32) for z in (x, w, b, y))
    found, cache = winograd_forward(x, w, b, maps)
    for a, e in zip([found, *winograd_backward(dy, cache)], expected, strict=True):
        a, e = to_host(a), to_host(e)
        assert a.dtype == np.float32
        assert abs(a - e).max() / abs(e).max() < 1e-4


@given(rng=rngs, axes=st.integers(0, 3), N=sizes, M=sizes, has_bias=st.booleans())
def test_linear(xp, rng, axes, N, M, has_bias):
    """Any number of axes in front: one y_j after the other, and the gradients."""
    lead = tuple(rng.integers(1, 4, axes))
    arrays = [rng.standard_normal(shape) for shape in ((*lead, N), (N, M), (M,))][: 2 + has_bias]
    x, w = arrays[:2]
    expected = np.zeros((*lead, M))
    for j in range(M):
        expected[..., j] = (x * w[:, j]).sum(-1) + (arrays[2][j] if has_bias else 0)
    inputs = [xp.asarray(z) for z in arrays]
    close([linear(*inputs)[0]], [expected])
    check_gradient(linear, lambda dy, cache: linear_backward(dy, cache)[: 2 + has_bias], inputs, rng)


@pytest.mark.parametrize(
    ("forward", "x", "w", "b", "message"),
    [
        (linear, (2, 3), (4, 5), (5,), "expected x"),
        (linear, (2, 3), (3,), (3,), "expected x"),
        (linear, (2, 3), (3, 5), (4,), "expected bias"),
        (conv_forward, (2, 5, 5), (3, 3, 1, 1), (1,), "expected x"),
        (conv_forward, (2, 5, 5, 3), (3, 3, 2, 1), (1,), "expected x"),
        (conv_forward, (2, 5, 5, 3), (3, 2, 3, 1), (1,), "expected x"),
        (conv_forward, (2, 5, 5, 3), (3, 3, 3, 4), (3,), "expected bias"),
        (conv_forward, (2, 5, 2, 3), (3, 3, 3, 4), (4,), "3x3 with padding 0 does not fit into 5x2"),
        (winograd_forward, (2, 5, 5, 3), (5, 5, 3, 4), (4,), "a kernel of 3x3, found 5x5"),
        (winograd_forward, (2, 5, 5, 3), (3, 3, 3, 4), (1,), "expected bias"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(forward, x, w, b, message):
    with pytest.raises(ValueError, match=message):
        forward(np.zeros(x), np.zeros(w), np.zeros(b))
