"""The papers' networks, counted to the last weight, and the reader of their notation."""

import re
from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisnn.networks import architectures
from minisnn.networks.build import build
from minisnn.networks.notation import ESL_STYLE, SCA_STYLE, NotationError, Style, from_notation, widened
from minisnn.networks.registry import NETWORKS, network
from minisnn.networks.shapes import parameter_shapes
from minisnn.networks.stages.lif import LIF
from minisnn.networks.stages.norm import BatchNorm
from minisnn.networks.stages.pools import AveragePool, MaxPool
from minisnn.networks.stages.readouts import MeanOverTime
from minisnn.networks.stages.rearrange import Flatten, Repeat
from minisnn.networks.stages.weights import Conv, Linear
from minisnn.ops.neuron import Neuron, integrate_and_fire


def parameters(net, shape, ndims=(1, 2, 4)):
    return sum(prod(s) for s in parameter_shapes(net, shape).values() if len(s) in ndims)


MNIST, CIFAR, DVS = (28, 28, 1), (32, 32, 3), (48, 48, 2)
SLIM = (64, 64, 128, 128, 256, 256, 252, 462, 401, 450, 419, 409, 512)
COUNTS = [
    (architectures.mlp, MNIST, 10, {}, {(2,): 635_200, (1,): 810}),
    (architectures.vggsnn, DVS, 10, {}, {(1, 2, 4): 9_271_498, (4,): 9_217_152, (2, 4): 9_263_232}),
    (architectures.resnet19, CIFAR, 10, {}, {(1, 2, 4): 12_630_858, (4,): 12_486_336, (2, 4): 12_619_968}),
    (architectures.resnet19, CIFAR, 100, {}, {(1, 2, 4): 12_653_988}),
    (architectures.vgg16, CIFAR, 10, {}, {(1, 2, 4): 15_250_378}),
    (architectures.vgg16, CIFAR, 100, {}, {(1, 2, 4): 15_296_548}),
    (architectures.vgg16, CIFAR, 10, {"channels": SLIM}, {(1, 2, 4): 11_727_373}),
    (architectures.five_conv, DVS, 10, {}, {(1, 2, 4): 1_111_306}),
    (
        architectures.five_conv,
        (128, 128, 2),
        10,
        {},
        {(1, 2, 4): 1_149_706},
    ),  # 4x4 maps before the linear layer
    (architectures.pre_resnet18, CIFAR, 10, {}, {(1, 2, 4): 11_172_298}),
]


@pytest.mark.parametrize(("builder", "shape", "n_classes", "others", "expected"), COUNTS)
@pytest.mark.parametrize("T", [None, 4])
def test_parameters_to_the_last_weight(builder, shape, n_classes, others, expected, T):
    net = builder(shape, n_classes, T, **others)
    assert net.out(shape) == (n_classes,)
    assert {ndims: parameters(net, shape, ndims) for ndims in expected} == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlp", from_notation("400FC-7FC", CIFAR, 2)),
        (
            "vggsnn",
            from_notation("32C3-64C3-AP2-128C3-128C3-AP2-256C3-256C3-AP2-256C3-256C3-AP2-7FC", CIFAR, 2),
        ),
        ("resnet19", architectures.resnet19(CIFAR, 7, 2, widths=(32, 64, 128, 256, 128))),
        (
            "vgg16",
            architectures.vgg16(CIFAR, 7, 2, channels=(32, 32, 64, 64, *[128] * 3, *[256] * 6), hidden=256),
        ),
        ("pre-resnet18", architectures.pre_resnet18(CIFAR, 7, 2, widths=(32, 64, 128, 256))),
        ("5conv", from_notation("32C3-AP2-64C3-AP2-64C3-AP2-128C3-AP2-128C3-AP2-7FC", CIFAR, 2, SCA_STYLE)),
        ("10C5S2-MP2-3FC-7FC", from_notation("5C5S2-MP2-2FC-7FC", CIFAR, 2)),  # halves go to even numbers
    ],
)
def test_half_as_wide(name, expected):
    """All layers but the last, and nothing but their channels and units."""
    assert build(name, CIFAR, 7, 2, width=0.5) == (expected, build(name, CIFAR, 7, 2)[1])
    assert build(name, CIFAR, 7, 2, width=1.0) == build(name, CIFAR, 7, 2)
    thinnest, _ = build(name, CIFAR, 7, 2, width=1e-6)
    assert parameters(thinnest, CIFAR, (2, 4)) < 5000
    assert thinnest.out(CIFAR) == (7,)


