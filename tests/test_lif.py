"""Neurons over time against a loop, worked numbers and finite differences; and the blocks they work in."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import few, kink_distance, neurons, pieces, rngs, sizes
from threadpoolctl import threadpool_info

from minisnn.backend import to_host
from minisnn.faster import blocks
from minisnn.faster import lif as fast_lif
from minisnn.gradcheck import GradientError, check_gradient
from minisnn.ops import lif
from minisnn.ops.lif import lif_backward, lif_forward
from minisnn.ops.neuron import Neuron, integrate_and_fire, leaky
from minisnn.ops.score import SCORES, potential_magnitude
from minisnn.ops.surrogate import SURROGATES


def naive_forward(current, n):
    """The equations of lif.py's head: u and a."""
    u, a, v = np.empty_like(current), np.empty(current.shape, bool), n.rest
    for t, I_t in enumerate(current):
        u[t] = n.rest + n.decay * (v - n.rest) + n.gain * I_t
        a[t] = u[t] >= n.v_th if n.fire_at_equality else u[t] > n.v_th
        v = u[t] - n.v_th * a[t] if n.v_reset is None else np.where(a[t], n.v_reset, u[t])
    return u, a


def naive_backward(g, u, a, n):
    """The recursion of `lif_backward`, term by term."""
    h, later, dcurrent = n.surrogate.slope(u - n.v_th), 0, np.empty_like(u)
    for t in reversed(range(len(u))):
        if n.v_reset is None:
            through_v, through_a = 1, -n.v_th
        else:
            through_v, through_a = 1 - a[t], n.v_reset - u[t]
        later = g[t] * h[t] + n.decay * later * (through_v + (0 if n.detach_reset else through_a * h[t]))
        dcurrent[t] = n.gain * later
    return dcurrent


