"""`minisnn data`: what it says of data sets that are here, missing, damaged; and its pictures."""

import gzip
import hashlib
import inspect
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from slow import slow_but

from data_loaders import fashion_mnist, load, mnist
from data_loaders.catalogue import DATA_SETS
from data_loaders.common.declaration import REGISTERED
from data_loaders.common.download import Remote
from data_loaders.formats.aedat import Events
from minisnn import cli, plots


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The user's folder and the cache, both empty."""
    own, cache = tmp_path / "own", tmp_path / "cache"
    own.mkdir()
    monkeypatch.setenv("MINISNN_DATA", str(own))
    monkeypatch.setenv("MINISNN_CACHE", str(cache))
    return own, cache


@pytest.fixture
def fashion(places, monkeypatch):
    """Fashion-MNIST's files with drawn clothes; the published labels are these, the published images are not."""
    folder = places[0] / "fashion-mnist"
    folder.mkdir()
    rng, remotes = np.random.default_rng(0), []
    for remote, n in zip(fashion_mnist.FILES, (60_000, 60_000, 10_000, 10_000), strict=True):
        images = "images" in remote.name
        array = np.zeros((n, 28, 28), np.uint8) if images else rng.integers(0, 10, n, np.uint8)
        if images:
            array[:, 14] = rng.integers(0, 256, (n, 28))
        content = gzip.compress(idx(array), 1)
        (folder / remote.name).write_bytes(content)
        md5 = "0" * 32 if images else hashlib.md5(content).hexdigest()
        remotes.append(Remote(remote.name, remote.url, f"md5:{md5}", remote.size))
    declared = replace(DATA_SETS["fashion-mnist"], files=tuple(remotes))
    monkeypatch.setitem(REGISTERED, "fashion-mnist", declared)
    return folder


def command(capsys, *words):
    """(status, output, errors) of `minisnn data`."""
    status = cli.main(["data", *words])
    return status, *capsys.readouterr()


def listed(capsys):
    """Rows of `minisnn data list` by name."""
    status, out, err = command(capsys, "list")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    return {line.split()[0]: re.split(r"  +", line) for line in lines[1 : lines.index("")]}, out


@pytest.mark.parametrize("name", [name for name, declared in DATA_SETS.items() if not declared.files])
def test_the_catalogue_is_right(name):
    """Of all that needs no files."""
    data, declared = load(name), DATA_SETS[name]
    assert tuple(len(split.labels) for split in data.splits.values()) == declared.samples
    assert data.train.images.shape[1:] == declared.shape
    assert data.n_classes == declared.n_classes > max(split.labels.max() for split in data.splits.values())
    assert data.name == declared.name == name
    assert data.is_sequence == declared.is_sequence
    outline = declared.outline()
    assert all(getattr(data, field) == value for field, value in outline._asdict().items())


def test_list_before_anything_is_there(places, capsys):
    rows, out = listed(capsys)
    assert list(rows) == list(DATA_SETS)
    assert rows["digits"][4] == rows["event-digits"][4] == rows["cifar10-stand-in"][4] == "here"
    assert rows["mnist"] == [
        "mnist", "54,000+6,000+10,000", "28x28x1", "10", "about 12 MB to download", "handwritten digits",
    ]  # fmt: skip
    assert rows["tiny-imagenet"][4] == "about 248 MB to download, 1.4 GB of cache"
    assert "not CIFAR10-DVS" in rows["cifar10-dvs-simulated"][5]
    own, cache = places
    assert f"MINISNN_DATA is {own}; downloads and converted arrays are in {cache}" in out
    assert not cache.exists()


def test_list_finds_files_folders_and_what_was_converted(places, fashion, capsys):
    own, cache = places
    (own / "cifar-10-batches-bin").mkdir()
    for name in DATA_SETS["cifar10-dvs"].unpacked[:9]:
        (own / "cifar10-dvs" / name).mkdir(parents=True)
    rows, _ = listed(capsys)
    assert rows["fashion-mnist"][4] == rows["cifar10"][4] == "here"
    assert rows["mnist"][4] == "about 12 MB to download"  # Fashion-MNIST's files have the same names
    assert rows["cifar10-dvs"][4] == "about 800 MB to download, 1.8 GB of cache"
    assert rows["cifar10-dvs-simulated"][4] == "here; 4.1 GB of cache to come"
    (own / "cifar-10-batches-bin").rmdir()
    assert "MB to download" in listed(capsys)[0]["cifar10-dvs-simulated"][4]
    (cache / "cifar10-dvs-simulated" / "recordings").mkdir(parents=True)
    (cache / "cifar10-dvs-simulated" / "recordings" / "README.txt").touch()
    assert listed(capsys)[0]["cifar10-dvs-simulated"][4] == "here; 4.1 GB of cache to come"
    (own / "cifar10-dvs" / "truck.zip").touch()
    assert listed(capsys)[0]["cifar10-dvs"][4] == "here; 1.8 GB of cache to come"
    (cache / "cifar10-dvs").mkdir(parents=True)
    (cache / "cifar10-dvs" / "frames.npy").touch()
    assert listed(capsys)[0]["cifar10-dvs"][4] == "here"


