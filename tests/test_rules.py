"""Whatever a rule returns, the number of connections is exact, or one error says which rule did what to which layer."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs
from strict_array import xp as strict

from minisnn.backend import to_host
from minisnn.structure import grow, masks, prune, redistribute
from minisnn.structure.answers import name_of
from minisnn.structure.evolve import Evolve, grow_layer, prune_layer
from minisnn.structure.grow import GrowthStatistics
from minisnn.structure.redistribute import right_on_average
from minisnn.structure.schedule import cosine_fraction
from minisnn.training.optim import SGD
from minisnn.training.state import TrainingState


def train(xp, steps=4, **rules):
    """Rewire two layers; returns their numbers of connections before and after."""
    rng = np.random.default_rng(0)
    params = {key: xp.asarray(rng.standard_normal(shape)) for key, shape in (("a", (12, 10)), ("b", (9, 8)))}
    state = TrainingState(params, rngs={"structure": np.random.default_rng(1)})
    state.moments = SGD().init(params)
    learner = Evolve({"a": 0.4, "b": 0.3}, t_end=100, t_iter=1, alpha=0.5, sample=masks.exact_mask, **rules)
    learner.start(state)
    before = {key: int(mask.sum()) for key, mask in state.masks.items()}
    for _ in range(steps):
        grads = {key: xp.asarray(rng.standard_normal(w.shape)) for key, w in params.items()}
        state.iteration += 1
        SGD().step(state.params, grads, state.moments, 0.1, state.iteration)
        learner.after_step(state, grads, SGD(), 0.1)
        for key, mask in state.masks.items():
            state.params[key] *= mask
        masks.check_masks(state.params, state.masks)
    return before, {key: int(mask.sum()) for key, mask in state.masks.items()}


def damaged(change, of):
    """my_rule: what the rule `of` returns, changed."""

    def my_rule(*arguments):
        return change(of(*arguments), arguments)

    return my_rule


def repeated(positions, _):
    positions = positions.copy()
    positions[-1] = positions[0]
    return positions


def elsewhere(positions, arguments):
    """One position that the rule may not name: of an inactive connection when pruning, an active one when growing."""
    positions = positions.copy()
    if len(arguments) == 3:
        positions[0] = to_host(arguments[1]).ravel().tolist().index(False)
    else:
        inactive = set(to_host(arguments[1]).tolist())
        positions[0] = next(n for n in range(1000) if n not in inactive)
    return positions


def beyond(by):
    def change(positions, _):
        positions = positions.copy()
        positions[0] = by
        return positions

    return change


WRONG = {
    "half": (lambda p, _: p[: len(p) // 2], r"it returned \d+ positions"),
    "none": (lambda p, _: p[:0], "it returned 0 positions"),
    "too many": (lambda p, _: p.repeat(2), r"it returned \d+ positions"),
    "repeated": (repeated, "1 of them repeated and 0 of them foreign"),
    "elsewhere": (elsewhere, "0 of them repeated and 1 of them foreign"),
    "too large": (beyond(500), r"positions from \d+ to 500, where 0 to 119 exist"),
    "negative": (beyond(-1), r"positions from -1 to \d+, where 0 to 119 exist"),
    "floats": (lambda p, _: p.astype(float), r"an array of float64 with the shape \(\d+,\)"),
    "columns": (lambda p, _: p[:, None], r"an array of int(32|64) with the shape \(\d+, 1\)"),
    "a mask": (lambda p, a: a[1] == a[1], "an array of bool"),
    "nothing": (lambda p, _: None, r"an array of object with the shape \(\)"),
    "text": (lambda p, _: "lowest", "an array of <U6"),
    "ragged": (lambda p, _: [[1], [1, 2]], "a list that is no array"),
}


@pytest.mark.parametrize("kind", ["prune", "grow"])
@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_answer_names_rule_and_layer(xp, kind, change):
    alter, said = WRONG[change]
    right = {"prune": prune.prune_magnitude, "grow": grow.grow_random}[kind]
    mine = damaged(alter, right)
    for rule in (mine, partial(mine)):
        said_before = (
            rf"^{kind} rule my_rule, a: .*{said}.*; expected \d+ integers, all different, each the position"
        )
        with pytest.raises(ValueError, match=said_before):
            train(xp, **{kind: rule})


@pytest.mark.parametrize(
    "form",
    [
        lambda p: to_host(p),
        lambda p: to_host(p).tolist(),
        lambda p: p.astype("uint16"),
        lambda p: strict.asarray(to_host(p)),
        lambda p: list(map(int, p)),
    ],
)
def test_what_numpy_would_take_is_right(xp, form):
    """Lists, short integers, and arrays of the host or a device, wherever the weights live."""
    before, after = train(
        xp,
        prune=damaged(lambda p, _: form(p), prune.prune_set),
        grow=damaged(lambda p, _: form(p), grow.grow_gradient),
    )
    assert before == after


COUNTS = {
    "too few": (lambda c: c | {"a": c["a"] - 1}, r"\d+ connections in all; expected the \d+ that were lost"),
    "too many": (lambda c: c | {"b": c["b"] + 1}, "connections in all"),
    "negative": (lambda c: c | {"a": -1, "b": c["b"] + c["a"] + 1}, "-1 for a; expected 0 to "),
    "more than free": (
        lambda c: {"a": c["a"] - 1000, "b": c["b"] + 1000} | {"a": 0},
        "for b; expected 0 to ",
    ),
    "missing": (lambda c: {"a": c["a"] + c["b"]}, r"nothing for \['b'\] and something for \[\]"),
    "foreign": (lambda c: c | {"c": 0}, r"nothing for \[\] and something for \['c'\]"),
    "floats": (lambda c: {key: float(n) for key, n in c.items()}, r"\d+\.0 for a; expected a whole number"),
    "a list": (lambda c: list(c.values()), "a list; expected a dictionary"),
}


@pytest.mark.parametrize("change", COUNTS)
def test_wrong_shares_are_refused(change):
    alter, said = COUNTS[change]

    def my_rule(layers, rng):
        return alter(redistribute.return_what_was_lost(layers, rng))

    with pytest.raises(ValueError, match=f"^redistribute rule my_rule: it returned .*{said}"):
        train(np, redistribute=my_rule)


def test_a_rule_that_is_right_on_average_says_so():
    @right_on_average
    def one_less(layers, rng):
        return {key: np.int64(layer.lost - 1) for key, layer in layers.items()}

    before, after = train(np, steps=3, redistribute=one_less)
    assert {key: before[key] - after[key] for key in before} == {"a": 3, "b": 3}
    assert train(np, redistribute=partial(one_less))[0] == before
    assert redistribute.is_right_on_average(redistribute.draw_binomially)
    assert not redistribute.is_right_on_average(redistribute.share_by_momentum)


@given(rng=rngs, rule=st.sampled_from(list(redistribute.RULES)))
def test_the_rules_of_the_library_pass(rng, rule):
    before, after = train(np, redistribute=redistribute.RULES[rule])
    if rule != "bernoulli":
        assert sum(before.values()) == sum(after.values())


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (lambda shape, density, rng: np.ones(shape), r"float64 \(12, 10\); expected bool \(12, 10\)"),
        (
            lambda shape, density, rng: np.ones(shape[::-1], bool),
            r"bool \(10, 12\); expected bool \(12, 10\)",
        ),
        (lambda shape, density, rng: None, "NoneType; expected bool"),
    ],
)
def test_masks_that_do_not_fit_are_refused(drawn, said):
    state = TrainingState({"a": np.ones((12, 10))}, rngs={"structure": np.random.default_rng(0)})
    with pytest.raises(ValueError, match=rf"sampler <lambda>, a: it returned {said}"):
        Evolve({"a": 0.5}, t_end=1, sample=drawn).start(state)
    assert not state.masks


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Evolve({"a": 0.5}, t_end=1).start(TrainingState({"a": np.ones((2, 2))})),
         r"state.rngs must hold a stream named 'structure', found \[\]: add state.rngs"),
        (lambda: Evolve({"c": 0.5}, t_end=1).start(
            TrainingState({"a": np.ones((2, 2))}, rngs={"structure": np.random.default_rng(0)})),
         "densities name c, expected one of the parameters: a"),
        (lambda: Evolve({"a": 1.5}, t_end=1), "density of a must be 0 to 1, found 1.5"),
        (lambda: Evolve({"a": 0.5}, t_end=1, t_iter=0), "t_iter must be at least 1, found 0"),
        (lambda: Evolve({"a": 0.5}, t_end=1, alpha=2), "alpha must be a fraction, 0 to 1, found 2"),
        (lambda: Evolve({"a": 0.5}, t_end=1, alpha=0.1, eta_min=0.2), "eta_min must be 0 to alpha = 0.1, found 0.2"),
        (lambda: Evolve({"a": 0.5}, t_end=-1), "t_end must be 0 or more, and finite, found -1"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_the_start(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_rules_take_lists():
    weight, mask = [[0.5, -0.1], [0.0, 2.0]], [[True, True], [False, True]]
    rng = np.random.default_rng(0)
    assert prune.prune_magnitude(weight, mask, 1).tolist() == [1]
    assert prune.prune_set(weight, mask, np.int64(1)).tolist() == [0]
    statistics = GrowthStatistics([[0.1, -3.0], [2.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]], [[0, -1], [2, 1]])
    expected = {
        "random": {1, 2},
        "random-unfired": {1},
        "longest-inactive": {1},
        "gradient": {1},
        "momentum": {2},
    }
    for name, rule in grow.RULES.items():
        (found,) = rule(statistics, [1, 2], 1, rng).tolist()
        assert found in expected[name]
        assert rule(statistics, [], 0, rng).tolist() == []
        for candidates, count, said in [
            ([1.0], 1, "candidates must be integers, found float64"),
            ([1], 0.5, "count must be a whole number, found 0.5"),
            ([1], -1, "count must be at least 0, found -1"),
        ]:
            with pytest.raises(ValueError, match=said):
                rule(statistics, candidates, count, rng)
    for rule in prune.RULES.values():
        for w, m, count, said in [
            ([[1, 2]], [[True, True]], 1, "weight must be floating, found int(32|64): write 1.0"),
            ([[1.0, 2.0]], [[1, 1]], 1, "mask must be bool, found int(32|64)"),
            ([[1.0, 2.0]], [True, True], 1, r"mask must have the weight's shape \(1, 2\), found \(2,\)"),
            ([[1.0, 2.0]], [[True, True]], 1.5, "count must be a whole number, found 1.5"),
        ]:
            with pytest.raises(ValueError, match=said):
                rule(w, m, count)


def test_masks_of_a_device_are_right():
    drawn = []

    def sample(shape, density, rng):
        drawn.append(rng.random(shape) < density)
        return strict.asarray(drawn[-1])

    state = TrainingState({"a": np.ones((12, 10))}, rngs={"structure": np.random.default_rng(0)})
    Evolve({"a": 0.5}, t_end=1, sample=sample).start(state)
    np.testing.assert_array_equal(state.masks["a"], drawn[0])


def test_nothing_changes_when_a_rule_is_refused():
    weight, mask = np.arange(6.0).reshape(2, 3), np.array([[True, True, False], [False, True, False]])
    before = mask.copy()
    with pytest.raises(ValueError, match="prune rule <lambda>, a layer"):
        prune_layer(weight, mask, 2, lambda weight, mask, count: [0, 0])
    with pytest.raises(ValueError, match="grow rule <lambda>, a layer"):
        grow_layer(weight, mask, None, np.array([], int), 2, lambda s, candidates, count, rng: [2, 0], None)
    np.testing.assert_array_equal(mask, before)
    np.testing.assert_array_equal(weight, np.arange(6.0).reshape(2, 3))


def test_a_density_that_was_not_reached_is_told():
    state = TrainingState({"a": np.ones((30, 30))}, rngs={"structure": np.random.default_rng(0)})
    learner = Evolve({"a": 0.2}, t_end=1, sample=masks.exact_mask)
    learner.start(state)
    assert learner.target_density(state) == pytest.approx(0.2)
    assert learner.density(state) == pytest.approx(0.2)
    assert learner.missed_target(state) == ""
    state.masks["a"][...] = True
    assert learner.missed_target(state) == "the density asked for, 0.2, was not reached: Evolve ended at 1"
    drawn = Evolve({"a": 0.2}, t_end=1)  # independent draws are off by chance, and that is no miss
    for seed in range(50):
        state.rngs["structure"] = np.random.default_rng(seed)
        drawn.start(state)
        assert drawn.missed_target(state) == ""


def test_the_fraction_of_many_iterations():
    t = np.arange(12)
    found = cosine_fraction(t, 0.5, 8, 0.1)
    np.testing.assert_array_equal(found, [cosine_fraction(int(k), 0.5, 8, 0.1) for k in t])
    np.testing.assert_array_equal(found[8:], 0.1)  # rewiring goes on at eta_min
    assert cosine_fraction([0, 8], 0.5, 8).tolist() == [0.5, 0]
    assert type(cosine_fraction(np.int64(3), 0.5, 8)) is float
    for t, said in [
        ([-1, 2], "t must be 0 or more"),
        ("3", "t must be bool, integers or floating, found <U1"),
    ]:
        with pytest.raises(ValueError, match=said):
            cosine_fraction(t, 0.5, 8)


def test_names():
    class Rule:
        def __call__(self):
            """Nothing."""

    assert name_of(partial(partial(grow.grow_random), count=3)) == "grow_random"
    assert name_of(Rule()) == "Rule"
