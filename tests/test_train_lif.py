"""Training of LIF networks, its folder and the command line, end to end on the embedded digits."""

import json
import re
import sys
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from slow import slow_but
from test_run import states_equal

import minisnn as snn
from data_loaders.common.dataset import DataSet, Split
from minisnn import backend, cli, load_digits, recipes
from minisnn.backend import NoGPUError
from minisnn.batches.augment import flip, shift
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, LIFNet
from minisnn.runs import start
from minisnn.training import checkpoint, loop
from minisnn.training.losses import mean_loss_forward, tet_loss_forward
from minisnn.training.optim import SGD, Adam

NET = "8C3-AP2-16C3-AP2-10FC"
QUICK = replace(LIF_DEFAULTS["digits"], net=NET, T=2, epochs=4, lr=0.01)
TINY = replace(QUICK, net="4C3-AP4-10FC", epochs=1, batch_size=100)
DATA = load_digits()


@pytest.mark.parametrize(
    "change",
    [
        {"net": "mlp", "lr": None},
        {"paper": "sca", "lr": 0.05},
        {"lam": 0.05, "l1": 1e-5, "shift": 1},
        *slow_but([], [{}, {"fast": False}, {"loss": "mean"}]),
    ],
    ids=str,
)
def test_it_learns(change):
    result = start.train(replace(QUICK, **change)).result
    assert result["val_accuracy"] > 85
    assert result["test_accuracy"] > 85
    assert result["density"] == 1


def gradients(recipe, accumulate, n=30):
    setup = replace(recipe, accumulate=accumulate).setup(DATA)
    state = loop.start(setup, 0, np.float64)
    return loop.gradients(setup, state, DATA.train.images[:n], DATA.train.labels[:n])


@pytest.mark.parametrize(
    "recipe", [replace(QUICK, net="mlp"), ESL_MLP_DEFAULTS["digits"]], ids=["mlp", "first-spike"]
)
@pytest.mark.parametrize("n", [30, 3])
def test_parts_of_a_batch_give_the_same_gradient(recipe, n):
    whole, parts = gradients(recipe, 1, n), gradients(recipe, 4, n)
    assert float(parts[0]) == pytest.approx(float(whole[0]))
    assert parts[1] == whole[1]
    assert parts[2] == pytest.approx(whole[2])
    for key, g in whole[3].items():
        np.testing.assert_allclose(parts[3][key], g, rtol=1e-9, atol=1e-12 * abs(g).max())


