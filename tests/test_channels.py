"""SCA: naive twins of its rules, worked examples, and its learner watched from outside over whole epochs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_nets import shallow
from slow import slow_but
from strategies import rngs, sizes
from strict_array import StrictArray
from strict_array import xp as strict
from test_run import states_equal
from tqdm import tqdm

from data_loaders.common.rows import Split
from minisnn.backend import array_module, to_host
from minisnn.faster import fast
from minisnn.networks import architectures
from minisnn.networks.compose import activities, neuron_caches, scored
from minisnn.networks.notation import SCA_STYLE, from_notation
from minisnn.ops.score import SCORES
from minisnn.ops.surrogate.triangle import Triangle
from minisnn.recipes.sca import SCA_VGG16_DEFAULTS
from minisnn.runs import result as run_result
from minisnn.runs import start
from minisnn.structure.channel_graph import ChannelGraph, Channels
from minisnn.structure.channels import SCA, channel_counts, draw_channels, keep_most_active, regrow
from minisnn.structure.learner import StructureLearner
from minisnn.training import checkpoint, loop
from minisnn.training.losses import LOSSES, l1_cost_backward, l1_cost_forward
from minisnn.training.optim import SGD, Adam, unlimited
from minisnn.training.setup import Penalty, Setup
from minisnn.training.state import TrainingState

# The rules.

SCORE = {"A": np.array([0.9, 0.2, 0.5]), "B": np.array([0.7, 0.1, 0.3, 0.6, 0.4])}
DGAMMA = {"A": np.array([9, 0.1, 0.3]), "B": np.array([9, 0.8, 0.05, 0.2, 0.6])}


def listed(masks):
    return {key: mask.astype(int).tolist() for key, mask in masks.items()}


def test_worked_example():
    """By hand: A0 and B0 stay by score, B1 and B4 come back by gradient."""
    assert channel_counts(8, 0.5, 0.25) == (2, 2)
    kept = keep_most_active(SCORE, 2)
    assert listed(kept) == {"A": [1, 0, 0], "B": [1, 0, 0, 0, 0]}
    assert listed(regrow(kept, DGAMMA, SCORE, 2)) == {"A": [1, 0, 0], "B": [1, 1, 0, 0, 1]}


@pytest.mark.parametrize(
    ("strict", "factor", "final"),
    [
        (False, 1, {"A": [1, 0, 0], "B": [1, 1, 0, 0, 1]}),
        (True, 1, {"A": [1, 0, 0], "B": [1, 1, 0, 0, 1]}),
        (False, 0, {"A": [1, 0, 1], "B": [1, 0, 0, 1, 0]}),
        (True, 0, {"A": [1, 0, 0], "B": [1, 0, 0, 0, 0]}),
    ],
)
def test_worked_example_of_the_learner(xp, strict, factor, final):
    """The same, and without any gradient."""
    layers = tuple(Channels(key, len(s), 1, (key,), (f"{key}.bn",), ()) for key, s in SCORE.items())
    learner = SCA(layers, p=0.5, q=0.25, strict=strict)
    keys = {f"{key}.bn.{g}": len(s) for key, s in SCORE.items() for g in ("gamma", "beta")}
    state = TrainingState({key: xp.asarray(np.ones(n)) for key, n in keys.items()}, epoch=1)
    learner.start(state)
    assert learner.size == 8
    for key in SCORE:
        state.structure[f"{key}.activity"] = xp.asarray(10 * SCORE[key])
    state.structure["samples"] += 10
    learner.before_step(state, {f"{key}.bn.gamma": xp.asarray(-factor * d) for key, d in DGAMMA.items()})
    learner.after_epoch(state)
    assert listed({key: to_host(mask) for key, mask in state.channels.items()}) == final
    assert {key: to_host(state.params[f"{key}.bn.gamma"]).tolist() for key in SCORE} == final


@pytest.mark.parametrize(
    ("n", "p", "q", "counts"),
    [
        (4224, 0.1, 0.1, (3379, 422)),  # the published configuration: 3801 kept, 423 pruned
        (4224, 0.7, 0.2, (422, 844)),
        (100, 0.05, 0.05, (90, 5)),  # (1 - .05 - .05) * 100 = 89.99999999999999
        (10, 0.1, 0.2, (7, 2)),
        (100, 0.42, 0.29, (29, 29)),  # 0.29 * 100 = 28.999999999999996
        (8, 0.5, 0, (4, 0)),
        (8, 0, 0, (8, 0)),
        (1, 0.5, 0.1, (0, 0)),
    ],
)
def test_worked_counts(n, p, q, counts):
    assert channel_counts(n, p, q) == counts


@given(n=st.integers(1, 5000), p=st.integers(0, 99), q=st.integers(0, 99))
def test_counts_are_those_of_whole_percents(n, p, q):
    """In integers nothing is rounded."""
    if p + q >= 100:
        with pytest.raises(ValueError, match="p and q must be 0 or more and p"):
            channel_counts(n, p / 100, q / 100)
    else:
        assert channel_counts(n, p / 100, q / 100) == ((100 - p - q) * n // 100, q * n // 100)


@pytest.mark.parametrize(
    ("p", "q"), [(0.5, 0.5), (1, 0), (0, 1.5), (-0.1, 0.2), (0.2, -0.1), (np.nan, 0), (0, np.nan)]
)
def test_impossible_fractions(p, q):
    with pytest.raises(ValueError, match=f"0 or more and p \\+ q below 1, found p = {p}, q = {q}"):
        channel_counts(100, p, q)


def naive_keep(scores, count):
    """The best `count`; then every empty layer gets its best, and the lowest kept that is not alone goes."""
    places = sorted(
        (-s, layer, c) for layer, key in enumerate(scores) for c, s in enumerate(scores[key])
    )  # ties: first layer, lowest index
    kept = places[:count]
    for layer in range(len(scores)):
        if layer not in [place[1] for place in kept]:
            kept.append(next(place for place in places if place[1] == layer))
            layers = [place[1] for place in kept]
            kept.remove(max(place for place in kept if layers.count(place[1]) > 1))
    return {
        key: np.array([(layer, c) in [place[1:] for place in kept] for c in range(len(scores[key]))])
        for layer, key in enumerate(scores)
    }


def naive_regrow(kept, gradients, scores, count, strict):
    pruned = sorted(
        (-gradients[key][c], -scores[key][c], layer, c)
        for layer, key in enumerate(kept)
        for c in range(len(kept[key]))
        if not kept[key][c]
    )
    final = {key: mask.copy() for key, mask in kept.items()}
    for gradient, _, layer, c in pruned[:count]:
        if gradient or not strict:
            final[list(kept)[layer]][c] = True
    return final


@st.composite
def layers(draw):
    """Numbers for the channels of some layers; often few different ones, so that ties decide."""
    rng, widths = draw(rngs), draw(st.lists(sizes, min_size=1, max_size=5))
    values = draw(st.sampled_from([1, 2, 4, None]))

    def numbers():
        return {
            f"lif{n}": rng.random(width) if values is None else rng.integers(0, values, width) / 4
            for n, width in enumerate(widths)
        }

    return numbers(), numbers(), rng


@given(drawn=layers())
def test_keep_and_regrow_equal_naive(drawn):
    scores, gradients, rng = drawn
    n, L = sum(map(len, scores.values())), len(scores)
    count = int(rng.integers(L, n + 1))
    kept = keep_most_active(scores, count)
    assert listed(kept) == listed(naive_keep(scores, count))
    assert sum(mask.sum() for mask in kept.values()) == count
    assert all(mask.any() and mask.dtype == bool for mask in kept.values())
    grown = int(rng.integers(0, n - count + 1))
    for strictly in (False, True):
        final = regrow(kept, gradients, scores, grown, strictly)
        assert listed(final) == listed(naive_regrow(kept, gradients, scores, grown, strictly))
        assert all((final[key] >= mask).all() for key, mask in kept.items())
        more = sum(mask.sum() for mask in final.values()) - count
        assert more == grown or (strictly and more < grown)


def test_where_no_gradient_tells_the_score_does():
    zero = {key: 0 * g for key, g in DGAMMA.items()}
    kept = keep_most_active(SCORE, 2)
    assert listed(regrow(kept, zero, SCORE, 2)) == {"A": [1, 0, 1], "B": [1, 0, 0, 1, 0]}
    assert listed(regrow(kept, zero, SCORE, 2, strict=True)) == listed(kept)
    one = zero | {"B": np.array([0, 1e-300, 0, 0, 0])}
    assert listed(regrow(kept, one, SCORE, 2)) == {"A": [1, 0, 0], "B": [1, 1, 0, 1, 0]}
    assert listed(regrow(kept, one, SCORE, 2, strict=True)) == {"A": [1, 0, 0], "B": [1, 1, 0, 0, 0]}


def test_the_rules_refuse():
    nan = SCORE | {"B": SCORE["B"] * np.array([1, 1, np.nan, 1, 1])}
    with pytest.raises(ValueError, match="scores hold NaN: training has diverged"):
        keep_most_active(nan, 4)
    for count in (1, 9):
        with pytest.raises(ValueError, match=f"cannot keep {count} of 8 channels in 2 layers"):
            keep_most_active(SCORE, count)
    kept = keep_most_active(SCORE, 6)
    with pytest.raises(ValueError, match="gradients hold NaN: training has diverged"):
        regrow(kept, nan, SCORE, 1)
    with pytest.raises(ValueError, match="cannot regrow 3 of 2 pruned channels"):
        regrow(kept, DGAMMA, SCORE, 3)


@given(rng=rngs, widths=st.lists(sizes, min_size=1, max_size=5), p=st.sampled_from([0, 0.1, 0.5, 0.9, 0.99]))
def test_drawn_channels_have_the_same_ratio_in_every_layer(rng, widths, p):
    masks = draw_channels(dict(enumerate(widths)), p, rng)
    for n, width in enumerate(widths):
        assert masks[n].sum() == max(1, round((1 - p) * width))
        assert masks[n].shape == (width,)
        assert masks[n].dtype == bool


def test_drawn_channels_are_drawn_evenly():
    draws = np.array([draw_channels({"a": 5}, 0.4, np.random.default_rng(seed))["a"] for seed in range(500)])
    assert abs(draws.mean(0) - 0.6).max() < 0.08  # 0.022 is one deviation


def layered(*widths):
    return tuple(
        Channels(f"lif{n}", w, 1, (f"lif{n}",), (f"bn{n}",), (f"conv{n}",)) for n, w in enumerate(widths)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SCA(layered(4), 0.5, mode="medium"),
            "mode must be one of soft, hard, random, found 'medium'",
        ),
        (lambda: SCA((), 0.5), "no channels to prune: it needs convolutions with batch norm"),
        (
            lambda: SCA(layered(4, 4, 4), 0.7, 0.1),
            "keeps 2 of 12 channels by their scores, but there are 3 layers",
        ),
        (lambda: SCA(layered(4), 0.7, 0.3), "p . q below 1"),
        (lambda: SCA(layered(4), np.nan), "found p = nan"),
    ],
)
def test_impossible_learners_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    assert SCA(layered(4, 4, 4), 0.65, 0.1).size == 12  # as little as possible


# The learner, in training. Networks are tiny, so that layers fall silent at times; numbers are float64.

pytestmark = pytest.mark.filterwarnings("ignore:epoch .*fires:UserWarning")

T, N, LR = 2, 13, 0.03
SHAPE = (6, 6, 2)
NEURON = SCA_STYLE.neuron


def chain(neuron=NEURON):
    style = replace(SCA_STYLE, neuron=neuron)
    return from_notation("6C3-AP2-8C3-AP2-8C3-3FC", SHAPE, T, style)


def tied(neuron=NEURON):
    """Post-activation: the channels of each stage's residual stream are one layer."""
    return architectures.resnet19(SHAPE, 3, T, neuron, widths=(4, 4, 5, 6, 4))


