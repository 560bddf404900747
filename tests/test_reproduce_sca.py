"""SCA's figures and table: their settings, the runs that they share, their pictures. Nothing here trains."""

import csv
import json
import os
import re
from dataclasses import asdict, fields, replace
from math import isnan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from slow import slow_but
from strategies import rngs, sizes

from data_loaders.common.dataset import DataSet, Split
from minisnn import plots
from minisnn.grids import grid, rows
from minisnn.grids.rows import summarise
from minisnn.recipes import SCANet
from minisnn.runs import start
from minisnn.structure.channels import SCA
from minisnn.structure.learner import StructureLearner
from minisnn.targets.reproduce import TARGETS, reproduce

pytest.importorskip("joblib", reason="joblib is not installed")

SCA_TARGETS = ("sca-fig2", "sca-fig3", "sca-fig4", "sca-table1")
ALL = [(name, scale) for name in SCA_TARGETS for scale in ("smoke", "small", "paper")]
EIGHT = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
LAYERS = {"lif1": 20, "lif2": 40, "lif3": 40}  # of the network that the made-up runs have


def made_up(recipe):
    """What a run could have found."""
    left, worse = 1 - recipe.p, {"soft": 0.0, "random": 1.0}[recipe.mode] + (recipe.p > recipe.q == 0)
    result = {
        "test_accuracy": 90 - 2 * recipe.p - worse + recipe.seed,
        "val_accuracy": 80.0,
        "train_accuracy": 99.0,
        "density": left**2,
        "connections": round(100_000 * left**2),
        "parameters": round(120_000 * left**2) + round(10 * worse),
        "operations": 7,
        "training_operations": 7e6,
        "synops": 1000 * left,
        "macs": 50,
        "exploration_rate": 0.0,
        "seconds": 1.0,
        "densities": {},
        "channels": {},
        "regrown": [],
        "scores": {},
        "recipe": asdict(recipe),
    }
    if recipe.p:
        counts = {key: round(size * left) for key, size in LAYERS.items()}
        for epoch in range(recipe.epochs):
            for key, count in counts.items():
                result["channels"].setdefault(key, []).append(float(count + 10 * recipe.seed - epoch % 2))
            result["regrown"].append(epoch)
        for key, size in LAYERS.items():
            score = 0.5 + 0.4 * np.sin(np.arange(size) + 9 * recipe.seed)
            score *= (np.arange(size) < counts[key]) & (recipe.mode != "random")
            result["scores"][key] = score.round(5).tolist()
    return result


@pytest.fixture
def ran(monkeypatch):
    """What has been run so far, and in whose place a result was made up."""
    done = []

    def fake(recipe, out, test, pictures):
        done.append(recipe)
        return SimpleNamespace(result=made_up(recipe))

    monkeypatch.setattr(start, "train", fake)
    return done