@given(numbers=st.lists(st.integers(1, 2000), min_size=1, max_size=5), width=st.floats(0.001, 3))
def test_widened_notations(numbers, width):
    *hidden, last = numbers
    notation = "-".join([*(f"{n}C3S2-AP2-{n}FC" for n in hidden), f"{last}FC"])
    wide = [max(1, round(n * width)) for n in hidden]
    assert widened(notation, width) == "-".join([*(f"{n}C3S2-AP2-{n}FC" for n in wide), f"{last}FC"])


@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("name", ["0C3-10FC", "4C3-0FC-10FC", "4C3-XX-10FC"])
def test_width_does_not_mend_a_notation(name, width):
    with pytest.raises(NotationError, match=r"all numbers must be at least 1|expected 64C3"):
        build(name, (8, 8, 1), 10, 2, width=width)


def test_first_spike_mlp():
    net = architectures.first_spike_mlp()
    assert parameters(net, (784,)) == 635_200
    assert [name for name, _ in architectures.first_spike_mlp((5, 4), 3, (0.5, 1.0)).stages] == [
        "hidden1", "hidden2", "output",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected 2 densities, one for each hidden layer"):
        architectures.first_spike_mlp((5, 4), 3, (0.5,))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_name(name):
    """Named networks have the neurons of their paper, or of the one that is asked for, and names are unique."""
    own = {"mlp": "esl", "vggsnn": "esl", "resnet19": "esl"}.get(name, "sca")
    for paper, expected in ((None, own), ("esl", "esl"), ("sca", "sca")):
        net, found = build(name, CIFAR, 7, 2, paper)
        assert found == expected
        assert net.out(CIFAR) == (7,)
        neurons = {stage.neuron for _, stage in net.stages if isinstance(stage, LIF)}
        assert neurons == {{"esl": Neuron(), "sca": integrate_and_fire(detach_reset=True)}[expected]}
        assert len(dict(net.stages)) == len(net.stages)


def test_a_notation_and_what_it_means():
    lif = LIF(ESL_STYLE.neuron)
    assert from_notation("4C3-6C5S2-MP2-AP3-7FC-3FC", (15, 12, 2), 2).stages == (
        ("repeat", Repeat(2)),
        ("conv1", Conv(4, 3, 1, 1)), ("bn1", BatchNorm()), ("lif1", lif),
        ("conv2", Conv(6, 5, 2, 2)), ("bn2", BatchNorm()), ("lif2", lif),
        ("pool1", MaxPool(2)), ("pool2", AveragePool(3)),
        ("flatten", Flatten()), ("fc1", Linear(7)), ("lif3", lif), ("fc2", Linear(3)),
    )  # fmt: skip
    lif = LIF(SCA_STYLE.neuron)
    assert from_notation("4C1-10FC", (2, 2, 1), None, SCA_STYLE).stages == (
        ("conv1", Conv(4, 1, 1, 0, bias=False)), ("bn1", BatchNorm()), ("lif1", lif),
        ("flatten", Flatten()), ("mean", MeanOverTime()), ("fc1", Linear(10)),
    )  # fmt: skip
    assert SCA_STYLE.neuron == integrate_and_fire(detach_reset=True)
    assert from_notation("10FC", (5,)).stages == (("fc1", Linear(10)),)


EXPECTED = "expected 64C3, 64C3S2, AP2, MP2 or 10FC"


@pytest.mark.parametrize(
    ("notation", "number", "token", "at", "reason"),
    [
        ("4C3-XX-10FC", 2, "XX", 5, EXPECTED),
        ("4C3S-10FC", 1, "4C3S", 1, EXPECTED),
        ("4C3--10FC", 2, "", 5, EXPECTED),
        ("4C3-10FC-", 3, "", 10, EXPECTED),
        ("4C3-10FC ", 2, "10FC ", 5, EXPECTED),
        ("-4C3-10FC", 1, "", 1, EXPECTED),
        ("16C3-vggsnn", 2, "vggsnn", 6, EXPECTED),
        ("4C3-AP9-10FC", 2, "AP9", 5, "a pool of 9x9 leaves nothing of 8x6"),
        ("AP4-16C3-MP2-10FC", 3, "MP2", 10, "a pool of 2x2 leaves nothing of 2x1"),
        ("20FC-4C3-10FC", 2, "4C3", 6, "only FC can follow FC"),
        ("20FC-AP2-10FC", 2, "AP2", 6, "only FC can follow FC"),
        ("4C3-AP2", 2, "AP2", 5, "the last token must be a readout such as 10FC"),
        ("4C3", 1, "4C3", 1, "the last token must be a readout such as 10FC"),
        ("0C3-10FC", 1, "0C3", 1, "all numbers must be at least 1"),
        ("4C0-10FC", 1, "4C0", 1, "all numbers must be at least 1"),
        ("4C3S0-10FC", 1, "4C3S0", 1, "all numbers must be at least 1"),
        ("AP0-10FC", 1, "AP0", 1, "all numbers must be at least 1"),
        ("4C3-00FC", 2, "00FC", 5, "all numbers must be at least 1"),
    ],
)
def test_refused_notations(notation, number, token, at, reason):
    message = rf"^token {number}, '{token}', at character {at} of '{notation}': {reason}$"
    for paper in (None, "sca"):
        with pytest.raises(NotationError, match=message):
            build(notation, (8, 6, 2), 10, 2, paper)


def test_a_kernel_must_fit():
    with pytest.raises(NotationError, match=r"^token 1, '4C3', .*: a kernel of 3x3 does not fit into 0x0$"):
        from_notation("4C3-10FC", (0, 0, 1))


@pytest.mark.parametrize("name", ["5FC", "4C3-AP2-9FC"])
def test_another_number_of_classes(name):
    with pytest.raises(NotationError, match=r"ends with \d outputs, but there are 10 classes"):
        build(name, (8, 8, 1), 10, 2)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mpl", "; did you mean mlp?"), ("", ""), ("VGG16", "; did you mean vgg16?"), ("4C3S", "")],
)
def test_a_name_that_is_not_known(name, hint):
    with pytest.raises(
        NotationError, match=rf"^net must be one of mlp, vggsnn, .*, or module:name .*, found '{name}'"
    ):
        build(name, (8, 8, 1), 10, 2)
    with pytest.raises(NotationError, match=re.escape(hint) + "$"):
        build(name, (8, 8, 1), 10, 2)