def pre_activation(neuron=NEURON):
    return architectures.pre_resnet18(SHAPE, 3, T, neuron, widths=(4, 4, 5, 6))


WHOLE = {"chain": chain, "tied": tied, "pre-activation": pre_activation}
NETS = {  # of each kind of block one that widens, between others
    "chain": chain,
    "tied": lambda neuron=NEURON: shallow(tied(neuron), (1, 4, 5)),
    "pre-activation": lambda neuron=NEURON: shallow(pre_activation(neuron), (1, 3, 4)),
}


@pytest.fixture
def there(xp, monkeypatch):
    """What training moves to its device goes to xp."""
    array = type(xp.asarray(np.ones(1)))
    monkeypatch.setattr(loop, "to_device", lambda x, _: x if isinstance(x, array) else xp.asarray(x))
    return xp


def split(seed=0, n=N):
    rng = np.random.default_rng(seed)
    return Split(rng.standard_normal((n, *SHAPE)), rng.integers(0, 3, n))


def begin(net, optimizer=SGD(), l1=0.0, accumulate=1, quick=False, score="code", batch_size=5, **fields):  # noqa: B008
    """A setup and its first state. fields: of SCA, or none for dense training."""
    learner = SCA(ChannelGraph(net, SHAPE).layers, **fields) if fields else StructureLearner()
    net = scored(net, score)
    penalty = Penalty(l1_cost_forward, l1_cost_backward, l1, lambda key, weight: weight.ndim == 4)
    setup = Setup(
        fast(net, SHAPE) if quick else net, SHAPE, encode=lambda images: images[None],
        augment=lambda images, rng: images, objective=LOSSES["mean"], penalties=(penalty,) if l1 else (),
        optimizer=optimizer, normalise=unlimited, lr=lambda epoch: LR, learner=learner,
        batch_size=batch_size, epochs=9, accumulate=accumulate,
    )  # fmt: skip
    state = loop.start(replace(setup, learner=StructureLearner()), 0, np.float64)
    rng = np.random.default_rng(1)
    for key, w in state.params.items():  # all neurons fire at times, and no two norms are alike
        if key.endswith(("gamma", "beta")):
            w += array_module(w).asarray(rng.uniform(0.2, 0.6, w.shape))
    learner.start(state)
    return setup, state


