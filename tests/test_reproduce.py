"""The papers' tables and figures: grids of runs that can be cut off anywhere, and what they leave."""

import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from itertools import count
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

import minisnn
from minisnn import checkpoint, cli, commands, runs, training
from minisnn.blocks import use_threads
from minisnn.commands.reproduce import SCALES
from minisnn.data import LOADERS, load_digits
from minisnn.networks import NETWORKS
from minisnn.recipes import ESL_MLP_DEFAULTS, ESLMLP, LIF_DEFAULTS, LIFNet, SCANet
from minisnn.targets import TARGETS, esl_fig4, grid, reproduce
from minisnn.targets.grid import run_grid, summarise

pytestmark = [
    pytest.mark.skipif(not find_spec("joblib"), reason="joblib is not installed"),
    pytest.mark.filterwarnings(
        r"ignore:epoch \d+. (dead|saturated) layer"
    ),  # such small networks, so few steps
]

MLP = replace(ESL_MLP_DEFAULTS["digits"], hidden=(30,), epsilon=4.0, epochs=2, batch_size=400, t_iter=2)
CONV = replace(
    LIF_DEFAULTS["digits"], net="8C3-AP2-10FC", T=1, lr=0.02, epochs=2, batch_size=400, density=0.5, t_iter=2
)
GRID = {"mlp, eps = 4": MLP, "conv": CONV}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def timeless(rows):
    """Rows, in an order of their own, without what the clock says."""
    return sorted(({**row, "seconds": ""} for row in rows), key=lambda row: (row["name"], row["seed"]))


def alone(recipe):
    """A run outside of any grid; sums depend on the number of threads."""
    with use_threads(1):
        return runs.run(recipe)


@pytest.fixture
def no_training(monkeypatch):
    """A function that from now on makes every training step a failure."""

    def forbid():
        monkeypatch.setattr(training, "step", lambda *args: pytest.fail("this should not have trained"))

    return forbid


@pytest.fixture
def breaks(monkeypatch):
    """A function: after so many training steps somebody presses Ctrl+C, once. Returns a list of all steps done."""

    def after(n):
        done, step = [], training.step

        def counted(*args):
            done.append(1)
            if len(done) == n:
                raise KeyboardInterrupt
            return step(*args)

        monkeypatch.setattr(training, "step", counted)
        return done

    return after


def test_a_row_for_each_run_and_only_once(tmp_path, no_training):
    path = tmp_path / "results" / "grid.csv"
    run_grid(path, GRID, [1, 0], jobs=1)
    rows = rows_of(path)
    assert tuple(rows[0]) == grid.COLUMNS
    assert [(row["name"], row["seed"]) for row in rows] == [(n, s) for s in "10" for n in GRID]
    for row in rows:
        recipe = replace(GRID[row["name"]], seed=int(row["seed"]))
        result = alone(recipe)
        of_channels = {"channels", "regrown", "scores"}
        for key in set(grid.COLUMNS) - {"name", "seed", "seconds", "densities", "recipe"} - of_channels:
            assert float(row[key]) == pytest.approx(result[key], rel=1e-6), key
        assert {key: json.loads(row[key]) for key in of_channels} == {key: result[key] for key in of_channels}
        assert json.loads(row["recipe"]) == json.loads(json.dumps(asdict(recipe)))
        densities = json.loads(row["densities"])
        assert densities.keys() == result["densities"].keys()
        assert all(d == pytest.approx(result["densities"][key][:1], abs=1e-5) for key, d in densities.items())
    assert [p.name for p in path.parent.iterdir()] == ["grid.csv"]
    no_training()
    run_grid(path, GRID, [0, 1], jobs=1)
    assert rows_of(path) == rows


def test_a_new_seed_and_a_changed_recipe_are_run(tmp_path):
    path = tmp_path / "grid.csv"
    run_grid(path, GRID, [0], jobs=1)
    first = path.read_text()
    run_grid(path, GRID | {"conv": replace(CONV, alpha=0.0)}, [0, 1], jobs=1)
    assert path.read_text().startswith(first)  # appended, nothing written again
    assert [(row["name"], row["seed"]) for row in rows_of(path)[2:]] == [
        ("conv", "0"), ("mlp, eps = 4", "1"), ("conv", "1"),
    ]  # fmt: skip


