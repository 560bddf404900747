"""SCA's recipe: what it refuses, what it builds, how many images it takes, and its options on the command line."""

import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs

from data_loaders.catalogue import DATA_SETS
from data_loaders.common.dataset import DataSet, Split
from data_loaders.common.declaration import REGISTERED
from minisnn import cli, load_digits
from minisnn.faster import fast
from minisnn.networks.compose import scored
from minisnn.networks.registry import NETWORKS
from minisnn.networks.stages.lif import LIF
from minisnn.ops.score import SCORES
from minisnn.recipes import LIF_DEFAULTS, RECIPES, SCA_VGG16_DEFAULTS, SCANet, make
from minisnn.runs import start
from minisnn.structure.channels import MODES, SCA
from minisnn.structure.learner import StructureLearner
from minisnn.training import loop, optim
from minisnn.training.losses import mean_loss_forward
from minisnn.training.optim import SGD

TINY = replace(SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=4, batch_size=400)


def no_data(shape=(8, 8, 1), n_classes=10):
    """A data set's shapes, with hardly any images."""
    images = np.arange(4 * np.prod(shape)).reshape(4, *shape) % 256
    few = Split(images.astype(np.uint8 if len(shape) == 3 else np.float32), np.arange(4))
    return DataSet("none", few, few, few, 255, n_classes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": -0.1}, "p must be 0 to 1, found -0.1"),
        ({"q": -0.1}, "q must be 0 to 1, found -0.1"),
        (
            {"p": 0.9, "q": 0.1},
            "p and q must be 0 or more and p + q below 1, found p = 0.9, q = 0.1",
        ),
        ({"p": 1.0, "q": 0.0}, "p and q must be 0 or more and p + q below 1, found p = 1.0, q = 0.0"),
        ({"p": float("nan")}, "p must be 0 to 1, found nan"),
        ({"every": 0}, "every must be at least 1, found 0"),
        ({"every": 3, "end": 0.5}, "every must be at most 2, the last epoch that may change masks, found 3"),
        ({"end": 0.0}, "end must be above 0 and at most 1, found 0.0"),
        ({"end": 1.5}, "end must be above 0 and at most 1, found 1.5"),
        ({"mode": "gentle"}, "mode must be one of soft, hard, random, found 'gentle'"),
        ({"score": "spikes"}, "score must be one of code, post-reset, pre-reset, found 'spikes'"),
        ({"images": 0}, "images must be at least 1, found 0"),
        ({"images": -5}, "images must be at least 1, found -5"),
        ({"T": 0}, "T must be at least 1, found 0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(TINY, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"p": 0.8, "q": 0.1},
            "p = 0.8, q = 0.1 keeps 1 of 14 channels by their scores, but there are 2 layers",
        ),
        ({"net": "mlp"}, "this network has no channels to prune: it needs convolutions with batch norm"),
        ({"net": "vgg16"}, "leaves nothing of 1x1"),
        ({"net": "6C3-MP2-9FC"}, "ends with 9 outputs, but there are 10 classes"),
    ],
    ids=str,
)
def test_impossible_networks_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change).setup(no_data())


def test_the_edges_of_what_is_possible():
    for change in ({"p": 0.0, "q": 0.85}, {"p": 0.85, "q": 0.0}, {"end": 1e-9}, {"end": 1.0}, {"every": 1}):
        assert isinstance(replace(TINY, **change).setup(no_data()).learner, SCA)


# The authors' training.


def test_the_defaults_are_the_authors():
    """VGG16 on CIFAR-10: SGD at 0.01, a tenth after 100 and 200 of 300 epochs, L1 on 3x3 kernels."""
    recipe = SCANet()
    assert recipe == SCA_VGG16_DEFAULTS["cifar10"] == RECIPES["sca-vgg16"]()
    setup = recipe.setup(no_data((32, 32, 3)))
    assert (setup.epochs, setup.batch_size, recipe.T, recipe.l1, recipe.q) == (300, 64, 4, 3e-5, 0.1)
    assert setup.optimizer == SGD(0.9)
    rates = {epoch: setup.lr(epoch) for epoch in (0, 99, 100, 199, 200, 299)}
    assert rates == pytest.approx({0: 0.01, 99: 0.01, 100: 1e-3, 199: 1e-3, 200: 1e-4, 299: 1e-4})
    outputs = np.random.default_rng(0).standard_normal((4, 3, 10))
    labels = np.array([1, 5, 9])
    assert setup.objective.forward(outputs, labels)[0] == mean_loss_forward(outputs, labels)[0]
    (penalty,) = setup.penalties
    assert penalty.weight == 3e-5
    shapes = {"conv": (3, 3, 4, 5), "shortcut": (1, 1, 4, 5), "fc": (4, 5), "gamma": (5,)}
    assert [name for name, shape in shapes.items() if penalty.applies_to(name, np.ones(shape))] == ["conv"]
    assert recipe.flip
    assert recipe.shift == 4


