"""Training on recordings of an event camera: frames are time steps, and what is on disk stays there."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from test_run import states_equal

from data_loaders.catalogue import DATA_SETS
from data_loaders.common.dataset import DataSet
from data_loaders.common.declaration import REGISTERED
from data_loaders.common.rows import Rows, Split
from minisnn import load_event_digits
from minisnn.networks.stages.rearrange import Repeat
from minisnn.recipes import LIF_DEFAULTS, SCA_VGG16_DEFAULTS, LIFNet, SCANet
from minisnn.recipes.images import with_stand_ins
from minisnn.runs import start
from minisnn.training import loop

SMALL = LIFNet(
    data="event-digits", net="8C3-AP2-16C3-AP2-10FC", T=3, epochs=2, batch_size=32, lr=0.01, t_iter=9
)


@pytest.fixture(scope="module")
def few():
    """Some of the event digits, in three frames."""
    data = load_event_digits(3)
    return replace(
        data,
        train=data.train.take(slice(300)),
        validation=data.validation.take(slice(50)),
        test=data.test.take(slice(50)),
    )


@pytest.fixture
def loaded(few, monkeypatch):
    """In place of the event digits; the T that were asked for."""
    asked = []

    def loader(T, by):
        asked.append((T, by))
        return few

    monkeypatch.setitem(REGISTERED, "event-digits", replace(DATA_SETS["event-digits"], load=loader))
    return asked


def test_a_frame_is_a_time_step(few, loaded):
    data = replace(SMALL, images=7).load()
    assert loaded == [(3, "number")]
    assert len(data.train.labels) == 7
    setup = SMALL.setup(few)
    assert setup.shape == (16, 16, 2)
    assert not any(isinstance(stage, Repeat) for _, stage in SMALL.plain(few).stages)
    x = setup.encode(few.train.images[:5])
    assert (x.shape, x.dtype) == ((3, 5, 16, 16, 2), np.float32)
    for t in range(3):
        np.testing.assert_array_equal(x[t], few.train.images[:5, t])  # counts, as they are


@pytest.mark.parametrize(
    "recipe", [SMALL, SCANet(data="event-digits", net=SMALL.net, T=3, p=0.3)], ids=["esl", "sca"]
)
def test_fast_is_plain(few, recipe):
    outputs = []
    for fast in True, False:
        setup = replace(recipe, fast=fast).setup(few)
        state = loop.start(setup, 0, np.float64)
        found = loop.gradients(setup, state, few.train.images[:9], few.train.labels[:9])
        outputs.append((found[0], *(found[3][key] for key in sorted(found[3]))))
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_recordings_move_as_a_whole(few):
    """Each by its own distance, the same at every step; what leaves on one side comes in on the other."""
    augment = replace(SMALL, shift=2, flip=False).setup(few).augment
    moved = augment(few.train.images[:40], rng=np.random.default_rng(0))
    found = []
    for before, after in zip(few.train.images, moved, strict=False):
        ways = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.array_equal(np.roll(before, (down, right), (1, 2)), after)
        ]
        assert len(ways) == 1
        found += ways
    assert len(set(found)) > 10


def test_it_learns_and_goes_on_where_it_stopped(loaded, tmp_path):
    recipe = replace(SMALL, epochs=4, density=0.5)
    result = start.train(recipe, out=tmp_path / "a", pictures=False).result
    assert result["train_accuracy"] > 60
    assert result["macs"] == 0  # events, not grey values
    assert result["synops"] > 0
    assert (tmp_path / "a" / "result.json").exists()
    whole = start.load(tmp_path / "a").state
    train_fit = loop.fit

    def interrupted(setup, state, data, after_epoch, progress):
        def stop(row):
            after_epoch(row)
            if state.epoch == 2:
                raise KeyboardInterrupt

        return train_fit(setup, state, data, stop, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            start.train(recipe, out=tmp_path / "b", pictures=False)
    start.resume(tmp_path / "b", pictures=False)
    states_equal(start.load(tmp_path / "b").state, whole)
    assert set(loaded) == {(3, "number")}


def test_from_disk_as_from_memory(few, tmp_path):
    states = []
    np.save(tmp_path / "a.npy", few.train.images)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for images in few.train.images, Rows(mapped, np.arange(len(mapped))):
        data = replace(few, train=Split(images, few.train.labels))
        setup = replace(SMALL, shift=1, flip=True).setup(data)
        state = loop.start(setup, 0)
        loop.fit(setup, state, data)
        states.append(state)
    states_equal(*states)


def test_defaults_of_stand_ins_are_those_of_what_they_stand_for():
    for defaults in LIF_DEFAULTS, SCA_VGG16_DEFAULTS:
        names = [name for name in defaults if name.endswith("-stand-in")]
        assert len(names) == 5
        for name in names:
            assert defaults[name] == replace(defaults[name.removesuffix("-stand-in")], data=name)
    assert set(with_stand_ins({"mnist": SMALL, "event-digits": SMALL})) == {
        "mnist",
        "event-digits",
        "mnist-stand-in",
    }


@pytest.mark.parametrize("name", LIF_DEFAULTS)
def test_every_default_builds_its_network(name):
    assert set(LIF_DEFAULTS) <= set(DATA_SETS)
    recipe = LIF_DEFAULTS[name]
    kind = name.removesuffix("-stand-in").removesuffix("-simulated")
    shape, n_classes = {
        "digits": ((8, 8, 1), 10), "mnist": ((28, 28, 1), 10), "fashion-mnist": ((28, 28, 1), 10),
        "cifar10": ((32, 32, 3), 10), "cifar100": ((32, 32, 3), 100), "tiny-imagenet": ((64, 64, 3), 200),
        "event-digits": ((16, 16, 2), 10), "cifar10-dvs": ((48, 48, 2), 10),
    }[kind]  # fmt: skip
    frames = (recipe.T,) if DATA_SETS[name].is_sequence else ()
    images = np.zeros((2, *frames, *shape), np.float32 if frames else np.uint8)
    images[:, ..., ::2, :, :] = 3
    data = DataSet(name, *[Split(images, np.arange(2))] * 3, 255, n_classes)
    assert recipe.data == name
    assert recipe.plain(data).out(shape) == (n_classes,)
    assert recipe.setup(data).encode(images).shape == (recipe.T if frames else 1, 2, *shape)


def test_frames_and_split_can_be_chosen(monkeypatch, few):
    asked = []

    def undivided(T, by):
        asked.append({"by": by})
        return few

    def divided(T, by, split):
        asked.append({"by": by, "split": split})
        return few

    for name, loader in (
        ("event-digits", undivided), ("cifar10-dvs", divided), ("cifar10-dvs-simulated", divided),
    ):  # fmt: skip
        assert set(inspect.signature(loader).parameters) <= set(
            inspect.signature(DATA_SETS[name].load).parameters
        )
        monkeypatch.setitem(REGISTERED, name, replace(DATA_SETS["event-digits"], load=loader))
    replace(SMALL, by="time").load()
    replace(SMALL, data="cifar10-dvs", split="tebn").load()
    replace(SMALL, data="cifar10-dvs-simulated").load()
    assert asked == [{"by": "time"}, {"by": "number", "split": "tebn"}, {"by": "number", "split": "tet"}]
    for change, message in (
        ({"by": "place"}, "by must be one of number, time, found 'place'"),
        ({"split": "random"}, "split must be one of tet, tebn, spikingjelly, found 'random'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(SMALL, **change)