def test_layers_that_move_have_all_their_densities(tmp_path):
    moving = replace(CONV, net="8C3-AP2-40FC-10FC", epochs=3, redistribute="momentum", distribution="uniform")
    run_grid(tmp_path / "grid.csv", {"moving": moving}, [0], jobs=1)
    densities = json.loads(rows_of(tmp_path / "grid.csv")[0]["densities"])
    whole = alone(moving)["densities"]
    assert densities == {
        key: [round(x, 5) for x in (d if len(set(d)) > 1 else d[:1])] for key, d in whole.items()
    }
    assert max(map(len, densities.values())) == 3


def test_rows_older_than_a_field_or_a_column(tmp_path, no_training):
    """A field that a row does not know had its default; a column that a file did not have is empty."""
    path = tmp_path / "grid.csv"
    run_grid(path, GRID, [0], jobs=1)
    rows = rows_of(path)
    for row in rows:
        recipe = json.loads(row["recipe"])
        for name in ("learner", "redistribute", "width", "flip"):
            recipe.pop(name, None)
        row["recipe"] = json.dumps(recipe)
        del row["exploration_rate"], row["parameters"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    run_grid(path, {"conv": replace(CONV, redistribute="bernoulli")}, [0], jobs=1)  # not the default: another
    found = rows_of(path)
    assert found[:2] == [row | {"exploration_rate": "", "parameters": ""} for row in rows]
    assert len(found) == 3
    assert tuple(found[2]) == grid.COLUMNS
    assert float(found[2]["exploration_rate"]) > 0
    assert json.loads(found[2]["recipe"])["redistribute"] == "bernoulli"
    no_training()
    run_grid(path, GRID, [0], jobs=1)


@pytest.mark.parametrize("breaks_at", [1, 4, 6, 11])  # 4 steps an epoch, 8 a run
def test_an_interrupted_grid_goes_on(tmp_path, monkeypatch, breaks, breaks_at):
    """From the last checkpoint, to the very rows that it would have had."""
    run_grid(tmp_path / "whole.csv", GRID, [0], jobs=1)
    path, folder = tmp_path / "grid.csv", tmp_path / "runs"
    done = breaks(breaks_at)
    with pytest.raises(KeyboardInterrupt):
        run_grid(path, GRID, [0], jobs=1, folder=folder)
    assert len(grid.read(path)) == (breaks_at - 1) // 8
    run_grid(path, GRID, [0], jobs=1, folder=folder)
    assert len(done) == breaks_at + 16 - (breaks_at - 1) // 4 * 4  # whole epochs are not done again
    assert timeless(rows_of(path)) == timeless(rows_of(tmp_path / "whole.csv"))
    before = rows_of(path)
    path.unlink()
    monkeypatch.setattr(runs, "resume", lambda *args, **kwargs: pytest.fail("this run is finished"))
    run_grid(path, GRID, [0], jobs=1, folder=folder)  # finished folders speak for themselves
    assert rows_of(path) == before


def test_cut_off_between_the_log_and_the_checkpoint(tmp_path, monkeypatch):
    """The log has an epoch that the checkpoint does not know."""
    save, saves = checkpoint.save, []

    def breaks_off(path, state):
        saves.append(1)
        if len(saves) == 2:  # the first is before training
            raise KeyboardInterrupt
        save(path, state)

    path, folder, recipes = tmp_path / "grid.csv", tmp_path / "runs", {"conv": CONV}
    monkeypatch.setattr(checkpoint, "save", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        run_grid(path, recipes, [0], jobs=1, folder=folder)
    run_grid(path, recipes, [0], jobs=1, folder=folder)
    (only,) = folder.iterdir()
    assert [row["epoch"] for row in runs.read_log(only)] == [1, 2]
    monkeypatch.undo()
    run_grid(tmp_path / "whole.csv", recipes, [0], jobs=1)
    assert timeless(rows_of(path)) == timeless(rows_of(tmp_path / "whole.csv"))


def test_the_test_set_can_be_left_alone(tmp_path, monkeypatch, breaks):
    """Also by a run that goes on. Without a test set there is nothing to look at."""
    data = load_digits()
    object.__setattr__(data, "test", None)  # which no loader would
    monkeypatch.setitem(LOADERS, "digits", lambda: data)
    breaks(6)
    with pytest.raises(KeyboardInterrupt):
        run_grid(tmp_path / "grid.csv", GRID, [0], jobs=1, test=False, folder=tmp_path / "runs")
    run_grid(tmp_path / "grid.csv", GRID, [0], jobs=1, test=False, folder=tmp_path / "runs")
    rows = rows_of(tmp_path / "grid.csv")
    assert [row["test_accuracy"] for row in rows] == ["", ""]
    assert all(float(row["val_accuracy"]) > 0 for row in rows)
    assert summarise(rows, "val_accuracy")["conv"].mean == float(rows[1]["val_accuracy"])
    results = [json.loads(p.read_text()) for p in (tmp_path / "runs").glob("*/result.json")]
    assert len(results) == 2
    assert not any("test_accuracy" in result or "test_loss" in result for result in results)
    with pytest.raises(AttributeError):
        run_grid(tmp_path / "other.csv", GRID, [0], jobs=1)


def test_runs_of_a_grid_draw_nothing(tmp_path, breaks):
    breaks(6)
    with pytest.raises(KeyboardInterrupt):
        run_grid(tmp_path / "grid.csv", GRID, [0], jobs=1, folder=tmp_path / "runs")
    run_grid(tmp_path / "grid.csv", GRID, [0], jobs=1, folder=tmp_path / "runs")
    for folder in (tmp_path / "runs").iterdir():
        assert {p.name for p in folder.iterdir()} == {
            "config.json", "log.csv", "checkpoint.npz", "result.json",
        }  # fmt: skip
    runs.resume(folder)
    assert (folder / "learning_curves.png").stat().st_size > 0
    assert (folder / "densities.png").exists()


@pytest.fixture
def folder_of(monkeypatch, tmp_path):
    """A function: the folder in which a recipe would run."""
    result = {"densities": {}}
    asked = []
    monkeypatch.setattr(runs, "run", lambda recipe, folder, **_: asked.append(folder) or result)

    def find(name, recipe):
        grid.one(name, recipe, True, tmp_path)
        return asked[-1]

    return find


OTHERS = {
    "data": ["mnist"], "net": ["mlp"], "distribution": ["er"], "paper": ["sca"], "loss": ["mean"], "l1_on": ["gamma"],
    "schedule": ["exponential", "cosine"], "optimizer": ["sgd"], "grow": ["gradient"], "prune": ["magnitude"],
    "sample": ["exact"], "redistribute": ["momentum"], "learner": ["deep-r"], "normalise": ["global"],
    "device": ["gpu"], "hidden": [(30, 30)], "lr_end": [0.001], "eta_min": [0.1], "t_end": [0.7], "lam": [0.5],
    "density": [0.25], "alpha": [0.2], "by": ["time"], "split": ["tebn"],
}  # fmt: skip


@pytest.mark.parametrize("base", [MLP, CONV], ids=["esl-mlp", "lif"])
def test_recipes_that_differ_never_share_a_folder(folder_of, base):
    base = replace(base, optimizer="adam", lr=0.01)
    different = [base]
    for field in fields(base):
        value = getattr(base, field.name)
        if field.name in OTHERS:
            other = next(o for o in OTHERS[field.name] if o != value)
        elif isinstance(value, bool):
            other = not value
        else:
            other = (value or 0) + 1
        change = {field.name: other}
        if isinstance(base, ESLMLP) and field.name == "density":  # it decides epsilon, and epsilon it
            change["epsilon"] = None
        different.append(replace(base, **change))
    folders = [folder_of("a name", recipe) for recipe in different]
    assert len(set(different)) == len(different) == len(fields(base)) + 1
    assert len(set(folders)) == len(folders)
    assert folder_of("a name", replace(base)) == folders[0]


LONG_GONE = Path("no", "such", "folder")


@given(name=st.text(min_size=1, max_size=40), seed=st.integers(0, 2**31))
def test_any_name_has_a_folder_on_any_system(name, seed):
    with pytest.MonkeyPatch.context() as patch:
        asked = []
        patch.setattr(runs, "run", lambda recipe, folder, **_: asked.append(folder) or {"densities": {}})
        grid.one(name, replace(MLP, seed=seed), True, LONG_GONE)
    assert asked[0].parent == LONG_GONE
    assert re.fullmatch(r"[\w.-]+", asked[0].name)


def test_a_seed_that_is_named_twice_is_run_once(tmp_path):
    run_grid(tmp_path / "grid.csv", {"conv": replace(CONV, epochs=1)}, [0, 0], jobs=1)
    assert len(rows_of(tmp_path / "grid.csv")) == 1


def test_processes_give_the_same_rows(tmp_path):
    """Two at a time, each a process of its own."""
    recipes = {name: replace(recipe, epochs=1) for name, recipe in GRID.items()}
    run_grid(tmp_path / "two.csv", recipes, [0, 1], jobs=2, folder=tmp_path / "runs")
    run_grid(tmp_path / "one.csv", recipes, [0, 1], jobs=1)
    assert timeless(rows_of(tmp_path / "two.csv")) == timeless(rows_of(tmp_path / "one.csv"))
    assert len(list((tmp_path / "runs").iterdir())) == 4


rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from("abc"),
            "synops": st.floats(0, 10**9).map(str) | st.just(""),
            "test_accuracy": st.floats(0, 100).map(str),
            "val_accuracy": st.floats(0, 100).map(str),
            "density": st.floats(0.01, 1).map(str),
            "connections": st.integers(1, 10**6).map(str),
        }  # and no macs: an older table
    ),
    min_size=1,
    max_size=12,
)