def mine(shape, n_classes, T, neuron, width=1.0):
    """A network of somebody else's."""
    return from_notation(f"3C3-{n_classes}FC", shape, T, Style(neuron, bias=False, mean_readout=True))


def test_a_network_of_your_own():
    """Handed over, or registered under a name."""
    net, paper = build(mine, (8, 8, 1), 10, 2)
    assert paper == "esl"
    assert net == mine((8, 8, 1), 10, 2, Neuron())
    assert net.stages[1] == ("conv1", Conv(3, bias=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "mine", None)  # so that it is gone afterwards
        del NETWORKS["mine"]
        assert network("mine", "sca")(mine) is mine
        assert build("mine", (8, 8, 1), 10, 2)[1] == build(mine, (8, 8, 1), 10, 2)[1] == "sca"
        assert build("mine", (8, 8, 1), 10, 2)[0] == mine((8, 8, 1), 10, 2, SCA_STYLE.neuron)
        with pytest.raises(
            ValueError, match="name must be a new one, found 'mine', which is a network already"
        ):
            network("mine")
    with pytest.raises(ValueError, match="paper must be one of esl, sca, found 'tet'"):
        network("mine", "tet")
    with pytest.raises(NotationError, match="must return a Sequential, found int"):
        build(lambda *_, width: 3, (8, 8, 1), 10, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vggsnn", "vggsnn does not fit images of 8x8x1: a pool of 2x2 leaves nothing of 1x1"),
        ("5conv", "5conv does not fit images of 8x8x1: .* leaves nothing of 1x1"),
        ("vgg16", "pool4: a pool of 2x2 leaves nothing of 1x1"),
    ],
)
def test_images_too_small_for_a_network(name, message):
    with pytest.raises(NotationError, match=message):
        build(name, (8, 8, 1), 10, 2)


@given(notation=st.text("0123CSAMPF-", max_size=12))
def test_any_text_is_built_or_refused_in_words(notation):
    try:
        net = from_notation(notation, (8, 8, 2), 2)
    except NotationError as error:
        assert str(error).startswith("token ")
    else:
        assert net.out((8, 8, 2)) == (int(notation.split("-")[-1].removesuffix("FC")),)


def test_a_notation_is_read_in_any_case():
    assert from_notation("4c3s2-ap2-Mp2-7Fc-10fc", (16, 16, 1)) == from_notation(
        "4C3S2-AP2-MP2-7FC-10FC", (16, 16, 1)
    )
    assert widened("4c3-7fc-10fc", 2) == "8c3-14fc-10fc"


@pytest.mark.parametrize("name", [*NETWORKS, "4C3-7FC-10FC"])
def test_every_network_takes_changes_of_its_neurons(name):
    """All of its neurons have them, and nothing else differs."""
    from minisnn.networks.compose import rebuilt

    changes = {"decay": 0.75, "v_th": 0.5, "v_reset": None}
    plain, changed = (build(name, (64, 64, 2), 10, 2, neuron=n)[0] for n in (None, changes))

    def change(path, stage):
        if isinstance(stage, LIF):
            stage = replace(stage, neuron=replace(stage.neuron, **changes))
        return [(path.rpartition(".")[2], stage)]

    assert changed == rebuilt(plain, change) != plain