@given(rng=rngs, neuron=neurons, T=sizes, B=sizes, N=sizes)
def test_equals_a_loop(xp, rng, neuron, T, B, N):
    current, g = rng.normal(0.5, 1, (T, B, N)), rng.standard_normal((T, B, N))
    u, a = naive_forward(current, neuron)
    assume(abs(u - neuron.v_th).min() > 1e-9 and kink_distance(neuron.surrogate, u - neuron.v_th) > 1e-9)
    device = xp.asarray(current)
    spikes, cache = lif_forward(device, neuron)
    assert spikes.dtype == bool
    np.testing.assert_array_equal(to_host(spikes), a)
    np.testing.assert_allclose(to_host(cache.u), u, rtol=1e-12, atol=1e-12)
    dcurrent = to_host(lif_backward(xp.asarray(g), cache))
    np.testing.assert_allclose(dcurrent, naive_backward(g, u, a, neuron), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(to_host(device), current)  # the argument is left alone
    assert float(cache.firing_rate()) == pytest.approx(a.mean())


@given(
    rng=rngs,
    equality=st.booleans(),
    v_reset=st.sampled_from([None, 0.0, -0.25]),
    decay=st.sampled_from([0.5, 1.0]),
    T=sizes,
)
def test_potentials_that_equal_the_threshold(xp, rng, equality, v_reset, decay, T):
    """Quarters and halves are exact, so that u = v_th comes about often, and decides."""
    neuron = Neuron(decay=decay, v_reset=v_reset, fire_at_equality=equality)
    current = rng.integers(-2, 5, (T, 50)) / 4
    current[0, 0] = 1 + (decay - 1) * neuron.rest - decay * neuron.rest  # from rest to u = 1
    u, a = naive_forward(current, neuron)
    spikes, cache = lif_forward(xp.asarray(current), neuron)
    assert u[0, 0] == neuron.v_th
    assert a[0, 0] == equality
    np.testing.assert_array_equal(to_host(cache.u), u)
    np.testing.assert_array_equal(to_host(spikes), a)


@given(rng=rngs, neuron=neurons, T=few, B=few, N=few)
def test_gradient(xp, rng, neuron, T, B, N):
    """The same backward against the same forward, with the smooth step in the place of the Heaviside."""
    neuron = replace(neuron, smooth=True, detach_reset=False)
    current = rng.normal(0.5, 1, (T, B, N))
    u = lif_forward(current, neuron)[1].u
    assume(kink_distance(neuron.surrogate, u - neuron.v_th) > 1e-4)
    check_gradient(lambda x: lif_forward(x, neuron), lif_backward, (xp.asarray(current),), rng)


def naive_activity(u, a, n, score):
    """Of each channel, the mean of SCA's measure, by a sum over steps, images, rows and columns."""
    T, B, H, W, C = u.shape
    total = [0.0] * C
    for t, b, y, x, c in np.ndindex(u.shape):
        fired, before = float(a[t, b, y, x, c]), u[t, b, y, x, c]
        soft, hard = before - n.v_th * fired, before + fired * ((n.v_reset or 0) - before)
        after = soft if n.v_reset is None else hard
        total[c] += {"code": fired + abs(after), "post-reset": abs(after), "pre-reset": abs(before)}[score]
    return np.array(total) / (T * B * H * W)


@given(
    rng=rngs, neuron=neurons, T=few, B=few, H=few, W=few, C=few,
    score=st.sampled_from(SCORES), smooth=st.booleans(), block=sizes,
)  # fmt: skip
def test_activity_equals_a_loop(xp, rng, neuron, T, B, H, W, C, score, smooth, block):
    neuron = replace(neuron, smooth=smooth)
    current = xp.asarray(rng.normal(0.5, 1, (T, B, H, W, C)))
    spikes, cache = lif_forward(current, neuron, score)
    u, a, found = map(to_host, (cache.u, spikes, cache.activity))
    np.testing.assert_allclose(found, naive_activity(u, a, neuron, score), rtol=1e-10, atol=1e-12)
    plain, without = lif_forward(current, neuron)
    assert without.activity is None
    np.testing.assert_array_equal(to_host(plain), a)
    whole = to_host(fast_lif.lif_forward(current, neuron, score)[1].activity)
    np.testing.assert_allclose(whole, found, rtol=1e-12, atol=1e-12)
    with pieces(block, (fast_lif, "BLOCK")):
        parts = fast_lif.lif_forward(current, neuron, score)[1].activity
        np.testing.assert_array_equal(to_host(parts), whole)


@pytest.mark.parametrize(
    ("neuron", "scores"),
    [
        (Neuron(), {"pre-reset": 2.8 / 3, "post-reset": 1.5 / 3, "code": 2.5 / 3}),
        (Neuron(v_reset=None), {"pre-reset": 2.95 / 3, "post-reset": 1.95 / 3, "code": 2.95 / 3}),
    ],
)
def test_worked_activity(xp, neuron, scores):
    """The potentials of `test_worked_neurons`; beside them a channel that never moves."""
    current = xp.asarray(np.array([[0.8, 0], [0.9, 0], [0.7, 0]])[:, None])
    for score, expected in scores.items():
        found = to_host(lif_forward(current, neuron, score)[1].activity)
        np.testing.assert_allclose(found, [expected, 0], atol=1e-12)


def test_below_rest_counts_too(xp):
    """|v|, not v."""
    current = xp.asarray(np.array([[[-0.5]], [[0.5]]]))
    for score in SCORES:
        found = to_host(lif_forward(current, IF, score)[1].activity)
        np.testing.assert_allclose(found, [0.25], atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("v_reset", [None, 0.0, -0.25])
@pytest.mark.parametrize("smooth", [False, True])
def test_activity_keeps_its_dtype(xp, score, v_reset, smooth):
    current = xp.asarray(np.ones((2, 3, 4), np.float32))
    neuron = Neuron(v_reset=v_reset, smooth=smooth)
    spikes, cache = lif_forward(current, neuron, score)
    assert cache.activity.dtype == potential_magnitude(cache.u, spikes, neuron, score).dtype == np.float32


def test_other_scores_are_refused(xp):
    current = xp.asarray(np.ones((2, 3)))
    with pytest.raises(ValueError, match="score must be one of code, post-reset, pre-reset, found 'l1'"):
        lif_forward(current, Neuron(), "l1")


def changed(**fields):
    return lambda g, cache: lif_backward(g, cache._replace(neuron=replace(cache.neuron, **fields)))


DAMAGES = {
    "sign": lambda g, cache: -lif_backward(g, cache),
    "detached reset": changed(detach_reset=True),
    "decay": changed(decay=0.45),
    "gain": changed(gain=1.0),
    "threshold": changed(v_th=1.05),
    "surrogate": changed(surrogate=SURROGATES["arctan"]),
    "reset to another value": changed(v_reset=0.1),
    "step too late": lambda g, cache: lif_backward(g, cache._replace(u=cache.u[[0, 0, 1, 2]])),
    "no memory": changed(decay=0.0),
}


@pytest.mark.parametrize("damage", DAMAGES)
@given(rng=rngs, v_reset=st.sampled_from([None, 0.0, -0.5]))
def test_damaged_gradient_is_caught(xp, damage, rng, v_reset):
    neuron = Neuron(gain=0.8, v_reset=v_reset, surrogate=SURROGATES["sigmoid"], smooth=True)
    current = xp.asarray(rng.normal(1, 0.5, (4, 20)))

    def twice():  # one tangent misses a damage about once in ten thousand times
        for _ in range(2):
            check_gradient(lambda x: lif_forward(x, neuron), DAMAGES[damage], (current,), rng)

    with pytest.raises(GradientError):
        twice()


def test_spikes_have_no_gradient_to_check():
    with pytest.raises(GradientError, match="spikes have no derivative"):
        check_gradient(
            lambda x: lif_forward(x, Neuron()), lif_backward, (np.ones((2, 3)),), np.random.default_rng(0)
        )


HARD, SOFT, LEAKY = (0.8, 1.3, 0.7), (0.8, 1.3, 0.85), leaky(decay_input=False)
IF, IF_SOFT = integrate_and_fire(), integrate_and_fire(v_reset=None)


@pytest.mark.parametrize(
    ("neuron", "u", "spikes", "full", "detached"),
    [
        (Neuron(), HARD, (0, 1, 0), (0.88001, 0.4445, 2.1), (1.5, 1.4, 2.1)),
        (Neuron(v_reset=None), SOFT, (0, 1, 0), (0.97825, 1.7825, 2.55), (2.1375, 2.675, 2.55)),
        (LEAKY, HARD, (0, 1, 0), (0.924382, 0.435787, 2.134733), (1.567217, 1.423156, 2.134733)),
        (IF, (0.8, 1.7, 0.7), (0, 1, 0), (0.744548, -0.352122, 2.134733), (1.287944, 0.432305, 2.134733)),
        (IF_SOFT, (0.8, 1.7, 1.4), (0, 1, 1), (1.10783, 1.746947, 1.677166), (2.965109, 2.10947, 1.677166)),
        (leaky(), (0.4, 0.65, 0.675), (0, 0, 0), None, None),
    ],
)
def test_worked_neurons(xp, neuron, u, spikes, full, detached):
    """By hand, and of SpikingJelly's LIFNode and IFNode."""
    current, g = xp.asarray([0.8, 0.9, 0.7]), xp.asarray([1.0, 2.0, 3.0])
    a, cache = lif_forward(current, neuron)
    assert tuple(to_host(a)) == spikes
    np.testing.assert_allclose(to_host(cache.u), u, atol=1e-12)
    for detach, expected in [(False, full), (True, detached)]:
        if expected:
            _, cache = lif_forward(current, replace(neuron, detach_reset=detach))
            np.testing.assert_allclose(to_host(lif_backward(g, cache)), expected, atol=5.1e-7)


def test_the_two_leaks():
    """SpikingJelly's H = V + (X - (V - V_reset)) / tau_m, the input divided or not."""
    V, X, V_r = -0.1, 0.7, -0.3
    _, cache = lif_forward(np.array([4 * (V - V_r), X]), leaky(4.0, v_reset=V_r))
    np.testing.assert_allclose(cache.u, [V, V + (X - (V - V_r)) / 4])
    _, cache = lif_forward(np.array([V - V_r, X]), leaky(4.0, decay_input=False, v_reset=V_r))
    np.testing.assert_allclose(cache.u, [V, V - (V - V_r) / 4 + X])
    assert leaky(1.0).decay == 0
    assert integrate_and_fire().decay == 1
    assert leaky(fire_at_equality=False, surrogate=SURROGATES["triangle"], decay_input=False) == Neuron()


@given(rng=rngs, neuron=neurons, T=sizes, B=sizes, N=sizes, block=sizes, smooth=st.booleans())
def test_blocks_and_threads_change_nothing(xp, rng, neuron, T, B, N, block, smooth):
    """To the last bit."""
    neuron = replace(neuron, smooth=smooth)
    current, g = (xp.asarray(rng.normal(0.5, 1, (T, B, N))) for _ in range(2))

    def both():
        spikes, cache = fast_lif.lif_forward(current, neuron)
        return [to_host(z) for z in (spikes, cache.u, fast_lif.lif_backward(g, cache))]

    whole = both()
    with pieces(block, (fast_lif, "BLOCK")):
        for a, b in zip(whole, both(), strict=True):
            np.testing.assert_array_equal(a, b)


both_files = pytest.mark.parametrize("file", [lif, fast_lif], ids=["plain", "fast"])


@both_files
@given(rng=rngs, neuron=neurons, T=sizes, B=sizes)
def test_a_broadcast_current(xp, file, rng, neuron, T, B):
    """A static input repeated over time without a copy, and a cotangent that is the same for every step."""
    current, g = (xp.asarray(rng.normal(0.5, 1, (1, B, 3))) for _ in range(2))
    found, expected = [], []
    for to, repeat in [
        (found, lambda z: xp.broadcast_to(z, (T, B, 3))),
        (expected, lambda z: z.repeat(T, 0)),
    ]:
        spikes, cache = file.lif_forward(repeat(current), neuron)
        to += [to_host(z) for z in (spikes, file.lif_backward(repeat(g), cache))]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("v_reset", [None, 0.0])
@both_files
def test_extreme_currents(xp, file, name, v_reset):
    """In float32, no overflow and no NaN on the way back."""
    current = np.array([[-1e30, 1e30, 0, 1e30], [1e30, -1e30, 1e30, 0]], np.float32)
    spikes, cache = file.lif_forward(xp.asarray(current), Neuron(v_reset=v_reset, surrogate=SURROGATES[name]))
    dcurrent = file.lif_backward(xp.asarray(np.ones_like(current)), cache)
    assert dcurrent.dtype == cache.u.dtype == np.float32
    assert np.isfinite(to_host(dcurrent)).all()
    assert to_host(spikes)[0].tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("current", "message"),
    [
        (np.array(1.0), r"current must be \[T, ...\] with T of at least 1, found \(\)"),
        (np.ones((0, 3)), "at least 1"),
        (np.ones((2, 3), int), "be floating"),
    ],
)
def test_bad_currents_are_refused(xp, current, message):
    with pytest.raises(ValueError, match=message):
        lif_forward(xp.asarray(current), Neuron())


def test_no_samples_and_no_neurons(xp):
    spikes, cache = lif_forward(xp.asarray(np.ones((3, 0, 2))), Neuron())
    assert spikes.shape == lif_backward(xp.asarray(np.ones((3, 0, 2))), cache).shape == (3, 0, 2)
    with pytest.raises(ValueError, match=r"at least one neuron, found \(3, 0\)"):
        lif_forward(xp.asarray(np.ones((3, 0))), Neuron())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Neuron(decay=1.1), "decay must be 0 to 1, found 1.1"),
        (lambda: Neuron(decay=-0.1), "decay must be 0 to 1"),
        (lambda: Neuron(v_reset=1.0), "v_reset must be below v_th = 1.0, found 1.0"),
        (lambda: leaky(0.5), "tau_m must be at least 1, found 0.5"),
    ],
)
def test_bad_neurons_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# The blocks and threads themselves.


