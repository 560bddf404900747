"""A copy of the package with one new file for each kind of thing, or one function more: all have their names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minisnn as snn

ROOT = Path(snn.__file__).parents[1]
FILES = {
    "minisnn/structure/prune.py": '''

@register(RULES, "first")
def prune_first(weight, mask, count):
    """The first ones."""
    return array_module(mask).flatnonzero(mask)[:count]
''',
    "minisnn/structure/grow.py": '''

@register(RULES, "last")
def grow_last(statistics, candidates, count, rng):
    """The last ones."""
    return candidates[len(candidates) - count :]
''',
    "minisnn/structure/redistribute.py": '''

@register(RULES, "same")
def keep(layers, rng):
    """What was lost."""
    return {key: layer.lost for key, layer in layers.items()}
''',
    "minisnn/training/optim.py": '''

@register(SCHEDULES, "halving")
def halving(epoch, epochs, lr, lr_end):
    """Half of it in every epoch."""
    return lr / 2**epoch
''',
    "minisnn/networks/architectures.py": '''

@network("tiny")
def tiny(shape, n_classes, T, neuron, width=1.0):
    """With the new stage."""
    from minisnn.networks.stages.gain import Gain

    layers = (("repeat", Repeat(T)), ("gain", Gain()), ("flatten", Flatten()), ("fc", Linear(8)), ("lif", LIF(neuron)))
    return Sequential((*layers, ("out", Linear(n_classes))))
''',
    "minisnn/networks/stages/gain.py": '''
from dataclasses import dataclass

from minisnn.networks.stages.base import Plain


@dataclass(frozen=True)
class Gain(Plain):
    """y = 2 x."""

    factor: float = 2.0

    def forward(self, params, buffers, x, train):
        return self.factor * x, None, buffers

    def backward(self, params, dy, cache, need_dx=True):
        return self.factor * dy, {}
''',
    "minisnn/ops/surrogate/ramp.py": '''
from dataclasses import dataclass

from minisnn.ops.surrogate.base import Surrogate, surrogate


@surrogate("ramp")
@dataclass(frozen=True)
class Ramp(Surrogate):
    """A wide rectangle."""

    def step(self, x):
        return (x / 2 + 0.5).clip(0, 1)

    def slope(self, x):
        return (abs(x) < 1) * x.dtype.type(0.5)
''',
    "minisnn/training/squared.py": '''
import numpy as np

from minisnn.lookup import register
from minisnn.training.losses import LOSSES, Objective, mean_prediction


def forward(outputs, labels):
    error = outputs.mean(0) - np.eye(outputs.shape[2], dtype=outputs.dtype)[labels]
    return (error**2).mean(), (error, len(outputs))


def backward(dloss, cache):
    error, T = cache
    return np.repeat((dloss * 2 / error.size / T * error)[None], T, 0)


register(LOSSES, "squared")(Objective(forward, backward, mean_prediction))
''',
    "minisnn/training/plain_sgd.py": '''
from minisnn.lookup import register
from minisnn.training.optim import OPTIMIZERS, SGD

register(OPTIMIZERS, "plain-sgd")(type("PlainSGD", (SGD,), {}))
''',
    "minisnn/structure/still.py": '''
from dataclasses import dataclass

from minisnn.lookup import register
from minisnn.structure.learner import LEARNERS, SparseLearner
from minisnn.structure.masks import exact_mask


@register(LEARNERS, "still")
@dataclass(frozen=True)
class Still(SparseLearner):
    """Masks that never change."""

    def start(self, state):
        self.draw_masks(state, exact_mask)
''',
    "minisnn/recipes/quick.py": '''
from dataclasses import dataclass

from minisnn.lookup import register
from minisnn.recipes.base import RECIPES
from minisnn.recipes.lif import LIFNet


@register(RECIPES, "quick")
@dataclass(frozen=True, kw_only=True)
class Quick(LIFNet):
    """The LIF network under another name."""
''',
    "minisnn/targets/my_figure.py": '''
from minisnn.recipes import make
from minisnn.targets.target import Target


def recipes(scale):
    return {"tiny": make("quick", "few-digits", net="tiny", epochs=1, T=1)}


def draw(figure, found, paper):
    figure.subplots().bar(list(found), [s.mean for s in found.values()])


TARGET = Target("My figure", recipes, draw, {}, "Mine.")
''',
    "data_loaders/few_digits.py": '''
"""A slice of the digits."""

from dataclasses import replace

from data_loaders import digits
from data_loaders.common.declaration import data_set


@data_set("the first 60 of each part", shape=(8, 8, 1), classes=10, samples=(60, 60, 60))
def load(verify=True):
    """The data."""
    whole = digits.load()
    parts = {name: getattr(whole, name).take(slice(60)) for name in ("train", "validation", "test")}
    return replace(whole, name="few-digits", **parts)
''',
}  # fmt: skip
USE = """
import warnings
warnings.simplefilter("ignore")
import minisnn as snn

small = {"epochs": 1, "T": 1, "batch_size": 30, "pictures": False}
rules = {"density": 0.5, "t_iter": 1, "prune": "first", "grow": "last", "redistribute": "same"}
run = snn.train("quick", "few-digits", "run", net="tiny", surrogate="ramp", loss="squared", optimizer="plain-sgd",
                lr=0.1, schedule="halving", **rules, **small)
again = snn.load("run")
assert again.evaluate().accuracy == run.result["test_accuracy"]
assert '{"is": "Gain"}' in snn.to_text(again.plain), snn.to_text(again.plain)
assert snn.from_text(snn.to_text(again.plain)) == again.plain
assert type(snn.train("lif", "few-digits", learner="still", density=0.5, net="tiny", **small).result) is dict
assert snn.reproduce("my-figure", out="figure", seeds=(0,), jobs=1).picture.exists()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    for package in ("minisnn", "data_loaders"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in FILES.items():
        with (folder / file).open("a", encoding="utf-8") as there:
            there.write(text)
    return folder


def python(folder, *words):
    environ = os.environ | {"PYTHONPATH": str(folder), "MPLBACKEND": "agg", "COLUMNS": "2000"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100)


def test_it_is_found_and_trains(copy):
    done = python(copy, "-c", USE)
    assert done.returncode == 0, done.stderr


def test_the_command_line_lists_it(copy):
    done = python(copy, "-m", "minisnn", "train", "quick", "--help")
    words = set(done.stdout.replace(",", " ").split())
    assert {"first", "last", "same", "halving", "tiny", "ramp", "squared", "plain-sgd", "still"} <= words
    assert "few-digits" in python(copy, "-m", "minisnn", "data", "list").stdout
    assert "my-figure" in python(copy, "-m", "minisnn", "reproduce", "--help").stdout