@given(rows=rows, key=st.sampled_from(["test_accuracy", "val_accuracy"]))
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
        a = [float(row[key]) for row in mine]
        mean = sum(a) / n
        assert s.accuracies == tuple(a)
        assert s.mean == pytest.approx(mean)
        assert s.density == pytest.approx(sum(float(row["density"]) for row in mine) / n)
        assert s.connections == pytest.approx(sum(int(row["connections"]) for row in mine) / n)
        synops = [float(row["synops"] or "nan") for row in mine]
        assert s.synops == pytest.approx(sum(synops) / n, nan_ok=True)
        assert isnan(s.macs)
        assert list(s.rows) == mine
        if n == 1:
            assert isnan(s.error)
            assert s.plus_minus == f"{mean:.2f}"
        else:
            error = (sum((x - mean) ** 2 for x in a) / (n - 1) / n) ** 0.5
            assert s.error == pytest.approx(error, abs=1e-12)
            assert s.plus_minus == f"{s.mean:.2f} ± {s.error:.2f}"


# ------------------------------------------------------------------------------------------------- the targets


def test_every_target_and_scale_is_on_the_command_line():
    assert list(TARGETS) == list(commands.reproduce.TARGETS)
    assert list(SCALES) == ["smoke", "small", "paper"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", TARGETS)
def test_recipes_of_targets(name, scale):
    """Names are unique also as names of folders, recipes differ, and the paper's names are of some scale."""
    target = TARGETS[name]
    recipes = target.recipes(scale)
    assert len({re.sub(r"[^\w.]+", "-", key) for key in recipes}) == len(recipes) >= 2
    assert len(set(recipes.values())) == len(recipes)
    assert {recipe.data for recipe in recipes.values()} <= {
        "smoke": {"digits"}, "small": {"mnist", "cifar10"},
        "paper": {"mnist", "cifar10", "cifar100", "cifar10-dvs", "tiny-imagenet"},
    }[scale]  # fmt: skip
    kinds = SCANet if name.startswith("sca") else ESLMLP | LIFNet
    assert all(isinstance(recipe, kinds) for recipe in recipes.values())
    assert {replace(recipe, seed=1).seed for recipe in recipes.values()} == {1}


@pytest.mark.parametrize("name", TARGETS)
def test_papers_values_have_rows(name):
    target = TARGETS[name]
    known = [key for s in SCALES for key in target.recipes(s)]
    assert set(target.paper) <= set(known)


@pytest.mark.parametrize("name", TARGETS)
def test_smoke_is_ready_to_train(name):
    data = load_digits()
    for recipe in TARGETS[name].recipes("smoke").values():
        assert recipe.setup(data).epochs == recipe.epochs


def test_what_the_targets_compare():
    """One thing at a time: sparse recipes of a target differ from its dense one in what their names say."""
    dense = esl_fig4.base("smoke")
    for key, recipe in TARGETS["esl-fig4"].recipes("smoke").items():
        density, _, rules = key.partition(", ")
        expected = replace(dense, density=float(density))
        if rules == "static":
            expected = replace(expected, alpha=0.0)
        elif rules == "small dense":
            expected = replace(expected, same_size=True)
        elif rules != "dense":
            p, g = rules.split(" + ")
            expected = replace(expected, prune=p, grow=g)
        assert recipe == expected
    for key, recipe in TARGETS["esl-fig2"].recipes("small").items():
        assert key == f"epsilon {recipe.epsilon:g}"
    assert TARGETS["esl-table2"].recipes("paper")["CIFAR-10, dense"].net in NETWORKS


# -------------------------------------------------------------------------------------------- whole reproductions


def tiny(recipe):
    """As small as it gets."""
    small = {"epochs": 1, "batch_size": 200, "data": "digits"}
    if isinstance(recipe, SCANet):
        return replace(recipe, net="12C3S2-12C3S2-10FC", T=1, images=None, **small)
    if isinstance(recipe, ESLMLP):
        return replace(recipe, hidden=(30,), t_iter=2, **small)
    return replace(recipe, net="8C3S2-60FC-10FC", T=1, lr=0.01, t_iter=2, **small)


def shrink(monkeypatch, name, change=tiny):
    target = TARGETS[name]

    def recipes(scale):
        return {key: change(recipe) for key, recipe in target.recipes(scale).items()}

    monkeypatch.setitem(TARGETS, name, target._replace(recipes=recipes))
    return recipes


def command(name, out, *words):
    return cli.main(["reproduce", name, "--out", str(out), "--jobs", "1", *words])


@pytest.mark.parametrize("name", TARGETS)
def test_reproduce(name, monkeypatch, tmp_path, capsys, no_training):
    names = list(shrink(monkeypatch, name)("smoke"))
    runs = f"{TARGETS[name].grid or name}-smoke"  # SCA's figures share theirs
    assert command(name, tmp_path, "--seeds", "0") == 0  # one seed: no error of the mean, and still a picture
    one = tmp_path / f"{name}-smoke-summary.csv"
    assert {row["error"] for row in rows_of(one)} == {"nan"}
    capsys.readouterr()

    assert command(name, tmp_path, "--seeds", "0", "1") == 0
    out = capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {
        runs, f"{runs}.csv", f"{name}-smoke-summary.csv", f"{name}-smoke.png",
    }  # fmt: skip
    assert len(list((tmp_path / runs).iterdir())) == 2 * len(names)
    rows = rows_of(tmp_path / f"{runs}.csv")
    assert sorted((r["name"], r["seed"]) for r in rows) == sorted((n, s) for n in names for s in "01")

    summary = rows_of(one)
    assert [row["name"] for row in summary] == names
    lines = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("|")]
    assert lines[0][0] == TARGETS[name].title
    assert [line[0] for line in lines[2:]] == names
    for row, line in zip(summary, lines[2:], strict=True):
        a, b = (float(r["test_accuracy"]) for r in rows if r["name"] == row["name"])
        assert float(row["mean"]) == pytest.approx((a + b) / 2, abs=1e-3)
        assert float(row["error"]) == pytest.approx(abs(a - b) / 2, abs=1e-3)
        assert row["seeds"] == "2"
        assert row["paper"] == TARGETS[name].paper.get(row["name"], "")
        assert line[1] == f"{(a + b) / 2:.2f} ± {abs(a - b) / 2:.2f}"
        assert line[3] == row["paper"]
    assert TARGETS[name].note in out
    assert f"{tmp_path}/{name}-smoke.png" in out
    assert "the paper's values are of other data" in out
    for column, head in (("connections", "connections"), ("synops", "SynOps"), ("macs", "MACs")):
        at = lines[0].index(head)
        for row, line in zip(summary, lines[2:], strict=True):
            mean = np.mean([float(r[column]) for r in rows if r["name"] == row["name"]])
            assert float(row[column]) == pytest.approx(mean, abs=1e-4)
            assert line[at] == f"{float(row[column]):,.0f}"
    check_picture(tmp_path / f"{name}-smoke.png")

    no_training()
    assert command(name, tmp_path) == 0  # seeds 0 and 1 are the default
    assert rows_of(tmp_path / f"{runs}.csv") == rows
    assert out.endswith(capsys.readouterr().out)


