"""Sweeps: every combination once, means with intervals, refused before anything runs, taken up where they stopped."""

import csv
import json
import re
from importlib.util import find_spec
from math import isnan
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats
from slow import slow_but

from minisnn import cli, load_digits, plots
from minisnn.grids import grid
from minisnn.grids.rows import read
from minisnn.grids.sweeps import combinations, said, sweep
from minisnn.recipes import make
from minisnn.runs import start
from minisnn.training import loop

pytestmark = [
    pytest.mark.skipif(not find_spec("joblib"), reason="joblib is not installed"),
    pytest.mark.filterwarnings(r"ignore:epoch \d+. (dead|saturated) layer"),
]
TINY = {"net": "8C3-AP2-10FC", "T": 1, "epochs": 1, "batch_size": 400}
WORDS = [w for name, value in TINY.items() for w in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def made_up(monkeypatch):
    """Nothing is trained: results are made up. Returns a list of the recipes that were run."""
    ran = []

    def fake(recipe, out, **_):
        ran.append(recipe)
        accuracy = 100 * (recipe.density or 0.5) + recipe.seed**2
        result = {
            "test_accuracy": accuracy, "val_accuracy": accuracy - 1, "train_accuracy": 0.0, "densities": {},
            "density": 0.5, "connections": 100 + recipe.seed, "parameters": 200, "synops": 10.0, "macs": 1.0,
            "seconds": 2.0,
        }  # fmt: skip
        return SimpleNamespace(result=result)

    monkeypatch.setattr(start, "train", fake)
    return ran


def table_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_combination_and_every_seed_once(made_up, tmp_path):
    rows = sweep(
        "lif", density=[0.1, 0.5], grow=["random", "momentum"], lr=0.25, seeds=[0, 2, 2], jobs=1, out=tmp_path
    )
    assert {(r.density, r.grow, r.seed) for r in made_up} == {
        (d, g, s) for d in (0.1, 0.5) for g in ("random", "momentum") for s in (0, 2)
    }
    assert len(made_up) == 8
    assert {(r.data, r.lr) for r in made_up} == {("digits", 0.25)}
    assert [(r["setting_density"], r["setting_grow"]) for r in rows] == [
        (0.1, "random"), (0.1, "momentum"), (0.5, "random"), (0.5, "momentum"),
    ]  # fmt: skip
    for row in rows:
        a = [100 * row["setting_density"] + s for s in (0, 4)]
        assert row["test_accuracy"] == pytest.approx(np.mean(a))
        low, high = stats.t.interval(0.95, 1, loc=np.mean(a), scale=stats.sem(a))
        assert row["interval"] == pytest.approx((high - low) / 2)
        assert (row["seeds"], row["connections"], row["density"]) == (2, 101, 0.5)
    written = table_of(tmp_path / "rows.jsonl")
    assert len(written) == 8
    assert {(r["setting_density"], r["setting_grow"], r["seed"]) for r in written} == {
        (d, g, s) for d in ("0.1", "0.5") for g in ("random", "momentum") for s in (0, 2)
    }
    summary = table_of(tmp_path / "summary.csv")
    assert [float(r["test_accuracy"]) for r in summary] == [r["test_accuracy"] for r in rows]
    assert (tmp_path / "sweep.png").stat().st_size > 0


def test_called_again_it_goes_on(made_up, tmp_path):
    sweep("lif", density=[0.1, 0.5], jobs=1, out=tmp_path)
    made_up.clear()
    assert sweep("lif", density=[0.1, 0.5], jobs=1, out=tmp_path)[0]["seeds"] == 1
    assert not made_up
    rows = sweep("lif", density=[0.1, 0.5, 0.7], jobs=1, seeds=[0, 1], out=tmp_path)
    assert {(r.density, r.seed) for r in made_up} == {(0.1, 1), (0.5, 1), (0.7, 0), (0.7, 1)}
    assert [row["seeds"] for row in rows] == [2, 2, 2]
    made_up.clear()
    rows = sweep(
        "lif", density=[0.1, 0.5], lr=0.5, jobs=1, out=tmp_path
    )  # another setting, under the same names
    assert len(made_up) == 2
    assert [row["seeds"] for row in rows] == [1, 1]
    assert all(isnan(row["interval"]) for row in rows)


def test_nothing_need_vary_and_nothing_need_be_kept(made_up):
    (row,) = sweep("esl-mlp", seeds=[0, 1, 2], jobs=1)
    assert row["seeds"] == 3
    assert not [name for name in row if name.startswith("setting_")]
    assert {r.data for r in made_up} == {"digits"}


def test_validation_leaves_the_test_set_alone(monkeypatch, tmp_path):
    real = loop.evaluate
    seen = []
    monkeypatch.setattr(
        loop, "evaluate", lambda a, b, split: (seen.append(len(split.labels)), real(a, b, split))[1]
    )
    rows = sweep("lif", lr=[0.01, 0.02], jobs=1, test=False, out=tmp_path, **TINY)
    assert set(seen) == {140}  # the digits' validation images; 355 are for testing
    assert [set(row) & {"test_accuracy", "val_accuracy"} for row in rows] == [{"val_accuracy"}] * 2
    assert [row["test_accuracy"] for row in read(tmp_path / "rows.jsonl")] == [None, None]


def test_it_is_what_train_does(tmp_path):
    rows = sweep("lif", density=[0.3, 0.5], out=tmp_path, jobs=1, **TINY)
    with grid.use_threads(1):
        alone = start.train(make("lif", density=0.3, **TINY)).result
    assert rows[0]["test_accuracy"] == alone["test_accuracy"]
    assert rows[0]["connections"] == alone["connections"]


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        (
            {"density": [0.0, 0.5, 2.0]},
            ["2 of 3 combinations are refused", "density 0: density must be", "density 2: "],
        ),
        (
            {"lr": [0.1], "grow": ["random", "rndom"], "density": 0.5},
            ["1 of 2 .*", "grow rndom: grow must be one of"],
        ),
        ({"net": ["mlp", "9C3-paws-10FC"]}, ["1 of 2 combinations", "net 9C3-paws-10FC: .*paws"]),
        ({"net": "4C3-" + "AP2-" * 5 + "10FC"}, ["1 of 1 combinations", "lif: "]),
        ({"density": []}, ["density: found no value to try"]),
        ({"dnsity": [0.1, 0.2]}, ["lif has no argument 'dnsity'; did you mean density"]),
    ],
)
def test_what_is_refused_is_said_before_anything_runs(made_up, tmp_path, settings, messages):
    with pytest.raises(ValueError, match=messages[0]) as error:
        sweep("lif", out=tmp_path / "out", **settings)
    assert all(re.search(message, str(error.value)) for message in messages)
    assert not made_up
    assert not (tmp_path / "out").exists()