def test_the_plain_network_has_the_same_gradient():
    for a, b in zip(
        gradients(QUICK, 2)[3].items(), gradients(replace(QUICK, fast=False), 2)[3].items(), strict=False
    ):
        assert a[0] == b[0]
        np.testing.assert_allclose(a[1], b[1], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("breaks_at", slow_but([20], [3, 20]))  # in the first epoch, in the second
@pytest.mark.parametrize("paper", ["esl", "sca"])  # with Adam and with SGD
def test_resuming_equals_never_having_stopped(tmp_path, monkeypatch, paper, breaks_at):
    recipe = replace(TINY, epochs=3, paper=paper, shift=1, flip=True, accumulate=2)
    whole = start.train(recipe, out=tmp_path / "whole").result
    with monkeypatch.context() as patch:
        calls, step = [], loop.step

        def breaks_off(*args):
            calls.append(1)
            if len(calls) == breaks_at:
                raise KeyboardInterrupt
            return step(*args)

        patch.setattr(loop, "step", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            start.train(recipe, out=tmp_path / "broken")
    resumed = start.resume(tmp_path / "broken").result
    states = [checkpoint.load(tmp_path / name / "checkpoint.npz") for name in ("whole", "broken")]
    states_equal(*states)
    assert sorted(states[0].buffers) == ["bn1.mean", "bn1.var"]
    assert states[0].buffers["bn1.mean"].any()
    whole.pop("seconds"), resumed.pop("seconds")
    assert whole == resumed


def epoch(setup, state):
    data = replace(DATA, train=DATA.train.take(np.arange(200)))
    return loop.fit(replace(setup, epochs=1), state, data)[0]


def test_a_dead_layer_is_named():
    setup = QUICK.setup(DATA)
    state = loop.start(setup, 0)
    state.params["bn2.beta"][:] = -1e6
    with pytest.warns(UserWarning, match="epoch 1: dead layer: lif2 fires less than 0.0001 times"):
        row = epoch(setup, state)
    assert row["firing_lif2"] == 0 < row["firing_lif1"]


@pytest.mark.parametrize("net", ["mlp", NET])
def test_a_silent_network_is_noticed(net):
    setup = replace(QUICK, net=net).setup(DATA)
    state = loop.start(setup, 0)
    for w in state.params.values():
        w[...] = 0
    with pytest.warns(UserWarning, match="epoch 1: the network is silent, no layer fires"):
        epoch(setup, state)


def test_a_layer_that_always_fires_is_named():
    """`warn_of_silence`: "layers that fire never or always"."""
    setup = QUICK.setup(DATA)
    state = loop.start(setup, 0)
    state.params["bn2.beta"][:] = 1e6
    with pytest.warns(UserWarning, match="lif2"):
        row = epoch(setup, state)
    assert row["firing_lif2"] == 1


@pytest.mark.pictures
def test_a_run_and_its_folder(tmp_path, recwarn):
    start.train(replace(QUICK, epochs=2), out=tmp_path / "run")
    assert not recwarn.list  # a healthy network
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "log.csv", "checkpoint.npz", "result.json", "learning_curves.png", "firing_rates.png",
        "receptive_fields.png",
    }  # fmt: skip
    rows = start.load(tmp_path / "run").log
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["lr"] for row in rows] == pytest.approx([0.01, 0.005])
    for row in rows:
        assert {key for key in row if key.startswith("firing_")} == {"firing_lif1", "firing_lif2"}
        assert 0.001 < row["firing_lif1"] < 0.9
        assert 0.001 < row["firing_lif2"] < 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paper": "tet"}, "paper must be one of esl, sca, found 'tet'"),
        ({"loss": "sdt"}, "loss must be one of mean, tet, found 'sdt'"),
        ({"optimizer": "rmsprop"}, "optimizer must be one of adam, adamw, sgd"),
        ({"schedule": "stairs"}, "schedule must be one of exponential, cosine, step"),
        ({"l1_on": "fc"}, "l1_on must be one of conv, gamma"),
        ({"device": "tpu"}, "device must be one of cpu, gpu"),
        ({"T": 0}, "T must be at least 1, found 0"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"lam": 1.5}, "lam must be 0 to 1, found 1.5"),
        ({"lam": float("nan")}, "lam must be 0 to 1"),
        ({"lr": -1.0}, "lr must be above 0 and finite"),
        ({"lr_end": float("inf")}, "lr_end must be above 0 and finite"),
        ({"l1": -1.0}, "l1 must be at least 0"),
        ({"shift": -1}, "shift must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"net": "4C3-XX-10FC"}, "token 2, 'XX', at character 5"),
        ({"net": "4C3-9FC"}, "ends with 9 outputs, but there are 10 classes"),
        ({"net": "vggsnn"}, "leaves nothing of 1x1"),
    ],
    ids=str,
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(QUICK, **change).setup(DATA)


class Recorder(SGD):
    """An optimiser that keeps gradients and weights as they are."""

    def step(self, params, grads, moments, lr, k):
        moments["grads"] = {key: g.copy() for key, g in grads.items()}