@pytest.fixture
def empty_pictures(monkeypatch):
    """Files without content: to render them takes longer than all else that a target does here."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: path.touch())


def found(name, scale, seeds=(0, 1)):
    """Summaries of runs that are made up."""
    recipes = {(key, s): replace(r, seed=s) for key, r in TARGETS[name].recipes(scale).items() for s in seeds}
    return summarise(rows.row_of(key, recipe, made_up(recipe), 1) for (key, _), recipe in recipes.items())


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def markdown(text):
    """Cells of a table, by the name of the row."""
    head, _, *rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def read_name(name):
    """What is trained, how, and the ratio."""
    what, method, p = re.fullmatch(r"(.+?)(?:, (only prune|random))?, p (\S+)", name).groups()
    return what, method, float(p)


# ------------------------------------------------------------------------------------------------- settings


def names(whats, ratios, methods=()):
    found = [f"{what}, p {p:g}" for what in whats for p in ratios]
    return found + [f"{what}, {method}, p {p:g}" for method in methods for what in whats for p in ratios if p]


PAPER = ("CIFAR-10, VGG16", "CIFAR-10, Pre-ResNet-18", "CIFAR-100, VGG16", "CIFAR10-DVS, 5Conv")
TABLE = ("CIFAR-10", "CIFAR-100", "CIFAR10-DVS", "Tiny-ImageNet")
ABLATIONS = ("only prune", "random")
NAMES = {
    ("sca-fig2", "smoke"): names(["digits"], (0, 0.2, 0.5, 0.8)),
    ("sca-fig2", "small"): names(["MNIST"], EIGHT),
    ("sca-fig2", "paper"): names(PAPER, EIGHT),
    ("sca-fig3", "smoke"): names(["digits"], (0, 0.2, 0.5, 0.8)),
    ("sca-fig3", "small"): names(["MNIST"], EIGHT),
    ("sca-fig3", "paper"): names(PAPER[:1], EIGHT),
    ("sca-fig4", "smoke"): names(["digits"], (0, 0.2, 0.5, 0.8), ABLATIONS),
    ("sca-fig4", "small"): names(["MNIST"], EIGHT, ABLATIONS),
    ("sca-fig4", "paper"): names(PAPER[:1], EIGHT, ABLATIONS),
    ("sca-table1", "smoke"): names(["digits"], (0, 0.5, 0.8)),
    ("sca-table1", "small"): names(["CIFAR-10"], (0, 0.5, 0.8)),
    ("sca-table1", "paper"): names(TABLE, (0, 0.5, 0.8)),
}


@pytest.mark.parametrize(("target", "scale"), ALL)
def test_what_the_targets_compare(target, scale):
    """One thing at a time: a setting differs from the others of its network in what its name says."""
    recipes = TARGETS[target].recipes(scale)
    assert list(recipes) == NAMES[target, scale]
    for name, recipe in recipes.items():
        what, method, p = read_name(name)
        q = 0.1 if p and not method else 0.0
        expected = replace(
            recipes[f"{what}, p 0.5"], p=p, q=q, mode="random" if method == "random" else "soft"
        )
        assert recipe == expected
        assert re.sub("-", "", what).lower().startswith(re.sub("-", "", recipe.data))
        assert recipe.flip == recipe.data.startswith(("cifar", "tiny"))  # a mirrored 2 is no 2
        if scale == "paper":
            net = "pre-resnet18" if "Pre-ResNet" in what else "vgg16"
            events = {"net": "5conv", "T": 20, "shift": 5} if "DVS" in what else {"net": net}
            script = SCANet(
                data=recipe.data, p=p, q=q, mode=recipe.mode, **events
            )  # its defaults are the authors'
            assert recipe == script


SHAPES = {
    "digits": (8, 8, 1), "mnist": (28, 28, 1), "cifar10": (32, 32, 3), "cifar100": (32, 32, 3),
    "cifar10-dvs": (48, 48, 2), "tiny-imagenet": (64, 64, 3),
}  # fmt: skip


def data_like(name):
    """A data set's shapes, with hardly any images."""
    n_classes = {"cifar100": 100, "tiny-imagenet": 200}.get(name, 10)
    shape = (4, 20, *SHAPES[name]) if name == "cifar10-dvs" else (4, *SHAPES[name])
    dtype = np.float32 if len(shape) == 5 else np.uint8
    few = Split(np.zeros(shape, dtype) + np.arange(shape[-1], dtype=dtype), np.arange(4))
    few.images[:2] += 3
    return DataSet(name, few, few, few, 255, n_classes)


def notation_size(notation, side, channels, n_classes=10):
    """Parameters of nC3, nC3S2, AP2, MP2 and a last linear layer, counted one layer at a time."""
    total = 0
    for token in notation.split("-"):
        if "C3" in token:
            before, channels = channels, int(token.split("C")[0])
            total += 9 * before * channels + 2 * channels  # gamma and beta
            side = (side + 1) // 2 if token.endswith("S2") else side
        elif token in ("AP2", "MP2"):
            side //= 2
    return total + side * side * channels * n_classes + n_classes