def epoch(setup, state):
    return loop.train_epoch(setup, state, split(), tqdm(disable=True))


def held(arrays):
    """On the host, and safe from later changes in place."""
    return {key: to_host(a).copy() for key, a in arrays.items()}


def hung_on(learner, params, suffixes=("weight", "bias", "gamma", "beta")):
    """(layer, key) of all parameters whose last axis runs over a layer's channels."""
    for layer in learner.layers:
        keys = [f"{name}.{suffix}" for name in (*layer.convs, *layer.norms) for suffix in suffixes]
        yield from ((layer, key) for key in keys if key in params)


def per_channel(a):
    """Is anything but 0? [C]"""
    return (a != 0).reshape(-1, a.shape[-1]).any(0)


def naive_scores(net, params, buffers, images, score):
    """By layer of neurons: the mean over time, images and positions, step by step. Also for v_reset = 0 only."""
    _, cache, _ = net.forward(params, buffers, images[None], True)
    found = {}
    for name, neurons in neuron_caches(net, cache):
        u, a = to_host(neurons.u), to_host(neurons.spikes)
        v = np.where(a, 0, u)
        measure = {"code": a + abs(v), "post-reset": abs(v), "pre-reset": abs(u)}[score]
        found[name] = measure.reshape(-1, u.shape[-1]).mean(0)
    return found


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("chain", {"p": 0.5, "q": 0.1, "score": "code"}),
        ("chain", {"p": 0.4, "q": 0.2, "mode": "hard", "accumulate": 2, "score": "post-reset"}),
        ("chain", {"p": 0.3, "q": 0.3, "every": 2, "end": 2, "strict": True, "accumulate": 3}),
        ("tied", {"p": 0.3, "q": 0.1, "per_map": True}),
        ("pre-activation", {"p": 0.3, "q": 0.2, "per_map": True, "score": "pre-reset"}),
        *slow_but(
            [],
            [
                ("chain", {"p": 0.4, "q": 0.2, "every": 2, "per_map": True, "quick": True}),
                ("tied", {"p": 0.3, "q": 0.2, "mode": "hard", "accumulate": 2, "quick": True}),
                ("pre-activation", {"p": 0.3, "q": 0.2, "mode": "hard", "quick": True}),
            ],
        ),
    ],
    ids=str,
)
def test_epochs_by_hand(there, monkeypatch, name, fields):
    """Scores are means over all images since the last update, dgamma is the last batch's; the rules do the rest."""
    plain = NETS[name]()
    setup, state = begin(plain, **fields)
    learner, seen, step = setup.learner, [], loop.step

    def watched(setup, state, images, labels, lr):
        dense = replace(setup, net=plain, learner=StructureLearner())
        before = TrainingState(dict(state.params), dict(state.buffers))
        parts = [
            (
                len(part),
                naive_scores(
                    plain,
                    before.params,
                    before.buffers,
                    there.asarray(images[part]),
                    fields.get("score", "code"),
                ),
            )
            for part in np.array_split(np.arange(len(labels)), min(setup.accumulate, len(labels)))
        ]
        seen.append((parts, held(loop.gradients(dense, before, images, labels)[3])))
        return step(setup, state, images, labels, lr)

    monkeypatch.setattr(loop, "step", watched)
    n = sum(layer.size for layer in learner.layers)
    n_keep, n_grow = channel_counts(n, learner.p, learner.q)
    masks = {layer.key: np.ones(layer.size, bool) for layer in learner.layers}
    changes = 0
    for k in range(1, 5):
        old = masks
        row = epoch(setup, state)
        if k % learner.every == 0 and k <= learner.end:
            scores, dgamma = {}, {}
            for layer in learner.layers:
                per_image = [
                    size * np.mean([found[neurons] for neurons in layer.neurons], 0)
                    for parts, _ in seen
                    for size, found in parts
                ]
                shape = layer.positions if learner.per_map else 1
                scores[layer.key] = shape * sum(per_image) / (N * learner.every)
                last = seen[-1][1]
                dgamma[layer.key] = np.mean([abs(last[f"{norm}.gamma"]) for norm in layer.norms], 0)
                close = {"rtol": 1e-8, "atol": 1e-11}
                np.testing.assert_allclose(
                    to_host(state.structure[f"{layer.key}.dgamma"]), dgamma[layer.key], **close
                )
            masks = naive_regrow(naive_keep(scores, n_keep), dgamma, scores, n_grow, learner.strict)
            for layer in learner.layers:
                expected = scores[layer.key] * masks[layer.key]
                np.testing.assert_allclose(to_host(state.structure[f"{layer.key}.score"]), expected, **close)
            seen.clear()
            assert learner.strict or sum(mask.sum() for mask in masks.values()) == n_keep + n_grow
        assert listed({key: to_host(mask) for key, mask in state.channels.items()}) == listed(masks)
        assert {key: row[f"channels_{key}"] for key in masks} == {key: m.sum() for key, m in masks.items()}
        assert row["regrown"] == sum((masks[key] & ~old[key]).sum() for key in masks)
        changes += any((masks[key] != old[key]).any() for key in masks)
    assert changes == 1 if learner.end == 2 else changes >= 2


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("score", SCORES)
def test_twins_measure_the_same_activity(xp, name, score):
    """The fast network and the plain one, in training; in evaluation, or without a score, none."""
    net = WHOLE[name](replace(NEURON, v_reset=-0.3, decay=0.7))
    rng = np.random.default_rng(0)
    params, buffers = ({k: xp.asarray(a) for k, a in arrays.items()} for arrays in net.init(rng, SHAPE))
    x = xp.asarray(2 * rng.standard_normal((1, 4, *SHAPE)))
    found = []
    for n in (scored(net, score), fast(scored(net, score), SHAPE)):
        _, cache, _ = n.forward(params, buffers, x, True)
        found.append(activities(n, cache))
        assert not activities(n, n.forward(params, buffers, x, False)[1])
    assert list(found[0]) == list(found[1]) == [name for name, _ in neuron_caches(n, cache)]
    for key, activity in found[0].items():
        np.testing.assert_allclose(to_host(found[1][key]), to_host(activity), rtol=1e-8, atol=1e-10)
        assert float(activity.min()) > 0
    assert not activities(net, net.forward(params, buffers, x, True)[1])


