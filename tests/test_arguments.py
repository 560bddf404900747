"""Public functions and any lists, dtypes and sizes: the float64 answer, or a ValueError that names the argument."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes

from minisnn import arguments
from minisnn.backend import as_array, is_array, to_host
from minisnn.batches.augment import flip, roll, shift
from minisnn.batches.encode import direct_code, event_code, latency_code
from minisnn.faster import winograd
from minisnn.gradcheck import check_gradient
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.pools import AveragePool
from minisnn.networks.stages.rearrange import Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops import attention, conv, first_spike, lif, linear, max_pool, pool, surrogate
from minisnn.ops.neuron import Neuron
from minisnn.training import losses

LABELS = np.array([0, 2])
ATTENDED = np.arange(1.0, 25).reshape(2, 4, 3)
# name of the pair: (forward, backward, the shapes of its floating arguments, those that may be spikes)
PAIRS = {
    "linear": (linear.linear_forward, linear.linear_backward, {"x": (2, 3), "weight": (3, 4), "bias": (4,)}, "x"),
    "conv": (conv.conv_forward, conv.conv_backward,
             {"x": (2, 4, 5, 2), "weight": (3, 3, 2, 3), "bias": (3,)}, "x"),
    "winograd": (winograd.winograd_forward, winograd.winograd_backward,
                 {"x": (2, 4, 5, 2), "weight": (3, 3, 2, 3), "bias": (3,)}, "x"),
    "average pool": (pool.average_pool_forward, pool.average_pool_backward, {"x": (2, 4, 5, 2)}, "x"),
    "global pool": (pool.global_pool_forward, pool.global_pool_backward, {"x": (2, 4, 5, 2)}, "x"),
    "max pool": (max_pool.max_pool_forward, max_pool.max_pool_backward, {"x": (2, 4, 5, 2)}, "any"),
    "LIF": (lambda current: lif.lif_forward(current, Neuron()), lif.lif_backward, {"current": (3, 2, 4)}, ""),
    "first spike": (first_spike.first_spike_forward, first_spike.first_spike_backward,
                    {"z_in": (2, 5), "weight": (5, 3)}, ""),
    "first-spike loss": (lambda z: losses.first_spike_loss_forward(z, LABELS), losses.first_spike_loss_backward,
                         {"z": (2, 3)}, ""),
    "TET": (lambda outputs: losses.tet_loss_forward(outputs, LABELS, 0.1), losses.tet_loss_backward,
            {"outputs": (3, 2, 3)}, ""),
    "mean loss": (lambda outputs: losses.mean_loss_forward(outputs, LABELS), losses.mean_loss_backward,
                  {"outputs": (3, 2, 3)}, ""),
    "attention": (lambda student: attention.attention_distance_forward(student, ATTENDED),
                  attention.attention_distance_backward, {"student": (2, 4, 3)}, ""),
    "weight sum": (losses.weight_sum_cost_forward, losses.weight_sum_cost_backward, {"weight": (4, 3)}, ""),
    "L1": (losses.l1_cost_forward, losses.l1_cost_backward, {"weight": (4, 3)}, ""),
}  # fmt: skip
DTYPES = ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64", "longdouble", "complex64",
          "U3", "object"]  # fmt: skip
pairs = pytest.mark.parametrize("pair", PAIRS)


def draw(rng, shapes):
    """Whole numbers, so that every dtype holds them; not 0, as z must be positive."""
    return {name: rng.integers(1, 4, shape).astype(float) for name, shape in shapes.items()}


def outputs(forward, backward, named, dy=None):
    """The forward's answer and all gradients, on the host."""
    y, cache = forward(**named)
    dy = (np.ones(y.shape) if y.shape else 1.0) if dy is None else dy
    grads = backward(dy, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    return [np.asarray(y, float), *(np.asarray(g) for g in grads if g is not None)]


@pairs
@given(rng=rngs, dtype=st.sampled_from(DTYPES), which=st.integers(0, 2))
def test_the_float64_answer_or_an_error_that_names_the_argument(pair, rng, dtype, which):
    forward, backward, shapes, spikes = PAIRS[pair]
    named = draw(rng, shapes)
    name = list(shapes)[which % len(shapes)]
    exact = {**named, name: named[name].astype(bool).astype(float) if dtype == "bool" else named[name]}
    given_ = {**named, name: named[name].astype(dtype)}
    may = dtype in ("float32", "float64") or (spikes == "any" and np.dtype(dtype).kind in "biu")
    may = may or (name == spikes and dtype in ("bool", "uint8"))
    if pair == "first spike" and dtype == "float32":
        may = False  # both arguments have one dtype
    if not may:
        with pytest.raises(ValueError, match=rf"\b{name}\b.*{np.dtype(dtype) if dtype != 'U3' else '<U3'}"):
            forward(**given_)
        return
    for a, b in zip(outputs(forward, backward, given_), outputs(forward, backward, exact), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pairs
@given(rng=rngs)
def test_lists_are_arrays(pair, rng):
    """Forwards and backwards; lists of floats are float64."""
    forward, backward, shapes, _ = PAIRS[pair]
    named = draw(rng, shapes)
    y, _ = forward(**named)
    dy = rng.standard_normal(y.shape).tolist()
    expected = outputs(forward, backward, named, np.array(dy) if y.shape else dy)
    found = outputs(forward, backward, {name: x.tolist() for name, x in named.items()}, dy)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pairs
def test_gradients_of_another_shape_or_dtype_are_refused(pair):
    forward, backward, shapes, _ = PAIRS[pair]
    y, cache = forward(**draw(np.random.default_rng(0), shapes))
    if y.shape:
        with pytest.raises(ValueError, match=r"d\w+ must have the output's shape"):
            backward(np.ones((*y.shape, 1)), cache)
        with pytest.raises(
            ValueError, match=r"d\w+ must be floating, found int(32|64): write 1.0, or .astype\(float\)"
        ):
            backward(np.ones(y.shape, int), cache)


def test_lists_go_where_the_other_arguments_live(xp):
    y, _ = linear.linear_forward([[1.0, 2.0]], xp.asarray(np.array([[3.0], [4.0]])), [0.5])
    assert to_host(y).tolist() == [[11.5]]
    z = xp.asarray(np.array([[1.0, 2.0]]))
    loss, cache = losses.first_spike_loss_forward(z, [1])
    assert type(loss) is type(losses.first_spike_loss_forward(z, xp.asarray(np.array([1])))[0])
    assert to_host(losses.first_spike_loss_backward(1.0, cache)).shape == (1, 2)
    _, cache = lif.lif_forward(xp.asarray(np.array([0.5, 2.0])), Neuron())
    assert to_host(lif.lif_backward([1.0, 1.0], cache)).shape == (2,)


class Matrix(np.ndarray):
    pass


def test_what_is_an_array(xp):
    x = xp.asarray(np.ones(3))
    assert as_array(x) is x
    assert is_array(x)
    assert not is_array([1.0])
    assert not is_array(np.float64(1))
    assert type(as_array(np.ones(3).view(Matrix))) is np.ndarray
    assert type(as_array([1.0], like=x)) is type(x)
    assert as_array([0.5, 1]).dtype == np.float64


@pytest.mark.parametrize("labels", [[0.0, 1.0], [True, False], ["0", "1"], np.array([0, 1], np.float32)])
@pytest.mark.parametrize(
    "forward", [losses.first_spike_loss_forward, losses.tet_loss_forward, losses.mean_loss_forward]
)
def test_labels_are_integers(forward, labels):
    z = np.ones((2, 3) if forward is losses.first_spike_loss_forward else (4, 2, 3))
    with pytest.raises(ValueError, match="labels must be integers, found"):
        forward(z, labels)
    for few in ([0], [0, 1, 2]):
        with pytest.raises(ValueError, match=r"expected (z|outputs) .* and labels \[B\], found"):
            forward(z, few)
    forward(z, np.array([0, 1], np.uint8))


def test_predictions_take_lists():
    assert losses.first_spike_prediction([[2.0, 1.0], [np.inf, np.inf]]).tolist() == [1, -1]
    assert losses.mean_prediction([[[2.0, 1.0]], [[0.0, 3.0]]]).tolist() == [1]
    for prediction, name in [(losses.first_spike_prediction, "z"), (losses.mean_prediction, "outputs")]:
        with pytest.raises(ValueError, match=f"{name} must be floating, found int(32|64): write 1.0"):
            prediction([[1, 2]])
        with pytest.raises(ValueError, match=rf"expected {name} \["):
            prediction([1.0, 2.0])


@given(rng=rngs, N=sizes)
def test_surrogates_take_lists_and_numbers(rng, N):
    x = rng.standard_normal(N)
    for s in surrogate.SURROGATES.values():
        for function in (s.step, s.slope):
            expected = function(x)
            np.testing.assert_array_equal(function(x.tolist()), expected)
            np.testing.assert_allclose([float(function(float(v))) for v in x], expected, rtol=1e-14)
            for wrong in (1, [1, 2], np.ones(2, bool), np.ones(2, np.float16)):
                with pytest.raises(ValueError, match="x must be floating, found"):
                    function(wrong)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: linear.linear_forward(np.ones((2, 3)), np.ones((3, 0))), "weight must have inputs and outputs"),
        (lambda: linear.linear_forward(np.ones((2, 0)), np.ones((0, 3))), "weight must have inputs and outputs"),
        (lambda: linear.linear_forward([[1.0], [1.0, 2.0]], [[1.0]]), "x must be an array, or lists of numbers of"),
        (lambda: first_spike.first_spike_forward(np.ones((2, 3)), np.ones((3, 0))), "expected z_in .* and weight"),
        (lambda: conv.conv_forward(np.ones((1, 3, 3, 1)), np.ones((0, 0, 1, 1))), "only N may be 0, found x"),
        (lambda: conv.conv_forward(np.ones((1, 3, 3, 1)), np.ones((1, 1, 1, 0))), "only N may be 0, found x"),
        (lambda: conv.conv_forward(np.ones((1, 3, 3, 1)), np.ones((1, 1, 1, 1)), stride=0), "stride must be at least"),
        (lambda: conv.conv_forward(np.ones((1, 3, 3, 1)), np.ones((1, 1, 1, 1)), stride=1.5), "stride must be a whole"),
        (lambda: conv.conv_forward(np.ones((1, 3, 3, 1)), np.ones((1, 1, 1, 1)), padding=-1), "padding must be at"),
        (lambda: pool.average_pool_forward(np.ones((1, 3, 3, 1)), 0), "k must be at least 1, found 0"),
        (lambda: max_pool.max_pool_forward(np.ones((1, 3, 3, 1)), 0), "k must be at least 1, found 0"),
        (lambda: pool.sum_pool_forward(np.ones((1, 3, 3, 1), bool), 0), "k must be at least 1, found 0"),
        (lambda: pool.global_pool_forward(np.ones((1, 0, 3, 1))), "H and W of at least 1"),
        (lambda: lif.lif_forward([1, 2], Neuron()), r"current must be floating, found int(32|64): write 1\.0, or"),
        (lambda: lif.lif_forward([1.0, 2.0], Neuron(), score="mean"), "score must be one of code"),
        (lambda: Conv(4, k=0).out((3, 3, 1)), "k must be at least 1, found 0"),
        (lambda: Conv(4, stride=0).out((3, 3, 1)), "stride must be at least 1, found 0"),
        (lambda: Conv(0).out((3, 3, 1)), "n_out must be at least 1, found 0"),
        (lambda: AveragePool(0).out((3, 3, 1)), "k must be at least 1, found 0"),
        (lambda: Linear(0).out((3,)), "n_out must be at least 1, found 0"),
        (lambda: FirstSpike(0).out((3,)), "n_out must be at least 1, found 0"),
        (lambda: Repeat(0).out((3,)), "T must be at least 1, found 0"),
    ],
)  # fmt: skip
def test_sizes_of_0_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@given(rng=rngs, dtype=st.sampled_from(DTYPES))
def test_encodings(rng, dtype):
    images = rng.integers(0, 5, (2, 3, 4, 1))
    x = images.astype(dtype)
    exact = images.astype(bool).astype(float) if dtype == "bool" else images.astype(float)
    kind = np.dtype(dtype)
    for encode, may in [
        (lambda x: latency_code(x, 4, 5), kind.kind in "iu"),
        (lambda x: direct_code(x, 4, 0.5, 0.25), kind.kind in "biu" or kind.char in "fd"),
        (event_code, kind.kind in "biu" or kind.char in "fd"),
    ]:
        if may:
            expected = encode(exact.astype(int) if kind.kind in "iu" else exact)
            np.testing.assert_allclose(encode(x), expected, rtol=1e-6)
            np.testing.assert_array_equal(encode(x.tolist()), encode(x))
        else:
            with pytest.raises(ValueError, match=r"(images|frames) must be"):
                encode(x)


