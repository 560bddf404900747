"""Runs beside each other: what differs, means over seeds, warnings, a table and a picture."""

import json
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from matplotlib.image import imread
from scipy import stats

from minisnn import cli
from minisnn.grids.comparison import compare
from minisnn.grids.rows import kind_of
from minisnn.recipes import LIF_DEFAULTS
from minisnn.runs.folder import write_json
from minisnn.runs.start import train
from minisnn.training import loop
from minisnn.training.checkpoint import write_csv

pytestmark = pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer")
BASE = replace(LIF_DEFAULTS["digits"], net="8C3-AP2-10FC", T=1, epochs=2)


def folder(path, recipe, accuracy=50.0, epochs=2, fingerprint=None):
    """A run's folder, made up. accuracy: of the test set; None: the run is not finished."""
    path.mkdir(parents=True)
    config = {"train": kind_of(recipe), "recipe": recipe.to_json()}
    write_json(path / "config.json", config | ({"data": {"fingerprint": fingerprint}} if fingerprint else {}))
    log = [
        {"epoch": e, "val_accuracy": 40.0 + e, "train_accuracy": 45.0, "density": 0.25, "connections": 100,
         "seconds": 2.0}
        for e in range(1, epochs + 1)
    ]  # fmt: skip
    write_csv(path / "log.csv", log, list(log[0]))
    if accuracy is not None:
        result = {
            "test_accuracy": accuracy, "val_accuracy": 42.0, "density": 0.25, "connections": 100, "parameters": 120,
            "synops": 1000.0 * (1 + recipe.seed), "joules_45nm": 1e-9, "seconds": 4.0,
        }  # fmt: skip
        write_json(path / "result.json", result)
    return path


def cells(text):
    """Of a Markdown table, by heading, for each row."""
    head, _, *rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_seeds_are_one_row_and_settings_that_differ_are_columns(tmp_path):
    sparse = replace(BASE, density=0.1, grow="random")
    paths = [
        folder(tmp_path / f"sparse-seed{seed}", replace(sparse, seed=seed), accuracy)
        for seed, accuracy in enumerate((50.0, 54.0, 55.0))
    ]
    paths.insert(1, folder(tmp_path / "dense", BASE, 90.0))
    found = compare(paths)
    assert not found.warnings
    first, second = cells(repr(found))
    assert list(first) == [
        "run", "seeds", "--grow", "--density", "test accuracy / %", "density", "connections", "parameters", "SynOps",
        "joules", "seconds",
    ]  # fmt: skip
    low, high = stats.t.interval(0.95, 2, loc=53, scale=stats.sem([50.0, 54.0, 55.0]))
    assert first == {
        "run": "sparse", "seeds": "3", "--grow": "random", "--density": "0.1",
        "test accuracy / %": f"53.00 ± {(high - low) / 2:.2f}", "density": "0.250", "connections": "100",
        "parameters": "120", "SynOps": "2,000", "joules": "1.00e-09", "seconds": "4",
    }  # fmt: skip
    assert (second["run"], second["seeds"], second["--density"]) == ("dense", "1", "1")
    assert second["test accuracy / %"] == "90.00"
    assert [row["settings"] for row in found.rows()] == [
        {"grow": "random", "density": 0.1}, {"grow": "–", "density": 1.0},
    ]  # fmt: skip


def test_real_runs_of_different_kinds(tmp_path, capsys):
    for name, kind, settings in (
        ("a", "lif", {"net": "8C3-AP2-10FC", "T": 1, "epochs": 1}),
        ("b", "esl-mlp", {"hidden": (20,), "epochs": 1, "epsilon": 2.0}),
    ):  # fmt: skip
        train(kind, "digits", out=tmp_path / name, **settings)
    assert cli.main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c")]) == 0
    out = capsys.readouterr().out
    rows = cells(out)
    for row, name in zip(rows, "ab", strict=True):
        result = json.loads((tmp_path / name / "result.json").read_text())
        assert row["run"] == name
        assert row["test accuracy / %"] == f"{result['test_accuracy']:.2f}"
        assert row["SynOps"] == f"{result['synops']:,.0f}"
        assert row["joules"] == f"{result['joules_45nm']:.2e}"
    assert [row["--kind"] for row in rows] == ["lif", "esl-mlp"]
    assert [row["--batch-size"] for row in rows] == ["32", "25"]
    assert "--hidden" not in rows[0]  # lif has no such setting
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        "comparison.md", "comparison.json", "comparison.png",
    }  # fmt: skip
    assert (tmp_path / "c" / "comparison.md").read_text().strip() in out
    image = imread(tmp_path / "c" / "comparison.png")[..., :3]
    thirds = np.array_split(image, 3, axis=1)
    assert all((part != 1).any(-1).mean() > 0.005 for part in thirds)