@pytest.mark.parametrize("scale", slow_but(["smoke", "small"], ["smoke", "small", "paper"]))
def test_every_setting_is_a_network_and_a_learner(scale):
    """For images of the right shape; without training."""
    recipes = {r for name in SCA_TARGETS for r in TARGETS[name].recipes(scale).values()}
    sizes = {}
    for recipe in recipes:
        data = data_like(recipe.data)
        setup = recipe.setup(data)
        assert setup.epochs == recipe.epochs
        assert setup.shape == SHAPES[recipe.data]
        learner = setup.learner
        if recipe.p == 0:
            assert type(learner) is StructureLearner
        else:
            assert isinstance(learner, SCA)
            rest = (learner.p, learner.q, learner.mode, learner.every, learner.per_map, learner.strict)
            assert rest == (recipe.p, recipe.q, recipe.mode, 1, False, False)
            assert (
                learner.end == {"smoke": 6, "small": 8, "paper": 300}[scale]
            )  # 3/4 of 8, 10; all of 300 epochs
            sizes.setdefault((recipe.net, recipe.data), set()).add(learner.size)
        key = recipe.net, recipe.data, "parameters"
        if key not in sizes:
            params, _ = recipe.plain(data).init(np.random.default_rng(0), data.shape)
            sizes[key] = {sum(w.size for w in params.values())}
    expected = {}
    if scale == "paper":
        expected["vgg16", "cifar10"], expected["vgg16", "cifar10", "parameters"] = 4224, 15_250_378
        expected["vgg16", "cifar100"], expected["vgg16", "cifar100", "parameters"] = 4224, 15_296_548
        expected["5conv", "cifar10-dvs"], expected["5conv", "cifar10-dvs", "parameters"] = 832, 1_111_306
        larger = (200 - 10) * 513 + 3 * 512 * 512  # more classes, and 2x2 positions behind the last pool
        expected["vgg16", "tiny-imagenet"] = 4224
        expected["vgg16", "tiny-imagenet", "parameters"] = 15_250_378 + larger
        widths, inputs = (64, 64, 128, 128, 256, 256, 512, 512), (64, 64, 64, 128, 128, 256, 256, 512)
        key = "pre-resnet18", "cifar10"
        expected[key] = sum(widths) + sum(inputs) + 512  # of each block's two norms, and of the last
        convs = 9 * 3 * 64 + sum(9 * (n + m) * m for n, m in zip(inputs, widths, strict=True))
        shortcuts = sum(n * m for n, m in zip(inputs, widths, strict=True) if n != m)
        expected[*key, "parameters"] = convs + shortcuts + 2 * (64 + expected[key]) + 512 * 10 + 10
    elif scale == "small":
        for net, data in (
            ("32C3S2-64C3S2-64C3S2-64C3-10FC", "mnist"),
            ("32C3-AP2-64C3-AP2-128C3-AP2-10FC", "cifar10"),
        ):
            expected[net, data] = 224
            expected[net, data, "parameters"] = notation_size(net, SHAPES[data][0], SHAPES[data][2])
    else:
        net = "16C3-16C3-MP2-32C3-32C3-MP2-10FC"
        expected[net, "digits"] = 96
        expected[net, "digits", "parameters"] = notation_size(net, 8, 1)
    assert sizes == {key: {value} for key, value in expected.items()}


# ------------------------------------------------------------------------------------------- rows and runs are shared