def gradients(setup, state, n=5):
    images, labels = split(n=n)
    copy = TrainingState(dict(state.params), dict(state.buffers))
    return held(loop.gradients(replace(setup, learner=StructureLearner()), copy, images, labels)[3])


def steps(setup, state, n=1):
    images, labels = split()
    for k in range(n):
        part = np.arange(5 * k, 5 * k + 5) % N
        loop.step(setup, state, images[part], labels[part], LR)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("mu", [0.9, 0])
def test_soft(there, name, mu):
    """Right after an update a masked channel has gradient in beta alone: only momentum takes it out of there.

    Where channels are selected from a residual stream there is no W that could be 0, and so gradient in gamma too.
    """
    setup, state = begin(NETS[name](), SGD(mu), p=0.4, q=0.1)
    epoch(setup, state)
    masks, grads, params = held(state.channels), gradients(setup, state), held(state.params)
    for layer, key in hung_on(setup.learner, params):
        gone = ~masks[layer.key]
        assert (per_channel(params[key]) == ~gone).all()
        if not layer.convs or key.endswith(".beta"):
            assert grads[key][gone].all()
        else:
            assert not grads[key][..., gone].any()
    steps(setup, state, 3)
    after = held(state.params)
    for layer, key in hung_on(setup.learner, params):
        moves = mu or not layer.convs or key.endswith(".beta")
        assert (per_channel(after[key])[~masks[layer.key]] == bool(moves)).all()
    if not mu and name != "pre-activation":
        with pytest.warns(UserWarning, match="no masked channel has a gradient to regrow by"):
            epoch(setup, state)


