"""A trained network is used: classes, scores, accuracy, and what happens inside, against naive versions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_loaders import load
from minisnn import load_digits
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.weights import Linear
from minisnn.ops.first_spike import Z_MAX
from minisnn.ops.neuron import Neuron
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS
from minisnn.runs import prediction, start

CONV = replace(LIF_DEFAULTS["digits"], net="6C3-AP2-8C3-AP2-10FC", T=3, epochs=2, batch_size=100, lr=0.01)
RECIPES = {
    "esl-mlp": replace(ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=2, batch_size=100),
    "lif": CONV,
    "sparse": replace(CONV, net="40FC-10FC", density=0.3),
    "sca": replace(SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=1, batch_size=100),
    "events": replace(LIF_DEFAULTS["event-digits"], net="4C3-AP4-10FC", epochs=1, batch_size=100),
}
pytestmark = pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function: the folder of a run, trained once."""
    there = {}

    def get(name):
        if name not in there:
            there[name] = tmp_path_factory.mktemp("runs") / name
            start.train(RECIPES[name], out=there[name], pictures=False)
        return there[name]

    return get


@pytest.fixture(params=list(RECIPES))
def run(request, trained, monkeypatch):
    """A loaded run, which must do without its data set."""
    loaded = start.load(trained(request.param))
    monkeypatch.setattr(type(loaded.recipe), "load", lambda self: pytest.fail("this needs no data set"))
    return loaded


def split_of(run):
    return load("event-digits", 5).test if run.info.is_sequence else load_digits().test


def test_classes_are_those_of_the_plain_network(run):
    images, labels = split_of(run).take(slice(0, 150))
    x = run.setup.encode(images)
    params = run.setup.learner.parameters(run.state)
    y, _, _ = run.plain.forward(params, run.state.buffers, x, train=False)
    scores, classes = run.scores(images), run.predict(images)
    expected = -np.log(y) if run.kind == "esl-mlp" else y.mean(0)
    np.testing.assert_allclose(scores, expected, rtol=2e-4, atol=2e-4)
    fires = np.isfinite(scores).any(1)
    np.testing.assert_array_equal(classes, np.where(fires, scores.argmax(1), -1))
    assert scores.shape == (150, 10)
    assert (classes == labels).mean() > 0.15


def test_evaluate_is_the_result_and_the_share_of_right_classes(trained):
    for name in RECIPES:
        run = start.load(trained(name))
        found = run.evaluate()
        images, labels = split_of(run)
        assert found.accuracy == pytest.approx(100 * (run.predict(images) == labels).mean())
        assert found.n == len(labels)
        assert found.accuracy == pytest.approx(run.result["test_accuracy"], abs=0.3)
        assert run.evaluate(split="validation").accuracy == pytest.approx(run.result["val_accuracy"], abs=0.8)


def test_images_as_they_lie_on_disk(trained):
    run = start.load(trained("lif"))
    images = load_digits().test.images[:7]
    expected = run.scores(images)
    for same in (images[..., 0], images.astype(int), images / 16, list(images), (images / 16).astype("f4"),
                 [list(map(list, image)) for image in images[..., 0].astype(int)]):  # fmt: skip
        np.testing.assert_array_equal(run.scores(same), expected)
    np.testing.assert_array_equal(run.scores(images > 8), run.scores(16 * (images > 8).astype(int)))
    for one in (images[0], images[0, ..., 0]):
        assert run.predict(one).tolist() == run.predict(images)[:1].tolist()