def check_picture(path):
    """Something is drawn, and in each quarter."""
    image = imread(path)[..., :3]
    H, W, _ = image.shape
    for quarter in (image[: H // 2, : W // 2], image[: H // 2, W // 2 :], image[H // 2 :, : W // 2]):
        assert (quarter != 1).any(-1).mean() > 0.005


def test_rows_of_other_settings_are_left_out(monkeypatch, tmp_path):
    """What was run before a recipe changed is no seed of what it is now."""
    shrink(monkeypatch, "esl-table2", lambda recipe: replace(tiny(recipe), lr=0.02))
    reproduce("esl-table2", TARGETS["esl-table2"], "smoke", tmp_path, [0], jobs=1)
    monkeypatch.undo()
    shrink(monkeypatch, "esl-table2")
    reproduce("esl-table2", TARGETS["esl-table2"], "smoke", tmp_path, [0], jobs=1)
    assert len(rows_of(tmp_path / "esl-table2-smoke.csv")) == 4
    summary = rows_of(tmp_path / "esl-table2-smoke-summary.csv")
    assert [row["seeds"] for row in summary] == ["1", "1"]


def summaries(recipes, densities=None):
    """Made up: accuracies 50, 52 for the first name, 51, 53 for the second ..."""
    rows = []
    for n, (name, recipe) in enumerate(recipes.items()):
        for seed in 0, 1:
            rows.append(
                {
                    "name": name,
                    "test_accuracy": str(50 + n + 2 * seed),
                    "density": "0.5",
                    "connections": str(1000 + 10 * n),
                    "densities": json.dumps(densities(recipe) if densities else {}),
                    "channels": "{}",
                    "regrown": "[]",
                    "recipe": json.dumps(asdict(replace(recipe, seed=seed))),
                }
            )
    return summarise(rows)


def drawn(name, scale="smoke", densities=None, paper=None):
    figure = Figure()
    recipes = TARGETS[name].recipes(scale)
    TARGETS[name].draw(figure, summaries(recipes, densities), paper or {})
    return recipes, figure.axes


def stars(ax):
    return [
        tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "*" and len(line.get_xdata())
    ]


def test_fig2_shows_the_sparse_layer():
    recipes, (bars, accuracy) = drawn("esl-fig2")
    sparse = [
        1000 + 10 * n - 10 * 200 for n in range(len(recipes))
    ]  # 200 hidden neurons have 10 outputs each
    assert [p.get_height() for p in bars.patches] == sparse
    np.testing.assert_allclose([p.get_x() + p.get_width() / 2 for p in bars.patches], range(2, 20, 2))
    line = next(line for line in accuracy.lines if len(line.get_xdata()) == len(recipes))
    np.testing.assert_allclose(line.get_xydata(), [(2 + 2 * n, 51 + n) for n in range(len(recipes))])


def test_fig3_shows_densities():
    def densities(recipe):
        moves = recipe.redistribute != "none"
        return {"fc1.weight": [0.1 * (1 + n) for n in range(recipe.epochs)] if moves else [0.3]}

    recipes, (accuracy, *moving) = drawn("esl-fig3", densities=densities)
    exact = [(recipe.density, 51 + n) for n, (name, recipe) in enumerate(recipes.items()) if "," not in name]
    np.testing.assert_allclose(accuracy.lines[0].get_xydata(), exact)
    epochs = [recipe.epochs for name, recipe in recipes.items() if "," in name]
    assert len(moving) == len(epochs) == 3
    for n, ax in zip(count(), moving):
        x, y = ax.lines[0].get_data()
        np.testing.assert_allclose(x, range(1, epochs[n] + 1))
        np.testing.assert_allclose(y, 0.1 * x if n else 0.3)


@pytest.mark.parametrize("name", ["esl-table1", "esl-fig4", "esl-table2", "esl-multispike"])
def test_dots_are_runs(name):
    recipes, axes = drawn(name)
    shown = [label.get_text() for label in axes[0].get_yticklabels()]
    full = {f"{d}, {label}" for d in (1, *esl_fig4.DENSITIES) for label in shown} | set(shown)
    assert set(recipes) <= full
    for ax in axes:
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        assert len(dots) == len(shown)
        for n, line in enumerate(dots):
            a, b = line.get_xdata()
            assert b - a == 2
            assert list(line.get_ydata()) == [n, n]
        assert not stars(ax)


def test_stars_are_the_papers():
    for name in ("esl-table1", "esl-multispike"):
        recipes, (ax,) = drawn(name, "small", paper={list(TARGETS[name].recipes("small"))[1]: 96.5})
        assert stars(ax) == [(96.5, 1)]
    _, (_, accuracy) = drawn("esl-fig2", "small", paper={"epsilon 60": 96.5})
    assert stars(accuracy) == [(60, 96.5)]


@pytest.mark.parametrize("scale", ["smoke", "small"])
@pytest.mark.parametrize("name", TARGETS)
def test_only_numbers_of_the_same_data_are_drawn(name, scale, monkeypatch, tmp_path):
    """On the digits none is, and words in the place of a number never are."""
    recipes = shrink(monkeypatch, name)(scale)
    seen = []
    monkeypatch.setattr("minisnn.targets.target.run_grid", lambda *args, **kwargs: None)
    rows = [dict(row) for s in summaries(recipes, lambda recipe: {"a": [0.5]}).values() for row in s.rows]
    monkeypatch.setattr("minisnn.targets.target.read", lambda path: rows)
    target = TARGETS[name]
    target = target._replace(
        draw=lambda figure, found, paper: (target.draw, seen.append(paper), figure.subplots())
    )
    text = reproduce(name, target, scale, tmp_path, jobs=1)
    numbers = {key: value for key, value in target.paper.items() if re.fullmatch(r"[\d.]+", value)}
    assert seen == [{} if scale == "smoke" else {key: float(value) for key, value in numbers.items()}]
    assert ("values are of other data" in text) == (scale == "smoke")


def test_joules_of_table_1():
    """As the paper counts them: 17.9 pJ on the GPU and 12.5 pJ on TrueNorth for a connection, more or less."""
    target = TARGETS["esl-table1"]
    found = summaries(target.recipes("small"))
    cells = target.extra(found["SNN"]._replace(connections=635_200.0))
    assert list(cells.values()) == ["1.13e-05 (1.13e-05)", "7.95e-06 (7.95e-06)"]
    cells = target.extra(found["ESL-SNN"]._replace(connections=103_040.0))
    assert list(cells.values()) == ["1.84e-06 (1.84e-06)", "1.29e-06 (1.29e-06)"]
    assert all("(" not in cell for cell in target.extra(found["static mask"]).values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["esl-table9"], "invalid choice: 'esl-table9'"),
        (["esl-fig4", "--scale", "huge"], "argument --scale: invalid choice: 'huge'"),
        (["esl-fig4", "--seeds"], "argument --seeds: expected at least one argument"),
        (["esl-fig4", "--seeds", "one"], "argument --seeds: invalid int value: 'one'"),
        (["esl-fig4", "--seeds", "-1"], "seed must be 0 or more, and finite, found -1"),
        (["esl-fig4", "--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
    ],
)
def test_nonsense_is_refused(tmp_path, capsys, no_training, words, message):
    no_training()
    try:
        status = command(words[0], tmp_path / "out", *words[1:])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "words", "said"),
    [
        ("joblib", [], "this needs joblib: pip install 'minisnn[reproduce]'"),
        (
            "distributed",
            ["--dask", "tcp://127.0.0.1:1"],
            "this needs distributed: pip install 'minisnn[cluster]'",
        ),
    ],
)
def test_what_is_not_installed_is_named(monkeypatch, tmp_path, capsys, no_training, missing, words, said):
    no_training()
    monkeypatch.setitem(sys.modules, missing, None)
    assert command("esl-fig4", tmp_path, *words) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"minisnn: error: {said}"
    assert not list(tmp_path.glob("*.csv"))


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        cli.main(["reproduce", "--help"])
    out = re.sub(r"-\n +", "-", capsys.readouterr().out)  # a list of targets is cut where a line is full
    for word in (*TARGETS, *SCALES, *SCALES.values(), "--dask", "minisnn reproduce esl-fig4\n"):
        assert word in out