@pytest.mark.parametrize("name", slow_but(["chain", "pre-activation"], NETS))
@pytest.mark.parametrize(("optimizer", "l1"), [(SGD(), 0), (SGD(), 0.01), (Adam(), 0.01)])
def test_hard(there, name, optimizer, l1):
    """Masked channels stand still, with gradients in gamma, and come back with the gamma and beta that they had."""
    setup, state = begin(NETS[name](), optimizer, l1, p=0.4, q=0.1, mode="hard")
    kept = {}  # values at which channels went, by key
    masks = {layer.key: np.ones(layer.size, bool) for layer in setup.learner.layers}
    back = 0
    for _ in range(5):
        before = held(state.params)
        steps(setup, state, 3)
        params, last = held(state.params), held(state.structure)
        for layer, key in hung_on(setup.learner, params):
            gone = ~masks[layer.key]
            np.testing.assert_array_equal(params[key][..., gone], before[key][..., gone])
            assert per_channel(params[key] - before[key])[~gone].all()
            if key.endswith(("gamma", "beta")):
                assert not params[key][gone].any()
            else:
                assert per_channel(params[key])[gone].all()
        assert all(last[f"{layer.key}.dgamma"].all() for layer in setup.learner.layers)
        state.epoch += 1
        setup.learner.after_epoch(state)
        new, after = held(state.channels), held(state.params)
        for layer, key in hung_on(setup.learner, params):
            old, now = masks[layer.key], new[layer.key]
            kept[key] = np.where(old, params[key], kept.get(key, params[key]))
            norm = key.endswith(("gamma", "beta"))
            np.testing.assert_array_equal(after[key], kept[key] * now if norm else params[key])
            assert not any(to_host(m)[..., ~now].any() for m in state.moments[key])
        back += sum((new[key] & ~masks[key]).sum() for key in masks)
        masks = new
    assert back > 0


