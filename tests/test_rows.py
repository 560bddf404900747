"""Rows of grids: read as they were written, grouped by settings, summarised."""

import csv
import json
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minisnn.grids.rows import (
    COLUMNS,
    half_width,
    kind_of_row,
    of_recipes,
    read,
    recipe_of,
    row_of,
    same,
    settings_of,
    summarise,
    write,
)
from minisnn.recipes import ESLMLP, LIFNet, SCANet

RECIPES = {
    "a": LIFNet(data="digits", density=0.1),
    "b": SCANet(data="digits", net="4C3-10FC", epochs=5),
    "c": ESLMLP(data="digits", hidden=(20, 10), epsilon=1.0),
}
RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


@st.composite
def rows(draw, min_size=0):
    """Of the three recipes; some lack costs, as rows of older tables do."""
    found = []
    for _ in range(draw(st.integers(min_size, 12))):
        name = draw(st.sampled_from(list(RECIPES)))
        result = {
            "test_accuracy": draw(st.floats(0, 100)),
            "val_accuracy": draw(st.floats(0, 100)),
            "density": draw(st.floats(0.01, 1)),
            "connections": draw(st.integers(0, 10**6)),
            "synops": draw(st.floats(0, 1e9) | st.none()),
            "densities": {"fc1.weight": draw(st.lists(st.floats(0, 1), max_size=3))},
            "channels": {},
            "regrown": draw(st.lists(st.integers(0, 9), max_size=3)),
        }
        recipe = replace(RECIPES[name], seed=draw(st.integers(0, 3)))
        found.append(row_of(name, recipe, result, draw(st.integers(1, 8))))
    return found


