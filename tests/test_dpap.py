"""DPAP: the worked example, a naive twin spike by spike, invariants."""

import re
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs

import minisnn as snn
from minisnn.backend import to_host
from minisnn.methods.dpap import DPAP, change, mean_trace
from minisnn.methods.rows import scaled_to_one
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


def end_epoch(learner, state):
    """A step, and the end of loop.train_epoch."""
    learner.after_step(state, {}, None, 0.1)
    assert all(mask.all() for mask in state.masks.values())  # masked weights learn
    for w in state.params.values():
        w[...] = 1.0
    state.epoch += 1
    learner.after_epoch(state)
    for key, mask in state.masks.items():
        state.params[key] *= mask
    check_masks(state.params, state.masks)


def test_by_hand(xp):
    learner = DPAP({"a": 0.5, "last": 0.5})
    state = begin(xp, learner, {"a": np.ones((3, 3, 2, 4)), "last": np.ones((4, 2))})
    bcm, trace = np.array([2.0, 8, 5, 10]), np.array([1.0, 3, 5, 2])
    score = scaled_to_one(bcm) * scaled_to_one(trace)
    np.testing.assert_allclose(score, [0, 0.375, 0.375, 0.25])
    np.testing.assert_allclose(change(score, 4), [-0.65, 6.35, 6.35, 5.6833], atol=5e-5)
    state.structure["a.bcm"][...] = xp.asarray(bcm)
    state.structure["a.trace"][...] = xp.asarray(trace)
    state.structure["a.samples"] = np.ones(1, int)
    for e in range(60):
        end_epoch(learner, state)
        if e == 4:
            assert to_host(state.structure["a.reserve"]).tolist() == [10] * 4
        if e == 5:
            reserve = to_host(state.structure["a.reserve"])
            np.testing.assert_allclose(reserve, [9.34, 16.34, 16.34, 15.6733], atol=5e-5)
        assert to_host(state.masks["a"]).all((0, 1, 2)).tolist() == [e < 25, True, True, True]
        assert to_host(state.masks["a"]).any((0, 1, 2)).tolist() == [e < 25, True, True, True]


@pytest.mark.parametrize(("delta", "dies"), [(-0.55, 40), (-0.5, None)])
def test_the_stairs_bound_what_is_lost(delta, dies):
    """A filter whose delta is always -0.55 dies after epoch 40; with -0.5 it never does."""
    learner = DPAP({"a": 0.5, "last": 0.5})
    state = begin(np, learner, {"a": np.ones((1, 1, 1, 5)), "last": np.ones((5, 2))})
    score = np.array([0.0, (delta + 0.65) / 2, 1, 1, 1])
    np.testing.assert_allclose(change(score, 4), [-0.65, delta, 6.35, 6.35, 6.35])
    state.structure |= {"a.bcm": score, "a.trace": np.array([0.0, 1, 1, 1, 1]), "a.samples": np.ones(1, int)}
    alive = []
    for _ in range(300):
        end_epoch(learner, state)
        alive.append(bool(state.masks["a"][0, 0, 0, 1]))
    assert (alive.index(False) if False in alive else None) == dies


def test_mean_trace_by_hand(xp):
    """Two steps: half of the first and the second, over two; positions are summed."""
    x = np.zeros((2, 1, 2, 2, 3), bool)
    x[0, 0, 0, 0, 0] = x[1, 0, 1, 1, 0] = x[0, 0, 0, 1, 1] = True
    expected = [[0.75, 0.25, 0]]
    np.testing.assert_array_equal(to_host(mean_trace(xp.asarray(x), 1)), expected)
    np.testing.assert_array_equal(to_host(mean_trace(xp.asarray(x[:, 0]), 1, merged=True)), expected)


NET = snn.Sequential(
    (
        ("conv", snn.Conv(4)), ("lif1", snn.LIF()), ("pool", snn.AveragePool(2)), ("flat", snn.Flatten()),
        ("fc", snn.Linear(5)), ("lif2", snn.LIF()), ("out", snn.Linear(3)), ("lif3", snn.LIF()),
    )
)  # fmt: skip
KEYS = ("conv.weight", "fc.weight", "out.weight")


def naive_traces(x):
    """[T, B, ..., C] -> [B, C], sum by sum."""
    T, B, C = len(x), x.shape[1], x.shape[-1]
    found = np.zeros((B, C))
    for b in range(B):
        for c in range(C):
            for place in np.ndindex(x.shape[2:-1]):
                trace = 0.0
                for t in range(T):
                    trace = 0.5 * trace + x[t, b, *place, c]
                found[b, c] += trace / T
    return found