@pytest.mark.parametrize("name", NETS)
def test_hard_with_a_surrogate_that_does_not_reach_rest(there, name):
    """A triangle of width 1 is 0 at u - v_th = -1: no masked channel hears of the loss again, which is said."""
    setup, state = begin(NETS[name](replace(NEURON, surrogate=Triangle())), p=0.4, q=0.1, mode="hard")
    epoch(setup, state)
    masks = held(state.channels)
    for layer, key in hung_on(setup.learner, state.params, ("gamma",)):
        gradient = gradients(setup, state)[key]
        assert not gradient[~masks[layer.key]].any()
        assert gradient[masks[layer.key]].any()
    with pytest.warns(UserWarning, match="no masked channel .* In hard mode this needs a surrogate that"):
        epoch(setup, state)
    assert listed(held(state.channels)) == listed(masks)


@pytest.mark.parametrize("name", slow_but(["chain", "pre-activation"], NETS))
def test_dgamma_of_a_masked_channel_is_the_derivative(there, name):
    """Of the loss by a gamma whose mask is lifted: finite differences, with the smooth step."""
    setup, state = begin(NETS[name](), p=0.4, q=0.1, mode="hard")
    epoch(setup, state)
    setup = replace(setup, net=NETS[name](replace(NEURON, smooth=True, detach_reset=False)))
    images, labels = split(n=5)
    grads, masks, checked = gradients(setup, state), held(state.channels), 0
    for layer, key in hung_on(setup.learner, state.params, ("gamma",)):
        gone = np.flatnonzero(~masks[layer.key])
        for c in gone if there is np else gone[:1]:  # the numbers are the same on every library
            ends = []
            for h in (1e-5, -1e-5):
                gamma = to_host(state.params[key]).copy()
                gamma[c] = h
                lifted = TrainingState(state.params | {key: there.asarray(gamma)}, state.buffers)
                dense = replace(setup, learner=StructureLearner())
                ends.append(float(loop.gradients(dense, lifted, images, labels)[0]))
            np.testing.assert_allclose(grads[key][c], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-9)
            checked += abs(grads[key][c]) > 1e-6
    assert checked > (3 if there is np else 0)


@pytest.mark.parametrize("name", slow_but(["chain", "pre-activation"], NETS))
@pytest.mark.parametrize("mode", ["soft", "hard", "random"])
def test_evaluation_sees_masks(there, name, mode):
    """Between updates, too: masked channels are silent in it, whatever they do in training."""
    setup, state = begin(NETS[name](), p=0.4, q=0.1, mode=mode, every=2)
    for _ in range(3):
        epoch(setup, state)
    masks, silenced = held(state.channels), dict(state.params)
    for layer, key in hung_on(setup.learner, state.params, ("gamma", "beta")):
        stays = there.asarray(masks[layer.key])
        if mode == "soft":
            state.params[key] += 2.0 * ~stays  # as if learned in longer training
        silenced[key] = there.where(stays, state.params[key], 0 * state.params[key])
    found = loop.evaluate(setup, state, split(1))
    dense = replace(setup, learner=StructureLearner())
    assert found == loop.evaluate(dense, replace(state, params=silenced), split(1))
    assert (found != loop.evaluate(dense, state, split(1))) == (mode == "soft")
    params = setup.learner.parameters(state)
    x = there.asarray(split(1).images[None])
    _, cache, _ = setup.net.forward(params, state.buffers, x, False)
    spikes = {name: to_host(neurons.spikes) for name, neurons in neuron_caches(setup.net, cache)}
    for layer in setup.learner.layers:
        if layer.convs:  # all that these neurons hear
            assert not any(spikes[name][..., ~masks[layer.key]].any() for name in layer.neurons)
    assert any(s.any() for s in spikes.values())


@pytest.mark.parametrize("name", slow_but(["chain", "pre-activation"], NETS))
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_random_masks_are_drawn_once_and_held(there, name, optimizer):
    setup, state = begin(NETS[name](), optimizer, 0.01, p=0.5, mode="random")
    masks, before = held(state.channels), held(state.params)
    assert {key: m.sum() for key, m in masks.items()} == {
        layer.key: max(1, round(layer.size / 2)) for layer in setup.learner.layers
    }
    for _ in range(3):
        row = epoch(setup, state)
        assert row["regrown"] == 0
        assert listed(held(state.channels)) == listed(masks)
    after = held(state.params)
    for layer, key in hung_on(setup.learner, after):
        gone = ~masks[layer.key]
        np.testing.assert_array_equal(after[key][..., gone], before[key][..., gone])
        assert per_channel(after[key] - before[key])[~gone].all()
    again = begin(NETS[name](), optimizer, 0.01, p=0.5, mode="random")[1]
    assert listed(held(again.channels)) == listed(masks)