def test_figures_share_their_runs(ran, empty_pictures, tmp_path):
    """Only what is missing is run; a summary has its own settings and no others."""
    wanted = {name: list(TARGETS[name].recipes("small").values()) for name in SCA_TARGETS}
    reproduce("sca-fig2", "small", out=tmp_path, seeds=[0], jobs=1)
    assert ran == wanted["sca-fig2"]
    first = (tmp_path / "sca-small.jsonl").read_text()
    ran.clear()
    text = reproduce("sca-fig4", "small", out=tmp_path, seeds=[0], jobs=1).text
    assert ran == [r for r in wanted["sca-fig4"] if r not in wanted["sca-fig2"]]
    assert len(ran) == 16
    assert list(markdown(text)) == NAMES["sca-fig4", "small"]
    assert (tmp_path / "sca-small.jsonl").read_text().startswith(first)
    ran.clear()
    for name in "sca-fig2", "sca-fig3", "sca-fig4":
        text = reproduce(name, "small", out=tmp_path, seeds=[0], jobs=1).text
        assert list(markdown(text)) == NAMES[name, "small"]  # rows of the others are in the same file
        summary = rows_of(tmp_path / f"{name}-small-summary.csv")
        assert [row["name"] for row in summary] == NAMES[name, "small"]
    assert not ran
    reproduce("sca-table1", "small", out=tmp_path, seeds=[0], jobs=1)
    assert ran == wanted["sca-table1"]  # other networks, another file
    ends = ("-small.png", "-small-summary.csv")
    pictures = {f"{name}{end}" for name in SCA_TARGETS for end in ends}
    tables = {f"{name}{end}" for name in ("sca-small", "sca-table1-small") for end in (".csv", ".jsonl")}
    assert {p.name for p in tmp_path.iterdir()} == pictures | tables


def test_figures_share_their_runs_in_any_order(ran, empty_pictures, monkeypatch, tmp_path):
    """Fig. 3 and 4 are of the first of Fig. 2's networks."""
    monkeypatch.setattr("minisnn.targets.target.draw", lambda *_: Figure())
    for name, new in (("sca-fig4", 9 + 2 * 8), ("sca-fig3", 0), ("sca-fig2", 3 * 9)):
        ran.clear()
        reproduce(name, "paper", out=tmp_path, seeds=[5], jobs=1)
        assert len(ran) == new
    assert {recipe.seed for recipe in ran} == {5}
    assert len(rows_of(tmp_path / "sca-paper.jsonl")) == 9 + 16 + 27


def test_targets_without_a_grid_have_rows_of_their_own():
    assert {name for name, target in TARGETS.items() if target.grid} == {"sca-fig2", "sca-fig3", "sca-fig4"}


def test_shared_names_are_the_same_settings():
    """Or a figure would take another's row for its own, or run what the other has run already."""
    for scale in "smoke", "small", "paper":
        seen = {}
        for name in "sca-fig2", "sca-fig3", "sca-fig4":
            for key, recipe in TARGETS[name].recipes(scale).items():
                assert seen.setdefault(key, recipe) == recipe
        assert len(set(seen.values())) == len(seen)


def test_a_row_has_what_a_run_says_of_channels(ran, tmp_path):
    recipe = replace(TARGETS["sca-fig2"].recipes("smoke")["digits, p 0.5"], seed=3)
    row, result = grid.one(grid.Job("a", recipe, rows.plain(recipe), os.getpid())), made_up(recipe)
    assert tuple(sorted(row)) == tuple(sorted(rows.COLUMNS))
    for key in "channels", "regrown", "scores", "parameters":
        assert row[key] == result[key] != {}
    grid.run_grid(tmp_path / "grid.jsonl", {"a": recipe}, [3], jobs=1)
    (read,) = rows.read(tmp_path / "grid.jsonl")
    assert read == row


@pytest.mark.parametrize(
    "missing", [("parameters", "channels", "regrown", "scores"), ("parameters",), ()], ids=str
)
def test_tables_older_than_channels(ran, tmp_path, missing):
    """Rows without the new columns are read, and not run again; parameters are not known then."""
    path, recipes = tmp_path / "sca-smoke.jsonl", TARGETS["sca-table1"].recipes("smoke")
    grid.run_grid(path, recipes, [0, 1], jobs=1)
    old = [{key: value for key, value in row.items() if key not in missing} for row in rows_of(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in old), encoding="utf-8")
    ran.clear()
    for seeds, rerun in (([0, 1], 0), ([0, 2], 3)):
        grid.run_grid(path, recipes, seeds, jobs=1)
        assert len(ran) == rerun
    assert rows_of(path)[:6] == old
    read = rows.read(path)
    assert len(read) == 9
    for known, some in ((True, read[6:]), (not missing, read[:6]), (not missing, read)):
        for s in summarise(some).values():
            assert isnan(s.parameters) != known
            assert (TARGETS["sca-table1"].extra(s)["parameters"] == "") != known
            assert not isnan(s.synops)