def test_check_compares_with_the_published_files(fashion, capsys):
    status, out, _ = command(capsys, "check", "fashion-mnist")
    assert status == 0
    *files, verdict = out.splitlines()
    found, _, classes = verdict.partition(" classes: ")
    assert found == "fashion-mnist: intact, 54,000 + 6,000 + 10,000 images of 28x28x1, 10"
    assert classes == ", ".join(fashion_mnist.CLASSES)
    for line, remote in zip(files, fashion_mnist.FILES, strict=True):
        same = (
            "byte for byte"
            if "labels" in remote.name
            else "not byte for byte the published file; its content"
        )
        assert line.startswith(f"{fashion / remote.name}: ")
        assert same in line
        assert ("not byte" in line) == ("images" in remote.name)


def test_check_finds_damage(fashion, capsys):
    path = fashion / fashion_mnist.FILES[2].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)
    status, out, err = command(capsys, "check", "fashion-mnist")
    assert (status, out) == (2, "")
    assert err.startswith(f"minisnn: error: {path}: ")


def test_check_says_what_is_missing_and_downloads_nothing(places, capsys, monkeypatch):
    monkeypatch.setitem(REGISTERED, "mnist", replace(DATA_SETS["mnist"], load=None))
    status, _, err = command(capsys, "check", "mnist")
    assert status == 2
    assert "no train-images-idx3-ubyte.gz on this machine. Get it with: minisnn data fetch mnist" in err


@pytest.mark.parametrize("action", ["fetch", "check", "show"])
def test_a_name_that_there_is_not(action, capsys):
    status, _, err = command(capsys, action, "imagenet")
    assert status == 2
    assert re.search(
        r"data must be one of cifar10, .*, or a path, or module:name of your own, found 'imagenet'", err
    )
    assert "did you mean tiny-imagenet?" in err


def test_fetch_is_to_load(capsys):
    assert command(capsys, "fetch", "event-digits")[:2] == (
        0, "event-digits: 1,302 + 140 + 355 recordings in frames of 5x16x16x2, 10 classes\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", slow_but(["digits", "event-digits"], ["digits", "cifar100-stand-in", "event-digits"])
)
def test_show_draws_a_picture(tmp_path, capsys, monkeypatch, name):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append((self, path)))
    monkeypatch.chdir(tmp_path)
    status, out, _ = command(capsys, "show", name)
    ((figure, path),) = drawn
    assert status == 0
    assert out.startswith(
        f"{name}.png: {4 if 'event' in name else 32} of the training set of {name}, 1,302 + "
    )
    assert str(path) == f"{name}.png"
    assert figure.get_suptitle() == name
    assert len(figure.axes) == (20 if "event" in name else 32)
    assert all(len(ax.images) == 1 for ax in figure.axes)
    command(capsys, "show", name, "--seed", "1", "--out", "b.png")
    same = [
        np.array_equal(a.images[0].get_array(), b.images[0].get_array())
        for a, b in zip(figure.axes, drawn[1][0].axes, strict=True)
    ]
    assert not all(same)
    assert str(drawn[1][1]) == "b.png"


def test_load_says_what_there_is():
    with pytest.raises(ValueError, match=r"data must be one of cifar10, .*, found 'svhn'"):
        load("svhn")
    assert load("event-digits", 3).train.images.shape[1] == 3


def test_a_frame_is_grey_where_nothing_happens():
    counts = np.zeros((2, 2, 2))
    counts[0, 0, 0], counts[0, 1, 1] = 4, 4
    (image,) = plots.frame(Figure().subplots(), counts).images
    shown = np.asarray(image.get_array())
    np.testing.assert_allclose(shown[1], [[187 / 255] * 3] * 2)
    red, blue = (shown[0, 1], shown[0, 0])
    assert red[0] > 0.8 > 0.5 > red[2]
    assert blue[2] > 0.6 > 0.1 > blue[0]
    plots.frame(Figure().subplots(), np.zeros((2, 2, 2)))


@pytest.mark.parametrize("n", [0, 7, 50_000])
def test_events_are_dots_in_two_colours(n):
    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 16, (2, n)).astype(np.int16)
    recording = Events(np.arange(n) * 10, y, x, rng.random(n) < 0.5)
    ax = plots.events(Figure().subplots(), recording)
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in dots) == (n if n <= 20_000 else len(range(0, n, 3)))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["OFF", "ON"]


def test_files_of_mnist_are_none_of_fashion_mnist(places, capsys):
    """In MINISNN_DATA itself they are taken for MNIST's."""
    for remote in mnist.FILES:
        (places[0] / remote.name).touch()
    rows, _ = listed(capsys)
    assert rows["mnist"][4] == "here"
    assert rows["fashion-mnist"][4] == "about 31 MB to download"


def test_check_reads_again_what_was_converted(places, capsys, monkeypatch):
    asked = []
    for name, known in (("cifar10-dvs", "event-digits"), ("tiny-imagenet", "digits")):
        real, data = inspect.signature(DATA_SETS[name].load).parameters, load(known)

        def loader(data=data, real=real, **options):
            asked.append({key: value for key, value in options.items() if key in real})
            return data

        monkeypatch.setitem(REGISTERED, name, replace(DATA_SETS[known], name=name, load=loader))
        for action in ("fetch", "check"):
            status, out, _ = command(capsys, action, name)
            assert (status, "1,302 + 140 + 355" in out) == (0, True)
    frames = {"by": "number", "split": "tet"}
    assert asked == [
        frames | {"verify": False}, frames | {"verify": True}, {"verify": False}, {"verify": True},
    ]  # fmt: skip
