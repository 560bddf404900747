"""Your own files as data: every layout, every kind of picture, and every kind of bad file."""

import os
import re
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from strategies import rngs

from minisnn import cli
from minisnn.data import DataError, catalogue, cifar, folders, load_path, mnist, npz, pictures
from minisnn.data.aedat import Events, read_aedat, write_aedat
from minisnn.data.frames import count_frames
from minisnn.data.rows import Rows

Image = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parent.parent
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 5, 7, 3), np.uint8)
LABELS = np.arange(40) % 4
NAMES = np.array(["ant", "bee", "cow", "dog"])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def assert_samples(split, images, labels):
    """These samples, in whatever order."""
    found, expected = (
        sorted((label, image.tobytes()) for image, label in zip(a, b, strict=True))
        for a, b in ((split.images[:], split.labels), (images, labels))
    )
    assert found == [(int(label), image) for label, image in expected]


# .npz


def test_images_and_labels(tmp_path):
    data = load_path(save(tmp_path / "mine.npz", images=IMAGES, labels=LABELS))
    assert (data.name, data.shape, data.n_classes, data.max_value) == ("mine", (5, 7, 3), 4, 255)
    assert [len(split.labels) for split in data.splits.values()] == [32, 4, 4]
    images, labels = (np.concatenate([split[k] for split in data.splits.values()]) for k in (0, 1))
    assert_samples(data.train._replace(images=images, labels=labels), IMAGES, LABELS)


@pytest.mark.parametrize(
    "form",
    [
        "{}_images {}_labels train validation test",
        "{}_images {}_labels train val test",
        "x_{} y_{} train val test",
    ],
)
def test_splits_by_their_names(tmp_path, form):
    x, y, *names = form.split()
    parts = {name: (IMAGES[k::3], NAMES[LABELS[k::3]]) for k, name in enumerate(names)}
    arrays = {
        key.format(name): array
        for name, pair in parts.items()
        for key, array in zip((x, y), pair, strict=True)
    }
    data = load_path(save(tmp_path / "a.npz", **arrays))
    assert data.class_names == tuple(NAMES)
    for k, split in enumerate(data.splits.values()):
        np.testing.assert_array_equal(split.images, IMAGES[k::3])
        np.testing.assert_array_equal(split.labels, LABELS[k::3])


def test_keras_files(tmp_path):
    """mnist.npz has no channels and no validation, CIFAR's labels have a second axis."""
    path = save(tmp_path / "mnist.npz", x_train=IMAGES[..., 0], y_train=LABELS[:, None],
                x_test=IMAGES[:9, ..., 0], y_test=LABELS[:9, None])  # fmt: skip
    data = load_path(str(path))
    assert [len(split.labels) for split in data.splits.values()] == [36, 4, 9]
    np.testing.assert_array_equal(data.test.images[..., 0], IMAGES[:9, ..., 0])
    assert data.test.labels.tolist() == LABELS[:9].tolist()


