"""Settings are declared once, refuse what they cannot be, and go to JSON and back; things go by their names."""

import json
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_loaders.common.dataset import DataSet
from minisnn import load_digits, lookup
from minisnn.faster import adam
from minisnn.ops.surrogate import SURROGATES
from minisnn.ops.surrogate.arctan import ArcTan
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.recipes import DEFAULTS, ESLMLP, RECIPES, LIFNet, SCANet, make
from minisnn.recipes.settings import Settings, setting
from minisnn.structure.evolve import Evolve, prune_layer
from minisnn.structure.learner import SparseLearner
from minisnn.training import loop, optim
from minisnn.training.optim import SGD, Adam

DATA = load_digits()


def lowest(weight, mask, count):
    return np.flatnonzero(mask)[:count]


@dataclass(frozen=True)
class Mine(SparseLearner):
    def start(self, state):
        self.draw_masks(state, lambda shape, density, rng: np.ones(shape, bool))


@dataclass(frozen=True)
class Signed(SGD):
    """Only the sign of the gradient."""

    default_lr: ClassVar[float] = 0.125

    scale: float = 2.0


class Unrated(Signed):
    """No learning rate of its own."""

    default_lr = None


class Outer:
    class Inner:
        pass


# Settings.


@dataclass(frozen=True, kw_only=True)
class Few(Settings):
    n: int = setting(3, "whole", at_least=1)
    x: float = setting(0.5, "real", above=0, at_most=2)
    word: str | None = setting(None, "word", choices=("one", "two"))
    sizes: tuple[int, ...] = setting((1,), "sizes")
    yes: bool = setting(False, "yes or no")
    rule: str = setting("a", "rule", table={"a": abs, "b": bool})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 2.5}, "n must be a whole number, found 2.5"),
        ({"n": True}, "n must be a whole number, found True"),
        ({"n": "3"}, "n must be a whole number, found '3'"),
        ({"n": 0}, "n must be at least 1, found 0"),
        ({"n": None}, "n must be a whole number, found None"),
        ({"x": float("nan")}, "x must be above 0 and at most 2, found nan"),
        ({"x": float("inf")}, "x must be above 0 and at most 2, found inf"),
        ({"x": "1"}, "x must be a number, found '1'"),
        ({"x": False}, "x must be a number, found False"),
        ({"word": "tow"}, "word must be one of one, two, found 'tow'; did you mean two?"),
        ({"word": 1}, "word must be a text, found 1"),
        ({"sizes": 3}, "sizes must be a tuple, each a whole number, found 3"),
        ({"sizes": (1, 2.5)}, "sizes must be a whole number, found 2.5"),
        ({"yes": "no"}, "yes must be True or False, found 'no'"),
        ({"yes": 1}, "yes must be True or False, found 1"),
        ({"rule": "c"}, "rule must be one of a, b, or module:name of your own, found 'c'"),
    ],
    ids=str,
)
def test_what_a_setting_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        Few(**change)


def test_numbers_of_numpy_and_lists_are_taken():
    few = Few(n=np.int64(4), x=np.float32(1), sizes=[np.int32(2), 3])
    assert few == Few(n=4, x=1.0, sizes=(2, 3))
    assert [type(v) for v in (few.n, few.x, few.sizes, few.sizes[0])] == [int, float, tuple, int]
    assert type(Few(x=1).x) is float
    json.dumps(few.to_json())


@pytest.mark.parametrize("kind", RECIPES)
def test_every_recipe_goes_to_json_and_back(kind):
    for recipe in DEFAULTS[kind].values():
        assert type(recipe).from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    with pytest.raises(
        ValueError, match=r"a setting's name must be one of .*found 'epoch'; did you mean epochs"
    ):
        RECIPES[kind].from_json({"epoch": 3})


@pytest.mark.parametrize("kind", RECIPES)
def test_every_setting_says_what_it_is(kind):
    for f in fields(RECIPES[kind]):
        assert len(f.metadata["about"].text) > 5
        assert not f.metadata["about"].text.endswith(".")


# Names.


