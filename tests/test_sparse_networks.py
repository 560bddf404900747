"""The papers' networks, narrow, sparse and rewiring, through whole training steps; and what a recipe says of it."""

import json
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, replace
from math import ceil, cos, pi, prod
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import slow_but
from strategies import seeds
from strict_array import StrictArray
from strict_array import xp as strict
from tqdm import tqdm

from data_loaders.common.dataset import DataSet, Split
from minisnn import cli, load_digits
from minisnn.backend import to_host
from minisnn.networks.registry import NETWORKS
from minisnn.networks.shapes import weight_shapes
from minisnn.recipes import ESL_MLP_DEFAULTS, LIFNet
from minisnn.recipes.connections import Connections
from minisnn.structure import grow, prune, redistribute
from minisnn.structure.learner import LEARNERS, StructureLearner
from minisnn.structure.masks import DISTRIBUTIONS, check_masks
from minisnn.training import loop

# name: the smallest image that fits, a width, time steps
NARROW = {
    "mlp": (6, 0.03, 2),
    "vggsnn": (16, 1 / 16, 2),
    "resnet19": (8, 1 / 16, 2),
    "vgg16": (32, 1 / 16, 1),
    "pre-resnet18": (8, 1 / 16, 2),
    "5conv": (32, 1 / 16, 1),
}
PAIRS = [(p, g) for p in prune.RULES for g in grow.RULES]
STEPS, BATCH = 6, 4
SPARSE = LIFNet(density=0.3, batch_size=BATCH, epochs=4, t_iter=2)  # 8 iterations of noise()


def noise(size, seed=0, n=2 * BATCH):
    """A data set without sense."""
    rng = np.random.default_rng(seed)
    split = Split(rng.integers(0, 256, (n, size, size, 2), dtype=np.uint8), rng.integers(0, 5, n))
    return DataSet("noise", split, split, split, max_value=255, n_classes=5)


def narrow(name, **change):
    """A recipe for a narrow version of a network, and data for it."""
    size, width, T = NARROW[name]
    return replace(SPARSE, net=name, width=width, T=T, **change), noise(size)


@contextmanager
def on(xp, recipe):
    """The recipe on an array library: the strict double takes the GPU's place."""
    with pytest.MonkeyPatch.context() as patch:
        if xp is strict:
            patch.setattr(loop, "to_device", lambda x, _: x if isinstance(x, StrictArray) else xp.asarray(x))
        yield replace(recipe, device="cpu" if xp is np else "gpu")


def begin(recipe, data, seed=0):
    setup = recipe.setup(data)
    return setup, loop.start(setup, seed, np.float64)


def steps(setup, state, data, n=STEPS, lr=0.01):
    """Real training steps. Yields what each of them tells."""
    for k in range(n):
        part = data.train.take(np.arange(k * BATCH, (k + 1) * BATCH) % len(data.train.labels))
        yield loop.step(setup, state, part.images, part.labels, lr)


def hosted(arrays):
    """As flat NumPy arrays."""
    return {key: to_host(a).ravel().copy() for key, a in arrays.items()}


def counts(state):
    return {key: int(mask.sum()) for key, mask in state.masks.items()}


def same_masks(a, b):
    return all(np.array_equal(a.masks[key], b.masks[key]) for key in a.masks)


def naive_fraction(t, recipe, iterations):
    """Eq. 2, with t_end a fraction of training."""
    t_end = recipe.t_end * iterations
    return recipe.alpha / 2 * (1 + cos(pi * t / t_end)) if t < t_end else 0


def naive_prune(rule, weight, active, count):
    """Positions that go, one comparison at a time."""
    if rule == "magnitude":
        return sorted(active, key=lambda i: abs(weight[i]))[:count]
    gone = [i for i in active if weight[i] == 0][:count]
    positive = sorted((i for i in active if weight[i] > 0), key=lambda i: weight[i])
    negative = sorted((i for i in active if weight[i] < 0), key=lambda i: -weight[i])
    rest = count - len(gone)
    n = round(rest * len(negative) / max(1, len(negative) + len(positive)))
    return gone + negative[:n] + positive[: rest - n]