# ------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(("name", "scale"), [*((n, "small") for n in SCA_TARGETS), ("sca-table1", "paper")])
def test_tables(ran, empty_pictures, tmp_path, name, scale):
    target = TARGETS[name]
    text = reproduce(name, scale, out=tmp_path, jobs=1).text
    table, summary = markdown(text), rows_of(tmp_path / f"{name}-{scale}-summary.csv")
    assert list(summary[0]) == [
        "name", "mean", "error", "seeds", "density", "connections", "parameters", "synops", "macs", "paper",
    ]  # fmt: skip
    more = {
        "sca-fig3": ["channels per layer", "regrown each epoch"],
        "sca-table1": ["parameters", "connectivity / %"],
    }
    assert list(table[summary[0]["name"]]) == [
        target.title, "test accuracy / %", "seeds", "paper / %", "density", "connections", "SynOps", "MACs",
        *more.get(name, ["parameters"]),
    ]  # fmt: skip
    assert [row["name"] for row in summary] == list(table) == NAMES[name, scale]
    for row in summary:
        recipe, cells = target.recipes(scale)[row["name"]], table[row["name"]]
        a, b = made_up(recipe), made_up(replace(recipe, seed=1))
        for key in "density", "connections", "parameters", "synops", "macs":
            assert float(row[key]) == pytest.approx((a[key] + b[key]) / 2, rel=1e-4)
        assert row["paper"] == cells["paper / %"] == target.paper.get(row["name"], "")
        assert cells["test accuracy / %"] == f"{a['test_accuracy'] + 0.5:.2f} ± 0.50"
        if name != "sca-fig3":
            assert cells["parameters"] == f"{a['parameters']:,}"
        if name == "sca-table1":
            assert cells["connectivity / %"] == f"{100 * a['density']:.2f}"
        if name == "sca-fig3":
            last = [int(counts[-1]) for counts in a["channels"].values()]  # of the first seed
            assert cells["channels per layer"] == " ".join(map(str, last))
            assert cells["regrown each epoch"] == " ".join(
                map(str, range(1, recipe.epochs if recipe.p else 0))
            )
    assert target.note in text


@pytest.mark.parametrize("name", SCA_TARGETS)
def test_a_picture_says_once_what_is_what(ran, empty_pictures, tmp_path, name, monkeypatch):
    """Legends of the panels, or one of the figure."""
    target, figures = TARGETS[name], []
    spy = target._replace(draw=lambda figure, *rest: (figures.append(figure), target.draw(figure, *rest)))
    monkeypatch.setitem(TARGETS, name, spy)
    reproduce(name, "smoke", out=tmp_path, seeds=[0], jobs=1)
    (figure,) = figures
    assert len(figure.legends) == (name == "sca-table1")
    assert any(ax.get_legend() for ax in figure.axes) == (name != "sca-table1")


def test_the_papers_baselines():
    """Of Table 1; those of VGG16 and 5Conv+1FC are Fig. 2's too."""
    known = {"CIFAR-10": "91.14", "CIFAR-100": "64.89", "CIFAR10-DVS": "72.80", "Tiny-ImageNet": "49.33"}
    assert TARGETS["sca-table1"].paper == {f"{data}, p 0": value for data, value in known.items()}
    nets = {"CIFAR-10": "VGG16", "CIFAR-100": "VGG16", "CIFAR10-DVS": "5Conv"}
    assert TARGETS["sca-fig2"].paper == {f"{data}, {net}, p 0": known[data] for data, net in nets.items()}


# ------------------------------------------------------------------------------------------------- pictures


def drawn(name, scale, seeds=(0, 1), paper=None):
    figure = Figure(layout="constrained")
    TARGETS[name].draw(figure, found(name, scale, seeds), paper or {})
    return figure


def line(ax, label):
    (it,) = [line for line in ax.lines if line.get_label() == label]
    return it