@pytest.mark.parametrize(
    ("on", "concerned"), [("conv", ["conv1.weight", "conv2.weight"]), ("gamma", ["bn1.gamma", "bn2.gamma"])]
)
def test_the_price_of_the_l1_norm(on, concerned):
    grads, losses = [], []
    for price in (0.0, 0.3):
        setup = replace(replace(QUICK, l1=price, l1_on=on).setup(DATA), optimizer=Recorder())
        state = loop.start(setup, 0, np.float64)
        state.params["bn1.gamma"][:3] *= -1
        losses.append(loop.step(setup, state, DATA.train.images[:20], DATA.train.labels[:20], 0.1).loss)
        grads.append(state.moments["grads"])
    for key, w in state.params.items():
        expected = 0.3 * np.sign(w) if key in concerned else 0 * w
        np.testing.assert_allclose(grads[1][key] - grads[0][key], expected, atol=1e-12)
    norm = sum(abs(state.params[key]).sum() for key in concerned)
    assert losses[1] - losses[0] == pytest.approx(0.3 * norm)


def test_augmentations_are_used(monkeypatch):
    images, rng = DATA.train.images[:9], np.random.default_rng
    for change, expected in [
        ({}, lambda x, rng: x),
        ({"flip": True}, flip),
        ({"shift": 2}, partial(shift, by=2)),
        ({"flip": True, "shift": 1}, lambda x, rng: flip(shift(x, 1, rng), rng)),
    ]:
        augment = replace(QUICK, **change).setup(DATA).augment
        np.testing.assert_array_equal(augment(images, rng=rng(5)), expected(images, rng=rng(5)))
    seen, step = [], loop.step
    monkeypatch.setattr(
        loop, "step", lambda s, state, x, y, lr: seen.append(x.sum()) or step(s, state, x, y, lr)
    )
    setup = replace(replace(TINY, flip=True).setup(DATA), augment=lambda images, rng: 0 * images)
    epoch(setup, loop.start(setup, 0))
    assert seen == [0, 0]


def test_each_paper_has_its_training():
    rng = np.random.default_rng(0)
    outputs, y = rng.standard_normal((2, 5, 10)), rng.integers(0, 10, 5)
    for change, loss, optimizer in [
        ({}, tet_loss_forward, Adam),
        ({"lam": 0.3}, partial(tet_loss_forward, lam=0.3), Adam),
        ({"loss": "mean"}, mean_loss_forward, Adam),
        ({"paper": "sca"}, mean_loss_forward, SGD),
        ({"net": "mlp", "paper": "sca", "loss": "tet", "optimizer": "adam"}, tet_loss_forward, Adam),
    ]:
        setup = replace(QUICK, lr=None, **change).setup(DATA)
        assert float(setup.objective.forward(outputs, y)[0]) == float(loss(outputs, y)[0])
        assert isinstance(setup.optimizer, optimizer)
        assert setup.lr(0) == {Adam: 0.001, SGD: 0.01}[optimizer]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "change", [{}, {"fast": False}, {"paper": "sca"}, {"paper": "sca", "fast": False}], ids=str
)
def test_training_keeps_its_dtype(dtype, change):
    setup = replace(QUICK, **change).setup(DATA)
    state = loop.start(setup, 0, dtype)
    images, labels = DATA.train.images[:50], DATA.train.labels[:50]
    loop.step(setup, state, images, labels, lr=0.1)
    arrays = [
        *state.params.values(),
        *state.buffers.values(),
        *(m for moment in state.moments.values() for m in moment),
    ]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert {g.dtype for g in loop.gradients(setup, state, images, labels)[3].values()} == {np.dtype(dtype)}


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    backend.no_gpu.cache_clear()
    yield
    backend.no_gpu.cache_clear()


def test_no_gpu_is_said_in_words(no_cupy, tmp_path, capsys):
    with pytest.raises(NoGPUError, match=r"CuPy cannot be imported .*gpu-cuda13.. for 13"):
        start.train(replace(TINY, device="gpu"), out=tmp_path / "run")
    for kind in ("lif", "esl-mlp"):
        assert cli.main(["train", kind, "--device", "gpu", "--out", str(tmp_path / "run")]) == 2
        assert "minisnn: error: CuPy cannot be imported" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def command(*words):
    return cli.main(["train", "lif", "--net", "4C3-AP4-10FC", "--T", "2", "--epochs", "1", *words])