@given(rng=rngs, dtype=st.sampled_from(DTYPES))
def test_augmentations(rng, dtype):
    images, seed = rng.integers(0, 5, (2, 3, 4, 1)), int(rng.integers(1000))
    frames = [
        (flip, images),
        (lambda x, rng: shift(x, 1, rng), images),
        (lambda x, rng: roll(x, 1, rng), images[None]),
    ]
    kind = np.dtype(dtype)
    for augment, x in frames:
        x = x.astype(dtype)
        if kind.kind in "biu" or kind.char in "fd":
            found = augment(x, np.random.default_rng(seed))
            assert found.dtype == kind
            np.testing.assert_array_equal(found, augment(x.tolist(), np.random.default_rng(seed)))
        else:
            with pytest.raises(ValueError, match=r"(images|frames) must be bool, integers or floating"):
                augment(x, rng)
    for augment in (shift, roll):
        with pytest.raises(ValueError, match="by must be at least 0, found -1"):
            augment(images, -1, rng)
        with pytest.raises(ValueError, match=r"by must be a whole number, found 0.5"):
            augment(images, 0.5, rng)
    for augment, _ in frames:
        with pytest.raises(ValueError, match=r"(images|frames) must be"):
            augment([[1, 2]], rng)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: latency_code([[[[5]]]], 4), "images must be 0 to 4, found 5 to 5"),
        (lambda: latency_code([[[[-1]]]], 4), "images must be 0 to 4, found -1 to -1"),
        (lambda: latency_code([[[[1]]]], 0), "max_value must be at least 1, found 0"),
        (lambda: latency_code([[[[1]]]], 4, 1), "levels must be at least 2, found 1"),
        (lambda: direct_code([[[[1]]]], 0), "max_value must be above 0, found 0"),
        (lambda: direct_code([[[[1]]]], 1, 0.5, np.zeros(1)), "std must be above 0"),
        (lambda: event_code([1.0]), r"frames must be \[B, T, ...\]"),
    ],
)
def test_data_out_of_range_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_check_gradient_takes_lists():
    def square(x):
        return x * x, x

    def its_backward(dy, x):
        return 2 * x * dy

    rng = np.random.default_rng(0)
    assert check_gradient(square, its_backward, ([1.0, 2.0],), rng) < 1e-6
    with pytest.raises(ValueError, match=r"input 0 must be floating, found int(32|64): write 1.0"):
        check_gradient(square, its_backward, ([1, 2],), rng)
    with pytest.raises(ValueError, match=r"inputs must be a sequence of arrays, such as \(x,\)"):
        check_gradient(square, its_backward, np.ones(2), rng)
    with pytest.raises(AssertionError, match="its gradient is NoneType"):
        check_gradient(square, lambda dy, x: (None,), ([1.0, 2.0],), rng)
    with pytest.raises(ValueError, match="step must be above 0"):
        check_gradient(square, its_backward, ([1.0],), rng, step=0)


def test_whole_numbers():
    assert arguments.whole("n", np.int32(3)) == 3
    for value, said in [
        (2.0, "n must be a whole number, found 2.0"),
        ("a", "found 'a'"),
        (-1, "at least 0, found -1"),
    ]:
        with pytest.raises(ValueError, match=said):
            arguments.whole("n", value)