def test_tuples_are_one_value():
    found = combinations("esl-mlp", {"data": None, "hidden": [(20, 10), (30,)], "epsilon": 2.0})
    assert {name: recipe.hidden for name, recipe in found.items()} == {
        "hidden 20-10": (20, 10), "hidden 30": (30,),
    }  # fmt: skip


def test_data_may_vary():
    found = combinations("lif", {"data": ["digits", "event-digits"], "T": [2, 3]})
    assert [(recipe.data, recipe.T) for recipe in found.values()] == [
        ("digits", 2), ("digits", 3), ("event-digits", 2), ("event-digits", 3),
    ]  # fmt: skip


def test_own_data_have_a_path(tmp_path):
    """What is made in Python has none: other processes could not load it, or would load what has its name."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (60, 8, 8)).astype(np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "own.npz", images=images, labels=labels)
    rows = sweep("lif", tmp_path / "own.npz", epochs=1, T=[1, 2], jobs=1, out=tmp_path / "out")
    assert [row["setting_T"] for row in rows] == [1, 2]
    assert {row["recipe"]["data"] for row in read(tmp_path / "out" / "rows.jsonl")} == {
        str(tmp_path / "own.npz")
    }
    with pytest.raises(ValueError, match="data must be a name or a path, found a DataSet"):
        sweep("lif", load_digits(), T=[1, 2])


def rule(weight, mask, count):
    return np.flatnonzero(mask)[:count]


def test_functions_may_vary(made_up, tmp_path):
    rows = sweep("lif", density=0.5, prune=[rule, "set"], jobs=1, out=tmp_path)
    assert [said(row["setting_prune"]) for row in rows] == ["rule", "set"]
    assert [r["setting_prune"] for r in table_of(tmp_path / "summary.csv")] == ["rule", "set"]
    other = eval("lambda weight, mask, count: None")
    other.__name__ = "rule"
    with pytest.raises(ValueError, match="prune rule: two values with this name"):
        sweep("lif", density=0.5, prune=[rule, other])


def test_values_that_are_nearly_equal_have_names_of_their_own():
    assert said(0.1) == "0.1"
    assert said(0.1 + 1e-12) != said(0.1)
    assert [said(x) for x in (None, True, 3, (1, 2.5), "mlp")] == ["default", "true", "3", "1-2.5", "mlp"]


# ------------------------------------------------------------------------------------------------- the command line


def test_the_command(tmp_path, capsys):
    words = [
        "--density",
        "0.3",
        "0.5",
        "--grow",
        "random",
        "--seed",
        "0",
        "1",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert cli.main(["sweep", "lif", *words, *WORDS]) == 0
    lines = [
        line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line[:1] == "|"
    ]
    assert lines[0][:3] == ["--density", "test accuracy / %", "seeds"]
    assert [line[0] for line in lines[2:]] == ["0.3", "0.5"]
    written = table_of(tmp_path / "rows.jsonl")
    assert [line[2] for line in lines[2:]] == ["2", "2"]
    for line in lines[2:]:
        mean = np.mean([float(r["test_accuracy"]) for r in written if r["setting_density"] == line[0]])
        assert line[1].startswith(f"{mean:.2f} ± ")
    assert len(list((tmp_path / "runs").glob("*/result.json"))) == 4
    assert cli.main(["sweep", "lif", *words, *WORDS, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["setting_density"] for row in rows] == [0.3, 0.5]


def test_json_has_no_nan(made_up, tmp_path, capsys):
    assert (
        cli.main(["sweep", "lif", "--density", "0.3", "--jobs", "1", "--json", "--out", str(tmp_path)]) == 0
    )
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail)[0]["interval"] is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lif", "--flip", "true", "false"], {"flip": [True, False]}),
        (["esl-mlp", "--hidden", "20,10", "30", "--epsilon", "2"], {"hidden": [(20, 10), (30,)]}),
        (["lif", "--data", "digits", "event-digits"], {"data": ["digits", "event-digits"]}),
        (["esl-mlp", "--density", "0.1", "0.2"], {"density": [0.1, 0.2], "epsilon": [None]}),
        (["sca-vgg16", "--p", "0.2", "0.5", "--T", "1", "2"], {"p": [0.2, 0.5], "T": [1, 2]}),
    ],
)
def test_options_take_several_values(monkeypatch, tmp_path, words, expected):
    ran = []
    monkeypatch.setattr(
        "minisnn.grids.sweeps.run_grid", lambda path, recipes, *_: ran.extend(recipes.values())
    )
    monkeypatch.setattr("minisnn.grids.sweeps.read", lambda path: pytest.skip("far enough"))
    with pytest.raises(pytest.skip.Exception):
        cli.main(["sweep", *words, "--out", str(tmp_path)])
    for name, values in expected.items():
        assert list(dict.fromkeys(getattr(recipe, name) for recipe in ran)) == values
    assert len(ran) == np.prod([len(values) for values in expected.values()])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--density", "0", "0.5"], "1 of 2 combinations are refused\n  --density 0: --density must be"),
        (["--density", "much"], "density"),
        (["--densty", "0.1"], "did you mean --density"),
        (["--threads", "0"], "threads must be at least 1, found 0"),
    ],
)
def test_the_command_refuses(tmp_path, capsys, words, message):
    try:
        status = cli.main(["sweep", "lif", "--out", str(tmp_path / "out"), *words])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------------------------- pictures


def test_accuracies_over_a_number():
    """A curve for each name, from left to right, with intervals; logarithmic where values differ by much."""
    curves = {
        "a": {0.1: (50.0, 1.0), 0.01: (40.0, 2.0), 1.0: (60.0, float("nan"))},
        "b": {0.01: (45.0, 3.0), 1.0: (65.0, 1.0)},
    }
    ax = Figure().subplots()
    assert plots.accuracy_over(ax, curves, "density", "accuracy") is ax
    assert ax.get_xscale() == "log"
    for container, (name, points) in zip(ax.containers, curves.items(), strict=True):
        assert container.get_label() == name
        assert [tuple(p) for p in container[0].get_xydata()] == [(x, points[x][0]) for x in sorted(points)]
        heights = [np.ptp(s[:, 1]) / 2 for s in container[2][0].get_segments() if len(s)]
        expected = [points[x][1] for x in sorted(points)]
        np.testing.assert_allclose([h for h in heights if h == h], [e for e in expected if e == e])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.01", "0.1", "1"]
    ax = plots.accuracy_over(Figure().subplots(), {"": {2.0: (1.0, 0.5)}}, "T", "accuracy")
    assert (ax.get_xscale(), ax.get_legend()) == ("linear", None)
    assert ax.get_xlim() == (1.5, 2.5)


@pytest.mark.parametrize(
    "settings", [{"density": [0.1, 0.5], "T": [1, 2]}, {"grow": ["random", "gradient"]}, {}]
)
@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_pictures_of_sweeps(made_up, tmp_path, settings, seeds):
    from matplotlib.image import imread

    sweep("lif", jobs=1, seeds=seeds, out=tmp_path, **{"density": 0.5} | settings)
    image = imread(tmp_path / "sweep.png")[..., :3]
    assert (image != 1).any(-1).mean() > 0.005


def test_a_dense_network_is_on_no_curve(made_up, tmp_path, monkeypatch):
    """Its accuracy is none of a grow rule's, so that no line joins them."""
    seen = {}
    monkeypatch.setattr(plots, "accuracy_over", lambda ax, curves, *_: seen.update(curves))
    sweep("lif", density=[0.1, 0.5, 1.0], grow=["random", "gradient"], jobs=1, out=tmp_path)
    densities = {name: list(points) for name, points in seen.items()}
    assert densities == {"grow random": [0.1, 0.5], "grow gradient": [0.1, 0.5], "dense": [1.0]}