def errorbar(ax, label):
    """The line of an errorbar."""
    (it,) = [c for c in ax.containers if c.get_label() == label]
    return it


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_fig2_shows_accuracy_and_costs(scale):
    whats = ["MNIST"] if scale == "small" else list(PAPER)
    paper = {f"{whats[-1]}, p 0": 91.14, f"{whats[0]}, p 0.3": 70.0}
    figure = drawn("sca-fig2", scale, paper=paper)
    panels, twins = figure.axes[: len(whats)], figure.axes[len(whats) :]
    assert [ax.get_title() for ax in panels] == whats
    for what, ax, right in zip(whats, panels, twins, strict=True):
        bars = [bar for bar in ax.patches if bar.get_height()]
        np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], EIGHT)
        np.testing.assert_allclose([bar.get_height() for bar in bars], [90.5 - 2 * p for p in EIGHT])
        (shown,) = (it for it in ax.containers if isinstance(it, BarContainer))
        segments = shown.errorbar[2][0].get_segments()
        np.testing.assert_allclose([s[:, 1] for s in segments], [(90 - 2 * p, 91 - 2 * p) for p in EIGHT])
        costs = {"parameters": [100 * (1 - p) ** 2 for p in EIGHT], "SynOps": [100 * (1 - p) for p in EIGHT]}
        for label, percents in costs.items():
            x, y = line(right, label).get_data()
            np.testing.assert_allclose(x, EIGHT)
            np.testing.assert_allclose(y, percents, atol=0.01)
        stars = {read_name(key)[2]: v for key, v in paper.items() if key.startswith(f"{what}, p")}
        shown = [it for it in ax.lines if it.get_marker() == "*"]
        assert [dict(it.get_xydata().tolist()) for it in shown] == ([stars] if stars else [])
        low, high = ax.get_ylim()
        assert all(low < star < high for star in stars.values())


@pytest.mark.parametrize("scale", ["smoke", "small", "paper"])
def test_fig3_shows_the_first_seeds_channels(scale):
    recipes = TARGETS["sca-fig3"].recipes(scale)
    figure = drawn("sca-fig3", scale)
    layers, epochs = figure.axes
    what = {"smoke": "digits", "small": "MNIST", "paper": PAPER[0]}[scale]
    assert [ax.get_title() for ax in figure.axes] == [f"(a) {what}, after training", f"(b) {what}, p = 0.5"]
    pruned = [recipe for recipe in recipes.values() if recipe.p]
    assert [it.get_label() for it in layers.lines] == [f"p = {recipe.p:g}" for recipe in pruned]
    for recipe, it in zip(pruned, layers.lines, strict=True):
        counts = [c[-1] for c in made_up(recipe)["channels"].values()]
        np.testing.assert_array_equal(it.get_xydata(), [(1 + n, c) for n, c in enumerate(counts)])
    assert [it.get_label() for it in epochs.lines] == list(LAYERS)
    half = made_up(recipes[f"{what}, p 0.5"])["channels"]
    for key, it in zip(LAYERS, epochs.lines, strict=True):
        np.testing.assert_array_equal(it.get_xydata(), [(1 + e, c) for e, c in enumerate(half[key])])