# ------------------------------------------------------------------------------------------------------- a cluster

DRIVER = """
import json, sys
from distributed import Client
from test_reproduce import TARGETS, shrink
import minisnn.cli, pytest
address, out = sys.argv[1:]
with pytest.MonkeyPatch.context() as patch:
    shrink(patch, "esl-table1")
    status = minisnn.cli.main(["reproduce", "esl-table1", "--out", out, "--dask", address])
with Client(address, timeout="10s") as client:
    print(json.dumps(client.run(lambda dask_worker: dask_worker.state.executed_count)))
sys.exit(status)
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(process, port, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the scheduler does not answer, its exit status is {process.poll()}")


@pytest.mark.skipif(not find_spec("distributed"), reason="distributed is not installed")
def test_a_dask_cluster_gives_the_same_rows(monkeypatch, tmp_path):
    """A scheduler and two workers, all processes of their own."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    (tmp_path / "elsewhere").mkdir()
    here = {"cwd": tmp_path / "elsewhere", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    worker = [
        *dask,
        "worker",
        address,
        "--no-nanny",
        "--no-dashboard",
        "--nthreads",
        "1",
        "--memory-limit",
        "0",
    ]
    paths = Path(__file__).parent, Path(minisnn.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    started = []
    try:
        scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        started.append(subprocess.Popen([*dask, *scheduler], **here))
        wait_for(started[0], port)
        for n in "12":
            started.append(
                subprocess.Popen([*worker, "--name", n, "--local-directory", str(tmp_path / n)], **here)
            )
        driver = [sys.executable, "-c", DRIVER, address, "cluster"]
        done = subprocess.run(driver, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    finally:
        for process in reversed(started):
            process.kill()
        for process in started:
            process.wait()
    assert done.returncode == 0, done.stderr
    shrink(monkeypatch, "esl-table1")
    assert command("esl-table1", tmp_path / "here") == 0
    ours, theirs = (rows_of(tmp_path / where / "esl-table1-smoke.csv") for where in ("here", "cluster"))
    assert timeless(theirs) == timeless(ours)
    assert len(theirs) == 8
    executed = json.loads(done.stdout.splitlines()[-1])
    assert len(executed) == 2
    assert sum(executed.values()) >= 8
    assert min(executed.values()) > 0
    runs = list((tmp_path / "cluster" / "esl-table1-smoke").glob("*/result.json"))
    assert len(runs) == 8  # where the command was given, not where a worker was started