@given(data=st.data())
def test_floats_are_the_integers_that_they_were(data):
    """Of any white and shape, after any float dtype."""
    white = data.draw(st.integers(1, 255))
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=3)))
    C = shape[-1]
    B = data.draw(st.integers(1, 4))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, white + 1, (B, *shape))
    info = replace(load_digits().info, shape=shape, max_value=white, mean=(0.5,) * C, std=(0.1,) * C)
    dtype = data.draw(st.sampled_from(["f4", "f8"]))
    for images in (x, (x / white).astype(dtype)):
        found = prediction.as_batch(images, info)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 9, 8)), r"images must be \[B, 8, 8, 1\] or \[B, 8, 8\], B at least 1, or a single \[8, 8, 1\] or "
         r"\[8, 8\], found shape \(2, 9, 8\)"),
        (np.zeros((0, 8, 8)), r"found shape \(0, 8, 8\)"),
        (np.zeros((2, 1, 8, 8)), r"found shape \(2, 1, 8, 8\)"),
        (np.zeros((8, 8, 3)), r"found shape \(8, 8, 3\)"),
        (np.zeros(64), r"found shape \(64,\)"),
        ([np.zeros((8, 8)), np.zeros((7, 8))], r"images must have one shape, found \(7, 8\), \(8, 8\); expected "),
        (np.full((8, 8), 17), "images must be integers from 0 to 16, found 17 to 17"),
        (np.full((8, 8), -1), "found -1 to -1"),
        (np.full((8, 8), 255.0), "images must be from 0 to 1 if they are floats, found 255 to 255"),
        (np.full((8, 8), np.nan), "found nan to nan"),
        (np.full((8, 8), np.inf), "found inf to inf"),
        (np.full((8, 8), "a"), "images must be integers, floats or booleans, found <U1"),
        (None, r"found shape \(\)"),
    ],
)  # fmt: skip
def test_other_images_are_refused(trained, images, message):
    run = start.load(trained("lif"))
    for method in (run.predict, run.scores, run.trace):
        with pytest.raises(ValueError, match=message):
            method(images)


def test_recordings_have_as_many_frames_as_those_trained_on(trained):
    run = start.load(trained("events"))
    frames = load("event-digits", 5).test.images[:3]
    np.testing.assert_array_equal(run.predict(frames)[:1], run.predict(frames[0]))
    np.testing.assert_array_equal(run.scores(frames), run.scores(frames.astype(np.int64)))
    with pytest.raises(
        ValueError, match=r"images must be \[B, 5, 16, 16, 2\], .* found shape \(3, 4, 16, 16, 2\)"
    ):
        run.predict(frames[:, :4])
    with pytest.raises(ValueError, match="images must be finite, found NaN or infinity"):
        run.predict(frames * np.nan)


def test_classes_that_have_names(trained):
    run = start.load(trained("esl-mlp"))
    images = load_digits().test.images[:20]
    numbers = run.predict(images)
    names = tuple("abcdefghij")
    run.info = replace(run.info, class_names=names)
    assert run.predict(images).tolist() == [names[k] for k in numbers]
    run.info = replace(run.info, class_names=tuple(range(1, 11)))
    assert run.predict(images).tolist() == [k + 1 for k in numbers.tolist()]  # integers, as they were given
    run.info = replace(run.info, class_names=names)
    assert run.classes.tolist() == list(names)
    run.state.params["output.weight"][:] = 0
    assert set(run.predict(images)) == {"none"}
    assert (run.scores(images) == -np.inf).all()
    for numbered, none in ((tuple(range(1, 11)), -1), (tuple(range(-1, 9)), "none")):
        run.info = replace(run.info, class_names=numbered)
        assert set(run.predict(images)) == {none}
        assert run.classes.tolist() == list(numbered)
    run.info = replace(run.info, class_names=())
    assert set(run.predict(images)) == {-1}
    assert run.classes.tolist() == list(range(10))


def lif_naive(current, neuron):
    """Chapter 07 to 11, one number at a time."""
    u, spikes, v = [], [], 0.0
    for I_t in current:
        u.append(neuron.decay * v + neuron.gain * I_t)
        fires = u[-1] >= neuron.v_th if neuron.fire_at_equality else u[-1] > neuron.v_th
        spikes.append(fires)
        v = neuron.v_reset if fires else u[-1]
    return u, spikes


