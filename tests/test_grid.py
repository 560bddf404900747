"""Grids of runs that can be cut off anywhere, and the rows that they leave."""

import csv
import json
import os
import re
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import slow_but
from strategies import characters

from minisnn import load_digits
from minisnn.faster.blocks import use_threads
from minisnn.grids import grid
from minisnn.grids.grid import Job, run_grid
from minisnn.grids.rows import COLUMNS, plain, read, summarise
from minisnn.recipes import ESL_MLP_DEFAULTS, ESLMLP, LIF_DEFAULTS
from minisnn.runs import start
from minisnn.training import checkpoint, loop

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
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def timeless(rows):
    """Rows, in an order of their own, without what the clock says."""
    return sorted(({**row, "seconds": ""} for row in rows), key=lambda row: (row["name"], row["seed"]))


def alone(recipe):
    """A run outside of any grid; sums depend on the number of threads."""
    with use_threads(1):
        return start.train(recipe).result


@pytest.fixture
def no_training(monkeypatch):
    """A function that from now on makes every training step a failure."""

    def forbid():
        monkeypatch.setattr(loop, "step", lambda *args: pytest.fail("this should not have trained"))

    return forbid


@pytest.fixture
def breaks(monkeypatch):
    """A function: after so many training steps somebody presses Ctrl+C, once. Returns a list of all steps done."""

    def after(n):
        done, step = [], loop.step

        def counted(*args):
            done.append(1)
            if len(done) == n:
                raise KeyboardInterrupt
            return step(*args)

        monkeypatch.setattr(loop, "step", counted)
        return done

    return after


def test_a_row_for_each_run_and_only_once(tmp_path, no_training):
    path = tmp_path / "results" / "grid.jsonl"
    run_grid(path, GRID, [1, 0], jobs=1)
    rows = rows_of(path)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["name"], row["seed"]) for row in rows] == [(n, s) for s in (1, 0) for n in GRID]
    for row in rows:
        recipe = replace(GRID[row["name"]], seed=int(row["seed"]))
        result = alone(recipe)
        of_channels = {"channels", "regrown", "scores"}
        assert (row["threads"], row["kind"]) == (1, "esl-mlp" if row["name"].startswith("mlp") else "lif")
        others = {"name", "seed", "seconds", "threads", "kind", "densities", "recipe"}
        for key in set(COLUMNS) - others - of_channels:
            assert float(row[key]) == pytest.approx(result[key], rel=1e-6), key
        assert {key: row[key] for key in of_channels} == {key: result[key] for key in of_channels}
        assert row["recipe"] == json.loads(json.dumps(recipe.to_json()))
        densities = row["densities"]
        assert densities.keys() == result["densities"].keys()
        assert all(d == pytest.approx(result["densities"][key][:1], abs=1e-5) for key, d in densities.items())
    assert sorted(p.name for p in path.parent.iterdir()) == ["grid.csv", "grid.jsonl"]
    no_training()
    run_grid(path, GRID, [0, 1], jobs=1)
    assert rows_of(path) == rows


def test_a_new_seed_and_a_changed_recipe_are_run(tmp_path):
    path = tmp_path / "grid.jsonl"
    run_grid(path, GRID, [0], jobs=1)
    first = path.read_text()
    run_grid(path, GRID | {"conv": replace(CONV, alpha=0.0)}, [0, 1], jobs=1)
    assert path.read_text().startswith(first)  # appended, nothing written again
    assert [(row["name"], row["seed"]) for row in rows_of(path)[2:]] == [
        ("conv", 0), ("mlp, eps = 4", 1), ("conv", 1),
    ]  # fmt: skip


def test_layers_that_move_have_all_their_densities(tmp_path):
    moving = replace(CONV, net="8C3-AP2-40FC-10FC", epochs=3, redistribute="momentum", distribution="uniform")
    run_grid(tmp_path / "grid.jsonl", {"moving": moving}, [0], jobs=1)
    densities = rows_of(tmp_path / "grid.jsonl")[0]["densities"]
    whole = alone(moving)["densities"]
    assert densities == {
        key: [round(x, 5) for x in (d if len(set(d)) > 1 else d[:1])] for key, d in whole.items()
    }
    assert max(map(len, densities.values())) == 3


