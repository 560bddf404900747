"""A run knows its data: others are refused before anything is written."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from data_loaders.common.dataset import DataSet, Split
from minisnn import cli, load_digits
from minisnn.recipes import ESL_MLP_DEFAULTS, LIF_DEFAULTS, RECIPES, SCA_VGG16_DEFAULTS, LIFNet
from minisnn.runs import slim as slim_run
from minisnn.runs import start
from minisnn.training import loop

pytestmark = pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer")
SETTINGS = {"T": 2, "epochs": 2, "batch_size": 50}


def changed(data, images=lambda x: x, labels=lambda y: y, **fields):
    """The data set with other images, labels, or anything else."""
    parts = {
        name: Split(images(np.asarray(split.images)), labels(split.labels))
        for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    rest = {"name": data.name, "max_value": data.max_value, "n_classes": data.n_classes} | fields
    return DataSet(**parts, **rest)


def own(seed=0, shape=(12, 20, 1), n_classes=7, name="own"):
    """Random pictures of one's own, whose classes are patches of light."""
    rng = np.random.default_rng(seed)

    def split(n):
        labels = np.arange(n) % n_classes
        images = rng.integers(0, 100, (n, *shape), np.uint8)
        for k, label in enumerate(labels):
            images[k, 1 + label : 3 + label, 3:9] = 255
        return Split(images, labels)

    return DataSet(name, split(140), split(35), split(35), 255, n_classes)


