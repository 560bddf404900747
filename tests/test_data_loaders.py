"""`data_loaders`: alone, without minisnn; a new data set is one file; your own are found by name."""

import ast
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import data_loaders
import minisnn as snn
from data_loaders import DataSet, Remote, data_set
from data_loaders.catalogue import DATA_SETS, load, load_stand_in
from data_loaders.common import importing, progress
from data_loaders.common.declaration import REGISTERED
from minisnn import cli
from minisnn.training import loop

ROOT = Path(__file__).resolve().parent.parent
FILE = """
import numpy as np

from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import data_set
from data_loaders.common.download import Remote

FILES = [Remote("stripes.bin", "https://example.org/stripes.bin", "md5:00", 5_000_000)]


@data_set("horizontal or vertical", shape=(12, 12, 3), classes=2, samples=(80, 10, 10), files=FILES, licence="CC0")
def load(noise=0) -> DataSet:
    labels = np.arange(100) % 2
    images = np.zeros((100, 12, 12, 3), np.uint8)
    images[labels == 0, ::2] = images[labels == 1, :, ::2] = 255
    return DataSet.from_arrays(images, labels, name="NAME")
"""


def imports(path):
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def python(code, *options, cwd=None):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)], cwd=cwd, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# Alone


def test_nothing_of_minisnn_is_imported():
    files = sorted((ROOT / "data_loaders").rglob("*.py"))
    assert len(files) > 30
    for path in files:
        assert not [name for name in imports(path) if name.partition(".")[0] == "minisnn"], path


def test_digits_and_mnist_need_numpy_only():
    code = """
        import sys
        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("minisnn", "scipy", "tqdm", "pooch", "filelock", "PIL", "matplotlib"):
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Refuse())
        from data_loaders import digits, mnist
        import data_loaders
        print(digits.load().train.images.shape, data_loaders.load("digits").fingerprint == digits.load().fingerprint)
        try:
            mnist.load()
        except FileNotFoundError as error:
            print(error)
        try:
            data_loaders.load("mnst")
        except ValueError as error:
            print(error)
    """
    first, second, third = python(code).splitlines()
    assert first == "(1302, 8, 8, 1) True"
    assert "Downloads need pooch: pip install 'minisnn[data]'" in second
    assert third.endswith("did you mean mnist?")


def test_a_data_set_is_imported_when_it_is_asked_for():
    code = """
        import sys, data_loaders
        assert "numpy" not in sys.modules
        data_loaders.load("digits")
        from data_loaders import DataSet, data_set
        print(*(name for name in sys.modules if name.startswith("data_loaders.") and name.count(".") == 1))
    """
    assert set(python(code).split()) == {
        f"data_loaders.{name}" for name in ("catalogue", "common", "events", "formats", "digits")
    }


def test_the_core_of_minisnn_imports_no_loader():
    """It takes any object with the attributes of `batches.interface`."""
    code = """
        import sys
        import minisnn as snn
        from minisnn.training import checkpoint
        from minisnn.training import loop
        pages = "equations", "neurons", "losses", "networks", "optimisers", "structure", "cost"
        for page in pages:
            for names in snn._PAGES[page].values():
                for name in names.split(", "):
                    getattr(snn, name)
        print(*(name for name in sys.modules if name.startswith("data_loaders")))
    """
    helpers = {
        f"data_loaders.common.{name}"
        for name in ("errors", "extras", "files", "importing", "machine", "progress")
    }
    assert set(python(code).split()) <= {"data_loaders", "data_loaders.common", *helpers}


class Own:
    """What training needs of data, and no more."""

    def __init__(self, data):
        self.train, self.validation, self.test = data.train, data.validation, data.test


def test_any_object_with_the_attributes_is_trained_on():

    data = snn.load_digits()
    recipe = snn.make("lif", "digits", net="10FC", T=1, epochs=1)
    setup = recipe.setup(data)
    state = loop.start(setup, 0)
    assert loop.fit(setup, state, Own(data))[-1]["val_accuracy"] > 20