def check_step(setup, recipe, state, seen, images, labels):
    """A step of `state`, compared with a twin's that does not rewire. seen: iteration of last activity; moved on."""
    before = hosted(state.masks)
    grads = hosted(loop.gradients(setup, deepcopy(state), images, labels)[3])
    twin = deepcopy(state)
    loop.step(replace(setup, learner=StructureLearner()), twin, images, labels, lr=0.01)
    told = loop.step(setup, state, images, labels, lr=0.01)
    check_masks(hosted(state.params), hosted(state.masks))

    t, iterations = state.iteration, recipe.epochs * 2
    f = naive_fraction(t, recipe, iterations) if t % recipe.t_iter == 0 else 0
    momentum = {key: to_host(setup.optimizer.momentum(twin.moments[key])).ravel() for key in before}
    after, w, plain = hosted(state.masks), hosted(state.params), hosted(twin.params)
    replaced = 0
    for key, old in before.items():
        active = np.flatnonzero(old)
        count = 0 if old.all() else ceil(f * len(active) - 1e-9)
        replaced += count
        assert after[key].sum() == len(active)
        gone = np.array(naive_prune(recipe.prune, plain[key], active, count), int)
        stays = np.setdiff1d(active, gone)
        assert after[key][stays].all()
        np.testing.assert_array_equal(w[key][stays], plain[key][stays])

        grown = np.setdiff1d(np.flatnonzero(after[key]), stays)
        again, new = np.intersect1d(grown, gone), np.setdiff1d(grown, gone)
        np.testing.assert_array_equal(w[key][new], 0)
        np.testing.assert_array_equal(w[key][again], plain[key][again] if recipe.keep_weights else 0)
        free = np.flatnonzero(~old)
        if not recipe.exclude_pruned:
            free = np.union1d(free, gone)
        else:  # a last resort, the strongest first
            assert len(again) == max(0, count - len(free))
            strongest = sorted(gone, key=lambda i: -abs(plain[key][i]))[: len(again)]
            assert set(again) == set(strongest)
        passed = np.setdiff1d(free, grown)  # and did not grow
        score = {
            "random": np.zeros(old.size),
            "random-unfired": seen[key] < 0,
            "longest-inactive": -np.where(
                old & (f > 0), t, seen[key]
            ),  # what is pruned now was active until now
            "gradient": abs(grads[key]),
            "momentum": momentum[key],
        }[recipe.grow].astype(float)
        if len(passed) and len(new):
            chosen = np.intersect1d(grown, free)
            assert score[chosen].min() >= score[passed].max()
        if f and not old.all():
            seen[key][old | after[key]] = t
        np.testing.assert_array_equal(to_host(state.structure[key + ".last_active"]).ravel(), seen[key])

        for ours, theirs in zip(state.moments[key], twin.moments[key], strict=True):
            expected = to_host(theirs).ravel().copy()
            if recipe.reset_moments:
                expected[new] = 0
            np.testing.assert_array_equal(to_host(ours).ravel(), expected)
    for key in state.params.keys() - before.keys():
        np.testing.assert_array_equal(w[key], plain[key])
    assert told.replaced == replaced
    return replaced


def check_training(xp, recipe, data, seed, fill=False, n_steps=4):
    """Some steps of a recipe. fill: the first mask that is drawn comes out full. Returns how many were replaced."""
    with on(xp, recipe) as there:
        setup, state = begin(there, data, seed)
        seen = {key: np.where(mask, 0, -1) for key, mask in hosted(state.masks).items()}
        if fill:
            next(iter(state.masks.values()))[...] = True
        part = data.train
        total = 0
        for k in range(n_steps):
            n = slice(k % 2 * BATCH, (k % 2 + 1) * BATCH)
            total += check_step(setup, there, state, seen, part.images[n], part.labels[n])
    return total


@pytest.mark.parametrize("name", slow_but(["mlp", "pre-resnet18"], NARROW))
@settings(max_examples=2)
@given(
    seed=seeds,
    rules=st.sampled_from(PAIRS),
    flags=st.fixed_dictionaries(
        dict.fromkeys(("exclude_pruned", "keep_weights", "reset_moments", "fast"), st.booleans())
    ),
    optimizer=st.sampled_from(["sgd", "adam"]),
    sample=st.sampled_from(["bernoulli", "exact"]),
    fill=st.booleans(),
)
def test_every_network_rewires_as_algorithm_1_says(xp, name, seed, rules, flags, optimizer, sample, fill):
    """Exact counts, 0 off the mask, full layers left alone, all that is not rewired as if nothing were."""
    recipe, data = narrow(name, prune=rules[0], grow=rules[1], optimizer=optimizer, sample=sample, **flags)
    check_training(xp, recipe, data, seed, fill)