class Naive:
    """A layer's memory: sums over samples, one after the other."""

    def __init__(self, n_out, linear):
        self.shift, self.bonus, self.stair = (1.5, 2, 13) if linear else (0.65, 5, 12)
        self.linear, self.count, self.total, self.bcm = linear, 0, np.zeros(n_out), 0.0
        self.R = self.Rw = None

    def add(self, before, c):
        theta = self.total / max(1, self.count)
        for b in range(len(c)):
            self.bcm = self.bcm + np.outer(before[b], c[b] * (c[b] - theta))
        self.total = self.total + c.sum(0)
        self.count += len(c)

    def wear(self, R, D, e, alive):
        low, high = D.min(), np.percentile(D, 75)
        u = np.clip((D - low) / (high - low), 0, 1) if high > low else np.full(D.shape, 0.5)
        delta = 2 * u - self.shift
        delta[delta > 0] += self.bonus
        R = 0.999 * (10.0 if R is None else R) + delta * exp(-int((e - 5) / self.stair))
        return R, alive & (R >= 0)


def unit(x):
    return (x - x.min()) / (x.max() - x.min()) if x.max() > x.min() else np.full(x.shape, 0.5)


@given(rng=rngs, pace=st.sampled_from([1, 2, 5]))
def test_equals_naive(xp, rng, pace):
    """Two batches of unlike size in each epoch, all spikes from a real network."""
    params, buffers = NET.init(rng, (4, 4, 2))
    learner = DPAP(dict.fromkeys(KEYS, 0.5), pace)
    state = begin(xp, learner, {key: params[key] for key in KEYS})
    params |= {"conv.weight": 3 * params["conv.weight"], "fc.weight": 6 * params["fc.weight"]}
    naive = {"conv.weight": Naive(4, False), "fc.weight": Naive(5, True)}
    alive = {"conv.weight": np.ones(4, bool), "fc.weight": np.ones((16, 5), bool)}
    first = max(1, round(5 / pace))
    for epoch in range(first + 4):
        for B in (3, 2):
            x = rng.standard_normal((3, B, 4, 4, 2))
            there = {key: xp.asarray(w) for key, w in params.items()}
            _, cache, _ = NET.forward(there, buffers, xp.asarray(x), True)
            learner.after_forward(state, NET, cache, B)
            spikes = {name: to_host(cache[name].spikes) for name in ("lif1", "lif2")}
            pooled = spikes["lif1"].reshape(3, B, 2, 2, 2, 2, 4).mean((3, 5)).reshape(3, B, 16)
            naive["conv.weight"].add(naive_traces(x), naive_traces(spikes["lif1"]))
            naive["fc.weight"].add(naive_traces(pooled), naive_traces(spikes["lif2"]))
        end_epoch(learner, state)
        for key, layer in naive.items():
            rows = layer.bcm.sum(0)
            bcm = rows if key == "conv.weight" else layer.bcm
            np.testing.assert_allclose(to_host(state.structure[f"{key}.bcm"]), bcm, rtol=1e-9, atol=1e-9)
            if epoch < first:
                continue
            for e in range(5 + (epoch - first) * pace, 5 + (epoch - first + 1) * pace):
                D = unit(rows) * unit(layer.total)
                layer.R, alive[key] = layer.wear(layer.R, D, e, alive[key])
                if layer.linear:
                    layer.Rw, alive[key] = layer.wear(layer.Rw, layer.bcm, e, alive[key])
            np.testing.assert_allclose(to_host(state.structure[f"{key}.reserve"]), layer.R, rtol=1e-6)
            if layer.linear:
                found = to_host(state.structure[f"{key}.weights.reserve"])
                np.testing.assert_allclose(found, layer.Rw, rtol=1e-6)
            mask = to_host(state.masks[key])
            np.testing.assert_array_equal(mask, np.broadcast_to(alive[key], mask.shape))


def test_a_fast_network_gives_the_same_reserves():
    """Although the image is convolved once, and spikes are summed in a pool."""
    net = snn.build("16C3-AP2-12FC-10FC", (8, 8, 1), 10, 4)[0]
    params, buffers = net.init(np.random.default_rng(0), (8, 8, 1))
    params = {key: 3 * w if key.endswith("weight") else w for key, w in params.items()}
    images, found = np.random.default_rng(1).random((1, 6, 8, 8, 1)), []
    for one in (net, snn.fast(net, (8, 8, 1))):
        keys = [key for key in params if key.endswith("weight")]
        learner = DPAP(dict.fromkeys(keys, 0.5), pace=60)
        state = begin(np, learner, {key: params[key] for key in keys})
        _, cache, _ = one.forward(params, buffers, images, True)
        learner.after_forward(state, one, cache, 6)
        for _ in range(2):
            end_epoch(learner, state)
        assert all(state.structure[f"{key}.trace"].any() for key in learner.hidden)
        found.append([state.structure[f"{key}.reserve"] for key in learner.hidden])
    assert len(np.unique(found[0][0].round(6))) > 2
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_every_layer_of_a_residual_network_finds_its_neurons():
    net = snn.build("resnet19", (8, 8, 1), 10, 2, width=1 / 32)[0]
    params, buffers = net.init(np.random.default_rng(0), (8, 8, 1))
    keys = [key for key in params if key.endswith(".weight")]
    learner = DPAP(dict.fromkeys(keys, 0.5))
    state = begin(np, learner, {key: params[key] for key in keys})
    _, cache, _ = net.forward(params, buffers, np.random.default_rng(1).random((1, 3, 8, 8, 1)), True)
    learner.after_forward(state, net, cache, 3)
    assert {int(state.structure[f"{key}.samples"][0]) for key in learner.hidden} == {3}