def test_command_line(tmp_path, capsys):
    folder = str(tmp_path / "run")
    assert command("--json", "--out", folder, "--flip", "--l1", "1e-5", "--lam", "0.1", "--seed", "3") == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert {"test_accuracy", "val_accuracy", "parameters", "connections", "seconds"} <= set(result)
    assert result["parameters"] == 9 * 4 + 4 + 2 * 4 + 16 * 10 + 10
    recipe = result["recipe"]
    assert [recipe[key] for key in ("net", "T", "flip", "l1", "lam", "seed")] == [
        "4C3-AP4-10FC",
        2,
        True,
        1e-5,
        0.1,
        3,
    ]
    assert command("--out", folder) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert cli.main(["train", "lif", "--resume", folder]) == 0
    assert "test accuracy" in capsys.readouterr().out
    assert cli.main(["train", "lif", "--resume", folder, "--T", "3"]) == 2
    assert "it takes no --T" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--net", "4C3-XX-10FC"], "token 2, 'XX', at character 5"),
        (["--net", ""], "--net must be one of mlp, vggsnn"),
        (["--net", "4C3-10FC-AP2"], "token 3, 'AP2', at character 10"),
        (["--net", "4C3-9FC"], "9 outputs, but there are 10 classes"),
        (["--net", "vgg16"], "vgg16 does not fit images of 8x8x1: pool4: a pool of 2x2 leaves nothing"),
        (["--T", "0"], "T must be at least 1"),
        (["--paper", "tet"], "paper must be one of esl, sca, found 'tet'"),
        (["--lam", "2"], "lam must be 0 to 1"),
        (["--hidden", "30"], "unknown argument --hidden"),
    ],
)
def test_command_line_refuses(tmp_path, capsys, words, message):
    try:
        status = command(*words, "--out", str(tmp_path / "new" / "run"))
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_interrupted(tmp_path, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", interrupt)
        assert command("--out", str(tmp_path / "run")) == 130
    (words,) = re.findall(r"go on with: minisnn (.*)", capsys.readouterr().err)
    assert cli.main(words.split()) == 0


@pytest.mark.parametrize("kind", ["lif", "esl-mlp"])
def test_help_teaches(capsys, kind):
    """And each of its examples is a command that can be read."""
    with pytest.raises(SystemExit):
        cli.main(["train", kind, "--help"])
    text = capsys.readouterr().out
    examples = re.findall(rf"^  (?:\w+=\S+ )?minisnn (train {kind}.*?)(?:   .*)?$", text, re.M)
    assert len(examples) > 5
    for example in examples:
        assert cli._parser().parse_args(re.split(r"\s{2,}|; ", example)[0].split())
    if kind == "lif":
        text = " ".join(text.split())
        assert "nC3 is a convolution of 3x3" in text
        assert "(default 20 for digits, 10 for mnist)" in text
        assert "TET" in text


def test_every_setting_has_an_option(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "lif", "--help"])
    text = capsys.readouterr().out
    for field in (f.name for f in fields(recipes.LIFNet)):
        assert field == "fast" or f"--{field.replace('_', '-')}" in text


def test_a_channel_that_is_the_same_everywhere_becomes_0():
    images = np.full((6, 8, 8, 2), 7, np.uint8)
    images[..., 1] = np.arange(8)
    split = Split(images, np.arange(6) % 3)
    data = DataSet("none", split, split, split, max_value=255, n_classes=3)
    x = LIFNet(net="3C3-3FC").setup(data).encode(images)
    assert abs(x[..., 0]).max() < 1e-6  # rounding
    np.testing.assert_allclose(x[..., 1].std(), 1, rtol=1e-5)


def test_a_result_says_what_training_took(few_digits):
    """Dense, sparse, and Grad R, which starts dense and reads all gradients."""
    kinds = ({"density": 1.0}, {"density": 0.3}, {"density": 0.3, "learner": "grad-r"})
    runs = [snn.train("lif", epochs=1, test=False, **kind) for kind in kinds]
    dense, sparse, rewired = (run.result["training_operations"] for run in runs)
    assert sparse < dense / 2 < rewired <= dense
