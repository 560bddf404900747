"""What surrogates, optimisers and learners of your own return is checked; the error says whose it is."""

from dataclasses import dataclass

import numpy as np
import pytest

import minisnn as snn
from minisnn.training import loop


@dataclass(frozen=True)
class Bell:
    """A surrogate that is right: a bell."""

    returns: object = None

    def step(self, x):
        return 1 / (1 + np.exp(-x))

    def slope(self, x):
        return np.exp(-x * x) if self.returns is None else self.returns(x)


@dataclass(frozen=True)
class Descent:
    """An optimiser that is right; each method may be made wrong."""

    init_returns: object = None
    changes: object = None
    pushes: object = None

    default_lr = 0.01

    def init(self, params):
        moments = {key: (np.zeros_like(w),) for key, w in params.items()}
        return self.init_returns(moments) if self.init_returns else moments

    def step(self, params, grads, moments, lr, k):
        for key, g in grads.items():
            moments[key][0][...] = g
            params[key] -= lr * g
            if self.changes:
                params[key] = self.changes(params[key])

    def momentum(self, moment):
        return self.pushes(moment[0]) if self.pushes else abs(moment[0])


@dataclass(frozen=True)
class Still(snn.SparseLearner):
    """A learner that changes nothing, unless it is made wrong."""

    returns: object = 0
    leaves: object = None

    def start(self, state):
        self.draw_masks(state, snn.exact_mask)

    def after_step(self, state, grads, optimizer, lr):
        if self.leaves:
            for key in self.densities:
                state.masks[key] = self.leaves(state.masks[key])
        return self.returns


def train(**settings):
    return snn.train(
        "lif", "digits", net="8FC-10FC", T=1, epochs=1, images=128, pictures=False, test=False, **settings
    )


def test_what_is_right_trains():
    for settings in (
        {"surrogate": Bell()},
        {"optimizer": Descent(), "grow": "momentum", "density": 0.5, "t_iter": 1},
    ):
        assert train(**settings).result["connections"] > 0
    assert train(density=0.5, learner=Still).result["density"] == 0.5


@pytest.mark.parametrize(
    ("returns", "found"),
    [
        (lambda x: np.ones(3, x.dtype), r"an array of float32 with the shape \(3,\)"),
        (lambda x: np.ones(x.shape, complex), r"an array of complex128 with the shape \(5,\)"),
        (lambda x: 1.0, "1.0"),
        (lambda x: [1.0] * 5, "an object of type list"),
        (lambda x: x * np.nan, r"\[nan, .*\]"),
    ],
)
def test_a_slope(returns, found):
    with pytest.raises(
        ValueError, match=rf"^what slope of the surrogate \S+:Bell returns must be .*, found {found}$"
    ):
        train(surrogate=Bell(returns))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"init_returns": list},
            "init of the optimizer .*:Descent returns must be a dictionary .* of type list",
        ),
        (
            {"init_returns": lambda m: {k: v[0] for k, v in m.items()}},
            r"returns for fc1.weight .* array of float32",
        ),
        ({"init_returns": lambda m: {}}, r"returns for fc1.weight must be a tuple .* \(64, 8\), found None"),
        ({"changes": lambda w: w[:1]}, r"fc1.weight after a step of the optimizer .*:Descent .* \(1, 8\)"),
        ({"changes": lambda w: w.astype(float)}, "must be as before, float32 .* an array of float64"),
        (
            {"pushes": lambda m: m[:2]},
            r"momentum of the optimizer .*:Descent returns for fc1.weight .* \(2, 8\)",
        ),
        ({"pushes": lambda m: m > 0}, "momentum of .* must be floating, .* found an array of bool"),
    ],
)
def test_an_optimiser(wrong, message):
    with pytest.raises(ValueError, match=message):
        train(optimizer=Descent(**wrong), density=0.5, t_iter=1, grow="momentum")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"returns": None}, "after_step of the learner .*:Still returns must be a whole number, found None"),
        ({"returns": 0.5}, "must be a whole number, found 0.5"),
        (
            {"leaves": lambda m: m.astype(float)},
            "mask of fc1.weight that the learner .*:Still left must be bool",
        ),
        (
            {"leaves": lambda m: m[:2]},
            r"must be bool \(64, 8\), found an array of bool with the shape \(2, 8\)",
        ),
    ],
)
def test_a_learner(wrong, message):
    with pytest.raises(ValueError, match=message):
        train(density=0.5, learner=lambda densities: Still(densities, **wrong))


@dataclass(frozen=True)
class AtTheEnd(snn.SparseLearner):
    """A learner whose masks change after each epoch, and are full in between."""

    leaves: object

    def start(self, state):
        self.draw_masks(state, lambda shape, density, rng: np.ones(shape, bool))

    def after_step(self, state, grads, optimizer, lr):
        for mask in state.masks.values():
            mask[...] = True
        return 0

    def after_epoch(self, state):
        for key, mask in state.masks.items():
            state.masks[key] = self.leaves(mask)


@pytest.mark.filterwarnings("ignore")  # next to nothing is left of the network
def test_masks_may_change_after_an_epoch():
    """Weights are 0 off the mask before the network is evaluated."""

    def only_the_first(mask):
        return np.arange(mask.size).reshape(mask.shape) < 10

    run = train(density=0.5, learner=lambda densities: AtTheEnd(densities, only_the_first))
    assert run.result["connections"] == 20
    snn.check_masks(run.state.params, run.state.masks)
    assert [np.count_nonzero(run.state.params[key]) for key in run.state.masks] == [10, 10]
    with pytest.raises(
        ValueError, match=r"mask of fc1.weight that the learner .*:AtTheEnd left must be bool"
    ):
        train(density=0.5, learner=lambda densities: AtTheEnd(densities, lambda m: m[:2]))


def test_a_mask_of_nothing():
    run = train(density=0.5)
    run.state.masks["fc9.weight"] = run.state.masks["fc1.weight"]
    data = snn.load_digits().train
    with pytest.raises(
        ValueError, match=r"learner .*Evolve: it made a mask of fc9.weight, and there is no such weight"
    ):
        loop.step(run.setup, run.state, data.images[:8], data.labels[:8], 0.01)
