"""One file is enough for a new thing of every kind: written outside of the package, used by its name, kept, resumed."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import minisnn as snn
from minisnn import cli

MODULE = '''
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import minisnn as snn

USED = set()


def prune(weight, mask, count):
    USED.add("prune")
    return np.flatnonzero(mask)[:count]


def grow(statistics, candidates, count, rng):
    USED.add("grow")
    return candidates[-count:]


def redistribute(layers, rng):
    USED.add("redistribute")
    return {key: layer.lost for key, layer in layers.items()}


@dataclass(frozen=True)
class Ramp:
    """A surrogate."""

    width: float = 2.0

    def step(self, x):
        return np.clip(x / self.width + 0.5, 0, 1)

    def slope(self, x):
        USED.add("surrogate")
        return (abs(x) < self.width / 2) / np.asarray(self.width, x.dtype)


@dataclass(frozen=True)
class Signs:
    """An optimiser."""

    default_lr: ClassVar[float] = 0.002

    def init(self, params):
        return {key: (np.zeros_like(w),) for key, w in params.items()}

    def step(self, params, grads, moments, lr, k):
        USED.add("optimizer")
        for key, g in grads.items():
            moments[key][0][...] = 0.9 * moments[key][0] + g
            params[key] -= lr * np.sign(moments[key][0])

    def momentum(self, moment):
        return abs(moment[0])


def halving(epoch, epochs, lr, lr_end):
    USED.add("schedule")
    return lr / 2**epoch


@dataclass(frozen=True)
class Shift(snn.SparseLearner):
    """A learner with an option: in every step some connections of each layer move."""

    count: int = 1

    def start(self, state):
        self.draw_masks(state, snn.exact_mask)

    def after_step(self, state, grads, optimizer, lr):
        USED.add("learner")
        for key in self.densities:
            weight, mask = state.params[key], state.masks[key]
            pruned = snn.prune_layer(weight, mask, self.count, snn.prune_magnitude)
            snn.grow_layer(weight, mask, None, pruned, self.count, snn.grow_random, state.rngs["structure"])
        return self.count * len(self.densities)


@dataclass(frozen=True)
class Gain(snn.Plain):
    """A stage: y = g x."""

    start: float = 1.5

    def init(self, rng, shape):
        return {"gain": np.full(1, self.start)}, {}

    def forward(self, params, buffers, x, train):
        USED.add("stage")
        return params["gain"] * x, (params["gain"], x), {}

    def backward(self, params, dy, cache, need_dx=True):
        gain, x = cache
        return gain * dy, {"gain": np.asarray([(dy * x).sum()], gain.dtype)}


def network(shape, n_classes, T, neuron, width=1.0):
    USED.add("network")
    layers = (
        ("repeat", snn.Repeat(T)), ("conv", snn.Conv(4)), ("gain", Gain()), ("lif", snn.LIF(neuron)),
        ("flatten", snn.Flatten()), ("fc", snn.Linear(n_classes)),
    )
    return snn.Sequential(layers)


def squared(outputs, labels):
    USED.add("loss")
    error = outputs.mean(0) - np.eye(outputs.shape[2], dtype=outputs.dtype)[labels]
    return (error**2).mean(), (error, len(outputs))


def squared_backward(dloss, cache):
    error, T = cache
    return np.repeat((dloss * 2 / error.size / T * error)[None], T, 0)


LOSS = snn.Objective(squared, squared_backward, snn.mean_prediction)


def data(verify=True):
    """A data set: a slice of the digits."""
    USED.add("data")
    digits = snn.load_digits()
    parts = {name: getattr(digits, name).take(slice(120)) for name in ("train", "validation", "test")}
    return replace(digits, name="few", **parts)


@dataclass(frozen=True, kw_only=True)
class Quick(snn.LIFNet):
    """A recipe: a small network with a setting of its own."""

    channels: int = snn.setting(3, "of the only convolution", at_least=1, group="network")

    @classmethod
    def chosen(cls, data, given=()):
        return {name: value for name, value in {"T": 1, "epochs": 1, "batch_size": 40}.items() if name not in given}

    def build(self, data):
        USED.add("recipe")
        return snn.build(f"{self.channels}C3-AP4-{data.n_classes}FC", data.shape, data.n_classes, self.T, "esl")


def recipes(scale):
    USED.add("target")
    quick = Quick(data="few_things:data", T=1, epochs=1, batch_size=40)
    return {"three channels": quick, "five channels": replace(quick, channels=5)}


def draw(figure, found, paper):
    figure.subplots().bar(list(found), [s.mean for s in found.values()])


TARGET = snn.Target("My Fig. 1", recipes, draw, {}, "Mine.")
'''
SMALL = {"net": "4C3-AP4-10FC", "T": 1, "epochs": 1, "batch_size": 40}
RULES = {"density": 0.5, "t_iter": 1}
KINDS = {
    "prune": ("lif", SMALL | RULES | {"prune": "few_things:prune"}),
    "grow": ("lif", SMALL | RULES | {"grow": "few_things:grow"}),
    "redistribute": ("lif", SMALL | RULES | {"redistribute": "few_things:redistribute"}),
    "surrogate": ("lif", SMALL | {"surrogate": "few_things:Ramp"}),
    "optimizer": ("lif", SMALL | {"optimizer": "few_things:Signs"}),
    "schedule": ("lif", SMALL | {"schedule": "few_things:halving"}),
    "loss": ("lif", SMALL | {"loss": "few_things:LOSS"}),
    "learner": (
        "lif",
        SMALL | {"density": 0.5, "learner": "few_things:Shift", "learner_options": {"count": 2}},
    ),
    "stage": ("lif", SMALL | {"net": "few_things:network"}),
    "network": ("lif", SMALL | {"net": "few_things:network", "seed": 1}),
    "data": ("lif", SMALL),
    "recipe": ("few_things:Quick", {"channels": 5}),
}
"""What each is used by: the kind of network, and its settings. A table or figure is reproduced instead."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the module lies, in which everything here runs; a run of every kind of thing, in a folder of its name."""
    folder, before = tmp_path_factory.mktemp("one"), Path.cwd()
    (folder / "few_things.py").write_text(MODULE)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    os.chdir(before)
    sys.path.remove(str(folder))
    sys.modules.pop("few_things", None)