@pytest.mark.parametrize(("prune_rule", "grow_rule"), PAIRS)
@pytest.mark.parametrize(
    "flags", slow_but(["exclude_pruned reset_moments"], ["", "exclude_pruned reset_moments", "keep_weights"])
)
def test_every_pair_of_rules(xp, prune_rule, grow_rule, flags):
    """On a network small enough to run out of connections that never fired, and of free ones."""
    recipe = replace(
        SPARSE, net="4C3-AP2-9FC-5FC", T=1, density=0.6, alpha=0.8, sample="exact", distribution="uniform",
        prune=prune_rule, grow=grow_rule, **dict.fromkeys(flags.split(), True),
    )  # fmt: skip
    assert check_training(xp, recipe, noise(4), seed=1, n_steps=STEPS) > 50


@pytest.mark.parametrize("name", NARROW)
def test_momentum_moves_connections_between_layers(name):
    """The network's total is exact, and layers' counts do move."""
    recipe, data = narrow(name, redistribute="momentum", distribution="uniform", sample="exact")
    setup, state = begin(recipe, data)
    first = counts(state)
    for told in steps(setup, state, data):
        now = counts(state)
        check_masks(state.params, state.masks)
        assert sum(now.values()) == sum(first.values())
        assert told.replaced == 0 or state.iteration % 2 == 0
    assert all(now[key] <= mask.size for key, mask in state.masks.items())
    assert now != first


def test_binomial_growth_moves_densities():
    recipe, data = narrow("vggsnn", redistribute="bernoulli", sample="exact")
    setup, state = begin(recipe, data)
    first = counts(state)
    assert any(told.replaced for told in steps(setup, state, data))
    assert counts(state) != first
    check_masks(state.params, state.masks)
    assert sum(counts(state).values()) == pytest.approx(sum(first.values()), rel=0.05)


@pytest.mark.parametrize("rule", redistribute.RULES)
@pytest.mark.parametrize("name", slow_but(["mlp"], ["mlp", "resnet19"]))
def test_a_seed_decides_everything(name, rule):
    recipe, data = narrow(name, redistribute=rule, grow="random")
    ends = []
    for seed in (3, 3, 4):
        setup, state = begin(recipe, data, seed)
        list(steps(setup, state, data))
        ends.append(state)
    assert same_masks(ends[0], ends[1])
    assert all(np.array_equal(w, ends[1].params[key]) for key, w in ends[0].params.items())
    assert not same_masks(ends[0], ends[2])


@pytest.mark.parametrize("name", NARROW)
def test_a_static_mask_never_changes(name):
    recipe, data = narrow(name, alpha=0.0)
    setup, state = begin(recipe, data)
    first = deepcopy(state)
    assert [told.replaced for told in steps(setup, state, data)] == [0] * STEPS
    assert state.masks
    assert same_masks(first, state)
    assert any(not np.array_equal(w, state.params[key]) for key, w in first.params.items())


def history(recipe, data, n):
    """How many connections each step replaces, and the state at the end."""
    setup, state = begin(recipe, data)
    return [told.replaced for told in steps(setup, state, data, n)], state


def test_fractions_of_training_are_iterations():
    """7 images in batches of 4 are 2 iterations, 10 epochs are 20; rewiring ends before t_end."""
    data = noise(6, n=7)
    recipe = replace(SPARSE, net="mlp", width=0.03, epochs=10, t_iter=0.1, t_end=0.5)
    assert recipe.setup(data).learner == replace(recipe, t_iter=2, t_end=10).setup(data).learner
    assert replace(recipe, t_iter=1, t_end=1.0).setup(data).learner.t_iter == 1
    assert replace(recipe, t_iter=1, t_end=1.0).setup(data).learner.t_end == 20
    assert replace(recipe, t_iter=0.001).setup(data).learner.t_iter == 1
    (a, state), (b, other) = history(recipe, data, 20), history(replace(recipe, t_iter=2, t_end=10), data, 20)
    assert a == b
    assert same_masks(state, other)
    assert [k for k, n in enumerate(a, 1) if n] == [2, 4, 6, 8]
    first_spike = replace(ESL_MLP_DEFAULTS["digits"], hidden=(9,), epsilon=4.0, epochs=10, batch_size=4)
    by_fraction, by_count = (
        replace(first_spike, t_iter=t_iter, t_end=t_end).setup(data).learner
        for t_iter, t_end in ((0.1, 0.5), (2, 10))
    )
    assert by_fraction == by_count


def test_eta_min_keeps_rewiring():
    data = noise(6)
    recipe = replace(SPARSE, net="mlp", width=0.03, epochs=10, t_end=0.5, eta_min=0.1)
    replaced, state = history(recipe, data, 20)
    at_last = sum(ceil(0.1 * n - 1e-9) for n in counts(state).values())
    assert replaced[9::2] == [at_last] * 6  # from t_end = 10 on
    assert replaced[1] > replaced[7] > at_last > 0
    assert not any(replaced[::2])