@given(n=st.integers(0, 40), per=st.integers(0, 10), elements=st.integers(0, 50), threads=few)
def test_split_covers_everything_once(xp, n, per, elements, threads):
    like = xp.asarray([0.0])
    with pieces(elements, threads=threads):
        slices = blocks.split(n, per, elements, like)
    assert [k for s in slices for k in range(s.start, s.stop)] == list(range(n))
    sizes = [s.stop - s.start for s in slices]
    assert all(size == 1 or size * per <= elements for size in sizes)
    assert len(set(sizes[:-1])) <= 1  # only the last may be smaller
    shared = isinstance(like, np.ndarray) and threads > 1 and n * max(1, per) >= elements
    assert isinstance(slices, blocks.Serial) != shared


@given(jobs=st.integers(0, 20), threads=few)
def test_every_job_is_done_once(xp, jobs, threads):
    done, names = [], set()

    def work(job):
        done.append(job)
        names.add(threading.current_thread().name)

    like = xp.asarray([0.0])
    with blocks.use_threads(threads):
        blocks.each(work, blocks.split(jobs, 1, 1, like))
    assert sorted(k for job in done for k in range(job.start, job.stop)) == list(range(jobs))
    if threads == 1 or not isinstance(like, np.ndarray):
        assert names <= {threading.current_thread().name}


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_jobs_run_at_the_same_time_on_one_blas_thread_each():
    barrier, seen = threading.Barrier(2, timeout=10), []

    def work(job):
        barrier.wait()  # passes only if both jobs are under way
        seen.append(blas_threads())

    with blocks.use_threads(2):
        blocks.each(work, range(2))
        assert blas_threads() == {2}
    assert seen == [{1}, {1}]