@pytest.mark.parametrize(
    ("every", "end", "last"), [(1, 2, 2), (2, 3, 2), (2, 4, 4), (1, 1.5, 1), (3, 2, None)]
)
def test_after_the_last_update_masks_are_held(there, every, end, last):
    """Also if `end` is no multiple of `every`: masked channels stay at 0 from the last update on."""
    setup, state = begin(chain(), p=0.4, q=0.1, every=every, end=end)
    masks = []
    for k in range(1, 6):
        epoch(setup, state)
        masks.append(listed(held(state.channels)))
        awake = any(
            to_host(state.params[key])[..., ~to_host(state.channels[layer.key])].any()
            for layer, key in hung_on(setup.learner, state.params)
        )
        assert awake == (last is not None and last > k > every and k % every != 0)
    if last is None:
        assert all(to_host(mask).all() for mask in state.channels.values())
    else:
        assert masks[-1] == masks[last - 1] != masks[0] or last == 1
        assert all(m == masks[-1] for m in masks[last - 1 :])


@pytest.mark.parametrize("mode", ["soft", "hard", "random"])
@pytest.mark.parametrize("name", slow_but(["chain", "pre-activation"], NETS))
def test_nothing_to_prune_is_dense_training(there, name, mode):
    states = []
    for fields in ({}, {"p": 0, "q": 0, "mode": mode}):
        setup, state = begin(NETS[name](), **fields)
        for _ in range(2):
            row = epoch(setup, state)
        states.append(state)
    assert all(to_host(mask).all() for mask in state.channels.values())
    assert row["regrown"] == 0
    for key, w in held(states[0].params).items():
        np.testing.assert_array_equal(w, to_host(states[1].params[key]))


def test_dense_training_knows_of_no_channels(there):
    setup, state = begin(chain())
    assert not [key for key in epoch(setup, state) if key.startswith(("channels", "regrown"))]


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_divergence_is_said(there, mode):
    setup, state = begin(chain(), p=0.4, q=0.1, mode=mode)
    epoch(setup, state)
    state.structure["lif1.dgamma"] = state.structure["lif1.dgamma"] * np.nan
    with pytest.raises(ValueError, match="gradients hold NaN"):
        setup.learner.after_epoch(state)
    state.structure["lif1.activity"] = state.structure["lif1.activity"] * np.nan
    with pytest.raises(ValueError, match="scores hold NaN"):
        setup.learner.after_epoch(state)


# Whole runs. Of a fifth of the digits: four batches in each epoch.

QUICK = replace(
    SCA_VGG16_DEFAULTS["digits"], net="6C3-MP2-8C3-MP2-10FC", epochs=4, batch_size=80, p=0.4, q=0.1, shift=1
)


