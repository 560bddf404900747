"""The papers' tables and figures: their settings, their pictures, what they leave."""

import csv
import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import count

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from slow import slow_but

from minisnn import cli, load_digits
from minisnn.grids.rows import row_of, summarise
from minisnn.networks.registry import NETWORKS
from minisnn.recipes import ESLMLP, LIFNet, SCANet
from minisnn.targets import NAMES, SCALES, esl_fig4
from minisnn.targets.reproduce import TARGETS, reproduce
from minisnn.training import loop

pytestmark = [
    pytest.mark.skipif(not find_spec("joblib"), reason="joblib is not installed"),
    pytest.mark.filterwarnings(
        r"ignore:epoch \d+. (dead|saturated) layer"
    ),  # such small networks, so few steps
]


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def no_training(monkeypatch):
    """A function that from now on makes every training step a failure."""

    def forbid():
        monkeypatch.setattr(loop, "step", lambda *args: pytest.fail("this should not have trained"))

    return forbid


# ------------------------------------------------------------------------------------------------- the targets


def test_every_target_and_scale_is_on_the_command_line():
    assert tuple(TARGETS) == NAMES
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


QUICK = ("esl-table1", "esl-multispike", "sca-fig2", "sca-table1")


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


@pytest.mark.filterwarnings("ignore:.*kept no connection", "ignore:.*was not reached")  # of tiny networks
@pytest.mark.parametrize("name", slow_but(QUICK, TARGETS))
def test_reproduce(name, monkeypatch, tmp_path, capsys, no_training, few_digits):
    names = list(shrink(monkeypatch, name)("smoke"))
    runs = f"{TARGETS[name].grid or name}-smoke"  # SCA's figures share theirs
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", unrendered)
        assert command(name, tmp_path, "--seeds", "0") == 0  # one seed: no error of the mean, still a picture
    one = tmp_path / f"{name}-smoke-summary.csv"
    assert {row["error"] for row in rows_of(one)} == {"nan"}
    capsys.readouterr()

    assert command(name, tmp_path, "--seeds", "0", "1") == 0
    out = capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {
        runs, f"{runs}.csv", f"{runs}.jsonl", f"{name}-smoke-summary.csv", f"{name}-smoke.png",
    }  # fmt: skip
    assert len(list((tmp_path / runs).iterdir())) == 2 * len(names)
    rows = rows_of(tmp_path / f"{runs}.jsonl")
    assert sorted((r["name"], r["seed"]) for r in rows) == sorted((n, s) for n in names for s in (0, 1))

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
    assert "the paper's values are for other data" in out
    for column, head in (("connections", "connections"), ("synops", "SynOps"), ("macs", "MACs")):
        at = lines[0].index(head)
        for row, line in zip(summary, lines[2:], strict=True):
            mean = np.mean([float(r[column]) for r in rows if r["name"] == row["name"]])
            assert float(row[column]) == pytest.approx(mean, abs=1e-4)
            assert line[at] == f"{float(row[column]):,.0f}"
    check_picture(tmp_path / f"{name}-smoke.png")

    no_training()
    monkeypatch.setattr(Figure, "savefig", unrendered)
    assert command(name, tmp_path) == 0  # seeds 0 and 1 are the default
    assert rows_of(tmp_path / f"{runs}.jsonl") == rows
    assert out.endswith(capsys.readouterr().out)


def unrendered(figure, path, **options):
    """In place of `Figure.savefig`: all that is in the figure, but no pixels, which take longer than the trainings."""
    path.touch()