def test_functions_instances_and_names_are_looked_up():
    table = {"set": len}
    assert lookup.find("prune", "set", table) is len
    assert lookup.find("prune", lowest, table) is lowest
    assert lookup.find("prune", "minisnn.training.optim:SGD", table) is SGD
    assert lookup.find("prune", f"{__name__}:Outer.Inner", table) is Outer.Inner
    for word, message in (
        ("minisnn.training.optim:SDG", "has no attribute 'SDG'"),
        ("minisnn.training.optim:", "cannot find"),
        (":SGD", "cannot find"),
        ("sett", "did you mean set"), ("..:x", "cannot find"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            lookup.find("prune", word, table)


@pytest.mark.parametrize("value", [3, 2.5, "word", True, None, (1, 2), ArcTan(3.0), Signed(0.5, 0.1, 3.0)])
def test_values_go_to_json_and_back(value):
    text = json.dumps(lookup.to_json("x", value))
    assert lookup.from_json("x", json.loads(text)) == value


def test_functions_keep_their_names():
    assert lookup.to_json("x", lowest) == f"{__name__}:lowest"
    assert lookup.to_json("x", Mine) == f"{__name__}:Mine"
    for nameless in (lambda: 0, partial(lowest, count=3), [lambda: 0]):
        with pytest.raises(
            ValueError, match=r"x: found .*, which has no name by which it could be found again"
        ):
            lookup.to_json("x", nameless)


@pytest.mark.parametrize(
    "content", [{}, {"is": 3}, {"is": "minisnn.training.optim:SGD", "nu": 1}, {"is": "os:getcwd", "x": 1}]
)
def test_what_json_cannot_build(content):
    with pytest.raises(ValueError, match="optimizer"):
        LIFNet.from_json({"optimizer": content})


# Your own in the place of a name.


def test_own_rules_learners_and_optimisers_are_used():
    setup = LIFNet(density=0.5, prune=lowest, grow=f"{__name__}:lowest", optimizer=Signed(0.5), lr=0.1).setup(
        DATA
    )
    assert isinstance(setup.learner, Evolve)
    assert setup.learner.prune is setup.learner.grow is lowest
    assert setup.optimizer == Signed(0.5)
    assert isinstance(LIFNet(density=0.5, learner=Mine).setup(DATA).learner, Mine)
    for optimizer in (Signed, f"{__name__}:Signed", lambda: Signed()):
        assert LIFNet(optimizer=optimizer, lr=0.1).setup(DATA).optimizer == Signed()


def test_a_third_optimiser_in_the_table_trains_both_recipes(monkeypatch):
    """It was a KeyError: tables of learning rates knew two names. Without a rate of its own, one has to be given."""
    monkeypatch.setitem(optim.OPTIMIZERS, "mine", Signed)
    for recipe in (
        LIFNet(data="digits", net="4C3-AP4-10FC", T=1, optimizer="mine"),
        replace(DEFAULTS["esl-mlp"]["digits"], optimizer="mine"),
    ):  # fmt: skip
        assert recipe.setup(DATA).lr(0) == 0.125
        with pytest.raises(ValueError, match="lr must be given, because Unrated has no default_lr"):
            replace(recipe, optimizer=Unrated).setup(DATA)
        setup = replace(recipe, lr=0.01, momentum=0.5, weight_decay=0.1).setup(DATA)
        assert setup.optimizer == Signed(0.5, 0.1)
        state = loop.start(setup, 0)
        loop.step(setup, state, DATA.train.images[:9], DATA.train.labels[:9], 0.01)


def test_momentum_and_weight_decay_belong_to_optimisers_that_have_them():
    assert LIFNet(optimizer="sgd", momentum=0.5, weight_decay=0.25).setup(DATA).optimizer == SGD(0.5, 0.25)
    assert LIFNet(weight_decay=0.25, fast=False).setup(DATA).optimizer == Adam(weight_decay=0.25)
    assert LIFNet(weight_decay=0.25).setup(DATA).optimizer == adam.Adam(weight_decay=0.25)
    assert ESLMLP(data="digits", epsilon=8.0).setup(DATA).optimizer == SGD()
    for recipe in (
        LIFNet(momentum=0.5),
        LIFNet(optimizer=SGD(0.3), momentum=0.5),
        LIFNet(optimizer=SGD(), weight_decay=0.1),
    ):
        with pytest.raises(
            ValueError, match=r"must be left out, because the optimizer (adam|SGD) does not take it"
        ):
            recipe.setup(DATA)
    for momentum in (-0.1, 1.0):
        with pytest.raises(ValueError, match="momentum must be at least 0 and below 1"):
            LIFNet(momentum=momentum)


@given(wd=st.floats(0, 1), mu=st.floats(0, 0.99), lr=st.floats(1e-4, 1), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_weight_decay_is_the_gradient_of_the_squared_norm(kind, wd, mu, lr, seed):
    """Three steps with it are three steps on g + wd w without it."""
    rng = np.random.default_rng(seed)
    decayed, plain = (kind(mu, weight_decay=wd), kind(mu)) if kind is SGD else (kind(weight_decay=wd), kind())
    ends = []
    for optimizer, own in ((decayed, 0.0), (plain, wd)):
        params = {"w": np.linspace(-1, 1, 12).reshape(3, 4)}
        moments, rng = optimizer.init(params), np.random.default_rng(seed)
        for k in range(1, 4):
            grads = {"w": rng.standard_normal((3, 4)) + own * params["w"]}
            optimizer.step(params, grads, moments, lr, k)
        ends.append(params["w"])
    np.testing.assert_allclose(*ends, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "surrogate", [*SURROGATES, ArcTan(3.0), Sigmoid, "minisnn.ops.surrogate.sigmoid:Sigmoid"], ids=str
)
def test_neurons_can_be_chosen(surrogate):
    recipe = LIFNet(decay=0.75, v_th=0.5, v_reset=-0.25, surrogate=surrogate)
    (neuron,) = {s.neuron for name, s in recipe.plain(DATA).stages if name.startswith("lif")}
    assert (neuron.decay, neuron.v_th, neuron.v_reset) == (0.75, 0.5, -0.25)
    wanted = SURROGATES.get(surrogate) if surrogate in [*SURROGATES] else surrogate
    assert neuron.surrogate == (Sigmoid() if wanted is Sigmoid or isinstance(wanted, str) else wanted)
    (soft,) = {s.neuron for name, s in LIFNet(soft_reset=True).plain(DATA).stages if name.startswith("lif")}
    assert soft.v_reset is None
    assert soft.decay == 0.5
    for change, message in (
        ({"soft_reset": True, "v_reset": 0.0}, "v_reset must be left out with soft_reset"),
        ({"v_reset": 2.0}, "v_reset must be below v_th = 1.0, found 2.0"),
        ({"surrogate": "sigmod"}, "surrogate must be one of .*did you mean sigmoid"),
    ):
        with pytest.raises(ValueError, match=message):
            LIFNet(**change).plain(DATA)


# The recipe for some data.


def data_of(shape, n_classes, n=40):
    images = np.zeros((n, *shape), np.uint8)
    images[::2] = 9
    return DataSet.from_arrays(images, np.arange(n) % n_classes, name="own")


@settings(max_examples=10)
@given(
    H=st.integers(1, 70), W=st.integers(1, 70), C=st.sampled_from([1, 3]), n_classes=st.integers(2, 12),
    kind=st.sampled_from(list(RECIPES)),
)  # fmt: skip
def test_any_shape_gets_a_network(H, W, C, n_classes, kind):
    data = data_of((H, W, C), n_classes)
    if kind == "sca-vgg16" and min(H, W) < 4:
        with pytest.raises(ValueError, match="data must be at least 4 pixels high and wide"):
            make(kind, data)
        return
    recipe = make(kind, data)
    assert recipe.data == "own"
    assert (recipe.epochs, recipe.batch_size) == ((30, 25) if kind == "esl-mlp" else (20, 32))
    setup = recipe.setup(data)
    state = loop.start(setup, 0)
    told = loop.step(setup, state, data.train.images[:4], data.train.labels[:4], 0.01)
    assert np.isfinite(told.loss)


def test_what_is_given_stays():
    data = data_of((12, 20, 1), 7)
    recipe = make("lif", data, epochs=3, net="5FC-7FC", T=2)
    assert (recipe.epochs, recipe.net, recipe.T, recipe.batch_size) == (3, "5FC-7FC", 2, 32)
    assert not {"epochs", "net", "T"} & LIFNet.chosen(data, {"epochs", "net", "T"}).keys()
    assert make("esl-mlp", data, epsilon=5.0).density is None
    assert make("esl-mlp", data, hidden=(50,)).hidden == (50,)  # epsilon = 60 of MNIST would overfill it


@pytest.mark.parametrize("kind", RECIPES)
def test_named_data_have_their_defaults(kind):
    for name, recipe in DEFAULTS[kind].items():
        assert make(kind, name) == recipe
    assert make("esl-mlp", "digits", density=0.5) == replace(
        DEFAULTS["esl-mlp"]["digits"], density=0.5, epsilon=None
    )


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("lfi", {}, "network must be one of esl-mlp, lif, sca-vgg16, or .* own, found 'lfi'; did you mean lif?"),
        ("lif", {"epoch": 3}, "lif has no argument 'epoch'; did you mean epochs"),
        ("lif", {"prune": "magnitude", "grow": "random"}, "prune, grow: a dense network has no connections to choose"),
        ("esl-mlp", {"density": 1.0, "alpha": 0.1}, "alpha: a dense network has no connections to choose"),
        ("lif", {"density": 0.5, "learner_options": {"l1": 0.1}}, "learner_options must be left out"),
        ("lif", {"density": 0.5, "learner": "grad-r", "sample": "exact"}, "sample needs learner .*deep-r or evolve"),
        ("lif", {"learner": "deep-r", "learner_options": {"l2": 0.1}}, "an option of the learner deep-r must be"),
        ("lif", {"learner": "deep-r", "learner_options": {"l1": "a"}}, "option l1 of the learner deep-r must be a"),
        ("lif", {"learner_options": 3}, "learner_options must be options by name: a dict, found 3"),
        ("lif", {"density": 0.5, "learner": "grad-r", "grow": "random"}, "grow needs learner evolve, found grad-r"),
        ("lif", {"l1_on": "gamma"}, "l1_on needs l1 above 0"),
        ("esl-mlp", {"density": 0.5, "epsilon": 3.0}, "give either epsilon or density"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_would_do_nothing_are_refused(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        make(kind, "digits", **settings)


def test_recordings_have_the_frames_that_the_network_expects():
    images = np.zeros((8, 4, 9, 9, 2), np.float32)
    data = DataSet.from_arrays(images, np.arange(8) % 2)
    assert make("lif", data).T == 4
    with pytest.raises(ValueError, match="T must be 4, the frames of a recording in own, found 7"):
        make("lif", data, T=7).setup(data)
    with pytest.raises(ValueError, match="data must be images: this network has no time steps"):
        make("esl-mlp", data).setup(data)


def test_a_script_s_rule_is_found_again(tmp_path):
    """By the name of its file, in the current folder; a rule of a program that is typed in has no name."""
    (tmp_path / "my_script.py").write_text(
        "from minisnn.recipes import LIFNet\n"
        "def mine(weight, mask, count): ...\n"
        "recipe = LIFNet(density=0.5, prune=mine)\n"
        "text = recipe.to_json()['prune']\n"
        "if __name__ == '__main__':\n"
        "    again = LIFNet.from_json(recipe.to_json())\n"
        "    assert again.found('prune') is mine\n"
        "    print(text)\n"
    )
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True)
    assert run([sys.executable, "my_script.py"]).stdout == "my_script:mine\n"
    code = "from minisnn import lookup; print(lookup.find('prune', 'my_script:mine', {}).__name__)"
    assert run([sys.executable, "-c", code]).stdout == "mine\n"


def test_scanet_is_a_recipe_of_the_authors():
    assert make("sca-vgg16", "cifar10") == SCANet()


def test_what_has_to_be_imported_is_imported_when_it_is_needed():
    few = Few(rule="no_such:thing")
    assert few.without_own() == Few()
    with pytest.raises(ValueError, match=r"rule: cannot find no_such:thing .No module named 'no_such'"):
        few.found("rule")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surrogate": len}, "surrogate must be something with a step and a slope"),
        ({"optimizer": Outer, "lr": 0.1}, "optimizer must be something with init, step and momentum"),
        ({"density": 0.5, "prune": 3}, "prune must be a function"),
    ],
)
def test_what_cannot_stand_in_the_place_of_a_name(change, message):
    with pytest.raises(ValueError, match=message):
        LIFNet(**change).setup(DATA)


def test_a_rule_cannot_change_what_it_looks_at():
    def greedy(weight, mask, count):
        mask[...] = True
        return np.flatnonzero(mask)[:count]

    weight, mask = np.ones((3, 4)), np.eye(3, 4, dtype=bool)
    with pytest.raises(ValueError, match="read-only"):
        prune_layer(weight, mask, 1, greedy)
    assert mask.sum() == 3


def halving(epoch, epochs, lr, lr_end):
    """A schedule: half of the rate in every epoch, but never below lr_end."""
    return max(lr_end, lr / 2**epoch)


def test_a_schedule_of_one_s_own(monkeypatch):
    for schedule in (halving, f"{__name__}:halving"):
        recipe = LIFNet(schedule=schedule, lr=0.4, lr_end=0.15, epochs=3)
        assert [recipe.setup(DATA).lr(epoch) for epoch in range(3)] == [0.4, 0.2, 0.15]
        assert recipe.to_json()["schedule"] == f"{__name__}:halving"
    assert (
        LIFNet(schedule=halving, lr=0.4, epochs=99).setup(DATA).lr(98) == 0.004
    )  # a hundredth, as for the others
    for wrong, found in ((-0.1, "-0.1"), (float("inf"), "inf"), ("fast", "'fast'")):
        monkeypatch.setattr(f"{__name__}.halving", lambda *_, wrong=wrong: wrong)
        with pytest.raises(
            ValueError, match=rf"what the schedule .* returns for epoch 1 must be .*, found {found}"
        ):
            LIFNet(schedule=f"{__name__}:halving", lr=0.4).setup(DATA).lr(1)
    with pytest.raises(ValueError, match=r"schedule test_settings:lowest: TypeError"):
        LIFNet(schedule=lowest).setup(DATA).lr(0)