def test_options_and_frames(tmp_path):
    data = load_path(
        save(tmp_path / "a.npz", images=IMAGES % 20, labels=LABELS, max_value=20, class_names=NAMES)
    )
    assert (data.max_value, data.class_names) == (20, tuple(NAMES))
    frames = np.random.default_rng(0).integers(0, 9, (20, 3, 4, 5, 2))
    data = load_path(save(tmp_path / "b.npz", images=frames, labels=LABELS[:20]), T=7)
    assert (data.frames, data.is_sequence) == (3, True)


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i8", "?", "<f4", ">f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, dtype, order, write):
    rng = np.random.default_rng(0)
    arrays = {"a": np.array(rng.integers(0, 2, (3, 4, 5)).astype(dtype), order=order),
              "b": np.array(["x", "yy"]), "c": np.array(3), "d": np.zeros((0, 2), dtype)}  # fmt: skip
    write(tmp_path / "a.npz", **arrays)
    found = npz.read_npz(tmp_path / "a.npz", "abcd")
    with np.load(tmp_path / "a.npz") as expected:
        for name in expected:
            assert found[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(found[name], expected[name])


npz_refused = {
    "floats as labels": ({"images": IMAGES, "labels": LABELS / 2}, r"train labels must be \[N\] integers or texts"),
    "nan": ({"images": IMAGES / np.nan, "labels": LABELS}, "train images must be floats from 0 to 1"),
    "one class": ({"images": IMAGES, "labels": LABELS * 0}, "labels must be of at least 2 classes"),
    "no labels": ({"images": IMAGES}, "expected labels for train, found none, only images"),
    "no train": ({"x_test": IMAGES, "y_test": LABELS}, "expected images for train, found none, only x_test, y_test"),
    "no test labels": ({"images": IMAGES, "labels": LABELS, "x_test": IMAGES}, "expected labels for test"),
    "misspelled": ({"images": IMAGES, "lables": LABELS}, "expected arrays named images, labels, .*, found 'lables'"),
    "nothing": ({}, "expected images for train, found none, only an empty archive"),
    "both": ({"images": IMAGES, "x_train": IMAGES, "labels": LABELS}, "expected one of images and x_train, found both"),
    "objects": ({"images": IMAGES, "labels": LABELS.astype(object)}, "expected numbers or texts, found object"),
    "records": ({"images": IMAGES, "labels": np.zeros(40, "i4,i4")}, "expected numbers or texts"),
    "fewer": ({"images": IMAGES, "labels": LABELS[1:]}, "train labels must be as many as images, 40, found 39"),
    "options": ({"images": IMAGES, "labels": LABELS, "max_value": 0.5}, "max_value must be one integer"),
    "names": ({"images": IMAGES, "labels": LABELS, "class_names": 3}, "class_names must be a list of texts"),
    "channels first": ({"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS}, "did you mean channels last"),
}  # fmt: skip


@pytest.mark.parametrize("case", npz_refused)
def test_an_npz_that_does_not_fit_is_refused_naming_it(tmp_path, case):
    arrays, message = npz_refused[case]
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_path(path)
    assert str(caught.value).startswith(str(path))


def npy(shape=(40, 5, 7, 3), descr="|u1", content=None, header=None, version=1):
    """The bytes of an array, whatever its header says."""
    header = header or repr({"descr": descr, "fortran_order": False, "shape": shape})
    header = header.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + length
        + header
        + (IMAGES.tobytes() if content is None else content)
    )


def archive(path, images, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("images.npy", images)
        file.writestr("labels.npy", npy((40,), "<i8", LABELS.tobytes()))
    return path


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (npy((1 << 40, 5)), r"images\.npy: expected 5,497,558,138,880 bytes for .* uint8, found 4,200"),
        (npy((40, 5, 7, 2)), "expected 2,800 bytes for .*, found 4,200"),
        (npy((-40, 5, 7, 3)), "expected a shape of 0 or more"),
        (npy((40, 5, 7, 3), "|u0"), "expected"),
        (npy(version=2), "another header .*version"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100), "another header"),
        (npy(header="(" * 9000), "another header"),
        (npy(header="-" * 9000 + "1"), "another header"),
        (npy(header="{'descr': '|u1', 'shape': (40L, 5)}"), "another header"),
        (npy(header="[].__class__"), "another header"),
        (b"", "another header"),
        (b"\x93NUMPY\x01\x00", "another header"),
        (npy((40,), "<U2", b"\xff" * 320), "real numbers|cannot be read|codepoint|images"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, images, message):
    path = archive(tmp_path / "a.npz", images)
    with pytest.raises(DataError, match=message) as caught:
        load_path(path)
    assert str(path) in str(caught.value)


def test_texts_that_are_none_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", npy())
        file.writestr("labels.npy", npy((40,), "<U2", b"\xff" * 320))
    with pytest.raises(DataError, match="labels") as caught:
        load_path(path)
    assert str(path) in str(caught.value)


def test_large_archives_are_refused_before_they_are_read(tmp_path, monkeypatch):
    """A few bytes that would inflate to far more, whether or not the header says so."""
    bomb = archive(tmp_path / "a.npz", npy(content=bytes(50_000_000)))
    assert bomb.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match="expected 4,200 bytes for"):
        load_path(bomb)
    monkeypatch.setattr(npz, "MOST", 10_000_000)
    honest = archive(tmp_path / "b.npz", npy((50_000_000,), content=bytes(50_000_000)))
    tracemalloc.clear_traces()
    tracemalloc.reset_peak()
    with pytest.raises(DataError, match="expected at most 0.0093.* GiB of arrays, found 0.0"):
        load_path(honest)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_damage_anywhere_is_found(tmp_path):
    """Every byte of the arrays' content counts: the checksum is compared, though NumPy would stop before it."""
    path = archive(tmp_path / "a.npz", npy(), zipfile.ZIP_STORED)
    content = path.read_bytes()
    at = content.index(IMAGES.tobytes())
    for k in (at, at + 2000, at + IMAGES.size - 1):
        path.write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        with pytest.raises(DataError, match="images.npy: cannot be read from the archive .*CRC"):
            load_path(path)


def test_doubled_members_and_odd_compressions(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("images.npy", npy())
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("images.npy", npy())
    with pytest.raises(DataError, match="expected each array once, found 'images' twice"):
        load_path(tmp_path / "a.npz")
    archive(tmp_path / "b.npz", npy(), zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="expected it stored or deflated"):
        load_path(tmp_path / "b.npz")


fuzzed = {}


@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7), cut=st.booleans(), packed=st.booleans())
def test_any_archive_is_read_or_refused(tmp_path_factory, at, bit, cut, packed):
    if packed not in fuzzed:
        path = tmp_path_factory.mktemp("fuzz") / "a.npz"
        (np.savez_compressed if packed else np.savez)(path, images=IMAGES // 200, labels=LABELS)
        fuzzed[packed] = path, path.read_bytes(), load_path(path).fingerprint
    path, content, fingerprint = fuzzed[packed]
    damaged = bytearray(content)
    at %= len(content)
    damaged[at] ^= 1 << bit
    path.write_bytes(content[:at] if cut else damaged)
    try:
        found = load_path(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert found.fingerprint == fingerprint  # dates and the like
