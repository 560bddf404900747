"""SD-SNN: the worked example, a naive twin weight by weight, invariants."""

import re
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs

import minisnn as snn
from minisnn.backend import array_module, to_host
from minisnn.methods.rows import row_sums, scaled_to_one
from minisnn.methods.sd_snn import SDSNN, growth_percentile, level_rise
from minisnn.structure.masks import check_masks
from minisnn.training import checkpoint
from minisnn.training.state import TrainingState


def begin(xp, learner, params):
    state = TrainingState(
        {key: xp.asarray(w.copy()) for key, w in params.items()},
        rngs={"structure": np.random.default_rng(0)},
    )
    learner.start(state)
    return state


def epoch(learner, state, **weights):
    """Steps that leave these weights, then the end of loop.train_epoch."""
    learner.after_step(state, {}, None, 0.1)
    for key, w in weights.items():
        assert state.masks[key].all()  # masked weights learn
        state.params[key][...] = w
    state.epoch += 1
    learner.after_epoch(state)
    for key, mask in state.masks.items():
        state.params[key] *= mask
    check_masks(state.params, state.masks)


def test_by_hand(xp):
    """K = 2, four epochs of four weights, two in each row; at the end they are cut off."""
    learner = SDSNN({"a": 0.5, "last": 0.5}, window=2)
    weights = [
        [0.5, 0.6, 0.65, 0.7],
        [0.2, 0.15, 0.1, 0.05],
        [-0.4, -0.45, -0.5, -0.55],
        [-0.6, -0.7, -0.75, -0.8],
    ]
    shaped = np.array(weights).reshape(2, 2, 4).swapaxes(0, 1)  # [n_in, n_out]: a row is a column
    state = begin(xp, learner, {"a": shaped[..., 0], "last": np.ones((2, 3))})
    for n in range(4):
        epoch(learner, state, a=xp.asarray(shaped[..., n].copy()))
    upper, lower = (to_host(state.structure[f"a.{name}"]) for name in ("upper", "lower"))
    np.testing.assert_allclose(upper.T.ravel(), [0.675, 0.375, 0.5, 0.5])
    np.testing.assert_allclose(lower.T.ravel(), [-0.5, -0.375, -0.5, -0.775])
    np.testing.assert_allclose(to_host(state.params["a"]).T.ravel(), [0.675, 0.05, -0.5, -0.775])
    ranges = scaled_to_one(upper - lower)
    np.testing.assert_allclose(ranges.T.ravel(), [0.8095, 0, 0.4762, 1], atol=5e-5)
    np.testing.assert_allclose(row_sums(ranges), [0.8095, 1.4762], atol=5e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_weight_at_its_bound_is_beyond_it(xp, sign):
    """Cut off at 0.5 it stays there, and that counts: epochs 1, 2 and 3, of which 2 and 3 add 0.1 and 0.2."""
    learner = SDSNN({"a": 0.5, "last": 0.5}, window=2)
    state = begin(xp, learner, {"a": np.ones((1, 2)), "last": np.ones((2, 1))})
    for w in (0.5, 0.5, 0.6, 0.7):
        epoch(learner, state, a=xp.asarray([[0.5, sign * w]]))
    bound = state.structure["a.upper" if sign > 0 else "a.lower"]
    assert float(bound[0, 1]) == pytest.approx(sign * 0.65)


class Naive:
    """One layer, number by number, with lists of rows of units of weights."""

    def __init__(self, weight, K):
        self.K, (self.kernel, self.n_in, self.n_out) = K, weight.shape
        self.places = list(np.ndindex(weight.shape))
        self.units = [(i, o) for i in range(self.n_in) for o in range(self.n_out)]
        self.book = dict.fromkeys(self.places, True)
        self.upper = dict.fromkeys(self.places, weight.max())
        self.lower = dict.fromkeys(self.places, -weight.max())
        self.size = {p: abs(weight[p]) for p in self.places}
        self.run = {
            name: dict.fromkeys(self.places, 0) for name in ("above", "below", "in")
        }  # epochs in a row
        self.total = {name: dict.fromkeys(self.places, 0.0) for name in ("above", "below")}
        self.growing = dict.fromkeys(self.units, 0)
        self.pruned, self.level = set(), None

    def ranges(self, weight):
        for p in self.places:
            w = weight[p] if self.book[p] else 0.0
            for name, bound, is_beyond in (
                ("above", self.upper, w >= self.upper[p]), ("below", self.lower, w <= self.lower[p]),
            ):  # fmt: skip
                self.run[name][p] = self.run[name][p] + 1 if is_beyond else 0
                # the first of a row only opens it
                self.total[name][p] = self.total[name][p] + w - bound[p] if self.run[name][p] > 1 else 0.0
                if self.run[name][p] > self.K:
                    bound[p] += self.total[name][p] / self.K
                    self.run[name][p], self.total[name][p] = 1, 0.0
            self.run["in"][p] = self.run["in"][p] + 1 if abs(w) < self.size[p] else 0
            if self.run["in"][p] > self.K:
                self.upper[p] *= 0.75
                self.lower[p] *= 0.75
                self.run["in"][p] = 1
            self.size[p] = abs(w)

    def cut(self, weight):
        for p in self.places:
            weight[p] = min(max(weight[p], self.lower[p]), self.upper[p])

    def grow(self, weight, percentile):
        score = {u: sum(weight[k, *u] for k in range(self.kernel)) for u in self.units}
        high = np.percentile(list(score.values()), percentile)
        for u in self.units:
            dead = not any(self.book[k, *u] for k in range(self.kernel))
            self.growing[u] = self.growing[u] + 1 if dead and score[u] > high else 0
            if self.growing[u] > self.K + 1:
                self.growing[u] = 0
                self.book |= {(k, *u): True for k in range(self.kernel)}

    def prune(self):
        width = {p: self.upper[p] + abs(self.lower[p]) for p in self.places}
        low, high = min(width.values()), max(width.values())
        unit = {p: (width[p] - low) / (high - low) if high > low else 0.5 for p in self.places}
        score = [sum(unit[p] for p in self.places if p[2] == o and self.book[p]) for o in range(self.n_out)]
        for o in sorted(range(self.n_out), key=lambda o: (score[o], o))[: int(self.n_out * self.level / 100)]:
            if o not in self.pruned:
                self.book |= {p: False for p in self.places if p[2] == o}
                self.pruned.add(o)

    def live(self, few):
        few = min(few, self.kernel * self.n_in)
        return sum(sum(self.book[p] for p in self.places if p[2] == o) >= few for o in range(self.n_out))

    def mask(self):
        return np.array([self.book[p] for p in self.places]).reshape(self.kernel, self.n_in, self.n_out)


@given(rng=rngs, K=st.integers(1, 2), pace=st.integers(1, 3))
def test_equals_naive(xp, rng, K, pace):
    """A convolution, a hidden and a last linear layer; levels are raised so that something goes."""
    shapes = {"conv": (3, 2, 2, 6), "fc": (4, 8), "last": (8, 3)}
    learner = SDSNN(dict.fromkeys(shapes, 0.5), pace, K)
    # steps that often go on in one direction, or nothing would ever be in a row
    drift = {key: rng.standard_normal(s) * 0.2 for key, s in shapes.items()}
    weights = {key: rng.standard_normal(s) for key, s in shapes.items()}
    state, naive = begin(xp, learner, weights), {}
    for e in range(2 * K + 8):
        weights = {
            key: to_host(state.params[key]) + drift[key] + 0.1 * rng.standard_normal(s)
            for key, s in shapes.items()
        }
        epoch(learner, state, **{key: xp.asarray(w) for key, w in weights.items() if key != "last"})
        flat = {key: w.reshape(-1, *w.shape[-2:]) for key, w in weights.items()}
        if not e:
            naive = {key: Naive(flat[key], K) for key in ("conv", "fc")}
            naive["conv"].level, naive["fc"].level = 40.0, 30.0
            for key in naive:
                state.structure[f"{key}.level"][...] = naive[key].level
        else:
            for key, layer in naive.items():
                layer.ranges(flat[key])
                if e > K:
                    layer.cut(flat[key])
            if e > 2 * K:
                when = (e - 2 * K - 1) * pace
                for key, base in (("conv", 65), ("fc", 60)):
                    naive[key].grow(flat[key], min(99, base + 1.1**when))
                conv, fc = naive["conv"], naive["fc"]
                conv.prune()
                conv.level += (
                    sum(exp(-(when + n) / 5) for n in range(pace)) * conv.live(20) / max(1, fc.live(20))
                )
                fc.prune()
                fc.level += sum(0.5 * exp(-(when + n)) for n in range(pace)) * fc.live(50) / 3
                conv.level, fc.level = (min(99.0, layer.level) for layer in (conv, fc))
                for key in naive:
                    assert float(state.structure[f"{key}.level"][0]) == pytest.approx(naive[key].level) or (
                        naive[key].level == 99.0
                    )
                    state.structure[f"{key}.level"][...] = naive[key].level
        for key, layer in naive.items():
            mask = to_host(state.masks[key]).reshape(flat[key].shape)
            np.testing.assert_array_equal(mask, layer.mask())
            found = to_host(state.params[key]).reshape(flat[key].shape)
            np.testing.assert_allclose(found, flat[key] * mask, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(
                to_host(state.structure[f"{key}.pruned"]), [o in layer.pruned for o in range(layer.n_out)]
            )
        assert state.masks["last"].all()
    assert to_host(state.structure["conv.pruned"]).any()


def test_a_masked_weight_that_learns_grows_back(xp):
    """The largest of a pruned row, K + 2 epochs in a row; it is not pruned again."""
    learner = SDSNN({"a": 0.5, "last": 0.5}, window=1)
    weight = np.array([[1.0, 0.1, 0.9], [1.0, 0.1, 0.9]])
    state = begin(xp, learner, {"a": weight, "last": np.ones((3, 2))})
    for n in range(8):
        epoch(learner, state, a=xp.asarray(weight))
        if n == 2:
            state.structure["a.book"][:, 1] = False  # pruned by hand
            state.structure["a.pruned"][1] = True
            weight = np.array([[0.5, 0.9, 0.4], [0.5, 0.1, 0.3]])
        back = bool(state.structure["a.book"][0, 1])
        assert back == (n < 2 or n >= 5)  # K + 2 = 3 epochs: 3, 4 and 5
        assert bool(state.structure["a.book"][1, 1]) == (n < 2)


def test_schedules_by_hand():
    assert [growth_percentile(n, 65) for n in (0, 1, 60)] == [66, 66.1, 99]
    assert level_rise(0, 4) == 1
    assert level_rise(5, 4) == pytest.approx(exp(-1))
    assert [level_rise(0, 2), level_rise(23, 2), level_rise(24, 2)] == [0.5, 0.5 * exp(-23), 0.0005]


LEARNER = SDSNN({"conv": 0.5, "fc": 0.5, "last": 0.5}, 3, 1)
SHAPES = {"conv": (3, 3, 4, 9), "fc": (6, 20), "last": (20, 2)}


def some_epochs(learner, states, n, rng):
    """The same steps in all of them; multiples of 1/4, for ties."""
    for _ in range(n):
        change = {key: rng.integers(-2, 3, s) / 4 for key, s in SHAPES.items()}
        for state in states:
            xp = array_module(state.params["fc"])
            moved = {key: state.params[key] + xp.asarray(change[key].astype("float32")) for key in SHAPES}
            epoch(learner, state, **{key: w for key, w in moved.items() if key != "last"})


def start(xp, rng):
    return begin(
        xp, LEARNER, {key: (rng.integers(-4, 5, s) / 4).astype("float32") for key, s in SHAPES.items()}
    )


def test_resuming_equals_never_having_stopped(tmp_path):
    rng = np.random.default_rng(0)
    state = start(np, rng)
    some_epochs(LEARNER, [state], 4, rng)
    checkpoint.save(tmp_path / "checkpoint.npz", state)
    resumed, halfway = checkpoint.load(tmp_path / "checkpoint.npz"), state.masks["fc"].copy()
    some_epochs(LEARNER, [state, resumed], 9, rng)
    assert (state.masks["fc"] != halfway).any()
    assert state.params["fc"].dtype == "float32"
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(resumed, group)
        assert set(ours) == set(theirs)
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_masks_are_equal_on_every_array_library(xp):
    rng = np.random.default_rng(1)
    states = [start(library, np.random.default_rng(2)) for library in (np, xp)]
    some_epochs(LEARNER, states, 12, rng)
    assert not states[0].masks["fc"].all()
    for key in SHAPES:
        np.testing.assert_array_equal(*(to_host(state.masks[key]) for state in states))


def test_it_trains_by_its_name(few_digits):
    run = snn.train("lif", learner="sd-snn", density=0.5, epochs=8, test=False)
    assert run.setup.learner == SDSNN(run.setup.learner.densities, pace=75, window=1)
    assert 0.3 < run.result["density"] < 1
    assert run.result["missed_density"] is None  # none is asked for
    assert run.setup.learner.target_density(run.state) is None
    assert run.result["density"] == pytest.approx(run.setup.learner.density(run.state))
    assert run.masks[list(run.setup.learner.densities)[-1]].all()
    assert run.result["train_accuracy"] > 14


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: SDSNN({"a": 0.5}),
            "densities must be of at least two layers, of which the last stays dense, found 1",
        ),
        (lambda: SDSNN({"a": 0.5, "b": 0.5}, window=0), "window must be at least 1, found 0"),
        (lambda: SDSNN({"a": 0.5, "b": 0.5}, pace=0), "pace must be at least 1, found 0"),
        (
            lambda: begin(
                np, LEARNER, {"conv": np.ones((3, 2, 2)), "fc": np.ones((2, 2)), "last": np.ones((2, 2))}
            ),
            "conv must be the weight of a convolution or of a linear layer, found (3, 2, 2)",
        ),
        (lambda: SDSNN({"a": 2, "b": 0.5}), "density of a must be 0 to 1, found 2"),
    ],
)
def test_nonsense_is_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()