@pytest.mark.parametrize("neurons", [snn.PLIF(), snn.RecurrentLIF()])
def test_neurons_of_other_kinds_count(neurons):
    net = snn.Sequential((("a", snn.Linear(6)), ("neurons", neurons), ("b", snn.Linear(3))))
    params, buffers = net.init(np.random.default_rng(0), (4,))
    learner = DPAP({"a.weight": 0.5, "b.weight": 0.5})
    state = begin(np, learner, {key: params[key] for key in learner.densities})
    _, cache, _ = net.forward(params, buffers, 9 * np.random.default_rng(1).random((3, 2, 4)), True)
    learner.after_forward(state, net, cache, 2)
    expected = mean_trace(cache["neurons"].spikes, 2).sum(0)
    assert expected.any()
    np.testing.assert_allclose(state.structure["a.weight.trace"], expected)


def test_a_layer_without_neurons_is_left_alone():
    net = snn.Sequential((("a", snn.Linear(4)), ("b", snn.Linear(3))))
    learner = DPAP({"a.weight": 0.5, "b.weight": 0.5}, pace=300)
    state = begin(np, learner, {"a.weight": np.ones((2, 4)), "b.weight": np.ones((4, 3))})
    params, buffers = net.init(np.random.default_rng(0), (2,))
    _, cache, _ = net.forward(params, buffers, np.ones((1, 2, 2)), True)
    learner.after_forward(state, net, cache, 2)
    for _ in range(3):
        end_epoch(learner, state)
    assert state.masks["a.weight"].all()


LEARNER = DPAP(dict.fromkeys(KEYS, 0.5), pace=20)


def some_epochs(states, n, rng, xps):
    for _ in range(n):
        params, _ = NET.init(rng, (4, 4, 2))
        params |= {"conv.weight": 3 * params["conv.weight"], "fc.weight": 6 * params["fc.weight"]}
        x = rng.standard_normal((3, 5, 4, 4, 2))
        for state, xp in zip(states, xps, strict=True):
            there = {key: xp.asarray(w) for key, w in params.items()}
            LEARNER.after_forward(state, NET, NET.forward(there, {}, xp.asarray(x), True)[1], 5)
            end_epoch(LEARNER, state)


def start(xp):
    params, _ = NET.init(np.random.default_rng(0), (4, 4, 2))
    return begin(xp, LEARNER, {key: params[key].astype("float32") for key in KEYS})


def test_resuming_equals_never_having_stopped(tmp_path):
    rng, state = np.random.default_rng(0), start(np)
    some_epochs([state], 2, rng, [np])
    checkpoint.save(tmp_path / "checkpoint.npz", state)
    resumed, halfway = checkpoint.load(tmp_path / "checkpoint.npz"), state.masks["fc.weight"].copy()
    some_epochs([state, resumed], 6, rng, [np, np])
    assert (state.masks["fc.weight"] != halfway).any()
    assert state.params["fc.weight"].dtype == "float32"
    for group in ("params", "masks", "structure"):
        ours, theirs = getattr(state, group), getattr(resumed, group)
        assert set(ours) == set(theirs)
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_masks_are_equal_on_every_array_library(xp):
    states = [start(np), start(xp)]
    some_epochs(states, 8, np.random.default_rng(0), [np, xp])
    assert not states[0].masks["fc.weight"].all()
    for key in KEYS:
        np.testing.assert_array_equal(*(to_host(state.masks[key]) for state in states))


def test_it_trains_by_its_name(few_digits):
    run = snn.train("lif", learner="dpap", net="16C3-AP2-50FC-10FC", density=0.5, epochs=8, test=False)
    assert run.setup.learner == DPAP(run.setup.learner.densities, pace=38)
    assert run.result["density"] < 0.9
    assert run.result["missed_density"] is None  # none is asked for
    assert run.setup.learner.target_density(run.state) is None
    assert run.result["density"] == pytest.approx(run.setup.learner.density(run.state))
    assert run.masks[list(run.setup.learner.densities)[-1]].all()
    assert run.result["train_accuracy"] > 14


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: DPAP({"a": 0.5}),
            "densities must be of at least two layers, of which the last stays dense, found 1",
        ),
        (lambda: DPAP({"a": 0.5, "b": 0.5}, pace=0), "pace must be at least 1, found 0"),
    ],
)
def test_nonsense_is_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()
