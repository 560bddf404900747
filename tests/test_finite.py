"""Numbers gone wrong stop a run at once, and the message says where it began, when, and what is left."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_loaders.common.rows import Split
from minisnn import cli, load_digits, load_event_digits
from minisnn.faster import fast
from minisnn.networks.architectures import pre_resnet18
from minisnn.networks.compose import Residual, Sequential
from minisnn.networks.stages.first_spike import FirstSpike
from minisnn.networks.stages.weights import Linear
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, SCA_VGG16_DEFAULTS
from minisnn.runs import start
from minisnn.training import checkpoint, loop
from minisnn.training.finite import Diverged, origin, sound, trouble

DATA = load_digits()
SMALL = replace(DATA, train=DATA.train.take(slice(200)), validation=DATA.validation.take(slice(40)))
NET = {"net": "4C3-AP4-10FC", "T": 2, "epochs": 2, "batch_size": 50}
LIF = replace(LIF_DEFAULTS["digits"], **NET)
SCA = replace(SCA_VGG16_DEFAULTS["digits"], **NET)
ESL = replace(ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=2, batch_size=50)


def diverged(recipe, tmp_path, data=SMALL, state=None):
    """The message of a run that stops."""
    run = start.Run(recipe, data.info, state or loop.start(recipe.setup(data), 0), data=data)
    run.keep(tmp_path / "run")
    with pytest.raises(Diverged) as caught:
        run.finish()
    assert not (tmp_path / "run" / "result.json").exists()
    kept = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    assert all(np.isfinite(w).all() for w in kept.params.values())
    return str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "where"),
    [
        (replace(LIF, lr=1e30, optimizer="sgd"), r"conv1.weight holds values up to \de\+\d\d"),
        (replace(LIF, lr=1e30), r"conv1.weight holds values up to 1e\+30"),
        (replace(LIF, lr=1e30, fast=False), "conv1.weight holds values up to"),
        (replace(LIF, lr=1e30, net="mlp"), "fc1.weight holds values up to"),
        (replace(LIF, lr=1e30, accumulate=3), "conv1.weight holds values up to"),
        (replace(LIF, l1=1e30), "the gradient with penalties of conv1.weight holds values up to"),
        (replace(LIF, lr=1e30, density=0.3, learner="deep-r"), "conv1.weight holds"),
        (replace(LIF, lr=1e30, density=0.3, learner="grad-r"), "conv1.weight holds"),
        (replace(LIF, lr=1e30, density=0.3, alpha=0.0), "conv1.weight holds"),
        (replace(SCA, lr=1e30), "conv1.weight holds"),
        (replace(SCA, lr=1e30, p=0.0, q=0.0), "conv1.weight holds"),
        (replace(ESL, lr=1e30), "hidden.weight holds"),
        (replace(ESL, weight_sum=1e38, lr=1e8, limit=1e38), "what is added to the loss is not finite"),
    ],
    ids=repr,
)
def test_steps_that_are_too_long_stop_at_once(tmp_path, recipe, where):
    text = diverged(recipe, tmp_path)
    assert re.match(rf"epoch 1, step [1-5]: {where}", text), text
    assert f"the last good checkpoint is {tmp_path}/run/checkpoint.npz, of epoch 0; try " in text
    assert "\n" not in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("key", ["conv1.weight", "bn1.gamma", "bn1.var", "fc1.weight", "fc1.bias"])
def test_a_damaged_checkpoint_is_not_trained_on(key, value):
    setup = LIF.setup(SMALL)
    state = loop.start(setup, 0)
    (state.params | state.buffers)[key].reshape(-1)[0] = value
    holds = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(Diverged, match=f"before epoch 1: {key} holds {holds}"):
        loop.fit(setup, state, SMALL)
    with pytest.raises(Diverged, match=f"evaluation after epoch 0: {key} holds {holds}"):
        loop.evaluate(setup, state, SMALL.validation)
    images, labels = SMALL.train.images[:9], SMALL.train.labels[:9]
    with pytest.raises(Diverged, match=f"epoch 1, step 1: {key} holds {holds}"):
        loop.step(setup, state, images, labels, 0.0)


def test_first_spike_networks_name_the_layer_too():
    setup = ESL.setup(SMALL)
    state = loop.start(setup, 0)
    state.params["output.weight"][3, 1] = np.nan
    with pytest.raises(Diverged, match=r"epoch 1, step 1: output\.weight holds NaN"):
        loop.step(setup, state, SMALL.train.images[:9], SMALL.train.labels[:9], 0.1)
    with pytest.raises(Diverged, match=r"output\.weight holds NaN"):
        loop.evaluate(setup, state, SMALL.validation)


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize(("value", "holds"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_one_pixel_of_the_data(part, value, holds):
    data = load_event_digits(3)
    data = replace(data, train=data.train.take(slice(100)), validation=data.validation.take(slice(40)))
    images = np.array(data.splits[part].images)
    images[7, 1, 2, 3, 0] = value
    setup = replace(LIF_DEFAULTS["event-digits"], **NET | {"T": 3}).setup(data)
    object.__setattr__(data, part, Split(images, data.splits[part].labels))  # as if it came from disk
    when = "epoch 1, step [12]" if part == "train" else "evaluation after epoch 1"
    with pytest.raises(Diverged, match=f"{when}: images of the batch hold {holds}; repair these data"):
        loop.fit(setup, loop.start(setup, 0), data)


def test_the_checkpoint_of_the_epoch_before_stays(tmp_path, monkeypatch):
    setup = replace(LIF.setup(SMALL), lr=lambda epoch: 0.01 if epoch == 0 else 1e30)
    monkeypatch.setattr(type(LIF), "setup", lambda self, data: setup)
    text = diverged(LIF, tmp_path)
    assert re.match(r"epoch 2, step [5-9]: conv1.weight", text), text
    assert "checkpoint.npz, of epoch 1; try a learning rate below 1e+30" in text
    kept = checkpoint.load(tmp_path / "run" / "checkpoint.npz")
    assert kept.epoch == len(start.load(tmp_path / "run").log) == 1


def test_a_bad_last_step_is_not_saved(tmp_path, monkeypatch):
    """A weight that is not its turn, after the last step of an epoch."""
    real = loop.step

    def step(setup, state, *args):
        found = real(setup, state, *args)
        if state.iteration == 4:
            state.params["fc1.bias"][2] = np.nan
        return found

    monkeypatch.setattr(loop, "step", step)
    assert "after epoch 1: fc1.bias holds NaN; the last good" in diverged(LIF, tmp_path)


def test_a_loss_that_is_not_finite_is_not_reported():
    setup = LIF.setup(SMALL)
    objective = replace(setup.objective, forward=lambda y, labels: (y.sum() * np.nan, None))
    with pytest.raises(Diverged, match="evaluation after epoch 0: the loss is nan"):
        loop.evaluate(replace(setup, objective=objective), loop.start(setup, 0), SMALL.validation)
    forward = setup.objective.forward
    objective = replace(setup.objective, forward=lambda y, labels: (np.float32("inf"), forward(y, labels)[1]))
    with pytest.raises(Diverged, match="epoch 1, step 1: the loss is inf"):
        loop.step(
            replace(setup, objective=objective), loop.start(setup, 0),
            SMALL.train.images[:9], SMALL.train.labels[:9], 0.1,
        )  # fmt: skip


def test_a_gradient_is_named_where_it_first_goes_wrong():
    """Backwards: from the loss, where everything behind it in forward order is still right."""
    setup = replace(LIF, net="4C3-AP2-4C3-AP2-10FC").setup(SMALL)
    backward = setup.objective.backward
    objective = replace(setup.objective, backward=lambda dloss, cache: backward(dloss, cache) * np.nan)
    with pytest.raises(Diverged, match=r"the gradient of fc1\.(weight|bias) holds NaN"):
        loop.step(
            replace(setup, objective=objective), loop.start(setup, 0),
            SMALL.train.images[:9], SMALL.train.labels[:9], 0.1,
        )  # fmt: skip


def test_other_errors_stay_what_they_are():
    setup = LIF.setup(SMALL)
    with pytest.raises(ValueError, match="labels must be 0 to 9"):
        loop.step(setup, loop.start(setup, 0), SMALL.train.images[:2], np.array([1, 10]), 0.1)


@pytest.mark.parametrize("twin", [False, True])
def test_the_origin_is_the_first_layer_in_forward_order(twin):
    shape, rng = (8, 8, 8), np.random.default_rng(0)
    net = pre_resnet18(shape, 3, 2, widths=(8, 8, 8, 8))
    params, buffers = net.init(rng, shape)
    net = fast(net, shape) if twin else net
    x = rng.standard_normal((1, 2, *shape))
    assert origin(net, params, buffers, x) == ""
    for key in ("block3.main.conv2.weight", "block4.shortcut.conv.weight", "fc.bias", "block2.main.bn2.beta"):
        if key in params:
            broken = {k: w.copy() for k, w in params.items()}
            broken[key].reshape(-1)[-1] = np.nan
            assert origin(net, broken, buffers, x) == f"{key} holds NaN"
    bad = buffers | {"block2.main.bn1.mean": buffers["block2.main.bn1.mean"] * np.nan}
    assert origin(net, params, bad, x) == "block2.main.bn1.mean holds NaN"
    assert origin(net, params, buffers, x * np.inf) == "the network's input holds infinity"


def test_outputs_that_overflow_are_named():
    net = Sequential(
        (("a", Linear(2, bias=False)), ("res", Residual(Sequential((("b", Linear(2, bias=False)),)))))
    )
    params = {"a.weight": np.full((3, 2), 1e18), "res.main.b.weight": np.full((2, 2), 1e18)}
    params = {key: w.astype(np.float32) for key, w in params.items()}
    x = np.ones((1, 1, 3), np.float32)
    assert origin(net, params, {}, x) == "the output of res.main.b holds values up to 6e+36"
    assert origin(net, params, {}, 10 * x) == "the output of a holds values up to 3e+19"


def test_a_spike_that_never_comes_is_no_trouble():
    net = Sequential((("a", FirstSpike(2)), ("b", FirstSpike(2))))
    params = {"a.weight": np.full((3, 2), 0.1), "b.weight": np.ones((2, 2))}
    x = np.ones((1, 3))
    assert np.isinf(net.forward(params, {}, x, True)[0]).all()
    assert origin(net, params, {}, x) == ""
    assert origin(net, params | {"b.weight": np.full((2, 2), np.nan)}, {}, x) == "b.weight holds NaN"


def test_sound(xp):
    def array(*values):
        return xp.asarray(np.array(values, np.float32))

    assert sound()
    assert sound(array(1.0, -2), array(0.0))
    for bad, said in (
        (np.nan, "NaN"),
        (np.inf, "infinity"),
        (-np.inf, "infinity"),
        (1e25, "values up to 1e+25"),
    ):
        assert not sound(array(0.0), array(1.0, bad))
        assert trouble(array(1.0, bad)) == said
    assert trouble(array(1e18)) == trouble(xp.asarray(np.array([1 << 60]))) == ""


def test_the_error_survives_the_way_from_another_process():
    error = Diverged("w holds NaN", "epoch 1, step 2", "try less")
    error.epoch, error.checkpoint = 3, Path("a/checkpoint.npz")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == (
        "epoch 1, step 2: w holds NaN; the last good checkpoint is a/checkpoint.npz, of epoch 3; try less"
    )  # fmt: skip


# The command line.


def command(*options):
    return cli.main(["train", *options])


@pytest.mark.parametrize(
    "options",
    [
        ("lif", "--net", "4C3-AP4-10FC", "--T", "2", "--lr", "1e30", "--optimizer", "sgd"),
        ("esl-mlp", "--lr", "1e30"),
    ],
)
def test_the_command_line_says_one_sentence(tmp_path, capsys, options):
    assert command(*options, "--epochs", "1", "--out", str(tmp_path / "run")) == 2
    found = [line for line in capsys.readouterr().err.replace("\r", "\n").split("\n") if "minisnn" in line]
    assert len(found) == 1
    assert re.fullmatch(r"minisnn: error: epoch 1, step 2: .* holds .*; the last good .*; try .*", found[0])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            ("esl-mlp", "--hidden", "1000000000000"),
            r"(Unable to allocate .* \(64, 1000000000000\)|Maximum allowed dimension)",
        ),
        (("esl-mlp", "--hidden", "1000000000000000000"), "(array is too big|Maximum allowed dimension)"),
        (("esl-mlp", "--hidden", "1" + 30 * "0"), "Maximum allowed dimension"),
    ],
)
def test_what_no_machine_has_is_said_in_one_sentence(tmp_path, capsys, options, what):
    assert command(*options, "--epsilon", "1", "--epochs", "1", "--out", str(tmp_path / "run")) == 2
    err = capsys.readouterr().err
    assert re.fullmatch(
        rf"minisnn: error: out of memory: {what}.*; choose a smaller --hidden or --batch-size\n", err
    ), err
    assert not (tmp_path / "run").exists()


def test_memory_that_ends_anywhere_is_said_in_one_sentence(tmp_path, capsys, monkeypatch):
    def step(*args):
        raise MemoryError

    monkeypatch.setattr(loop, "step", step)
    assert command("esl-mlp", "--out", str(tmp_path / "run")) == 2
    err = capsys.readouterr().err.replace("\r", "\n")
    assert "minisnn: error: out of memory: there is no more to be had; choose a smaller --hidden" in err