def test_json_is_json(tmp_path, capsys):
    paths = [folder(tmp_path / "a", BASE), folder(tmp_path / "b", replace(BASE, lr=0.5), None, epochs=1)]
    assert cli.main(["compare", *map(str, paths), "--json"]) == 0
    streams = capsys.readouterr()
    a, b = json.loads(streams.out, parse_constant=pytest.fail)
    assert (a["name"], a["test_accuracy"], a["interval"]) == ("a", 50.0, None)
    assert (b["test_accuracy"], b["connections"], b["synops"], b["seconds"]) == (None, 100, None, 2.0)
    assert b["settings"] == {"lr": 0.5}
    assert "unfinished" in streams.err


def test_an_unfinished_run_says_so(tmp_path):
    paths = [folder(tmp_path / "a", BASE), folder(tmp_path / "b", replace(BASE, lr=0.5), None, epochs=1)]
    found = compare(paths)
    assert found.warnings == [f"Warning: unfinished, so without a test accuracy: {paths[1]} (epoch 1 of 2)."]
    assert repr(found).startswith("Warning: unfinished")
    row = cells(repr(found))[1]
    assert (row["test accuracy / %"], row["SynOps"], row["connections"]) == ("", "", "100")
    assert isnan(found.groups[1].interval)
    found.picture().savefig(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("recipes", "prints", "names"),
    [
        ((BASE, replace(BASE, data="mnist")), (None, None), "digits, mnist"),
        ((BASE, BASE), ("abc", "abd"), "digits"),
    ],
)
def test_runs_of_different_data_are_compared_with_a_warning(tmp_path, recipes, prints, names):
    paths = [
        folder(tmp_path / str(n), r, fingerprint=f)
        for n, (r, f) in enumerate(zip(recipes, prints, strict=True))
    ]
    found = compare(paths)
    assert found.warnings == [
        f"Warning: these runs used different data ({names}); their accuracies cannot be compared."
    ]
    assert len(found.groups) == 2
    assert not compare(paths[:1]).warnings


def test_equal_names_become_paths(tmp_path):
    paths = [folder(tmp_path / x / "run", replace(BASE, lr=lr)) for x, lr in (("a", 0.1), ("b", 0.2))]
    assert [g.name for g in compare(paths).groups] == [str(path) for path in paths]
    seeds = [folder(tmp_path / name, replace(BASE, seed=n)) for n, name in enumerate(("one", "two"))]
    assert [g.name for g in compare(seeds).groups] == ["one and 1 more"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "config.json").unlink(), "holds no run: there is no config.json"),
        (lambda path: (path / "config.json").write_text("{"), r"config\.json: not of a run"),
        (lambda path: (path / "config.json").write_text("[1]"), r"config\.json: not of a run"),
        (
            lambda path: (path / "config.json").write_text('{"train": "x", "recipe": {}}'),
            r"config\.json: not of a run",
        ),
        (lambda path: (path / "log.csv").write_text("epoch\nx\n"), r"log\.csv: not of a run"),
        (lambda path: (path / "result.json").write_text("3"), r"result\.json: not of a run"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, capsys, damage, message):
    paths = [folder(tmp_path / "a", BASE), folder(tmp_path / "b", BASE)]
    damage(paths[1])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        compare(paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert cli.main(["compare", *map(str, paths)]) == 2
    assert capsys.readouterr().err.startswith("minisnn: error: ")


def test_no_run_and_the_same_run_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found no run to compare"):
        compare([])
    path = folder(tmp_path / "a", BASE)
    with pytest.raises(ValueError, match="a: named twice"):
        compare([path, str(path)])


def test_comparing_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "fit", lambda *args: pytest.fail("trained"))
    compare([folder(tmp_path / "a", BASE)], tmp_path / "out")