TINY_NET = "8C3-12C5-AP2-40FC-5FC"  # on 6x6x2
TINY_SHAPES = {
    "conv1.weight": (3, 3, 2, 8), "conv2.weight": (5, 5, 8, 12), "fc1.weight": (108, 40), "fc2.weight": (40, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@given(density=st.floats(0.05, 0.95))
def test_densities_of_layers(name, density):
    """As masks.DISTRIBUTIONS says of all weights and of nothing else; what comes out dense has no mask."""
    data = noise(6)
    recipe = replace(SPARSE, net=TINY_NET, density=density, distribution=name, sample="exact", fast=False)
    setup, state = begin(recipe, data)
    assert weight_shapes(setup.net, setup.shape) == TINY_SHAPES
    wanted = DISTRIBUTIONS[name](TINY_SHAPES, density)
    assert setup.learner.densities == {key: p for key, p in wanted.items() if p < 1}
    found = {key: (state.masks[key] if key in state.masks else np.ones(s)) for key, s in TINY_SHAPES.items()}
    active, size = (
        {key: int(m.sum()) for key, m in found.items()},
        {k: prod(s) for k, s in TINY_SHAPES.items()},
    )
    assert active == {key: round(p * size[key]) for key, p in wanted.items()}
    assert sum(active.values()) == pytest.approx(density * sum(size.values()), abs=len(size))
    raw = {
        "erk": {key: sum(s) / prod(s) for key, s in TINY_SHAPES.items()},
        "er": {key: 1 / s[-1] + 1 / s[-2] for key, s in TINY_SHAPES.items()},
        "uniform": dict.fromkeys(TINY_SHAPES, 1),
    }[name]
    ratios = [p / raw[key] for key, p in setup.learner.densities.items()]
    assert ratios == pytest.approx([ratios[0]] * len(ratios)) if ratios else density > 0.5


@pytest.mark.parametrize("fast", [True, False])
def test_a_fast_network_gets_the_same_masks(fast):
    recipe, data = narrow("resnet19")
    (_, a), (_, b) = begin(replace(recipe, fast=fast), data), begin(recipe, data)
    assert a.masks.keys() == b.masks.keys()
    assert same_masks(a, b)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("name", NARROW)
def test_density_1_is_dense(name, distribution):
    """Also where densities are sums of fractions: not a connection less, and no learner that looks for any."""
    recipe, data = narrow(name, density=1.0, distribution=distribution)
    setup, state = begin(recipe, data)
    assert type(setup.learner) is StructureLearner
    assert not state.masks
    assert [told.replaced for told in steps(setup, state, data, 2)] == [0, 0]


@pytest.mark.parametrize("density", slow_but([0.3], [0.1, 0.3, 0.8]))
@pytest.mark.parametrize("name", NARROW)
def test_the_dense_baseline_has_as_many_weights(name, density):
    """To a few percent, for layers have whole numbers of channels; no other width comes closer."""
    size, width, T = NARROW[name]
    data = noise(size)
    recipe = replace(SPARSE, net=name, width=2 * width, T=T, density=density, same_size=True)

    def weights(r):
        return sum(map(prod, weight_shapes(r.plain(data), data.train.images.shape[1:]).values()))

    wanted = density * weights(replace(recipe, same_size=False))
    found = weights(recipe)
    assert found == pytest.approx(wanted, rel=0.06)
    others = [replace(recipe, width=2 * width * part, same_size=False) for part in np.linspace(0.01, 1, 100)]
    assert abs(found - wanted) <= min(abs(weights(other) - wanted) for other in others)
    setup, state = begin(recipe, data)
    assert sum(w.size for w in state.params.values() if w.ndim > 1) == found
    assert type(setup.learner) is StructureLearner
    assert not state.masks


def test_a_baseline_too_small_to_be_had():
    """A unit in each layer is the least there is."""
    data = noise(6)
    recipe = replace(SPARSE, net="mlp", width=0.03, density=0.001, same_size=True)
    assert weight_shapes(recipe.plain(data), (6, 6, 2)) == {"fc1.weight": (72, 1), "fc2.weight": (1, 5)}


def test_training_with_the_log_of_densities():
    """A whole epoch: the row's densities are the masks', and `replaced` is the sum of the steps'."""
    recipe, data = narrow("5conv", redistribute="momentum")
    setup, state = begin(recipe, data)
    row = loop.train_epoch(setup, state, data.train, tqdm(disable=True))
    assert {key: row[f"density_{key}"] for key in state.masks} == {
        key: m.mean() for key, m in state.masks.items()
    }
    assert row["replaced"] > 0
    assert 0 < row["exploration_rate"] < 1


STRUCTURE = {
    "sample": "exact", "prune": "magnitude", "grow": "longest-inactive", "alpha": 0.25, "eta_min": 0.125,
    "t_iter": 0.25, "t_end": 0.5, "redistribute": "bernoulli", "exclude_pruned": True, "keep_weights": True,
    "reset_moments": True, "learner": "grad-r", "learner_options": {"alpha": 0.75},
}  # fmt: skip
LIF_ONLY = {"net": "mlp", "width": 0.5, "density": 0.25, "distribution": "er", "same_size": True}


@pytest.mark.parametrize(
    ("network", "wanted"), [("lif", STRUCTURE | LIF_ONLY), ("esl-mlp", STRUCTURE | {"density": 0.25})]
)
def test_every_field_has_its_option(monkeypatch, tmp_path, capsys, network, wanted):
    """And the option goes to that field."""
    from minisnn.runs import start

    assert {f.name for f in fields(Connections)} == set(STRUCTURE)
    asked = []

    def instead(kind, data, out, progress, **settings):
        asked.append(settings)
        return SimpleNamespace(
            result=dict.fromkeys(("test_accuracy", "val_accuracy", "density", "seconds"), 0)
        )

    monkeypatch.setattr(start, "train", instead)
    words = []
    for name, value in wanted.items():
        said = "alpha=0.75" if name == "learner_options" else str(value)
        words += ["--" + name.replace("_", "-"), *([] if value is True else [said])]
    assert cli.main(["train", network, *words, "--json", "--out", str(tmp_path)]) == 0
    json.loads(capsys.readouterr().out)
    assert asked == [wanted]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--density", "0"], "density must be above 0 and at most 1, found 0.0"),
        (["--density", "1.5"], "density must be above 0 and at most 1, found 1.5"),
        (["--width", "0"], "width must be above 0 and finite, found 0.0"),
        (["--width", "inf"], "width must be above 0 and finite, found inf"),
        (
            ["--t-iter", "0"],
            "--t-iter must be above 0: a fraction, or a whole number of iterations, found 0.0",
        ),
        (
            ["--t-iter", "2.5"],
            "--t-iter must be above 0: a fraction, or a whole number of iterations, found 2.5",
        ),
        (["--t-end", "-1"], "--t-end must be a fraction, or a whole number of iterations, found -1.0"),
        (["--t-end", "1.5"], "--t-end must be a fraction, or a whole number of iterations, found 1.5"),
        (["--eta-min", "0.9"], "--eta-min must be 0 to --alpha = 0.5, found 0.9"),
        (["--alpha", "nan"], "alpha must be 0 to 1, found nan"),
        (
            ["--distribution", "rek"],
            "distribution must be one of erk, er, uniform, found 'rek'; did you mean erk?",
        ),
        (
            ["--redistribute", "all"],
            "or module:name of your own, found 'all'",
        ),
        (
            ["--density", "0.3", "--learner", "rigel"],
            "did you mean rigl?",
        ),
        (
            ["--prune", "least"],
            "prune must be one of magnitude, set, or module:name of your own, found 'least'",
        ),
    ],
)
def test_nonsense_is_refused(capsys, tmp_path, words, message):
    try:
        status = cli.main(["train", "lif", *words, "--out", str(tmp_path / "run")])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("field", ["distribution", "redistribute", "learner", "sample", "prune", "grow"])
def test_unknown_names_are_refused_with_the_known_ones(field):
    known = {"distribution": DISTRIBUTIONS, "redistribute": redistribute.RULES, "learner": LEARNERS}
    with pytest.raises(ValueError, match=f"^{field} must be one of .*found 'nothing'$") as error:
        LIFNet(**{field: "nothing"})
    assert all(name in str(error.value) for name in known.get(field, ()))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_here(name):
    assert name in NARROW


def test_a_real_run_is_sparse_and_learns():
    recipe = replace(
        SPARSE, data="digits", net="8C3-AP2-16C3-AP2-10FC", T=2, lr=0.01, batch_size=32, epochs=3, t_iter=5,
        prune="magnitude",
    )  # fmt: skip
    data = load_digits()
    setup = recipe.setup(data)
    state = loop.start(setup, 0)
    rows = loop.fit(setup, state, data)
    assert rows[-1]["val_accuracy"] > 70
    check_masks(state.params, state.masks)
    active = sum(counts(state).values()) + sum(
        w.size for key, w in state.params.items() if w.ndim > 1 and key not in state.masks
    )
    assert active == pytest.approx(0.3 * (9 * 8 + 9 * 8 * 16 + 640), rel=0.1)