NET = "4C3-AP2-7FC"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run on own data."""
    folder = tmp_path_factory.mktemp("own") / "run"
    start.train("lif", own(), out=folder, net=NET, **SETTINGS)
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "mine")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_on_own_data_says_what_it_needs(copy):
    """It used to go on with MNIST, and to overwrite the result."""
    before = contents(copy)
    config = json.loads((copy / "config.json").read_text())
    assert config["data"]["shape"] == [12, 20, 1]
    assert config["data"]["n_classes"] == 7
    fingerprint = own().info.fingerprint
    said = rf"{copy} was trained on 'own' \(fingerprint {fingerprint}, 12x20x1, 7 classes\), a DataSet made in Python: "
    for attempt in (lambda: start.resume(copy), lambda: start.load(copy).evaluate()):
        with pytest.raises(ValueError, match=said + rf"hand it over, as in snn.resume\('{copy}', data=...\)"):
            attempt()
    assert contents(copy) == before
    assert cli.main(["train", "lif", "--resume", str(copy)]) == 2
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: own(seed=1), "12x20x1, 7 classes"),
        (lambda: own(shape=(12, 21, 1)), "12x21x1, 7 classes"),
        (lambda: own(n_classes=6), "12x20x1, 6 classes"),
        (lambda: changed(own(), labels=lambda y: y[::-1]), "12x20x1, 7 classes"),
        (load_digits, "8x8x1, 10 classes"),
        (lambda: "digits", "8x8x1, 10 classes"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_data_are_refused_and_nothing_is_written(copy, monkeypatch, other, words, finished):
    if not finished:
        (copy / "result.json").unlink()
    before = contents(copy)
    monkeypatch.setattr(loop, "fit", lambda *args: pytest.fail("this must not train"))
    with pytest.raises(
        ValueError, match=rf"was trained on 'own' \(fingerprint \w+, 12x20x1, 7 classes\), found .*{words}"
    ):
        start.resume(copy, data=other(), epochs=5)
    assert contents(copy) == before


def test_the_same_data_go_on_whatever_their_name(copy):
    before = start.load(copy).result
    again = start.resume(copy, data=own(name="another"))
    assert again.result["test_accuracy"] == before["test_accuracy"]
    assert again.evaluate(own()).accuracy == before["test_accuracy"]


def test_a_name_that_comes_to_mean_other_data(tmp_path, monkeypatch):
    """The folder that a recipe names has other files than when it was trained; in a grid, too."""
    from minisnn.grids import grid

    recipe = replace(LIF_DEFAULTS["digits"], net="4C3-AP2-10FC", **SETTINGS)
    job = grid.Job("name", recipe, recipe.to_json(), os.getpid(), folder=tmp_path / "grid")
    loads = [load_digits(), changed(load_digits(), images=lambda x: x[:, ::-1])]
    monkeypatch.setattr(LIFNet, "load", lambda self: loads[0])
    start.train(recipe, out=tmp_path / "run", pictures=False)
    step = loop.train_epoch
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_epoch", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            grid.one(job)
    del loads[0]
    assert loop.train_epoch is step
    for attempt in (
        lambda: start.resume(tmp_path / "run"),
        lambda: start.load(tmp_path / "run").evaluate(),
        lambda: start.load(tmp_path / "run").plot("raster"),
        lambda: grid.one(job),
    ):
        with pytest.raises(ValueError, match=r"was trained on 'digits' .* found 'digits'"):
            attempt()


def test_slim_knows_the_data(tmp_path, capsys):
    data = changed(load_digits(), name="own", images=lambda x: x[:, ::-1])
    folder = tmp_path / "run"
    recipe = replace(SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=1, batch_size=100)
    start.train(recipe, data, out=folder, pictures=False)
    assert cli.main(["slim", str(folder)]) == 2
    assert "a DataSet made in Python" in capsys.readouterr().err
    with pytest.raises(ValueError, match="found 'digits'"):
        slim_run.slim_run(folder, tmp_path / "slim", data="digits")
    assert not (tmp_path / "slim").exists()
    small = slim_run.slim_run(folder, tmp_path / "slim", data=data, pictures=False)
    assert small["test_accuracy"] == pytest.approx(small["before"]["test_accuracy"], abs=1)
    assert start.load(tmp_path / "slim").info == data.info
    with pytest.raises(ValueError, match="a DataSet made in Python"):
        start.resume(tmp_path / "slim")


def test_predictions_need_no_data(copy):
    run = start.load(copy)
    images, labels = own().test
    assert 100 * (run.predict(images) == labels).mean() == pytest.approx(run.result["test_accuracy"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            lambda: own(shape=(12, 21, 1)),
            r"mine needs data like 'own' .*12x20x1, 7 classes\), found 'own' .*12x21x1",
        ),
        (lambda: own(n_classes=6), "found 'own' .*, 6 classes"),
        (lambda: "digits", "mine needs data like .* found 'digits' .*8x8x1, 10 classes"),
        (lambda: "event-digits", r"found 'event-digits' .*2x16x16x2, 10 classes"),
        (lambda: "digit", "data must be .*'digit'"),
    ],
)
def test_evaluating_on_what_does_not_fit(copy, data, message):
    with pytest.raises(ValueError, match=message):
        start.load(copy).evaluate(data())


def test_evaluating_on_other_images_of_the_same_kind(copy):
    run = start.load(copy)
    found = run.evaluate(own(seed=5), "train")
    images, labels = own(seed=5).train
    assert found.n == 140
    assert found.accuracy == pytest.approx(100 * (run.predict(images) == labels).mean())
    with pytest.raises(ValueError, match="split must be one of train, validation, test, found 'all'"):
        run.evaluate(own(), "all")


def test_classes_of_other_names(copy):
    run, data = start.load(copy), own()
    run.info = replace(run.info, class_names=tuple("abcdefg"))
    from minisnn.runs.run_data import check_fits

    check_fits(run.info, data.info, "mine")
    with pytest.raises(ValueError, match="mine tells the classes a, b, c, d, e, f, g apart, 'own' has z, b"):
        check_fits(run.info, replace(data.info, class_names=tuple("zbcdefg")), "mine")


def test_the_first_images_of_data_handed_over(tmp_path):
    run = start.train("lif", own(), out=tmp_path / "run", net=NET, images=60, **SETTINGS)
    assert run.info.n_train == 60
    assert start.resume(tmp_path / "run", data=own()).info == run.info
    assert start.load(tmp_path / "run").evaluate(own(), "train").n == 140


def test_a_folder_says_what_results_depend_on(trained, copy, monkeypatch):
    config = json.loads((trained / "config.json").read_text())
    (found,) = config["environments"]
    assert set(found) == {"versions", "platform", "threads", "blas"}
    assert {"minisnn", "numpy", "python"} <= set(found["versions"])
    assert found["threads"] >= 1
    assert {"internal_api", "version", "architecture"} <= set(found["blas"][0])
    start.resume(copy, data=own(), pictures=False)
    assert json.loads((copy / "config.json").read_text()) == config  # the same machine: once
    monkeypatch.setattr("minisnn.runs.folder.threads", lambda: 77)
    start.resume(copy, data=own(), pictures=False)
    assert [e["threads"] for e in json.loads((copy / "config.json").read_text())["environments"]][-1] == 77


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("data"), "the run is of an older minisnn, and does not say which data"),
        (lambda c: c["data"].pop("shape"), "config.json: not the configuration of a run"),
        (lambda c: c.pop("recipe"), "config.json: not the configuration of a run"),
        (lambda c: c.update(train="mlp"), "config.json: not the configuration of a run"),
        (lambda c: c["recipe"].update(T=0), "config.json: not the configuration of a run .T must be"),
        (lambda c: c.update(recipe=3), "config.json: not the configuration of a run"),
    ],
)
def test_configurations_that_are_none(copy, change, message):
    config = json.loads((copy / "config.json").read_text())
    change(config)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        start.load(copy)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("log.csv", None, "log.csv: found 0 rows, expected 2"),
        ("log.csv", "epoch\n1\n", "log.csv: found 1 rows, expected 2"),
        ("log.csv", "epoch,loss\n1,a\n", "log.csv: not the log of a run"),
        ("log.csv", "epoch,loss\n1\n", "log.csv: not the log of a run"),
        ("config.json", "[1]", "config.json: not the configuration of a run"),
        ("config.json", "{", "config.json: not the configuration of a run"),
        ("config.json", None, "mine holds no run: there is no config.json"),
        ("result.json", "[", "result.json: not the result of a run"),
        ("checkpoint.npz", "", "checkpoint.npz: not a readable checkpoint"),
    ],
)
def test_files_that_are_damaged(copy, name, text, message):
    (copy / name).unlink()
    if text is not None:
        (copy / name).write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        start.load(copy)


def interrupted(recipe, folder, monkeypatch, after):
    """A run that is cut off in its epoch after `after`."""
    with monkeypatch.context() as patch:
        real, done = loop.train_epoch, []

        def breaks_off(*args):
            if len(done) == after:
                raise KeyboardInterrupt
            done.append(1)
            return real(*args)

        patch.setattr(loop, "train_epoch", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            start.train(recipe, out=folder, pictures=False)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(ESL_MLP_DEFAULTS["digits"], hidden=(30, 20), epsilon=4.0, epochs=3, batch_size=200),
        replace(
            LIF_DEFAULTS["digits"], net="6C3-AP2-12C3-AP2-10FC", T=2, epochs=3, density=0.3, batch_size=100
        ),
        replace(SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=3, batch_size=100),
    ],
    ids=["esl-mlp", "lif", "sca"],
)
def test_files_of_a_resumed_run_are_those_of_an_undisturbed_one(tmp_path, monkeypatch, recipe):
    """To the byte, but for the time that it took."""
    start.train(recipe, out=tmp_path / "whole", pictures=False)
    interrupted(recipe, tmp_path / "broken", monkeypatch, 1)
    start.resume(tmp_path / "broken", pictures=False)

    def timeless(folder):
        log = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
        seconds = log[0].index("seconds")
        result = (folder / "result.json").read_text().splitlines()
        return [row[:seconds] + row[seconds + 1 :] for row in log], [
            s for s in result if '"seconds"' not in s
        ]

    assert timeless(tmp_path / "whole") == timeless(tmp_path / "broken")
    with (
        np.load(tmp_path / "whole" / "checkpoint.npz") as a,
        np.load(tmp_path / "broken" / "checkpoint.npz") as b,
    ):
        assert a.files == b.files


def test_more_epochs(copy, monkeypatch):
    """The log goes on, and until the run is finished again there is no result that would be of another length."""
    before = start.load(copy)
    run = start.resume(copy, data=own(), epochs=4)
    assert [row["epoch"] for row in run.log] == [1, 2, 3, 4]
    assert run.log[:2] == before.log
    assert start.load(copy).recipe == replace(before.recipe, epochs=4)
    with pytest.raises(
        ValueError, match="epochs must be at least 4, as many as the run was started with, found 3"
    ):
        start.resume(copy, data=own(), epochs=3)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_epoch", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start.resume(copy, data=own(), epochs=6)
    assert start.load(copy).result is None
    assert start.resume(copy, data=own()).result["recipe"]["epochs"] == 6


@pytest.mark.parametrize("kind", list(RECIPES))
def test_a_run_is_resumed_as_what_it_is(copy, capsys, kind):
    assert cli.main(["train", kind, "--resume", str(copy)]) == 2
    said = capsys.readouterr().err
    if kind == "lif":
        assert "a DataSet made in Python" in said
    else:
        assert f"{copy} holds a run of lif, not of {kind}: minisnn train lif --resume {copy}" in said