def check_picture(path):
    """Something is drawn, and in each quarter."""
    image = imread(path)[..., :3]
    H, W, _ = image.shape
    for quarter in (image[: H // 2, : W // 2], image[: H // 2, W // 2 :], image[H // 2 :, : W // 2]):
        assert (quarter != 1).any(-1).mean() > 0.005


def test_rows_of_other_settings_are_left_out(monkeypatch, tmp_path):
    """What was run before a recipe changed is no seed of what it is now."""
    shrink(monkeypatch, "esl-table2", lambda recipe: replace(tiny(recipe), lr=0.02))
    reproduce("esl-table2", out=tmp_path, seeds=[0], jobs=1)
    monkeypatch.undo()
    shrink(monkeypatch, "esl-table2")
    reproduce("esl-table2", out=tmp_path, seeds=[0], jobs=1)
    assert len(rows_of(tmp_path / "esl-table2-smoke.jsonl")) == 4
    summary = rows_of(tmp_path / "esl-table2-smoke-summary.csv")
    assert [row["seeds"] for row in summary] == ["1", "1"]


def summaries(recipes, densities=None):
    """Made up: accuracies 50, 52 for the first name, 51, 53 for the second ..."""
    rows = []
    for n, (name, recipe) in enumerate(recipes.items()):
        for seed in 0, 1:
            result = {
                "test_accuracy": 50 + n + 2 * seed,
                "density": 0.5,
                "connections": 1000 + 10 * n,
                "densities": densities(recipe) if densities else {},
                "channels": {},
                "regrown": [],
            }
            rows.append(row_of(name, replace(recipe, seed=seed), result, threads=1))
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
    spy = target._replace(draw=lambda figure, found, paper: (seen.append(paper), figure.subplots()))
    monkeypatch.setitem(TARGETS, name, spy)
    text = str(reproduce(name, scale, out=tmp_path, jobs=1))
    numbers = {key: value for key, value in target.paper.items() if re.fullmatch(r"[\d.]+", value)}
    assert seen == [{} if scale == "smoke" else {key: float(value) for key, value in numbers.items()}]
    assert ("values are for other data" in text) == (scale == "smoke")


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
        (["esl-table9"], "found 'esl-table9'; did you mean esl-table"),
        (["esl-fig4", "--scale", "huge"], "--scale must be one of smoke, small, paper, found 'huge'"),
        (["esl-fig4", "--seeds"], "argument --seeds: expected at least one argument"),
        (["esl-fig4", "--seeds", "one"], "argument --seeds: invalid int value: 'one'"),
        (["esl-fig4", "--seeds", "-1"], "each of seeds must be at least 0, found -1"),
        (["esl-fig4", "--device", "tpu"], "--device must be one of cpu, gpu, found 'tpu'"),
        (["esl-fig4", "--threads", "0"], "threads must be at least 1, found 0"),
        (["esl-fig4", "--jobs", "0"], "jobs must be at least 1, found 0"),
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
    assert not list(tmp_path.glob("*.jsonl"))
    assert not list(tmp_path.glob("*.csv"))


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        cli.main(["reproduce", "--help"])
    out = re.sub(r"-\n +", "-", capsys.readouterr().out)  # a list of targets is cut where a line is full
    for word in (*TARGETS, *SCALES, *SCALES.values(), "--dask", "minisnn reproduce esl-fig4\n"):
        assert word in out


def test_reproduce_in_python(monkeypatch, tmp_path):
    """Name first, the rest by keyword; what comes back shows itself."""
    names = list(shrink(monkeypatch, "esl-table2")("smoke"))
    found = reproduce("esl-table2", out=str(tmp_path), seeds=[0], jobs=1)
    assert repr(found) == str(found) == found._repr_markdown_() == found.text
    assert found.text.startswith("| ESL Table 2 |")
    assert list(found.summaries) == names
    assert found.picture == tmp_path / "esl-table2-smoke.png"
    assert found.picture.stat().st_size > 0
    assert [row["threads"] for row in rows_of(found.rows)] == [1] * len(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("esl-fig5",),
            r"target must be one of esl-fig2, .*, found 'esl-fig5'; did you mean esl-fig\d\?",
        ),
        (("esl-fig4", "tiny"), r"scale must be one of smoke, small, paper, found 'tiny'"),
    ],
)
def test_nonsense_is_refused_in_python(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        reproduce(*arguments, out=tmp_path / "out")
    with pytest.raises(ValueError, match="device must be one of cpu, gpu, found 'tpu'"):
        reproduce("esl-fig4", device="tpu", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
