"""A network as text and back: the same network, and nothing else is ever built from a text."""

import json
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, neurons, rngs, surrogates
from test_faster import notations
from test_slim import TINY, draw_masks, residual_nets

import minisnn as snn
from minisnn.faster import fast
from minisnn.networks.architectures import first_spike_mlp
from minisnn.networks.build import build
from minisnn.networks.compose import Residual, Sequential, scored
from minisnn.networks.describe import KNOWN, from_text, to_text
from minisnn.networks.notation import STYLES, NotationError, from_notation
from minisnn.networks.registry import NETWORKS
from minisnn.networks.stages.rearrange import Flatten
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron
from minisnn.ops.surrogate.sigmoid import Sigmoid
from minisnn.structure.slim import Slimmer


def check_round_trip(net):
    text = to_text(net)
    assert from_text(text) == net
    assert to_text(from_text(text)) == text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("T", [None, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name, T):
    shape = (48, 48, 2)
    net, paper = build(name, shape, 7, T)
    text = check_round_trip(net)
    assert build(text, shape, 7, None, paper) == (net, paper)


@given(drawn=notations(), T=st.none() | st.integers(1, 4), style=st.sampled_from([*STYLES.values()]))
def test_any_notation(drawn, T, style):
    notation, shape = drawn
    net = from_notation(notation, shape, T, style)
    check_round_trip(net)
    check_round_trip(scored(net, "pre-reset"))


@given(drawn=residual_nets(), rng=rngs)
def test_residual_networks_and_slim_ones(drawn, rng):
    net, shape = drawn
    check_round_trip(net)
    try:
        net.out(shape)
    except ValueError:
        return
    check_round_trip(Slimmer(net, shape, draw_masks(rng, net, shape)).net)


stage = st.one_of(
    st.builds(snn.FirstSpike, few, st.floats(1, 9), st.floats(0.1, 1)),
    st.builds(Linear, few, st.booleans(), st.none() | st.floats(0.01, 1)),
    st.builds(Conv, few, few, few, st.integers(0, 3), st.booleans(), st.sampled_from([None, "fan_out"])),
    st.builds(snn.BatchNorm, st.floats(0, 2), st.floats(0, 1), few, st.floats(0.5, 2)),
    st.builds(snn.LIF, st.builds(Neuron, smooth=st.booleans(), surrogate=surrogates) | neurons,
              st.none() | st.just("code")),
    *(st.builds(pool, few) for pool in (snn.AveragePool, snn.SumPool, snn.MaxPool)),
    st.builds(snn.Repeat, few),
    st.builds(snn.Select, st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)),
    st.sampled_from([snn.GlobalPool(), Flatten(), snn.MeanOverTime(), snn.CumulativeSum()]),
)  # fmt: skip
nets = st.recursive(
    st.lists(stage, max_size=3).map(lambda s: Sequential(tuple((f"s{n}", x) for n, x in enumerate(s)))),
    lambda inner: st.lists(inner | st.builds(Residual, inner, inner), max_size=3).map(
        lambda s: Sequential(tuple((f"b{n}", x) for n, x in enumerate(s)))
    ),
    max_leaves=6,
)


@given(net=nets)
def test_any_network(net):
    """All stages with all fields, whether they make sense together or not."""
    check_round_trip(net)


FULL = [
    snn.FirstSpike(2, 3.0, 0.5), Linear(2, False, 0.1), Conv(2, 5, 2, 0, False, None), snn.Select((2, 0)),
    snn.BatchNorm(0.5, 0.2, 3, 2.0), snn.MaxPool(3), snn.AveragePool(3), snn.SumPool(3), snn.Repeat(2),
    snn.LIF(Neuron(0.3, 0.7, 2.0, None, True, True, Sigmoid(3.0), True), "code"), snn.LIF(Neuron(v_reset=-1.0)),
]  # fmt: skip


@pytest.mark.parametrize("stage", FULL)
def test_every_field(stage):
    """No field has its default, and each survives."""
    for part in (stage, getattr(stage, "neuron", stage)):
        assert stage == FULL[-1] or all(getattr(part, f.name) != f.default for f in fields(part))
    check_round_trip(Sequential((("s", stage),)))


def test_every_stage_of_a_plain_network_has_a_text():
    plain, found = [snn.Plain], set()
    while plain:
        plain += (cls := plain.pop()).__subclasses__()
        found.add(cls)
    ours = {cls for cls in found if cls.__module__.startswith("minisnn.networks.") and cls.__name__[0] != "_"}
    assert len(ours) > 15
    assert ours - {snn.Plain} <= set(KNOWN.values())
    assert check_round_trip(first_spike_mlp((5, 4), 3, (0.5, 0.1)))