def test_names_of_the_package():
    assert set(data_loaders.__all__) <= set(dir(data_loaders))
    for name in data_loaders.__all__:
        assert getattr(data_loaders, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = data_loaders.lod


def test_without_tqdm_there_is_no_bar(tmp_path):
    items = [3, 4]
    assert list(progress.Silent(items, desc="a", disable=False)) == items
    with progress.Silent(total=3) as bar:
        bar.update()
        bar.update(2)


# A new data set is one file


@pytest.fixture
def stripes(tmp_path, monkeypatch, own_data_sets):
    """A file beside those of the package."""
    folder = tmp_path / "pytest-package"
    folder.mkdir()
    (folder / "my_stripes.py").write_text(FILE.replace("NAME", "my-stripes"))
    monkeypatch.setattr(data_loaders, "__path__", [*data_loaders.__path__, str(folder)])
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    yield folder / "my_stripes.py"
    REGISTERED.pop("my-stripes", None)
    vars(data_loaders).pop("my_stripes", None)


def test_a_new_file_is_a_new_data_set(stripes, tmp_path, capsys, monkeypatch):
    assert cli.main(["data", "list"]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "80+10+10" in listed["my-stripes"]
    assert "12x12x3" in listed["my-stripes"]
    assert "about 5 MB to download" in listed["my-stripes"]
    assert load("my-stripes").shape == (12, 12, 3)
    assert not DATA_SETS["my-stripes"].is_own
    with pytest.raises(ValueError, match="did you mean my-stripes"):
        load("my-strips")
    assert cli.main(["data", "check", "my-stripes"]) == 2
    assert (
        "no stripes.bin on this machine. Get it with: minisnn data fetch my-stripes"
        in capsys.readouterr().err
    )
    stand_in = load_stand_in("my-stripes")
    assert (stand_in.shape, stand_in.n_classes) == ((12, 12, 3), 2)
    assert load("my-stripes-stand-in").fingerprint == stand_in.fingerprint
    run = snn.train("lif", "my-stripes", epochs=2, pictures=False)
    assert (run.recipe.data, run.recipe.net, run.recipe.batch_size) == (
        "my-stripes",
        "16C3-AP2-32C3-AP2-2FC",
        32,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import reference

    assert (
        "| `my-stripes` | horizontal or vertical | 12x12x3 | 2 | 80 + 10 + 10 | 5 MB |"
        in reference.data_page()
    )


def test_settings_follow_from_what_is_declared(stripes):
    """Nothing is loaded for them: it may have to be downloaded first."""

    def refuse():
        raise AssertionError

    load("my-stripes")
    REGISTERED["my-stripes"] = replace(DATA_SETS["my-stripes"], load=refuse)
    recipe = snn.make("sca-vgg16", "my-stripes")
    assert (recipe.net, recipe.epochs) == ("16C3-16C3-MP2-32C3-32C3-MP2-2FC", 20)
    REGISTERED["my-stripes"] = replace(DATA_SETS["my-stripes"], shape=(7, 12, 12, 2), load=refuse)
    assert snn.make("lif", "my-stripes").T == 7
    assert snn.make("lif", "my-stripes", T=3).T == 3


def test_a_file_without_a_data_set_says_so(stripes):
    (stripes.parent / "nothing_here.py").write_text("")
    with pytest.raises(
        ValueError, match=r"data_loaders/nothing_here\.py must declare a data set of its name"
    ):
        load("nothing-here")


def test_a_loader_that_returns_something_else(stripes):
    declared = DATA_SETS["my-stripes"]
    for change, message in (
        ({"load": lambda: [1, 2]}, "the loader of my-stripes must return a DataSet, found list"),
        ({"shape": (12, 12, 1)}, "must return 12x12x1 in 2 classes, as it is declared, found 12x12x3 in 2"),
        ({"n_classes": 3}, "must return 12x12x3 in 3 classes, as it is declared, found 12x12x3 in 2"),
    ):
        REGISTERED["my-stripes"] = replace(declared, **change)
        with pytest.raises(ValueError, match=message):
            load("my-stripes")


# Your own, from outside


@pytest.fixture
def outside(tmp_path, monkeypatch, own_data_sets):
    """A module in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("my_module.py").write_text(FILE.replace("NAME", "my-module").replace("files=FILES, ", ""))
    return tmp_path


def test_a_data_set_from_outside_is_listed_loaded_and_trained_on(outside, capsys):
    by_module = load("my_module:load")  # which imports it
    assert load("my-module").fingerprint == by_module.fingerprint == snn.load_data("my-module").fingerprint
    assert cli.main(["data", "list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("my-module "))
    assert "80+10+10" in line
    assert " here " in line
    assert cli.main(["data", "check", "my_module:load"]) == 0
    assert "my_module:load: intact, 80 + 10 + 10 images of 12x12x3, 2 classes" in capsys.readouterr().out
    for name in "my-module", "my_module:load":
        run = snn.train(
            "lif", name, net="4C3-AP2-2FC", T=2, epochs=2, lr=0.02, out=outside / name[:4], pictures=False
        )
        assert run.result["test_accuracy"] == 100
        config = json.loads((outside / name[:4] / "config.json").read_text())
        assert config["recipe"]["data"] == "my_module:load"  # by which others find it
        (outside / name[:4]).rename(outside / name.replace(":", "-"))


def test_another_process_goes_on(outside):
    """What was trained by a name that only one process knew is resumed by another."""
    load("my_module:load")
    snn.train("lif", "my-module", net="2FC", T=1, epochs=1, out="run", pictures=False)
    code = "import minisnn as snn; print(snn.resume('run', epochs=2, pictures=False).own_data().name)"
    assert python(code, cwd=outside) == "my-module\n"


def test_the_command_trains_on_it(outside, capsys):
    words = ["train", "lif", "--data", "my_module:load", "--net", "2FC", "--T", "1", "--epochs", "1"]
    assert cli.main(words) == 0
    assert "test accuracy" in capsys.readouterr().out
    (folder,) = Path("runs").iterdir()
    assert ":" not in folder.name  # no name of a file on Windows


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_module:lod", r"data: cannot find my_module:lod \(module 'my_module' has no attribute 'lod'\)"),
        ("my_modul:load", "data: cannot find my_modul:load"),
        ("my_module:FILES", "data must be a DataSet or a function that loads one, found my_module:FILES"),
        ("nonsense", "or module:name of your own, found 'nonsense'"),
    ],
)
def test_what_cannot_be_loaded(outside, name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_a_data_set_object_is_found_by_its_name(outside):
    with Path("my_module.py").open("a") as file:
        file.write("\nDATA = load()\n")
    assert load("my_module:DATA").name == "my-module"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a:b", True),
        ("a.b:C.d", True),
        ("C:/data", False),
        ("a:", False),
        (":b", False),
        ("mnist", False),
        (3, False),
    ],
)
def test_module_names(value, expected):
    assert importing.is_module_name(value) == expected


# What is declared must make sense


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shape": (28, 28)},
            r"shape must be \(H, W, C\), or \(T, H, W, 2\) for recordings, found \(28, 28\)",
        ),
        ({"shape": (5, 28, 28, 3)}, "shape must be"),
        ({"shape": (0, 28, 1)}, "shape must be"),
        ({"classes": 1}, "classes must be above 1, found 1"),
        ({"samples": (1, 2)}, "samples must be three numbers: training, validation, test"),
        ({"files": ["https://example.org/a"]}, "files must be Remote"),
        ({"unpacked": ["a"]}, "unpacked must be one folder for each of the files"),
        ({"name": "mnist"}, "name must be new, found 'mnist', a data set of data_loaders"),
        ({"name": "a/b"}, "name must be letters, digits and hyphens, found 'a/b'"),
        ({"name": "a:b"}, "name must be letters, digits and hyphens"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(own_data_sets, change, message):
    known = dict(REGISTERED)
    assert "mnist" in DATA_SETS
    fits = {"shape": (28, 28, 1), "classes": 10, "samples": (1, 1, 1), "name": "fits"}
    with pytest.raises(ValueError, match=message):
        data_set("test", **fits | change)(lambda: None)
    assert set(REGISTERED) <= {*known, "mnist"}
    data_set("test", **fits)(lambda: None)
    data_set("test", **fits)(lambda: None)  # again, as a cell of a notebook that is run twice


def test_a_misspelt_argument_says_which_is_meant():
    images, labels = np.zeros((20, 4, 4)), np.arange(20) % 2
    with pytest.raises(
        TypeError, match=r"from_arrays\(\) has no argument 'valdation'; did you mean validation\?"
    ):
        DataSet.from_arrays(images, labels, valdation=(images, labels))
    with pytest.raises(TypeError, match="no argument 'lables'; did you mean labels"):
        DataSet.from_arrays(images=images, lables=labels)
    with pytest.raises(
        TypeError, match="no argument 'qqq'; it has images, labels, validation, test, name, max_value"
    ):
        DataSet.from_arrays(images, labels, qqq=1)


def test_loaders_have_as_many_frames_as_the_recipes_by_default():
    recordings = {name: declared.shape[0] for name, declared in DATA_SETS.items() if declared.is_sequence}
    assert recordings == {name: snn.make("lif", name).T for name in recordings}
    assert (
        recordings["event-digits"]
        == snn.load_data("event-digits").frames
        == snn.make("sca-vgg16", "event-digits").T
    )


def test_a_run_on_recordings_reads_them_by_name_whatever_their_frames():
    run = snn.train("lif", "event-digits", net="10FC", T=2, epochs=1, images=50, pictures=False)
    assert run.evaluate("event-digits").accuracy == run.evaluate().accuracy
    with pytest.raises(ValueError, match=r"found 'event-digits'.*: load them with T=2, or give their name"):
        run.evaluate(snn.load_data("event-digits"))


@pytest.mark.parametrize("kind", ["esl-mlp", "lif", "sca-vgg16"])
def test_every_data_set_has_a_recipe(kind):
    """Of its own, or one that follows from what is declared: nothing is loaded."""
    for name, declared in DATA_SETS.items():
        recipe = snn.make(kind, name)
        assert recipe.data == name
        if kind != "esl-mlp":
            net, _ = recipe.build(described(declared.outline()))
            assert net.out(declared.shape[-3:]) == (declared.n_classes,)


def described(outline):
    """What a recipe must know of data that are not here."""
    return SimpleNamespace(**outline._asdict(), max_value=255, mean=0.0, std=1.0)


def test_every_declaration_is_complete():
    for name, declared in DATA_SETS.items():
        assert declared.name == name
        assert declared.citation, name
        assert all(isinstance(file, Remote) for file in declared.files)
        assert declared.name.endswith("-stand-in") or sys.modules[declared.load.__module__].__doc__
