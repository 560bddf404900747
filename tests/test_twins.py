"""The fast twins compute what the plain pairs compute: outputs, caches, gradients, and what they refuse."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import kink_distance, neurons, pieces, rngs, spikes, surrogates, weights

from minisnn.backend import to_host
from minisnn.faster import conv, first_spike, lif, linear, norm, norm_lif, pool, product, winograd
from minisnn.ops import conv as plain_conv
from minisnn.ops import first_spike as plain_first_spike
from minisnn.ops import im2col, score
from minisnn.ops import lif as plain_lif
from minisnn.ops import linear as plain_linear
from minisnn.ops import max_pool as plain_max_pool
from minisnn.ops import norm as plain_norm
from minisnn.ops import pool as plain_pool
from minisnn.ops.first_spike import Z_MAX
from minisnn.ops.neuron import Neuron
from minisnn.ops.norm import RunningStats
from minisnn.ops.score import SCORES


def shape_of(rng, *largest):
    """A shape, each side from 1 to its largest; the first, of samples, may be 0."""
    first, *others = largest
    return (int(rng.integers(0, first + 1)), *(int(rng.integers(1, n + 1)) for n in others))


def numbers(rng, *shape):
    return rng.standard_normal(shape)


def draw_linear(rng, neuron):
    lead, N, M = shape_of(rng, 4, 3), *shape_of(rng, 1, 6, 6)[1:]
    x = numbers(rng, *lead, N)
    x = x > 0 if rng.random() < 0.3 else x
    return {"x": x, "weight": numbers(rng, N, M), "bias": numbers(rng, M) if rng.random() < 0.5 else None}


def draw_conv(rng, neuron):
    N, H, W, C, F = shape_of(rng, 4, 6, 6, 3, 3)
    k, stride, padding = (int(rng.integers(low, high)) for low, high in ((1, 5), (1, 4), (0, 3)))
    H, W = (max(size, k - 2 * padding) for size in (H, W))
    x = numbers(rng, N, H, W, C)
    x = x > 0 if rng.random() < 0.3 else x
    bias = numbers(rng, F) if rng.random() < 0.5 else None
    return {"x": x, "weight": numbers(rng, k, k, C, F), "bias": bias, "stride": stride, "padding": padding}


def draw_norm(rng, neuron):
    B, H, C = shape_of(rng, 5, 4, 5)
    train = B > 0 and rng.random() < 0.7
    running = RunningStats(numbers(rng, C), rng.uniform(0.5, 2, C))
    return {
        "x": 2 * numbers(rng, B + 3 * train, H, C) + 1, "gamma": numbers(rng, C), "beta": numbers(rng, C),
        "running": running, "train": train, "momentum": float(rng.random()), "copies": int(rng.integers(1, 4)),
        "scale": float(rng.choice([1.0, 0.7])),
    }  # fmt: skip


def draw_lif(rng, neuron):
    T, B, N = int(rng.integers(1, 7)), *shape_of(rng, 4, 8)
    current = 0.5 + numbers(rng, T, B, N)
    if rng.random() < 0.3:  # on a grid that meets the threshold
        current = rng.integers(-2, 5, current.shape) / 4
    return {"current": current, "neuron": neuron, "score": rng.choice([None, *SCORES])}


def draw_first_spike(rng, neuron):
    """Inputs and weights for which no neuron is at the edge of firing earlier, later or never."""
    while True:
        B, N, M = shape_of(rng, 5, 9, 9)
        z, w = (
            spikes(rng, B, N, str(rng.choice(["distinct", "few", "never"]))),
            weights(rng, N, M, masked=0.2),
        )
        order = np.argsort(z, 1)
        late = np.minimum(np.take_along_axis(z, order, 1), Z_MAX)[:, :, None]
        A, gap = np.cumsum(w[order], 1) - 1, np.diff(late, axis=1, append=Z_MAX)
        F = np.cumsum(A * gap, 1) - late[:, :1]
        if not A.size or (abs(A).min() > 1e-2 and (abs(F) / (late + gap)).min() > 1e-3):
            return {"z_in": z, "weight": w}


def draw_pool(rng, neuron):
    N, H, W, C, k = shape_of(rng, 4, 7, 7, 3, 3)
    x = numbers(rng, N, max(H, k), max(W, k), C)
    return {"x": x > 0 if rng.random() < 0.5 else x.round(1), "k": k}


def draw_spikes_to_pool(rng, neuron):
    drawn = draw_pool(rng, neuron)
    return drawn | {"x": drawn["x"] > 0}


TWINS = {  # what is computed: plain file, fast file, arguments, sizes that the fast one works in
    "linear": (plain_linear, linear, draw_linear, [(product, "SMALL")]),
    "conv": (plain_conv, conv, draw_conv, [(conv, "BLOCK")]),
    "batch_norm": (plain_norm, norm, draw_norm, [(norm, "ROWS_OF")]),
    "lif": (plain_lif, lif, draw_lif, [(lif, "BLOCK")]),
    "first_spike": (plain_first_spike, first_spike, draw_first_spike, [(first_spike, "BLOCK")]),
    "average_pool": (plain_pool, pool, draw_pool, []),
    "sum_pool": (plain_pool, pool, draw_spikes_to_pool, []),
    "max_pool": (plain_max_pool, pool, draw_pool, []),
}
every_pair = pytest.mark.parametrize("name", TWINS)
OPTIONAL = {"linear": "need_dx", "conv": "need_dx", "batch_norm": "need_dx", "first_spike": "need_dz_in"}


def pairs(name):
    """The plain pair and its twin."""
    return tuple(
        SimpleNamespace(forward=getattr(file, f"{name}_forward"), backward=getattr(file, f"{name}_backward"))
        for file in TWINS[name][:2]
    )


LAYOUTS = {
    "contiguous": lambda a: a,
    "Fortran": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}


def prepared(xp, value, dtype, layout):
    """An argument with its arrays in another dtype and layout, on the device."""
    if isinstance(value, RunningStats):
        return RunningStats(*(prepared(xp, a, dtype, layout) for a in value))
    if not isinstance(value, np.ndarray):
        return value
    value = value.astype(dtype) if value.dtype.kind == "f" else value
    return xp.asarray(LAYOUTS[layout](value))


def same(found, expected, dtype, what):
    """Equal to rounding, and to the last bit where they are spikes, counts or potentials. Also shapes and dtypes."""
    assert (found is None) == (expected is None), what
    if found is None:
        return
    a, b = to_host(found), to_host(expected)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    exact = a.dtype.kind != "f" or what in ("spikes", "u", "largest")
    near = 0 if exact else 2e-4 if dtype == "float32" else 1e-9
    fires = np.isfinite(b)
    np.testing.assert_array_equal(np.isfinite(a), fires, what)
    scale = max(1, abs(b[fires].astype(float)).max(initial=0))
    np.testing.assert_allclose(a[fires], b[fires], rtol=near, atol=near * scale, err_msg=what)


def gradients(backward, dy, cache):
    grads = backward(dy, cache)
    return grads if isinstance(grads, tuple) else (grads,)


def compare(xp, name, named, dtype, rng):
    """Forwards and backwards, each backward with both caches."""
    plain, fast = pairs(name)
    y, cache, *more = plain.forward(**named)
    z, its, *others = fast.forward(**named)
    same(z, y, dtype, {"lif": "spikes", "max_pool": "largest"}.get(name, "y"))
    assert type(its) is type(cache)
    for field in cache._fields:
        a, b = getattr(its, field), getattr(cache, field)
        if field == "times":
            assert b is None
        elif hasattr(b, "dtype"):
            same(a, b, dtype, field)
        else:
            assert a == b, field
    for a, b in zip(others, more, strict=True):
        for field in b._fields:
            same(getattr(a, field), getattr(b, field), dtype, f"running {field}")
    dy = xp.asarray(rng.standard_normal(y.shape).astype(dtype))
    expected = gradients(plain.backward, dy, cache)
    for backward, c in ((fast.backward, its), (fast.backward, cache), (plain.backward, its)):
        for n, (a, b) in enumerate(zip(gradients(backward, dy, c), expected, strict=True)):
            same(a, b, dtype, f"gradient {n}")
    if name in OPTIONAL:
        for backward, c in ((fast.backward, its), (plain.backward, cache)):
            first, *rest = backward(dy, c, **{OPTIONAL[name]: False})
            assert first is None
            for n, (a, b) in enumerate(zip(rest, expected[1:], strict=True), 1):
                same(a, b, dtype, f"gradient {n} alone")


@every_pair
@given(
    rng=rngs, neuron=neurons, smooth=st.booleans(), dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from([*LAYOUTS]), size=st.none() | st.integers(1, 40),
)  # fmt: skip
def test_twins_are_equal(xp, name, rng, neuron, smooth, dtype, layout, size):
    """Any shape, also without samples; whole, and in small pieces on two threads."""
    *_, draw, sizes = TWINS[name]
    drawn = draw(rng, replace(neuron, smooth=smooth))
    named = {key: prepared(xp, value, dtype, layout) for key, value in drawn.items()}
    if size is None:
        compare(xp, name, named, dtype, rng)
    else:
        with pieces(size, *sizes):
            compare(xp, name, named, dtype, rng)


@given(
    rng=rngs,
    dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from([*LAYOUTS]),
    size=st.integers(1, 40),
)
def test_winograd_is_a_convolution(xp, rng, dtype, layout, size):
    """Of 3x3 with stride and padding 1: any shape, any layout, in small pieces."""
    N, H, W, C, F = shape_of(rng, 3, 9, 9, 4, 4)
    x = numbers(rng, N, H, W, C)
    x = x > 0 if rng.random() < 0.3 else x
    bias = numbers(rng, F) if rng.random() < 0.5 else None
    x, weight, bias = (prepared(xp, a, dtype, layout) for a in (x, numbers(rng, 3, 3, C, F), bias))
    y, cache = plain_conv.conv_forward(x, weight, bias, 1, 1)
    with pieces(size, (winograd, "ROWS"), (winograd, "COLUMNS")):
        z, its = winograd.winograd_forward(x, weight, bias)
        same(z, y, dtype, "y")
        dy = xp.asarray(rng.standard_normal(y.shape).astype(dtype))
        found, expected = winograd.winograd_backward(dy, its), plain_conv.conv_backward(dy, cache)
        for n, (a, b) in enumerate(zip(found, expected, strict=True)):
            same(a, b, dtype, f"gradient {n}")
        assert winograd.winograd_backward(dy, its, need_dx=False)[0] is None


@given(
    rng=rngs, neuron=neurons, dtype=st.sampled_from(["float32", "float64"]), layout=st.sampled_from([*LAYOUTS]),
    size=st.integers(1, 40), repeat=st.integers(1, 3), train=st.booleans(),
)  # fmt: skip
def test_joined_batch_norm_and_neurons_are_the_two(xp, rng, neuron, dtype, layout, size, repeat, train):
    """Smooth neurons, so that rounding moves no spike; the steps of a static input are one of them, repeated."""
    neuron = replace(neuron, smooth=True)
    T, B, N, C = (1 if repeat > 1 else int(rng.integers(1, 5))), *shape_of(rng, 3, 4, 4)
    x, gamma, beta, mean = (
        numbers(rng, T, B + 2 * train, N, C),
        numbers(rng, C),
        numbers(rng, C),
        numbers(rng, C),
    )
    x, gamma, beta, running = (
        prepared(xp, a, dtype, layout) for a in (x, gamma, beta, RunningStats(mean, rng.uniform(0.5, 2, C)))
    )
    y, normed, moved = plain_norm.batch_norm_forward(x, gamma, beta, running, train, copies=repeat)
    current = xp.asarray(np.repeat(to_host(y), repeat, 0))
    a, cache = plain_lif.lif_forward(current, neuron)
    near = {"float32": 2e-3, "float64": 1e-8}[dtype]
    with pieces(size, (norm_lif, "BLOCK"), (norm, "ROWS_OF")):
        b, its, stats_now = norm_lif.norm_lif_forward(x, gamma, beta, running, train, neuron, repeat=repeat)
        np.testing.assert_allclose(to_host(b), to_host(a), rtol=near, atol=near)
        for one, other in zip(stats_now, moved, strict=True):
            same(one, other, dtype, "running")
        g = xp.asarray(rng.standard_normal(a.shape).astype(dtype))
        dcurrent = to_host(plain_lif.lif_backward(g, cache))
        dy = xp.asarray(dcurrent.reshape(T, repeat, *dcurrent.shape[1:]).sum(1))
        expected, found = plain_norm.batch_norm_backward(dy, normed), norm_lif.norm_lif_backward(g, its)
        if kink_distance(neuron.surrogate, to_host(cache.u) - neuron.v_th) > near:
            for one, other in zip(found, expected, strict=True):
                one, other = to_host(one), to_host(other)
                scale = max(1, abs(other).max(initial=0))
                np.testing.assert_allclose(one, other, rtol=near, atol=near * scale)


@given(rng=rngs, few=st.booleans(), size=st.integers(1, 100))
def test_first_spikes_on_a_device_in_parts(xp, rng, few, size):
    """Few samples at a time, and where times are few or not."""
    named = draw_first_spike(rng, None)
    named = {key: xp.asarray(value) for key, value in named.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_spike, "ON_DEVICE", size)
        if not few:
            patch.setattr(first_spike, "FEW_TIMES", 0)
        compare(xp, "first_spike", named, "float64", rng)


@given(rng=rngs, N=st.integers(0, 30), M=st.integers(1, 9), K=st.integers(1, 9), small=st.integers(1, 500))
def test_products(xp, rng, N, M, K, small):
    a, b = numbers(rng, N, M), numbers(rng, M, K)
    with pieces(small, (product, "SMALL")):
        found = to_host(product.product(xp.asarray(a), xp.asarray(b)))
    np.testing.assert_allclose(found, a @ b, atol=1e-12)
    np.testing.assert_allclose(to_host(product.column_sums(xp.asarray(a))), a.sum(0), atol=1e-12)


@given(
    rng=rngs, k=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), surrogate=surrogates
)
def test_patches_and_magnitudes(xp, rng, k, stride, padding, surrogate):
    """The pieces of two pairs that chapters use by themselves."""
    x = xp.asarray(numbers(rng, 2, 5, 6, 2))
    for dtype in ("float32", "float64"):
        a, b = (to_host(file.im2col(x, k, stride, padding, dtype)) for file in (im2col, conv))
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for v_reset in (None, 0.0, -0.5):
        neuron = Neuron(v_reset=v_reset, surrogate=surrogate)
        a = neuron.fire(x)
        for which in SCORES:
            u, v = (to_host(file.potential_magnitude(x, a, neuron, which)) for file in (score, lif))
            np.testing.assert_array_equal(u, v)


one, two, three, image = np.ones(1), np.ones(2), np.ones(3), np.ones((2, 5, 5, 3))
stats = RunningStats(two, two)
REFUSED = {
    "linear": [
        ((np.ones((2, 3)), np.ones((4, 5))), "expected x"),
        ((three, np.ones((3, 0))), "weight must have"),
        ((np.ones((2, 3)), np.ones((3, 5)), one), "expected bias"),
        ((np.ones((2, 3), int), np.ones((3, 5))), "x must"),
    ],
    "conv": [
        ((np.ones((2, 5, 5)), np.ones((3, 3, 1, 1))), "expected x"),
        ((image, np.ones((3, 2, 3, 1))), "expected x"),
        ((image, np.ones((3, 3, 3, 4)), three), "expected bias"),
        ((image, np.ones((6, 6, 3, 4))), "does not fit into"),
        ((image, np.ones((3, 3, 3, 4)), None, 0), "stride must be"),
        ((image, np.ones((3, 3, 3, 0))), "only N may be 0"),
        ((image, np.ones((3, 3, 3, 4)), None, 1, -1), "padding must be"),
    ],
    "batch_norm": [
        ((np.ones((1, 2)), two, two, stats, True), "more than one value"),
        ((np.ones((3, 2)), one, two, stats, True), "gamma"),
        ((np.ones((3, 2)), two, two, RunningStats(one, two), True), "mean"),
        ((np.ones((3, 2), int), two, two, stats, True), "x must"),
        ((np.ones((3, 0)), two[:0], two[:0], RunningStats(two[:0], two[:0]), True), "at least one channel"),
    ],
    "lif": [
        ((np.array(1.0), Neuron()), "T of at least 1"),
        ((np.ones((0, 3)), Neuron()), "at least 1"),
        ((np.ones((2, 3), int), Neuron()), "floating"),
        ((np.ones((3, 0)), Neuron()), "at least one neuron"),
        ((np.ones((2, 3)), Neuron(), "l1"), "score must be one of"),
    ],
    "first_spike": [
        ((np.ones((2, 3)), np.ones((4, 5))), "expected z_in"),
        ((np.zeros((2, 3)), np.ones((3, 5))), "must be > 0"),
        ((np.ones((2, 3)), np.ones((3, 5), np.float32)), "one floating dtype"),
        ((np.ones((2, 3)), np.full((3, 5), np.nan)), "not finite"),
        ((np.ones((0, 3)), np.full((3, 5), np.inf)), "not finite"),
    ],
    "average_pool": [
        ((np.ones((2, 1, 3, 4)),), "H and W of at least 2"),
        ((image, 0), "k must be"),
        ((image.astype(int),), "x must"),
    ],
    "sum_pool": [
        ((image > 0, 16), "k of at most 15"),
        ((image,), "expected spikes"),
        ((image > 0, 6), "H and W of at least 6"),
    ],
    "max_pool": [
        ((np.ones((2, 2, 3)),), "H and W of at least 2"),
        ((image, 1.5), "k must be a whole"),
        ((image * 1j,), "x must"),
    ],
}


@pytest.mark.parametrize(
    ("name", "args", "said"), [(name, *case) for name, cases in REFUSED.items() for case in cases]
)
def test_twins_refuse_the_same_in_the_same_words(name, args, said):
    texts = []
    for pair in pairs(name):
        with pytest.raises(ValueError, match=said) as error:
            pair.forward(*args)
        texts.append(str(error.value))
    assert texts[0] == texts[1]


@every_pair
def test_twins_refuse_the_same_gradients(name):
    rng, named = np.random.default_rng(0), {}
    while not named or not next(iter(named.values())).size:
        named = TWINS[name][2](rng, Neuron())
    texts = []
    for pair in pairs(name):
        y, cache, *_ = pair.forward(**named)
        for dy in (np.ones((*y.shape, 1)), np.ones(y.shape, int)):
            with pytest.raises(ValueError, match="must") as error:
                pair.backward(dy, cache)
            texts.append(str(error.value))
    assert texts[:2] == texts[2:]


DAMAGES = {  # something in the fast file, and what stands in its place
    "linear": (linear, "column_sums", lambda x: 2 * product.column_sums(x)),
    "conv": (conv, "column_sums", lambda x: 2 * product.column_sums(x)),
    "batch_norm": (norm, "EPS", 1e-3),
    "lif": (lif, "_not", lambda a: a),
    "first_spike": (first_spike, "EPS", 0.5),
    "average_pool": (pool, "mean_dtype", lambda x: "float32"),
    "sum_pool": (pool, "_sums", lambda x, k, dtype: x[:, ::k, ::k].astype(dtype)),
    "max_pool": (pool, "_windows", lambda x, k: [x[:, : x.shape[1] // k * k : k, : x.shape[2] // k * k : k]]),
}


@every_pair
def test_a_damaged_twin_is_noticed(name, monkeypatch):
    monkeypatch.setattr(*DAMAGES[name])
    rng = np.random.default_rng(0)

    def try_some():
        for _ in range(30):
            compare(np, name, TWINS[name][2](rng, Neuron(v_reset=-0.1)), "float64", rng)

    with pytest.raises(AssertionError):
        try_some()
