"""The first-spike layer against its equations, a naive search, and finite differences."""

import tracemalloc
from math import log

import numpy as np
import pytest
from hypothesis import given
from strategies import kinds, rngs, seeds, sizes, spikes, weights
from textbook import textbook_backward, textbook_forward

from minisnn.backend import array_module, to_host
from minisnn.faster import first_spike as fast_first_spike
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops import first_spike
from minisnn.ops.first_spike import Z_MAX, first_spike_backward, first_spike_forward

both_files = pytest.mark.parametrize("file", [first_spike, fast_first_spike], ids=["plain", "fast"])


@pytest.mark.parametrize(
    ("z", "w", "z_out"),
    [
        ((1, 2, 6), (0.8, 0.6, -0.5), 5.0),
        ((1, 2, 6), (0.8, 0.3, 0.5), 7.333333),
        ((1, 2, 6), (0.8, 0.1, 0.05), np.inf),
        ((1, 1, 6), (0.7, 0.7, 1.0), 3.5),
    ],
)
@both_files
def test_worked_neurons(xp, file, z, w, z_out):
    z, w = xp.asarray(np.array([z], float)), xp.asarray(np.array(w)[:, None])
    assert to_host(file.first_spike_forward(z, w)[0])[0, 0] == pytest.approx(z_out, abs=5e-7)


def test_worked_neuron_gradient():
    z, w = np.array([[1.0, 2, 6]]), np.array([[0.8], [0.6], [-0.5]])
    z_out, cache = first_spike_forward(z, w)
    dz, dw = first_spike_backward(np.ones((1, 1)), cache)
    np.testing.assert_allclose(dw[:, 0], [-10, -7.5, 0], atol=1e-12)
    np.testing.assert_allclose(dz[0], [2, 1.5, 0], atol=1e-12)
    t = log(z_out[0, 0])
    assert t == pytest.approx(1.609438, abs=5e-7)
    V = sum(wi * (1 - np.exp(-(t - log(zi)))) for wi, zi in zip(w[:2, 0], z[0, :2], strict=True))
    assert pytest.approx(1, abs=1e-12) == V