@given(rows=rows())
def test_rows_are_read_as_they_were_written(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    assert read(path) == []
    write(path, rows)
    found = read(path)
    assert found == [dict.fromkeys(COLUMNS) | row for row in rows]
    text = path.read_bytes()
    write(path, found)
    assert path.read_bytes() == text
    for row in found:
        recipe = replace(RECIPES[row["name"]], seed=row["seed"])
        assert recipe_of(row) == recipe
        assert same(recipe, row)
        assert not same(replace(recipe, seed=row["seed"] + 1), row)
        assert not same(replace(recipe, epochs=99), row)


@given(rows=rows(min_size=1))
def test_the_csv_beside_it_is_flat(rows, tmp_path_factory):
    """A row for each run, with its numbers and every setting as text; no cell has JSON."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write(path, [row | {"setting_density": "–"} for row in rows])
    with path.with_suffix(".csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(rows)
    for row, found in zip(rows, cells, strict=True):
        assert (found["name"], found["kind"], int(found["seed"])) == (row["name"], row["kind"], row["seed"])
        assert float(found["test_accuracy"]) == row["test_accuracy"]
        assert found["synops"] == ("" if row["synops"] is None else str(row["synops"]))
        assert found["setting_epochs"] == str(row["recipe"]["epochs"])
        assert found["setting_density"] == "–"  # what a sweep says goes before the recipe
        assert not any(set("{}[]") & set(cell) for cell in found.values())
        assert {f"setting_{name}" for name in row["recipe"] if name != "seed"} <= found.keys()


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_tables_in_docs_are_read(path, tmp_path):
    """Whatever their age. What is written back is the same text, and so is the CSV."""
    found = read(path)
    assert found
    for row in found:
        assert kind_of_row(row) == {"esl_mlp": "esl-mlp", "sca": "sca-vgg16"}.get(
            "sca" if "sca" in path.name else "esl_mlp" if "hidden" in row["recipe"] else "", "lif"
        )
        assert recipe_of(row).seed == row["seed"]
        assert type(row["connections"]) is int
    summarise(found, "val_accuracy")  # no name stands for two settings
    write(tmp_path / path.name, found)
    for suffix in (".jsonl", ".csv"):
        there = path.with_suffix(suffix)
        assert there.read_bytes() == (tmp_path / there.name).read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,seed\na,1\n", "line 1: not a run of a grid"),
        ("\n", "line 1: not a run of a grid"),
        ("[1, 2]\n", "line 1: not a run of a grid"),
        ('{"name": "a"}\n', "line 1: not a run of a grid"),
        ('{"name": "a", "recipe": {}', "line 1: not a run of a grid"),
        ('{"name": "a", "recipe": {"paws": 4}}\n', "line 1: .*the settings paws are of no kind of network"),
        (
            '{"seed": "one", "recipe": {}}\n',
            "line 1: not a run of a grid .seed must be a number, found 'one'",
        ),
        ('{"name": "a", "recipe": {}}\n{"recipe": 3}\n', "line 2: not a run of a grid"),
        ('{"kind": "lfi", "recipe": {}}\n', "line 1: not a run of a grid .*did you mean lif"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"rows\.jsonl, {message}"):
        read(path)


def test_a_table_has_one_name(tmp_path):
    with pytest.raises(ValueError, match=r"path must be a file NAME.jsonl, found .*rows.csv"):
        write(tmp_path / "rows.csv", [])


@given(rows=rows(min_size=1), key=st.sampled_from(["test_accuracy", "val_accuracy"]))
def test_summaries_equal_naive(rows, key):
    found = summarise(rows, key)
    names = []
    for row in rows:
        if row["name"] not in names:
            names.append(row["name"])
    assert list(found) == names
    for name, s in found.items():
        mine = [row for row in rows if row["name"] == name]
        n = len(mine)
        a = [row[key] for row in mine]
        mean = sum(a) / n
        assert s.accuracies == tuple(a)
        assert s.mean == pytest.approx(mean)
        assert s.density == pytest.approx(sum(row["density"] for row in mine) / n)
        assert s.connections == pytest.approx(sum(row["connections"] for row in mine) / n)
        synops = [nan if row["synops"] is None else row["synops"] for row in mine]
        assert s.synops == pytest.approx(sum(synops) / n, nan_ok=True)
        assert isnan(s.macs)
        assert list(s.rows) == mine
        assert s.recipe == replace(RECIPES[name], seed=mine[0]["seed"])
        if n == 1:
            assert isnan(s.error)
            assert s.plus_minus == f"{mean:.2f}"
        else:
            error = (sum((x - mean) ** 2 for x in a) / (n - 1) / n) ** 0.5
            assert s.error == pytest.approx(error, abs=1e-12)
            assert s.plus_minus == f"{s.mean:.2f} ± {s.error:.2f}"


def accurate(name, recipe, seed, accuracy):
    return row_of(name, replace(recipe, seed=seed), {"test_accuracy": accuracy, "densities": {}}, 1)


def test_settings_of_one_name_are_not_pooled():
    """87.61 ± 2.27 in place of 89.86 ± 0.43 was the mean of 5 and of 20 epochs."""
    short, long = replace(RECIPES["a"], epochs=5), replace(RECIPES["a"], epochs=20)
    rows = [
        accurate("conv", recipe, seed, accuracy)
        for recipe, accuracies in ((short, (83.1,)), (long, (90.3, 89.43)))
        for seed, accuracy in enumerate(accuracies)
    ]
    with pytest.raises(ValueError, match=r"'conv' have different settings, .*: epochs 5 and 20"):
        summarise(rows)
    assert of_recipes(rows, {"conv": long})["conv"].accuracies == (90.3, 89.43)
    assert of_recipes(rows, {"conv": short})["conv"].accuracies == (83.1,)
    assert of_recipes(rows, {"conv": replace(long, lr=0.5)}) == {}
    assert of_recipes(rows, {"other": long}) == {}


def test_kinds_of_network_are_not_pooled():
    rows = [accurate("x", RECIPES["a"], 0, 1.0), accurate("x", RECIPES["b"], 1, 2.0)]
    with pytest.raises(ValueError, match="kind lif and sca-vgg16"):
        summarise(rows)


def test_seeds_and_devices_are_pooled_and_a_seed_counts_once():
    recipe = RECIPES["a"]
    rows = [accurate("x", recipe, seed, accuracy) for seed, accuracy in ((2, 60.0), (0, 50.0))]
    again = accurate("x", replace(recipe, device="gpu"), 2, 61.0)
    assert summarise([*rows, again])["x"].accuracies == (60.0, 50.0, 61.0)
    assert of_recipes([*rows, again], {"x": recipe})["x"].accuracies == (50.0, 61.0)
    unseen = accurate("x", recipe, 3, None)  # its test set was left alone
    assert of_recipes([*rows, unseen], {"x": recipe})["x"].accuracies == (50.0, 60.0)


def test_a_setting_that_a_row_does_not_know_has_its_default():
    row = accurate("x", RECIPES["a"], 0, 1.0)
    old = row | {"recipe": {k: v for k, v in row["recipe"].items() if k not in ("learner", "flip")}}
    old = json.loads(json.dumps(old)) | {"kind": None}
    assert settings_of(old) == settings_of(row)
    assert recipe_of(old) == RECIPES["a"]
    assert kind_of_row(old) == "lif"


@given(
    values=st.lists(st.floats(0, 100), min_size=1, max_size=9), confidence=st.sampled_from([0.5, 0.95, 0.99])
)
def test_intervals_are_students(values, confidence):
    n, found = len(values), half_width(values, confidence)
    if n == 1:
        assert isnan(found)
        return
    mean = sum(values) / n
    s = (sum((x - mean) ** 2 for x in values) / (n - 1)) ** 0.5
    t = stats.t.isf((1 - confidence) / 2, df=n - 1)
    assert found == pytest.approx(t * s / n**0.5, abs=1e-9)


def test_a_known_interval():
    """Two values: t = 12.7062 at 95 %, so half the width is 12.7062 times half their distance."""
    assert half_width([1.0, 3.0]) == pytest.approx(12.7062, abs=1e-4)