def test_one_dense_network_stands_for_all_rules(made_up, tmp_path):
    rows = sweep("lif", density=[0.1, 1.0], grow=["random", "gradient"], jobs=1, out=tmp_path)
    assert [(r["setting_density"], r["setting_grow"]) for r in rows] == [
        (0.1, "random"), (0.1, "gradient"), (1.0, "–"),
    ]  # fmt: skip
    assert [r["setting_grow"] for r in table_of(tmp_path / "rows.jsonl")] == ["random", "gradient", "–"]
    assert len(made_up) == 3
    with pytest.raises(ValueError, match="grow: a dense network has no connections to choose"):
        sweep("lif", density=1.0, grow=["random", "gradient"], jobs=1)


@pytest.mark.parametrize("jobs", slow_but([1], [1, 2]))
def test_a_run_that_diverges_does_not_stop_the_others(tmp_path, jobs):
    for _ in range(2):  # called again, too
        with pytest.warns(
            UserWarning, match=r"lr 1e\+30, seed 0, has no row: epoch 1, step \d: conv1.weight holds"
        ):
            rows = sweep("lif", lr=[1e30, 0.01], out=tmp_path, jobs=jobs, **TINY)
        assert [row["setting_lr"] for row in rows] == [0.01]
    with (
        pytest.warns(UserWarning, match="has no row"),
        pytest.raises(ValueError, match="no run of the sweep came to its end"),
    ):
        sweep("lif", lr=1e30, jobs=1, **TINY)