def test_fig4_shows_scores_and_three_methods():
    recipes = TARGETS["sca-fig4"].recipes("small")
    figure = drawn("sca-fig4", "small")
    scores, accuracy, parameters = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["(a) scores, first seed", "(b) MNIST", "(c) MNIST"]
    clouds = [it for it in scores.lines if it.get_marker() == "."]
    assert len(clouds) == 8  # dense networks measure none, and ablations are another matter
    for p, it in zip(EIGHT[1:], clouds, strict=True):
        x, y = it.get_data()
        expected = [s for layer in made_up(recipes[f"MNIST, p {p:g}"])["scores"].values() for s in layer]
        np.testing.assert_array_equal(y, expected)
        assert abs(x - p).max() <= 0.05
    means = [it.get_xydata()[0] for it in scores.lines if it.get_marker() == "_"]
    np.testing.assert_allclose(
        means, [(p, it.get_ydata().mean()) for p, it in zip(EIGHT[1:], clouds, strict=True)]
    )
    for n, method in enumerate(("prune and regrow", "only prune", "random")):  # 0, 1, 2 points worse
        shown = errorbar(accuracy, method)
        expected = [(p, 90.5 - 2 * p - (n if p else 0)) for p in EIGHT]  # the dense one begins each line
        np.testing.assert_allclose(shown[0].get_xydata(), expected)
        heights = [np.ptp(segment[:, 1]) for segment in shown[2][0].get_segments()]
        np.testing.assert_allclose(heights, 1)  # ± 0.5
        expected = [(p, round(120_000 * (1 - p) ** 2) + (10 * n if p else 0)) for p in EIGHT]
        np.testing.assert_allclose(errorbar(parameters, method)[0].get_xydata(), expected)
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "prune and regrow", "only prune", "random",
    ]  # fmt: skip
    assert parameters.get_ylim()[0] == 0