def test_a_trace_is_what_the_neurons_did(run):
    images = split_of(run).images[:4]
    trace = run.trace(images)
    names = [name for name, stage in run.plain.stages if "lif" in name or run.kind == "esl-mlp"]
    assert list(trace) == names == list(trace.layers)
    assert len(trace) == len(names)
    np.testing.assert_array_equal(trace.input, run.setup.encode(images))
    if run.kind == "esl-mlp":
        z = trace.input
        for layer in trace.values():
            np.testing.assert_array_equal(layer.z_in, np.minimum(z, Z_MAX))
            z = layer.z_out
            for b, j in np.argwhere(np.isfinite(z)):
                causal = layer.causal_set(b, j)
                w = layer.weight[causal, j]
                assert z[b, j] == pytest.approx((w @ layer.z_in[b, causal]) / (w.sum() - 1), rel=1e-3)
        np.testing.assert_array_equal(trace.output, z)
        np.testing.assert_allclose(-np.log(z), run.scores(images), rtol=1e-5)
        return
    T = 5 if run.info.is_sequence else run.recipe.T
    for layer in trace.values():
        assert layer.current.shape == layer.potential.shape == layer.spikes.shape
        assert layer.spikes.shape[:2] == (T, 4)
        flat = [a.reshape(T, -1) for a in (layer.current, layer.potential, layer.spikes)]
        for n in range(0, flat[0].shape[1], 37):
            u, spikes = lif_naive(flat[0][:, n].astype(float), layer.neuron)
            np.testing.assert_allclose(flat[1][:, n], u, rtol=1e-4, atol=1e-5)
            clear = abs(np.array(u) - layer.neuron.v_th) > 1e-4
            np.testing.assert_array_equal(flat[2][clear, n], np.array(spikes)[clear])
    np.testing.assert_allclose(trace.output.mean(0), run.scores(images), rtol=2e-4, atol=2e-4)


def test_a_trace_adds_up_spikes_of_two_branches():
    """Two neurons that fire at once make 2 of a residual sum, as in the network, not "or"."""
    fires = Sequential((("lif", LIF(Neuron())),))
    net = Sequential((("block", Residual(fires, fires)), ("fc", Linear(3))))
    rng = np.random.default_rng(0)
    params, buffers = net.init(rng, (5,))
    x = rng.normal(2, 1, (4, 2, 5))
    found = prediction.trace(net, params, buffers, x)
    assert list(found) == ["block.main.lif", "block.shortcut.lif"]
    np.testing.assert_array_equal(found.output, net.forward(params, buffers, x, False)[0])


def test_masked_channels_are_silent_in_a_trace(trained):
    """In soft mode they learn on after they were masked."""
    run = start.load(trained("sca"))
    masked = {key: ~mask for key, mask in run.masks.items()}
    assert any(mask.any() for mask in masked.values())
    for key, mask in masked.items():
        run.state.params[key.replace("lif", "bn") + ".beta"] += 5 * mask
    trace = run.trace(load_digits().test.images[:5])
    for key, mask in masked.items():
        assert not trace[key].spikes[..., mask].any()
        assert not trace[key].current[..., mask].any()


def test_weights_and_masks_are_copies(trained):
    run = start.load(trained("sparse"))
    assert set(run.weights) == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
    assert set(run.masks) == {"fc1.weight", "fc2.weight"}
    for key, mask in run.masks.items():
        assert not run.weights[key][~mask].any()
    run.weights["fc1.weight"][:] = 7
    run.masks["fc1.weight"][:] = False
    assert not (run.state.params["fc1.weight"] == 7).any()
    assert run.state.masks["fc1.weight"].any()
    assert set(start.load(trained("sca")).masks) == {"lif1", "lif2"}


def test_another_white_is_scaled(trained):
    """The same pictures, written with grey values up to 240 in place of 16."""
    from test_run_data import changed

    digits = load_digits()
    brighter = changed(digits, images=lambda x: x * np.uint8(15), max_value=240)
    for name in ("lif", "esl-mlp"):
        run = start.load(trained(name))
        found, own = run.evaluate(brighter), run.evaluate()
        assert found.accuracy == own.accuracy
        assert found.loss == pytest.approx(own.loss, rel=1e-4)


def test_what_a_run_is_called(trained):
    folder = trained("lif")
    run = start.load(folder)
    assert repr(run) == f"<Run in {folder}: lif on digits, epoch 2 of 2>"
    assert run.log == start.load(folder).log
    assert [row["epoch"] for row in run.log] == [1, 2]
    assert run.result["connections"] > 0
    assert run.folder == folder