def test_exceptions_pass_through_and_threads_are_restored():
    def work(job):
        raise KeyError(job)

    before = blocks.threads(), blas_threads()
    for n in (1, 2):
        with pytest.raises(KeyError), blocks.use_threads(n):
            blocks.each(work, range(3))
        assert (blocks.threads(), blas_threads()) == before
    with blocks.use_threads(3):
        with blocks.use_threads(2):
            assert blocks.threads() == 2
        assert blocks.threads() == 3
    assert (blocks.threads(), blas_threads()) == before
    with pytest.raises(ValueError, match="at least 1, found 0"), blocks.use_threads(0):
        pass
    assert (blocks.threads(), blas_threads()) == before


def test_memory_is_kept_where_the_library_can_be_told(monkeypatch):
    told = []

    class Libc:
        def mallopt(self, parameter, value):
            told.append((parameter, value))

    for libc, expected in ((Libc(), 2), (object(), 0), (OSError("no library"), 0), (TypeError("no name"), 0)):
        told.clear()
        blocks.keep_memory.cache_clear()

        def load(name, libc=libc):
            if isinstance(libc, Exception):
                raise libc
            return libc

        monkeypatch.setattr(blocks.ctypes, "CDLL", load)
        blocks.keep_memory()
        blocks.keep_memory()
        assert len(told) == expected
    blocks.keep_memory.cache_clear()