def test_a_text_by_hand():
    net = Sequential((("conv", Conv(4, bias=False)), ("flat", Flatten()), ("fc", Linear(3))))
    assert json.loads(to_text(net)) == {
        "is": "Sequential",
        "stages": [
            ["conv", {"is": "Conv", "n_out": 4, "bias": False}],
            ["flat", {"is": "Flatten"}],
            ["fc", {"is": "Linear", "n_out": 3}],
        ],
    }


def test_fast_networks_have_no_text():
    for name, (shape, make) in TINY.items():
        if name != "mlp":  # whose stages only change places
            with pytest.raises(ValueError, match=r"cannot describe a \w+: describe the plain network"):
                to_text(fast(make(2), shape))


def test_a_stage_of_the_same_name_is_another():
    @dataclass(frozen=True)
    class Flatten:
        pass

    with pytest.raises(ValueError, match=r"Flatten', which has no name by which it could be found again"):
        to_text(Sequential((("flatten", Flatten()),)))


# --- what is refused

FLAT, OUT = {"is": "Flatten"}, {"is": "Linear", "n_out": 3}


def text(*stages):
    return json.dumps({"is": "Sequential", "stages": [[f"s{n}", s] for n, s in enumerate(stages)]})


def names(*names):
    return json.dumps({"is": "Sequential", "stages": [[name, FLAT] for name in names]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ("16C3-10FC", "Extra data"),
        ("{", "Expecting property name"),
        ("{}", "there is no stage None"),
        ("[]", "found tuple, expected Sequential"),
        ("null", "found NoneType, expected Sequential"),
        ("3", "found int, expected Sequential"),
        ('"Sequential"', "found str, expected Sequential"),
        (json.dumps(OUT), "found Linear, expected Sequential"),
        ('{"is": ["Sequential"]}', r"there is no stage \['Sequential'\]"),
        ('{"is": "Sequential", "stages": 5}', "Sequential cannot have stages = 5"),
        ('{"is": "Sequential", "stages": [5]}', r"Sequential cannot have stages = \(5,\)"),
        ('{"is": "Sequential", "stages": [["a"]]}', "Sequential cannot have stages"),
        ('{"is": "Sequential", "stages": [[3, {"is": "Flatten"}]]}', "Sequential cannot have stages"),
        ('{"is": "Sequential", "stages": [["a", {"is": "Flatten"}, 1]]}', "Sequential cannot have stages"),
        (text("hello"), "Sequential cannot have stages"),
        (text({"is": "Neuron"}), "Sequential cannot have stages"),
        (text({"is": "NormLIF"}), "there is no stage 'NormLIF'"),
        (text({"is": "os.system", "command": "true"}), "there is no stage 'os.system'"),
        (text({"n_out": 3}), "there is no stage None"),
        (text({"is": "Conv"}), "missing 1 required positional argument: 'n_out'"),
        (text({"is": "Conv", "n_out": 3, "colour": 2}), "unexpected keyword argument 'colour'"),
        (text({"is": "Conv", "n_out": "3"}), "Conv cannot have n_out = '3'"),
        (text({"is": "Conv", "n_out": 3.0}), "Conv cannot have n_out = 3.0"),
        (text({"is": "Conv", "n_out": True}), "Conv cannot have n_out = True"),
        (text({"is": "Conv", "n_out": None}), "Conv cannot have n_out = None"),
        (text({"is": "Conv", "n_out": 0}), "Conv cannot have n_out = 0"),
        (text({"is": "Conv", "n_out": 3, "stride": 0}), "Conv cannot have stride = 0"),
        (text({"is": "Conv", "n_out": 3, "padding": -1}), "Conv cannot have padding = -1"),
        (text({"is": "Conv", "n_out": 3, "bias": 1}), "Conv cannot have bias = 1"),
        (text({"is": "MaxPool", "k": 0}), "MaxPool cannot have k = 0"),
        (text({"is": "MaxPool", "pair": 0}), "unexpected keyword argument 'pair'"),
        (text({"is": "Repeat", "T": 0}), "Repeat cannot have T = 0"),
        (text({"is": "Select", "index": [1, "a"]}), r"Select cannot have index = \(1, 'a'\)"),
        (text({"is": "Select", "index": 1}), "Select cannot have index = 1"),
        (text({"is": "LIF", "neuron": None}), "LIF cannot have neuron = None"),
        (text({"is": "LIF", "score": 1}), "LIF cannot have score = 1"),
        (text({"is": "LIF", "neuron": {"is": "Neuron", "v_th": "1"}}), "v_th must be a number, found '1'"),
        (text({"is": "LIF", "neuron": {"is": "Neuron", "decay": 2}}), "decay must be 0 to 1, found 2"),
        (text({"is": "LIF", "neuron": {"is": "Neuron", "surrogate": {"is": "Flatten"}}}), "surrogate must be an"),
        (text({"is": "Residual", "main": FLAT}), "Residual cannot have main"),
        (text({"is": "BatchNorm", "gamma": None}), "BatchNorm cannot have gamma = None"),
        (text({"is": "Linear", "n_out": 3, "std": "wide"}), "Linear cannot have std = 'wide'"),
        (names("a", "b", "a"), "names of stages must differ and hold no dot, found 'a'"),
        (names("a.b"), "names of stages must differ and hold no dot, found 'a.b'"),
        (names(""), "names of stages must differ and hold no dot, found ''"),
        ('{"is": "Sequential", "stages": [["a",' * 5000 + "{}" + "]]}" * 5000, "recursion"),
        ("[" * 300 + "]" * 300, "recursion|found tuple"),
        ("[" * 100_000, "recursion"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        from_text(content)


@pytest.mark.parametrize("value", [None, 3, ["Sequential"], {"is": "Sequential"}])
def test_what_is_no_text(value):
    with pytest.raises(ValueError, match="not the description of a network"):
        from_text(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from([*KNOWN, "object", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["is", "n_out", "stages", "neuron", "k", "main", "index"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(value=json_values)
def test_any_json_is_a_network_or_refused(value):
    """And what is a network can be started, or says why not."""
    try:
        net = from_text(json.dumps({"is": "Sequential", "stages": [["a", value], ["b", FLAT], ["c", OUT]]}))
    except ValueError:
        return
    try:
        net.out((4, 4, 2))
    except ValueError:
        return
    assert to_text(net)
    if isinstance(value, dict) and value["is"] in KNOWN:
        assert type(net.stages[0][1]) is KNOWN[value["is"]]


@given(net=nets, data=st.data())
def test_damaged_texts(net, data):
    """A character changed, lost or added: a network again, or an error that says what."""
    content = to_text(net)
    at = data.draw(st.integers(0, len(content) - 1))
    new = (
        content[:at]
        + data.draw(st.sampled_from(["", "0", '"', "}", "-", "x"]))
        + content[at + data.draw(few) - 1 :]
    )
    try:
        assert isinstance(from_text(new), Sequential)
    except ValueError as error:
        assert str(error)


def test_nothing_but_known_classes():
    """Frozen dataclasses that hold numbers and each other: to build one does nothing else."""
    for name, cls in KNOWN.items():
        assert cls.__name__ == name
        folders = ("minisnn.networks.stages", "minisnn.ops.surrogate")
        files = ("minisnn.networks.compose", "minisnn.ops.neuron")
        assert cls.__module__.rpartition(".")[0] in folders or cls.__module__ in files
        assert cls.__dataclass_params__.frozen
        fields(cls)


# --- as a network's name


@pytest.mark.parametrize(
    ("content", "shape", "width", "message"),
    [
        (text(FLAT, OUT), (4, 4, 1), 1.0, "ends with 3 outputs, but there are 5 classes"),
        (
            text(OUT),
            (4, 4, 1),
            1.0,
            r"cannot build the network for \(4, 4, 1\): a linear stage takes vectors",
        ),
        (text({"is": "MaxPool", "k": 5}, FLAT, OUT), (4, 4, 1), 1.0, "a pool of 5x5 leaves nothing of 4x4"),
        (
            text({"is": "Select", "index": [2]}, FLAT, OUT),
            (4, 4, 2),
            1.0,
            r"cannot select channels \(2,\) of 2",
        ),
        (
            text(FLAT, OUT),
            (4, 4, 1),
            0.5,
            "width and neurons need a name or a notation: a network's text has its own",
        ),
        (text(FLAT, {"is": "GlobalPool"}, OUT), (4, 4, 1), 1.0, r"cannot build the network for \(4, 4, 1\)"),
        ("{}", (4, 4, 1), 1.0, "there is no stage None"),
        ("{" * 9, (4, 4, 1), 1.0, "not the description of a network"),
    ],
)
def test_texts_that_cannot_be_built(content, shape, width, message):
    with pytest.raises(NotationError, match=message):
        build(content, shape, 5, 2, width=width)


def test_a_text_is_a_name():
    """It has its own time steps and neurons; the paper says how it is trained."""
    net = from_notation("4C3-AP2-3FC", (4, 4, 1), 2, STYLES["sca"])
    found, paper = build(to_text(net), (4, 4, 1), 3, 7)
    assert (found, paper) == (net, "esl")
    assert build(to_text(net), (4, 4, 1), 3, 7, "sca") == (net, "sca")
    params, buffers = found.init(np.random.default_rng(0), (4, 4, 1))
    y, _, _ = found.forward(params, buffers, np.ones((1, 2, 4, 4, 1)), False)
    assert y.shape == (1, 2, 3)