def test_table1_shows_runs():
    (ax,) = drawn("sca-table1", "paper", paper={"CIFAR-100, p 0": 64.89}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES["sca-table1", "paper"]
    stars = [it.get_xydata().tolist() for it in ax.lines if it.get_marker() == "*" and len(it.get_xdata())]
    assert stars == [[[64.89, 3]]]


QUICK = [*((name, "small") for name in SCA_TARGETS), ("sca-fig3", "paper")]


@pytest.mark.parametrize(("name", "scale"), slow_but(QUICK, ALL))
def test_legends_lie_on_nothing(name, scale):
    """Names of lines lie beside the panels, or where nothing is drawn; everything is inside of the picture."""
    figure = drawn(name, scale, seeds=[0], paper=dict.fromkeys(NAMES[name, scale][:1], 91.14))
    figure.draw_without_rendering()
    for ax in figure.axes:
        legend = ax.get_legend()
        if not legend:
            continue
        box = legend.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        same = [other for other in figure.axes if np.array_equal(other.bbox.bounds, ax.bbox.bounds)]  # twins
        boxes = [ax.xaxis.get_tightbbox(), *(other.bbox for other in figure.axes if other not in same)]
        boxes += [
            Bbox.intersection(bar.get_window_extent(), ax.bbox) for other in same for bar in other.patches
        ]
        assert not any(box.overlaps(other) for other in boxes)
        lines = [it for other in same for it in other.lines if len(it.get_xdata())]
        assert not any(
            box.contains(*xy) for it in lines for xy in it.axes.transData.transform(it.get_xydata())
        )


# ------------------------------------------------------------------------------------------------- functions of plots


def axes():
    return Figure().subplots()


counts = st.lists(st.integers(0, 512), min_size=1, max_size=60)


@settings(max_examples=8)  # pictures take long
@given(lines=st.lists(counts, min_size=1, max_size=9))
def test_channels(lines):
    for ax, draw, keys, labels, xlabel in [
        (
            axes(),
            plots.channels_over_epochs,
            [f"lif{n}" for n in range(9)],
            [f"lif{n}" for n in range(9)],
            "epoch",
        ),
        (axes(), plots.channels_by_layer, EIGHT, [f"p = {p:g}" for p in EIGHT], "layer"),
    ]:
        assert draw(ax, dict(zip(keys, lines, strict=False))) is ax
        assert ax.get_xlabel() == xlabel
        assert [it.get_label() for it in ax.lines] == labels[: len(lines)]
        for it, expected in zip(ax.lines, lines, strict=True):
            np.testing.assert_array_equal(it.get_xdata(), range(1, len(expected) + 1))
            np.testing.assert_array_equal(it.get_ydata(), expected)
        assert len({it.get_color() for it in ax.lines}) == len(lines)
        assert ax.get_ylim()[0] == 0
        beside = ax.get_legend().get_bbox_to_anchor().x0 >= ax.bbox.x1
        assert beside == (len(lines) > 5)  # few names find a place among the lines
        assert [text.get_text() for text in ax.get_legend().get_texts()] == labels[: len(lines)]


@settings(max_examples=8)  # pictures take long
@given(rng=rngs, n=sizes, channels=st.sampled_from([1, 30, 1200]), silent=st.booleans())
def test_scores(rng, n, channels, silent):
    ratios = rng.permutation(np.arange(1, 10) / 10)[:n]
    scores = {float(p): rng.random(channels) * (rng.random(channels) > p) * (not silent) for p in ratios}
    ax = axes()
    assert plots.score_distributions(ax, scores) is ax
    clouds, means = ax.lines[::2], ax.lines[1::2]
    top = max(values.max() for values in scores.values())
    for (p, values), cloud, mean in zip(scores.items(), clouds, means, strict=True):
        np.testing.assert_array_equal(cloud.get_ydata(), values)
        gap = min((abs(p - other) for other in ratios if other != p), default=1)
        assert abs(cloud.get_xdata() - p).max() < gap / 2  # columns do not run into each other
        np.testing.assert_allclose(mean.get_xydata(), [(p, values.mean())])
    low, high = ax.get_ylim()
    assert low <= 0 <= top < high
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a channel", "mean of all"]
    again = axes()
    plots.score_distributions(again, scores)
    for a, b in zip(ax.lines, again.lines, strict=True):
        np.testing.assert_array_equal(a.get_xydata(), b.get_xydata())  # equal scores give equal pictures


@settings(max_examples=8)  # pictures take long
@given(rng=rngs, n=sizes, errors=st.booleans(), star=st.none() | st.floats(0, 100))
def test_accuracy_and_costs(rng, n, errors, star):
    """Everything is within the axes, a costlier network and a paper's value far off, too."""
    ratios = sorted(float(p) for p in rng.permutation(np.arange(9) / 10)[:n])
    accuracies = rng.uniform(0, 100, n)
    error = rng.uniform(0, 1, n) if errors else np.full(n, np.nan)  # of one seed
    costs = {"a": rng.uniform(1, 3, n), "b": rng.uniform(1, 3, n)}
    paper = None if star is None else {ratios[0]: star}
    ax = axes()
    assert plots.accuracy_and_costs(ax, ratios, accuracies, error, costs, paper) is ax
    right = ax.figure.axes[1]
    assert [bar.get_height() for bar in ax.patches] == accuracies.tolist()
    low, high = ax.get_ylim()
    assert 0 <= low <= min(accuracies) <= max(accuracies) <= high <= 100
    assert low < max(accuracies)
    gap = min(np.diff(ratios), default=1)
    assert all(bar.get_width() < gap for bar in ax.patches)
    for label, values in costs.items():
        np.testing.assert_allclose(line(right, label).get_ydata(), 100 * values / values[0])
        assert (right.get_ylim()[0], line(right, label).get_ydata().max() < right.get_ylim()[1]) == (0, True)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(texts) == sorted(["accuracy", "a", "b"] + ["paper"] * (star is not None))
    if star is not None:
        assert line(ax, "paper").get_xydata().tolist() == [[ratios[0], star]]
        assert low <= star <= high
    stars = [line(ax, "paper")] if paper else []
    assert len({to_hex(it.get_color()) for it in (*right.lines, *stars)}) == 2 + len(stars)


@given(of=st.integers(1, 30))
def test_colours(of):
    """From dark to light, all different."""
    found = [plots.colour(n, of) for n in range(of)]
    light = [sum(rgb[:3]) for rgb in found]
    assert len(set(found)) == of
    assert light == sorted(light)
    assert all(len(rgba) == 4 and min(rgba) >= 0 and max(rgba) <= 1 and rgba[3] == 1 for rgba in found)


def test_made_up_results_are_whole():
    """The columns that a real row has."""
    recipe = SCANet(data="digits", net="4C3-10FC", epochs=1)
    assert set(made_up(recipe)) >= set(rows.COLUMNS) - {"name", "seed", "threads", "kind"}
    assert {field.name for field in fields(recipe)} == set(made_up(recipe)["recipe"])