@both_files
@given(rng=rngs, B=sizes, N=sizes, M=sizes, kind=kinds)
def test_equals_prefix_search(xp, file, rng, B, N, M, kind):
    z, w = spikes(rng, B, N, kind), weights(rng, N, M, masked=0.3)
    expected, slope, causal = textbook_forward(z, w)
    z_out, cache = file.first_spike_forward(xp.asarray(z), xp.asarray(w))
    z_out = to_host(z_out)
    np.testing.assert_allclose(z_out, expected, rtol=1e-9)
    np.testing.assert_allclose(to_host(cache.slope), slope, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(
        to_host(cache.z_in)[:, :, None] < np.where(np.isinf(z_out), 0, z_out)[:, None], causal
    )


@both_files
@given(rng=rngs, B=sizes, N=sizes, M=sizes, kind=kinds)
def test_crosses_the_threshold_there_and_not_before(file, rng, B, N, M, kind):
    """V(t_out) = 1, and on a dense time grid V < 1 before (ESL Eq. 3 and 4)."""
    z, w = spikes(rng, B, N, kind), weights(rng, N, M)

    def V(t):  # [B, M] -> [B, M]
        with np.errstate(invalid="ignore"):
            kernel = np.maximum(0, 1 - np.exp(np.log(z)[:, :, None] - t[:, None, :]))
        return np.einsum("bnm,nm->bm", kernel, w)

    z_out = file.first_spike_forward(z, w)[0]
    fires = np.isfinite(z_out)
    t_out = np.log(np.where(fires, z_out, Z_MAX))
    np.testing.assert_allclose(V(t_out)[fires], 1, rtol=1e-9)
    for part in np.linspace(0, 1, 500, endpoint=False):
        assert (V(part * t_out) < 1 + 1e-9).all()


@given(seed=seeds, B=sizes, N=sizes, M=sizes, kind=kinds)
def test_order_of_inputs_does_not_matter(seed, B, N, M, kind):
    rng = np.random.default_rng(seed)
    z, w = spikes(rng, B, N, kind), weights(rng, N, M)
    p = rng.permutation(N)
    np.testing.assert_allclose(first_spike_forward(z[:, p], w[p])[0], first_spike_forward(z, w)[0], rtol=1e-9)


def differentiable(z, w):
    """The forward without the neurons that fire so late that a finite difference is no derivative."""
    late = first_spike_forward(z, w)[1].slope < 0.05

    def forward(z, w):
        z_out, cache = first_spike_forward(z, w)
        return array_module(z).where(late, np.inf, z_out), cache

    return forward


@given(rng=rngs, B=sizes, N=sizes, M=sizes, kind=kinds)
def test_gradient(xp, rng, B, N, M, kind):
    z, w = xp.asarray(spikes(rng, B, N)), xp.asarray(weights(rng, N, M, masked=0.3))
    if kind == "never":
        z[0] = np.inf
    if kind == "few":  # moving tied inputs apart would change their number: only the weights move
        z = xp.asarray(spikes(rng, B, N, kind))
        check_gradient(
            lambda w: differentiable(z, w)(z, w),
            lambda dz, cache: first_spike_backward(dz, cache, need_dz_in=False)[1],
            (w,),
            rng,
        )
    else:
        check_gradient(differentiable(z, w), first_spike_backward, (z, w), rng)


@both_files
@given(rng=rngs, B=sizes, N=sizes, M=sizes)
def test_backward_equals_textbook(xp, file, rng, B, N, M):
    """Of the fast one both loops, over inputs and over neurons."""
    z, w, dz_out = spikes(rng, B, N), weights(rng, N, M), rng.standard_normal((B, M))
    z_out, cache = file.first_spike_forward(xp.asarray(z), xp.asarray(w))
    found = file.first_spike_backward(xp.asarray(dz_out), cache)
    expected = textbook_backward(dz_out, z, w, to_host(z_out), to_host(cache.slope))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_host(a), b, rtol=1e-7, atol=1e-9 * max(1, abs(b).max()))


def test_workspace_does_not_grow_with_the_weights():
    """Of the fast twin. Four times the weights, for twice the inputs and neurons, but twice the peak of memory."""
    peaks = []
    for N in (200, 400):
        rng = np.random.default_rng(0)
        z, w = spikes(rng, 20, N), weights(rng, N, N)
        tracemalloc.start()
        z_out, cache = fast_first_spike.first_spike_forward(z, w)
        forward = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        fast_first_spike.first_spike_backward(z_out.clip(max=1), cache)
        peaks.append((forward, tracemalloc.get_traced_memory()[1] - w.nbytes))  # dweight is the result
        tracemalloc.stop()
    assert peaks[1][0] < 2.5 * peaks[0][0]
    assert peaks[1][1] < 2.5 * peaks[0][1]


def damage_sign(dz_out, cache):
    dz_in, dweight = first_spike_backward(dz_out, cache)
    return dz_in, -dweight


def damage_membership(dz_out, cache):
    """As if every input were causal."""
    return first_spike_backward(dz_out, cache._replace(z_in=np.minimum(cache.z_in, 1e-3)))


def damage_denominator(dz_out, cache):
    """A instead of A - 1."""
    return first_spike_backward(dz_out, cache._replace(slope=cache.slope + 1))


@pytest.mark.parametrize("damaged", [damage_sign, damage_membership, damage_denominator])
@given(rng=rngs)
def test_damaged_gradient_is_caught(damaged, rng):
    z, w = spikes(rng, 5, 7), weights(rng, 7, 4, total=6.0)
    z[:, 0], w[0] = 0.5, 1.5 + abs(w[0])  # every neuron fires, and not late
    with pytest.raises(GradientError):
        check_gradient(differentiable(z, w), damaged, (z, w), rng)