@given(epochs=st.integers(1, 400), lr=st.floats(1e-4, 1), drop=st.floats(1e-4, 1))
def test_the_step_schedule(epochs, lr, drop):
    """Three parts; where epochs do not divide by three, an epoch belongs to the part in which it begins."""
    for epoch in {0, epochs - 1, *(k * epochs // 6 for k in range(6)), -(-epochs // 3) - 1, -(-epochs // 3)}:
        if epoch == epochs:
            continue
        if epoch * 3 < epochs:
            expected = lr
        elif epoch * 3 < 2 * epochs:
            expected = (lr * lr * drop) ** 0.5
        else:
            expected = lr * drop
        assert optim.step_lr(epoch, epochs, lr, lr * drop) == pytest.approx(expected)


def test_recipes_find_the_schedule():
    for lr, lr_end, expected in [
        (None, None, [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4]),  # SGD's default, and a hundredth
        (0.8, None, [0.8, 0.8, 0.08, 0.08, 0.008, 0.008]),
        (0.8, 0.2, [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]),
    ]:
        recipe = replace(TINY, epochs=6, schedule="step", lr=lr, lr_end=lr_end)
        setup = recipe.setup(no_data())
        assert [setup.lr(epoch) for epoch in range(6)] == pytest.approx(expected)


# What is built.


def scores_of(net):
    return {stage.score for _, stage in net.stages if isinstance(stage, LIF)}


@given(
    rng=rngs,
    mode=st.sampled_from(MODES),
    score=st.sampled_from(SCORES),
    flags=st.tuples(*[st.booleans()] * 2),
)
def test_the_learner_has_what_the_recipe_says(rng, mode, score, flags):
    p, q = rng.uniform(0, [0.5, 0.3])
    epochs, end = int(rng.integers(1, 40)), rng.uniform(0.01, 1)
    every = int(rng.integers(1, max(1, round(end * epochs)) + 1))
    recipe = replace(
        TINY, p=p, q=q, every=every, end=end, mode=mode, score=score, per_map=flags[0], strict=flags[1], fast=False,
        epochs=epochs,
    )  # fmt: skip
    setup = recipe.setup(no_data())
    expected = {
        "p": p, "q": q, "every": every, "end": max(1, round(end * recipe.epochs)), "mode": mode,
        "per_map": flags[0], "strict": flags[1],
    }  # fmt: skip
    assert isinstance(setup.learner, SCA)
    assert {key: value for key, value in vars(setup.learner).items() if key != "layers"} == expected
    assert [(layer.key, layer.size) for layer in setup.learner.layers] == [("lif1", 6), ("lif2", 8)]
    plain = recipe.plain(no_data())
    assert setup.net == scored(plain, score)
    assert scores_of(setup.net) == {score}
    assert scores_of(plain) == {None}  # what is left when training is over measures nothing
    assert replace(recipe, fast=True).setup(no_data()).net == fast(setup.net, (8, 8, 1))


@pytest.mark.parametrize(("p", "q", "dense"), [(0.0, 0.0, True), (0.0, 0.1, False), (0.1, 0.0, False)])
def test_nothing_to_prune_is_the_dense_network(p, q, dense):
    setup = replace(TINY, p=p, q=q, fast=False).setup(no_data())
    assert (type(setup.learner) is StructureLearner) == dense
    assert scores_of(setup.net) == {None if dense else "code"}


@pytest.mark.parametrize("data", SCA_VGG16_DEFAULTS)
def test_every_data_set_has_its_network(data):
    """VGG16 needs five pools."""
    assert set(SCA_VGG16_DEFAULTS) <= set(DATA_SETS)
    recipe, n_classes = SCA_VGG16_DEFAULTS[data], DATA_SETS[data].n_classes
    *frames, H, W, C = DATA_SETS[data].shape
    setup = recipe.setup(no_data((*(recipe.T for _ in frames), H, W, C), n_classes))
    assert recipe.data == data
    assert DATA_SETS[data].is_sequence == bool(frames)
    assert (recipe.net in NETWORKS) == (H >= 32)
    assert setup.net.out((H, W, C)) == (n_classes,)
    assert isinstance(setup.learner, SCA)
    assert (recipe.flip, recipe.shift) == ((True, 5 if frames else 4) if H >= 32 else (False, 0))


# How many images.


@pytest.fixture
def seven(monkeypatch):
    """In place of the digits seven images, and three of each other split."""
    whole = load_digits()
    data = replace(
        whole, train=whole.train.take(np.arange(7)), validation=whole.validation.take(np.arange(3))
    )
    monkeypatch.setitem(REGISTERED, "digits", replace(DATA_SETS["digits"], load=lambda: data))
    return data


@pytest.mark.parametrize("recipe", [TINY, LIF_DEFAULTS["digits"]], ids=["sca-vgg16", "lif"])
@pytest.mark.parametrize("n", [None, 2, 4, 7])
def test_the_first_so_many_images(seven, recipe, n):
    data = replace(recipe, images=n).load()
    np.testing.assert_array_equal(data.train.images, seven.train.images[:n])
    np.testing.assert_array_equal(data.train.labels, seven.train.labels[:n])
    assert len(data.train.labels) == (n or 7)
    assert data.validation is seven.validation
    assert data.test is seven.test


@pytest.mark.parametrize("recipe", [TINY, LIF_DEFAULTS["digits"]], ids=["sca-vgg16", "lif"])
def test_more_images_than_there_are(seven, recipe, tmp_path):
    recipe = replace(recipe, images=8)
    with pytest.raises(ValueError, match=r"^images must be at most 7 for digits, found 8$"):
        recipe.load()
    with pytest.raises(ValueError, match="images must be at most 7"):
        start.train(recipe, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_run_and_its_resumption_train_on_so_many(tmp_path, monkeypatch):
    """Steps are those of the images, also where schedules count them."""
    sizes, step = [], loop.step

    def counted(setup, state, images, labels, lr):
        sizes.append(len(images))
        if len(sizes) == 5:
            raise KeyboardInterrupt
        return step(setup, state, images, labels, lr)

    monkeypatch.setattr(loop, "step", counted)
    recipe = replace(TINY, images=100, batch_size=40, epochs=2, p=0.3)
    assert recipe.iterations(recipe.load()) == 2 * 3
    with pytest.raises(KeyboardInterrupt):
        start.train(recipe, out=tmp_path / "run")
    result = start.resume(tmp_path / "run", pictures=False).result
    assert sizes == [40, 40, 20, 40, 40, 40, 40, 20]  # the epoch that was broken off begins again
    assert result["recipe"]["images"] == 100
    assert sum(counts[-1] for counts in result["channels"].values()) == 9  # of 14: 8 by score, 1 comes back


# The command line.


@pytest.fixture
def asked(monkeypatch):
    """The recipes and folders that the command line would run."""
    calls = []
    keys = "test_accuracy", "val_accuracy", "connections", "density", "synops", "seconds"

    def fake(kind, data, out, progress, **settings):
        recipe = make(kind, data, **settings)
        calls.append((recipe, str(out)))
        return SimpleNamespace(result=dict.fromkeys(keys, 1) | {"recipe": recipe.to_json(), "densities": {}})

    monkeypatch.setattr(start, "train", fake)
    return calls


def command(*words):
    return cli.main(["train", "sca-vgg16", *words])


@pytest.mark.parametrize(
    ("words", "data", "expected"),
    [
        ("", "digits", {}),
        ("--data cifar10", "cifar10", {}),
        ("--data cifar100 --p 0.8 --q 0.05", "cifar100", {"p": 0.8, "q": 0.05}),
        ("--data mnist --images 500 --seed 3", "mnist", {"images": 500, "seed": 3}),
        ("--q 0", "digits", {"q": 0.0}),
        ("--mode random --every 2 --end 0.5", "digits", {"mode": "random", "every": 2, "end": 0.5}),
        ("--mode hard --score pre-reset --per-map --strict", "digits",
         {"mode": "hard", "score": "pre-reset", "per_map": True, "strict": True}),
        ("--net pre-resnet18 --paper esl --T 3 --width 0.5", "digits",
         {"net": "pre-resnet18", "paper": "esl", "T": 3, "width": 0.5}),
        ("--data cifar10 --no-flip --shift 2 --schedule cosine", "cifar10",
         {"flip": False, "shift": 2, "schedule": "cosine"}),
        ("--flip --l1 1e-4 --l1-on gamma --lr 0.1 --lr-end 0.01", "digits",
         {"flip": True, "l1": 1e-4, "l1_on": "gamma", "lr": 0.1, "lr_end": 0.01}),
        ("--epochs 3 --batch-size 10 --accumulate 2 --optimizer adam --loss tet --lam 0.1", "digits",
         {"epochs": 3, "batch_size": 10, "accumulate": 2, "optimizer": "adam", "loss": "tet", "lam": 0.1}),
    ],
)  # fmt: skip
def test_options(asked, words, data, expected):
    assert command(*words.split()) == 0
    recipe = replace(SCA_VGG16_DEFAULTS[data], **expected)
    ((found, folder),) = asked
    assert found == recipe
    assert re.fullmatch(rf"runs/sca-vgg16-{data}[\w.+-]*-seed{recipe.seed}", folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--p", "0.9"], "--p and --q must be 0 or more and --p + --q below 1, found --p = 0.9, --q = 0.1"),
        (["--p", "half"], "argument --p: expected a number, found 'half'"),
        (["--mode", "gentle"], "mode must be one of soft, hard, random, found 'gentle'"),
        (["--score", "spikes"], "score must be one of code, post-reset, pre-reset, found 'spikes'"),
        (["--every", "0"], "every must be at least 1, found 0"),
        (["--end", "2"], "end must be above 0 and at most 1, found 2.0"),
        (["--images", "0"], "images must be at least 1, found 0"),
        (["--images", "100000"], "for digits, found 100000"),
        (["--net", "vgg16"], "leaves nothing of 1x1"),
        (["--net", "mlp"], "this network has no channels to prune"),
        (["--data", "svhn"], "found 'svhn'"),
        (["--density", "0.1"], "unknown argument --density"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, capsys, words, message):
    try:
        status = command(*words, "--out", str(tmp_path / "run"))
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_by_command(tmp_path, capsys):
    folder = tmp_path / "run"
    words = "--net 6C3-MP2-8C3-MP2-10FC --images 80 --batch-size 40 --epochs 2 --p 0.3 --json"
    assert command(*words.split(), "--out", str(folder)) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    left = {key: counts[-1] for key, counts in result["channels"].items()}
    assert sum(left.values()) == 9
    a, b = left["lif1"], left["lif2"]
    assert (
        result["parameters"] == 11 * a + 9 * a * b + 2 * b + 4 * b * 10 + 10
    )  # gamma and beta, the last bias
    assert result["connections"] == 9 * a + 9 * a * b + 4 * b * 10
    assert result["density"] == pytest.approx(result["connections"] / (9 * 6 + 9 * 6 * 8 + 4 * 8 * 10))
    config = json.loads((folder / "config.json").read_text())
    assert config["train"] == "sca-vgg16"
    assert config["recipe"] == result["recipe"]
    assert {p.name for p in folder.iterdir()} >= {"log.csv", "checkpoint.npz", "result.json"}


@pytest.fixture
def help_text(capsys):
    with pytest.raises(SystemExit) as stop:
        command("--help")
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_teaches(help_text):
    examples = re.findall(r"^  minisnn (train sca-vgg16.*?|slim .*?)(?:   .*)?$", help_text, re.M)
    assert len(examples) == 7
    for example in examples:
        assert cli._parser().parse_args(example.split())
    text = " ".join(help_text.split())
    for words in (
        "The fraction 1 - p - q is kept", "`minisnn slim` then removes it for good", "(default 0.5)", "(default 0.1)",
        "(default 20 for digits, 10 for mnist)", "soft, hard, random (default soft)", "code, post-reset, pre-reset",
        "exponential, cosine, step", "runs/sca-vgg16-DATA-SETTINGS-seedN",
    ):  # fmt: skip
        assert words in text


def test_every_setting_has_an_option(help_text):
    for field in fields(SCANet):
        assert re.search(rf"^  --{field.name.replace('_', '-')}\b", help_text, re.M)
    for choice in (*MODES, *SCORES, "minisnn data list"):
        assert choice in help_text