@pytest.fixture(scope="module")
def runs(folder):
    """Every run by what is its own, with what of the module it has used."""
    import few_things

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an epoch of 120 images is short
        for kind, (network, settings) in KINDS.items():
            few_things.USED.clear()
            run = snn.train(network, "few_things:data", kind, pictures=False, **settings)
            found[kind] = run, set(few_things.USED)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_and_is_loaded(runs, kind):
    run, used = runs[kind]
    assert {kind, "data"} <= used
    loaded = snn.load(kind)
    assert loaded.recipe.to_json() == run.recipe.to_json()
    assert loaded.info.name == "few"
    assert loaded.evaluate().accuracy == run.result["test_accuracy"]
    config = json.loads(Path(kind, "config.json").read_text())
    network, settings = KINDS[kind]
    assert config["train"] == network
    assert {name: config["recipe"][name] for name in settings} == settings


CODE = """
import sys, warnings
warnings.simplefilter("ignore")
import minisnn as snn
for kind in sys.argv[1:]:
    snn.resume(kind, epochs=2, pictures=False)
import few_things
print(*few_things.USED)
"""


def test_a_fresh_process_goes_on_with_it(runs, folder):
    """As this one does; without the module it says what is missing, and in which setting."""
    for kind in KINDS:
        shutil.copytree(kind, f"{kind}-again")
    environ = os.environ | {"PYTHONPATH": str(Path(snn.__file__).parents[1]), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(f"{kind}-again" for kind in KINDS)], cwd=folder, env=environ,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(KINDS) <= set(done.stdout.split())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in KINDS:
            here = snn.resume(kind, epochs=2, pictures=False)
            there = snn.load(f"{kind}-again")
            assert there.result["test_loss"] == here.result["test_loss"]
            for key, w in here.weights.items():
                np.testing.assert_array_equal(there.weights[key], w)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("lif", {"density": 0.5, "prune": "few_things:nothing"}, "prune: cannot find few_things:nothing"),
        ("lif", {"optimizer": "few_things:prune"}, "optimizer few_things:prune: TypeError"),
        ("lif", {"schedule": "few_things:grow"}, "what the schedule few_things:grow returns|schedule few_things:grow:"),
        ("lif", {"loss": "few_things:prune"}, "loss must be an Objective: forward, backward and predict"),
        ("lif", {"density": 0.5, "learner": "few_things:Shift", "learner_options": {"cuont": 2}}, "did you mean count"),
        ("few_things:Quikc", {}, "network: cannot find few_things:Quikc"),
        ("few_things:Ramp", {}, "network must be one of .*, or a class derived from snn.Recipe, found"),
        ("few_things:Quick", {"chanels": 3}, "few_things:Quick has no argument 'chanels'; did you mean channels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(folder, kind, settings, message):
    base = SMALL if kind == "lif" else {}
    with pytest.raises(ValueError, match=message):
        snn.train(kind, "few_things:data", "refused", **base, **settings)


def test_the_command_line_takes_it(folder, capsys):
    words = "train few_things:Quick --data few_things:data --channels 2 --loss few_things:LOSS --quiet --out shell"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cli.main(words.split()) == 0
    run = snn.load("shell")
    assert (run.kind, run.recipe.channels, run.recipe.T) == ("few_things:Quick", 2, 1)
    with pytest.raises(SystemExit):
        cli.main(["train", "few_things:Quick", "--help"])
    assert "--channels N" in capsys.readouterr().out


def test_a_sweep_and_a_comparison_take_it(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = snn.sweep("few_things:Quick", "few_things:data", "sweep", jobs=1, quiet=True, channels=[2, 3])
    assert [row["setting_channels"] for row in rows] == [2, 3]
    compared = snn.compare(sorted(Path("sweep", "runs").iterdir())).rows()
    assert [row["settings"] for row in compared] == [{"channels": 2}, {"channels": 3}]


def test_a_figure_is_reproduced(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = snn.reproduce("few_things:TARGET", out="figure", seeds=(0,), jobs=1)
    assert found.picture == Path("figure", "my-fig-1-smoke.png")
    assert found.picture.exists()
    assert list(found.summaries) == ["three channels", "five channels"]
    assert found.summaries["five channels"].recipe.channels == 5