def test_absent_synapses_have_a_gradient_and_silent_neurons_none():
    z, w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 0.1], [0.0, 0.1], [0.0, 0.1]])
    z_out, cache = first_spike_forward(np.where(z == 3, np.inf, z), w)
    assert z_out[0, 0] == 2.0
    assert np.isinf(z_out[0, 1])
    dz, dw = first_spike_backward(np.ones((1, 2)), cache)
    np.testing.assert_allclose(
        dw, [[-1, 0], [0, 0], [0, 0]]
    )  # an input at the moment of firing is not causal
    z_out, cache = first_spike_forward(z, np.array([[1.5], [0.0], [0.0]]))
    assert first_spike_backward(np.ones((1, 1)), cache)[1][1, 0] == pytest.approx(-(3 - 2) / 0.5)


@given(rng=rngs, B=sizes, N=sizes, M=sizes)
def test_few_times_equal_the_general_case(xp, rng, B, N, M):
    """The same numbers by matrix products and by sorting, forwards and backwards."""
    z, w = spikes(rng, B, N + 3, "few"), weights(rng, N + 3, M)
    dz_out = xp.asarray(rng.standard_normal((B, M)))
    first_spike_forward, first_spike_backward = (
        fast_first_spike.first_spike_forward,
        fast_first_spike.first_spike_backward,
    )
    fast = first_spike_forward(xp.asarray(z), xp.asarray(w))
    assert fast[1].times is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_first_spike, "FEW_TIMES", 0)
        slow = first_spike_forward(xp.asarray(z), xp.asarray(w))
    assert slow[1].times is None
    np.testing.assert_allclose(to_host(fast[0]), to_host(slow[0]), rtol=1e-9)
    for a, b in zip(
        first_spike_backward(dz_out, fast[1]), first_spike_backward(dz_out, slow[1]), strict=True
    ):
        np.testing.assert_allclose(to_host(a), to_host(b), rtol=1e-7, atol=1e-9)


@both_files
@given(rng=rngs, kind=kinds)
def test_float32(file, rng, kind):
    z, w = spikes(rng, 8, 30, kind).astype(np.float32), weights(rng, 30, 20).astype(np.float32)
    single, cache = file.first_spike_forward(z, w)
    double, exact = file.first_spike_forward(z.astype(float), w.astype(float))
    assert single.dtype == np.float32
    assert file.first_spike_backward(np.ones_like(single), cache)[1].dtype == np.float32
    clear = exact.slope > 1e-2
    np.testing.assert_allclose(single[clear], double[clear], rtol=1e-3)


@both_files
def test_all_silent_inputs_and_tiny_slopes(file):
    z_out, cache = file.first_spike_forward(np.full((2, 3), np.inf), np.ones((3, 4)))
    assert np.isinf(z_out).all()
    dz, dw = file.first_spike_backward(np.ones((2, 4)), cache)
    assert not dz.any()
    assert not dw.any()
    for excess, fires in [
        (1e-11, False),
        (1e-6, False),
        (1e-3, True),
    ]:  # 1 + 1/(A - 1) must come before Z_MAX
        z_out, _ = file.first_spike_forward(np.array([[1.0, 1.0]]), np.full((2, 1), (1 + excess) / 2))
        assert np.isfinite(z_out).all() == fires


@pytest.mark.parametrize(
    ("z", "w", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5)), "expected z_in"),
        (np.ones((2, 3)), np.ones((3, 5), np.float32), "one floating dtype"),
        (np.zeros((2, 3)), np.ones((3, 5)), "must be > 0"),
        (np.full((2, 3), np.nan), np.ones((3, 5)), "must be > 0"),
        (np.ones((2, 3)), np.full((3, 5), np.nan), "not finite"),
    ],
)
def test_bad_input_is_refused(z, w, message):
    with pytest.raises(ValueError, match=message):
        first_spike_forward(z, w)