def test_rows_older_than_a_field_or_a_column(tmp_path, no_training):
    """A field that a row does not know had its default; a column that a file did not have is empty."""
    path = tmp_path / "grid.jsonl"
    run_grid(path, GRID, [0], jobs=1)
    rows = rows_of(path)
    for row in rows:
        for name in ("learner", "redistribute", "width", "flip"):
            row["recipe"].pop(name, None)
        del row["exploration_rate"], row["parameters"], row["threads"], row["kind"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run_grid(path, {"conv": replace(CONV, redistribute="bernoulli")}, [0], jobs=1)  # not the default: another
    found = rows_of(path)
    assert found[:2] == rows
    assert len(found) == 3
    assert tuple(found[2]) == COLUMNS
    assert float(found[2]["exploration_rate"]) > 0
    assert found[2]["recipe"]["redistribute"] == "bernoulli"
    no_training()
    run_grid(path, GRID, [0], jobs=1)


@pytest.mark.parametrize("breaks_at", slow_but([6, 11], [1, 4, 6, 11]))  # 4 steps an epoch, 8 a run
def test_an_interrupted_grid_goes_on(tmp_path, monkeypatch, breaks, breaks_at):
    """From the last checkpoint, to the very rows that it would have had."""
    run_grid(tmp_path / "whole.jsonl", GRID, [0], jobs=1)
    path, folder = tmp_path / "grid.jsonl", tmp_path / "runs"
    done = breaks(breaks_at)
    with pytest.raises(KeyboardInterrupt):
        run_grid(path, GRID, [0], jobs=1, folder=folder)
    assert len(read(path)) == (breaks_at - 1) // 8
    run_grid(path, GRID, [0], jobs=1, folder=folder)
    assert len(done) == breaks_at + 16 - (breaks_at - 1) // 4 * 4  # whole epochs are not done again
    assert timeless(rows_of(path)) == timeless(rows_of(tmp_path / "whole.jsonl"))
    before = rows_of(path)
    path.unlink()
    monkeypatch.setattr(start, "resume", lambda *args, **kwargs: pytest.fail("this run is finished"))
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

    path, folder, recipes = tmp_path / "grid.jsonl", tmp_path / "runs", {"conv": CONV}
    monkeypatch.setattr(checkpoint, "save", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        run_grid(path, recipes, [0], jobs=1, folder=folder)
    run_grid(path, recipes, [0], jobs=1, folder=folder)
    (only,) = folder.iterdir()
    assert [row["epoch"] for row in start.load(only).log] == [1, 2]
    monkeypatch.undo()
    run_grid(tmp_path / "whole.jsonl", recipes, [0], jobs=1)
    assert timeless(rows_of(path)) == timeless(rows_of(tmp_path / "whole.jsonl"))


def test_the_test_set_can_be_left_alone(tmp_path, monkeypatch, breaks):
    """Also by a run that goes on. Without a test set there is nothing to look at."""
    looked, evaluate = [], loop.evaluate
    monkeypatch.setattr(
        loop,
        "evaluate",
        lambda setup, state, split: looked.append(split) or evaluate(setup, state, split),
    )
    breaks(6)
    with pytest.raises(KeyboardInterrupt):
        run_grid(tmp_path / "grid.jsonl", GRID, [0], jobs=1, test=False, folder=tmp_path / "runs")
    run_grid(tmp_path / "grid.jsonl", GRID, [0], jobs=1, test=False, folder=tmp_path / "runs")
    rows = read(tmp_path / "grid.jsonl")
    assert [row["test_accuracy"] for row in rows] == [None, None]
    assert {len(split.labels) for split in looked} == {len(load_digits().validation.labels)}
    assert all(row["val_accuracy"] > 0 for row in rows)
    assert summarise(rows, "val_accuracy")["conv"].mean == rows[1]["val_accuracy"]
    results = [json.loads(p.read_text()) for p in (tmp_path / "runs").glob("*/result.json")]
    assert len(results) == 2
    assert not any("test_accuracy" in result or "test_loss" in result for result in results)
    run_grid(tmp_path / "other.jsonl", GRID, [0], jobs=1)
    assert {len(split.labels) for split in looked} > {len(load_digits().validation.labels)}


@pytest.mark.pictures
def test_runs_of_a_grid_draw_nothing(tmp_path, breaks):
    breaks(6)
    with pytest.raises(KeyboardInterrupt):
        run_grid(tmp_path / "grid.jsonl", GRID, [0], jobs=1, folder=tmp_path / "runs")
    run_grid(tmp_path / "grid.jsonl", GRID, [0], jobs=1, folder=tmp_path / "runs")
    for folder in (tmp_path / "runs").iterdir():
        assert {p.name for p in folder.iterdir()} == {
            "config.json", "log.csv", "checkpoint.npz", "result.json",
        }  # fmt: skip
    start.resume(folder)
    assert (folder / "learning_curves.png").stat().st_size > 0
    assert (folder / "densities.png").exists()


class Finished(NamedTuple):
    """A run that was not made."""

    result: dict


@pytest.fixture
def folder_of(monkeypatch, tmp_path):
    """A function: the folder in which a recipe would run."""
    result = {"densities": {}}
    asked = []
    monkeypatch.setattr(start, "train", lambda recipe, out, **_: asked.append(out) or Finished(result))

    def find(name, recipe):
        grid.one(Job(name, recipe, plain(recipe), os.getpid(), folder=tmp_path))
        return asked[-1]

    return find


OTHERS = {
    "data": ["mnist"], "net": ["mlp"], "distribution": ["er"], "paper": ["sca"], "loss": ["mean"], "l1_on": ["gamma"],
    "schedule": ["exponential", "cosine"], "optimizer": ["sgd"], "grow": ["gradient"], "prune": ["magnitude"],
    "sample": ["exact"], "redistribute": ["momentum"], "learner": ["deep-r"], "normalise": ["global"],
    "device": ["gpu"], "hidden": [(30, 30)], "lr_end": [0.001], "eta_min": [0.1], "t_end": [0.7], "lam": [0.5],
    "density": [0.25], "alpha": [0.2], "by": ["time"], "split": ["tebn"], "momentum": [0.5], "decay": [0.25],
    "v_reset": [0.25], "surrogate": ["arctan"],
    "learner_options": [{"l1": 0.5}], "smoothing": [0.5],
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
        if field.name == "learner_options":
            change["learner"] = "deep-r"
        different.append(replace(base, **change))
    folders = [folder_of("a name", recipe) for recipe in different]
    assert len(set(different)) == len(different) == len(fields(base)) + 1
    assert len(set(folders)) == len(folders)
    assert folder_of("a name", replace(base)) == folders[0]


LONG_GONE = Path("no", "such", "folder")


@given(name=st.text(characters, min_size=1, max_size=40), seed=st.integers(0, 2**31))
def test_any_name_has_a_folder_on_any_system(name, seed):
    with pytest.MonkeyPatch.context() as patch:
        asked = []
        patch.setattr(
            start, "train", lambda recipe, out, **_: asked.append(out) or Finished({"densities": {}})
        )
        recipe = replace(MLP, seed=seed)
        grid.one(Job(name, recipe, plain(recipe), os.getpid(), folder=LONG_GONE))
    assert asked[0].parent == LONG_GONE
    assert re.fullmatch(r"[\w.-]+", asked[0].name)


def test_a_seed_that_is_named_twice_is_run_once(tmp_path):
    run_grid(tmp_path / "grid.jsonl", {"conv": replace(CONV, epochs=1)}, [0, 0], jobs=1)
    assert len(rows_of(tmp_path / "grid.jsonl")) == 1


def test_processes_give_the_same_rows(tmp_path):
    """Two at a time, each a process of its own."""
    recipes = {name: replace(recipe, epochs=1) for name, recipe in GRID.items()}
    run_grid(tmp_path / "two.jsonl", recipes, [0, 1], jobs=2, folder=tmp_path / "runs")
    run_grid(tmp_path / "one.jsonl", recipes, [0, 1], jobs=1)
    assert timeless(rows_of(tmp_path / "two.jsonl")) == timeless(rows_of(tmp_path / "one.jsonl"))
    assert len(list((tmp_path / "runs").iterdir())) == 4


def test_threads_are_those_asked_for(tmp_path, monkeypatch):
    """BLAS and the network have them, and the row says so; a row that is there is not run again."""
    from minisnn.faster import blocks

    seen, train = [], start.train
    monkeypatch.setattr(
        start, "train", lambda *args, **kw: (seen.append(blocks.threads()), train(*args, **kw))[1]
    )
    recipes = {"conv": replace(CONV, epochs=1)}
    run_grid(tmp_path / "grid.jsonl", recipes, [0], jobs=1, threads=2)
    run_grid(tmp_path / "grid.jsonl", recipes, [0, 1], jobs=1)
    assert seen == [2, 1]
    assert [row["threads"] for row in read(tmp_path / "grid.jsonl")] == [2, 1]


def test_a_run_that_gets_nothing_right_is_done(tmp_path, monkeypatch):
    """An accuracy of 0 is one."""
    result = {"densities": {}, "test_accuracy": 0.0, "val_accuracy": 0.0, "seconds": 1.0}
    done = []
    monkeypatch.setattr(start, "train", lambda *args, **kw: done.append(1) or Finished(result))
    for _ in range(2):
        run_grid(tmp_path / "grid.jsonl", {"conv": CONV}, [0], jobs=1)
    assert len(done) == 1


@pytest.mark.parametrize("words", [{"jobs": 0}, {"threads": 0}])
def test_nonsense_is_refused(tmp_path, words):
    with pytest.raises(ValueError, match=r"(jobs|threads) must be at least 1, found 0"):
        run_grid(tmp_path / "grid.jsonl", GRID, [0], **words)