CHANGES = [
    {},
    {"every": 2},
    {"every": 2, "end": 0.75},
    {"end": 0.5},
    {"mode": "hard"},
    {"mode": "hard", "every": 2},
    {"mode": "random"},
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A function: the folder and the result of a run that nothing stops, trained once."""
    there = {}

    def get(change):
        if str(change) not in there:
            folder = tmp_path_factory.mktemp("whole") / "run"
            result = start.train(replace(QUICK, **change), out=folder, pictures=False).result
            there[str(change)] = folder, result
        return there[str(change)]

    return get


@pytest.mark.parametrize(
    ("change", "stop"),  # in the first epoch; in the second; in the third, between two updates if every is 2
    [
        *slow_but([], [({}, 2)]),
        *slow_but(
            [({"every": 2, "end": 0.75}, 8), ({"mode": "hard"}, 8)], [(change, 8) for change in CHANGES]
        ),
        *slow_but([({"every": 2}, 12)], [(change, 12) for change in CHANGES if "every" in change]),
    ],
    ids=str,
)
def test_resuming_equals_never_having_stopped(tmp_path, monkeypatch, few_digits, undisturbed, change, stop):
    folder, whole = undisturbed(change)
    calls, step = [], loop.step

    def breaks_off(*args):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return step(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "step", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            start.train(replace(QUICK, **change), out=tmp_path / "broken", pictures=False)
    resumed = start.resume(tmp_path / "broken", pictures=False).result
    states = [checkpoint.load(path / "checkpoint.npz") for path in (folder, tmp_path / "broken")]
    states_equal(*states)
    assert not all(mask.all() for mask in states[0].channels.values())
    assert {**whole, "seconds": 0} == {**resumed, "seconds": 0}


@pytest.mark.parametrize("change", [{}, {"mode": "hard", "every": 2}, {"mode": "random"}], ids=str)
@pytest.mark.parametrize("xp", ["strict", "cupy"], indirect=True)
def test_runs_on_a_device(xp, monkeypatch, few_digits, tmp_path, change):
    recipe = replace(QUICK, epochs=3, device="gpu", **change)
    if xp is strict:
        for module in loop, start, run_result:
            monkeypatch.setattr(
                module, "to_device", lambda x, device: x if isinstance(x, StrictArray) else xp.asarray(x)
            )
    whole = start.train(recipe, out=tmp_path / "run", pictures=False).result
    rows = start.load(tmp_path / "run").log
    assert whole["channels"] == {key: [row[f"channels_{key}"] for row in rows] for key in ("lif1", "lif2")}
    assert whole["regrown"] == [row["regrown"] for row in rows]
    kept = sum(counts[-1] for counts in whole["channels"].values())
    assert kept == (4 + 5 if "mode" in change and change["mode"] == "random" else 8)
    again = start.resume(tmp_path / "run", pictures=False).result
    assert again["test_loss"] == pytest.approx(whole["test_loss"], rel=1e-5)


def test_networks_that_measure_nothing_are_refused():
    recipe = replace(SCA_VGG16_DEFAULTS["digits"], net="4C3-4C3-10FC", p=0.25)
    data = recipe.load()
    setup = replace(recipe.setup(data), net=recipe.plain(data))
    with pytest.raises(ValueError, match=r"lif1, lif2: no activity was measured; train `compose.scored"):
        loop.step(setup, loop.start(setup, 0), data.train.images[:4], data.train.labels[:4], 0.1)


def test_lists_and_shapes_of_channels():
    """Scores may be lists; what does not fit is refused by name."""
    assert keep_most_active({"a": [1, 5], "b": [3.0]}, 2)["a"].tolist() == [False, True]
    masks = {"a": [True, False], "b": [True]}
    assert regrow(masks, {"a": [0.0, 1], "b": [0]}, {"a": [1, 5], "b": [3]}, 1)["a"].all()
    for call, said in [
        (lambda: keep_most_active([1, 2], 1), "scores must be arrays by layer, found list"),
        (lambda: keep_most_active({}, 0), "scores must be arrays by layer"),
        (
            lambda: keep_most_active({"a": [[1, 2]]}, 1),
            r"scores must be \[C\] for every layer, found {'a': \(1, 2\)}",
        ),
        (lambda: keep_most_active({"a": ["x"]}, 1), "scores of a must be bool, integers or floating"),
        (lambda: keep_most_active({"a": [1, 2]}, 1.5), "count must be a whole number, found 1.5"),
        (
            lambda: regrow(masks, {"a": [0.0], "b": [0]}, {"a": [1, 5], "b": [3]}, 1),
            "gradients must be of the same",
        ),
        (
            lambda: regrow(masks, {"a": [0.0, 1]}, {"a": [1, 5], "b": [3]}, 1),
            "gradients must be of the same layers",
        ),
        (
            lambda: regrow({"a": [1, 0]}, {"a": [1, 0]}, {"a": [1, 0]}, 1),
            "masks must be bool, found int(32|64)",
        ),
        (lambda: draw_channels({"a": 4}, 1.5, np.random.default_rng(0)), "p must be 0 to 1, found 1.5"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()


def test_a_state_that_does_not_fit_is_refused():
    layers = (Channels("lif1", 3, 4, ("lif1",), ("bn1",), ("conv1",)),)
    vector, weight = np.ones(3), np.ones((3, 3, 1, 3))
    for params, said in [
        ({}, "layer lif1: found no parameter bn1.gamma, expected the network's state"),
        ({"bn1.gamma": np.ones(4)}, r"layer lif1: bn1.gamma has the shape \(4,\), expected 3 channels"),
        (
            {"bn1.gamma": vector, "conv1.weight": weight[..., :2]},
            r"conv1.weight has the shape \(3, 3, 1, 2\)",
        ),
    ]:
        state = TrainingState(params)
        with pytest.raises(ValueError, match=said):
            SCA(layers, p=0.5).start(state)
        assert not state.channels
    right = {"bn1.gamma": vector, "bn1.beta": vector, "conv1.weight": weight}
    with pytest.raises(ValueError, match=r"state.rngs must hold a stream named 'structure'"):
        SCA(layers, p=0.5, mode="random").start(TrainingState(right))
    with pytest.raises(ValueError, match="every must be at least 1, found 0"):
        SCA(layers, p=0.5, every=0)
