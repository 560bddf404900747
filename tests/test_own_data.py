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

from data_loaders import DataError, catalogue, cifar10, cifar100, fashion_mnist, load_path
from data_loaders.common.rows import Rows
from data_loaders.events.frames import count_frames
from data_loaders.formats import folders, npz, pictures
from data_loaders.formats.aedat import Events, read_aedat, write_aedat
from minisnn import cli

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
    with pytest.raises(DataError, match=r"expected at most 0\.0093.* GiB of arrays, found 0\.0"):
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
        with pytest.raises(DataError, match=r"images\.npy: cannot be read from the archive .*CRC"):
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


# Folders of pictures.


def fill(root, images=IMAGES[..., 0], labels=LABELS, suffix=".png", **options):
    """A folder for each class, and in it a file for each of its images."""
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / NAMES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / NAMES[label] / f"{k:02}{suffix}", **options)
    return root


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
def test_a_folder_of_classes(tmp_path, channels, suffix):
    images = IMAGES if channels == 3 else IMAGES[..., :1]
    data = load_path(fill(tmp_path / "zoo", images.squeeze(), suffix=suffix))
    assert (data.name, data.shape, data.max_value) == ("zoo", (5, 7, channels), 255)
    assert data.class_names == tuple(NAMES)
    assert [len(split.labels) for split in data.splits.values()] == [32, 4, 4]
    found = (np.concatenate([split[k] for split in data.splits.values()]) for k in (0, 1))
    assert_samples(data.train._replace(**dict(zip(("images", "labels"), found, strict=True))), images, LABELS)


def test_jpeg_files_are_what_pillow_makes_of_them(tmp_path):
    root = fill(tmp_path / "zoo", IMAGES, suffix=".jpg", quality=95)
    for path in list(root.glob("bee/*")):
        path.rename(path.with_suffix(".JPEG"))
    data = load_path(root)
    expected = [np.asarray(Image.open(path)) for path in sorted(root.glob("cow/*"))]
    found = np.concatenate([split.images[split.labels == 2] for split in data.splits.values()])
    assert_samples(data.train._replace(images=found, labels=np.zeros(10)), expected, np.zeros(10))


def test_folders_of_splits_are_kept(tmp_path):
    for k, name in enumerate(("train", "val", "test")):
        fill(tmp_path / "zoo" / name, IMAGES[k::3], LABELS[k::3])
    (tmp_path / "zoo" / "LICENSE").touch()
    (tmp_path / "zoo" / ".DS_Store").touch()
    (tmp_path / "zoo" / "test" / "cow" / "Thumbs.db").touch()
    data = load_path(tmp_path / "zoo")
    for k, split in enumerate(data.splits.values()):
        assert_samples(split, IMAGES[k::3], LABELS[k::3])
    (tmp_path / "zoo" / "val").rename(tmp_path / "zoo" / "validation")
    assert load_path(tmp_path / "zoo").fingerprint == data.fingerprint


def test_a_class_may_be_called_train(tmp_path):
    root = fill(tmp_path / "vehicles")
    (root / "ant").rename(root / "train")
    assert load_path(root).class_names == ("bee", "cow", "dog", "train")


def test_the_folder_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(fill(tmp_path / "zoo"))
    assert load_path(".").name == "zoo"


# What a file holds, and what it looks like: on a page, as far as it is transparent.

RED, HALF = (200, 10, 30), (200, 10, 30, 128)


def palette(colours, pixels, **info):
    picture = Image.new("P", (2, 1))
    picture.putpalette(np.ravel(colours).tolist())
    picture.putdata(pixels)
    picture.info.update(info)
    return picture


def of_mode(mode, *pixels):
    picture = Image.new(mode, (len(pixels), 1))
    picture.putdata(pixels)
    return picture


def turned(orientation):
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    return exif


seen = {
    "grey": (of_mode("L", 7, 200), {}, [[[7], [200]]]),
    "black and white": (of_mode("1", 0, 255), {}, [[[0], [255]]]),
    "16 bits": (Image.fromarray(np.array([[0, 128, 129, 257 * 77, 65535]], np.uint16)), {},
                [[[0], [0], [1], [77], [255]]]),
    "grey, transparent": (of_mode("LA", (7, 255), (7, 0), (100, 51)), {}, [[[7], [255], [224]]]),
    "grey, one transparent": (of_mode("L", 7, 200), {"transparency": 7}, [[[255], [200]]]),
    "colour": (of_mode("RGB", RED, (1, 2, 3)), {}, [[RED, (1, 2, 3)]]),
    "colour, grey to look at": (of_mode("RGB", (9, 9, 9)), {}, [[(9, 9, 9)]]),
    "transparent": (of_mode("RGBA", (*RED, 255), (*RED, 0), (*RED, 51)), {}, [[RED, (255,) * 3, (244, 206, 210)]]),
    "one transparent": (of_mode("RGB", RED, (1, 2, 3)), {"transparency": RED}, [[(255,) * 3, (1, 2, 3)]]),
    "palette": (palette([RED, (1, 2, 3)], [1, 0]), {}, [[(1, 2, 3), RED]]),
    "grey palette": (palette([(9, 9, 9), (70, 70, 70)], [1, 0]), {}, [[[70], [9]]]),
    "palette, transparent": (palette([RED, (1, 2, 3)], [1, 0]), {"transparency": b"\x33\xff"},
                             [[(1, 2, 3), (244, 206, 210)]]),
    "palette, one transparent": (palette([RED, (1, 2, 3)], [1, 0]), {"transparency": 0}, [[(1, 2, 3), (255,) * 3]]),
    **{f"orientation {k}": (of_mode("L", 1, 2, 3), {"exif": turned(k)}, expected) for k, expected in {
        1: [[[1], [2], [3]]], 2: [[[3], [2], [1]]], 3: [[[3], [2], [1]]], 4: [[[1], [2], [3]]],
        5: [[[1]], [[2]], [[3]]], 6: [[[1]], [[2]], [[3]]], 7: [[[3]], [[2]], [[1]]], 8: [[[3]], [[2]], [[1]]],
    }.items()},
}  # fmt: skip


@pytest.mark.parametrize("case", seen)
def test_pictures_are_read_as_a_person_sees_them(tmp_path, case):
    picture, options, expected = seen[case]
    picture.save(tmp_path / "a.png", **options)
    expected = np.array(expected, np.uint8)
    header = pictures.look(tmp_path / "a.png")
    assert (header.height, header.width) == expected.shape[:2]
    assert header.grey == (expected.shape[2] == 1)
    found = pictures.decode(tmp_path / "a.png", header.grey)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    if header.grey:
        np.testing.assert_array_equal(pictures.decode(tmp_path / "a.png", False), expected.repeat(3, -1))


def test_to_look_is_to_read_the_header_only(tmp_path):
    (tmp_path / "a.png").write_bytes(png(7, 5, b"no pixels"))
    assert pictures.look(tmp_path / "a.png") == (5, 7, True)
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        pictures.decode(tmp_path / "a.png", True)


def test_photographs_are_upright(tmp_path):
    picture = Image.fromarray(
        np.repeat(np.arange(0, 240, 10, np.uint8)[None], 16, 0)
    )  # brighter to the right
    picture.save(tmp_path / "a.jpg", exif=turned(6), quality=100)  # turned clockwise: brighter downwards
    assert pictures.look(tmp_path / "a.jpg") == (24, 16, True)
    found = pictures.decode(tmp_path / "a.jpg", True)[..., 0].astype(int)
    np.testing.assert_allclose(found, np.repeat(np.arange(0, 240, 10)[:, None], 16, 1), atol=3)


def test_cmyk_photographs_are_colours(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    found = pictures.decode(tmp_path / "a.jpg", False)
    np.testing.assert_allclose(found, np.broadcast_to([255, 0, 0], (16, 16, 3)), atol=8)


def test_one_picture_in_colour_makes_all_colours(tmp_path):
    root = fill(tmp_path / "zoo")
    assert load_path(root).shape == (5, 7, 1)
    Image.fromarray(IMAGES[0]).save(root / "bee" / "more.png")
    data = load_path(root)
    assert data.shape == (5, 7, 3)
    assert (
        sum((split.images == split.images[..., :1]).all((1, 2, 3)).sum() for split in data.splits.values())
        == 40
    )


def replaced(name, content):
    def change(root):
        (root / name).write_bytes(content)

    return change


def resized(root):
    Image.fromarray(IMAGES[0, :, :6, 0]).save(root / "cow" / "02.png")


def only(*classes):
    def change(root):
        for folder in root.iterdir():
            if folder.name not in classes:
                folder.rename(root.parent / folder.name)

    return change


def emptied(root):
    for path in (root / "bee").iterdir():
        path.unlink()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, content=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


folders_refused = {
    "mixed sizes": (resized, r"cow/02\.png: expected 5x7 pixels \(height x width\) as .*ant/00\.png has, found 5x6"),
    "one class": (only("dog"), "zoo: labels must be of at least 2 classes, found only dog"),
    "no classes": (only(), "zoo: expected a folder for each class, found none"),
    "empty folder": (emptied, "zoo/bee: expected files of a class, found an empty folder"),
    "no picture": (replaced("cow/02.png", b"hello"), r"cow/02\.png: cannot be read as a PNG, JPEG or BMP"),
    "a GIF": (replaced("cow/02.png", b"GIF89a" + bytes(20)), r"cow/02\.png: cannot be read as a PNG"),
    "empty": (replaced("cow/02.png", b""), r"cow/02\.png: cannot be read as a PNG"),
    "cut": (replaced("cow/02.png", png(7, 5, bytes(20))), r"cow/02\.png: cannot be read as a PNG"),
    "a bomb": (replaced("ant/00.png", png(1 << 14, 1 << 13)), r"ant/00\.png: cannot be read .*decompression bomb"),
    "a large bomb": (replaced("ant/00.png", png(1 << 20, 1 << 20)), r"ant/00\.png: cannot be .*decompression bomb"),
    "a text": (replaced("cow/notes.txt", b"hello"), r"cow/notes\.txt: expected a file \.png, .* found something else"),
    "no class": (replaced("02.png", png(7, 5, bytes(40))), r"zoo/02\.png: expected in a folder of its class"),
    "a folder below": (lambda root: (root / "cow" / "more").mkdir(), "cow/more: expected a file"),
    "recordings": (replaced("cow/x.aedat", b"x"), r"expected pictures or recordings, found both: .*png and .*aedat"),
    "a pipe": (lambda root: os.mkfifo(root / "cow" / "x.png"), r"cow/x\.png: expected a file"),
}  # fmt: skip


@pytest.mark.parametrize("case", folders_refused)
def test_a_folder_that_does_not_fit_is_refused_naming_the_file(tmp_path, case):
    change, message = folders_refused[case]
    change(fill(tmp_path / "zoo"))
    with pytest.raises(DataError, match=message):
        load_path(tmp_path / "zoo")


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ({"test/cow": "test/cows"}, "test/cows: expected a class that train has, found another"),
        ({"test": "tests"}, "zoo/tests: expected beside train only validation, val, test, found this folder"),
        ({"train/cow": "gone", "test": "validation"}, "expected one of validation and val, found both"),
    ],
)
def test_splits_that_do_not_fit_are_refused(tmp_path, move, message):
    for k, name in enumerate(("train", "val", "test")):
        fill(tmp_path / "zoo" / name, IMAGES[k::3], LABELS[k::3])
    for old, new in move.items():
        (tmp_path / "zoo" / old).rename(tmp_path / "zoo" / new)
    with pytest.raises(DataError, match=message):
        load_path(tmp_path / "zoo")


picture_fuzz = {}


@given(
    suffix=st.sampled_from(pictures.SUFFIXES),
    at=st.integers(0, 1 << 20),
    bit=st.integers(0, 7),
    cut=st.booleans(),
)
def test_any_picture_is_read_or_refused(tmp_path_factory, suffix, at, bit, cut):
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    Image.fromarray(IMAGES[0]).save(path, exif=turned(6)) if suffix != ".bmp" else Image.fromarray(
        IMAGES[0]
    ).save(path)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at] ^= 1 << bit
    path.write_bytes(content[:at] if cut else content)
    try:
        header = pictures.look(path)
        image = pictures.decode(path, header.grey)
        assert image.ndim == 3
    except DataError as error:
        assert str(path) in str(error)


# Folders of recordings.


def record(root, n=24):
    """Recordings of a few events each; in the last one time runs backwards."""
    rng, every = np.random.default_rng(0), []
    for k in range(n):
        t = np.sort(rng.integers(0, 9999, 50))
        if k == n - 1:
            t[25:] -= 5000
        y, x = rng.integers(0, 128, (2, 50)).astype(np.int16)
        path = root / NAMES[k % 2] / f"{k:02}.aedat"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aedat(path, Events(abs(t), y, x, rng.random(50) < 0.5))
        every.append(path)
    return every


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("by", ["number", "time"])
def test_a_folder_of_recordings(tmp_path, cache, monkeypatch, large, by):
    paths = record(tmp_path / "gestures")
    monkeypatch.setattr(folders, "LARGE", 1000 if large else 1 << 30)
    data = load_path(tmp_path / "gestures", T=3, by=by, progress=False)
    assert (data.name, data.shape, data.frames, data.max_value) == ("gestures", (128, 128, 2), 3, 1)
    assert data.class_names == ("ant", "bee")
    expected = [
        count_frames(read_aedat(path, backwards="unwrap" if by == "time" else "keep"), 3, by=by)
        for path in paths
    ]
    found = (np.concatenate([split[k][:] for split in data.splits.values()]) for k in (0, 1))
    assert_samples(
        data.train._replace(**dict(zip(("images", "labels"), found, strict=True))),
        expected,
        np.arange(24) % 2,
    )
    assert all(isinstance(split.images, Rows) == large for split in data.splits.values())
    assert len(list(cache.rglob("*.npy"))) == large


def test_large_folders_are_converted_once_and_again_if_they_change(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(folders, "LARGE", 1000)
    asked = []
    monkeypatch.setattr(
        pictures, "decode", lambda *args, decode=pictures.decode: asked.append(args) or decode(*args)
    )
    root = tmp_path / "zoo"
    for name, half in (("train", slice(20)), ("test", slice(20, 40))):
        fill(root / name, IMAGES[half], LABELS[half])
    first = load_path(root, progress=False)
    again = load_path(root, progress=False)
    assert len(asked) == 40
    assert first.fingerprint == again.fingerprint
    assert_samples(first.test, IMAGES[20:], LABELS[20:])
    load_path(root, progress=False, verify=True)
    assert len(asked) == 80
    Image.fromarray(IMAGES[1]).save(root / "test" / "ant" / "00.png", compress_level=0)
    assert load_path(root, progress=False).fingerprint != first.fingerprint
    assert len(list(cache.rglob("*.npy"))) == 2


def test_a_broken_recording_is_refused_naming_it(tmp_path):
    paths = record(tmp_path / "gestures")
    paths[3].write_bytes(paths[3].read_bytes()[:-3])
    with pytest.raises(DataError, match=r"bee/03\.aedat: expected 8 bytes for each event"):
        load_path(tmp_path / "gestures")


# One way to load all.


def test_paths_and_names_are_loaded_in_one_way(tmp_path, monkeypatch):
    path = save(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    monkeypatch.chdir(tmp_path)
    for data in (path, str(path), "mine.npz", "./mine.npz"):
        assert catalogue.load(data).name == "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalogue.load("~/mine.npz").name == "mine"
    fill(tmp_path / "digits")
    assert catalogue.load("digits").n_classes == 10  # a name comes first
    assert catalogue.load("./digits").n_classes == catalogue.load(Path("digits")).n_classes == 4
    record(tmp_path / "gestures")
    assert catalogue.load("gestures", 4, by="time").frames == 4
    assert catalogue.own_path("mnist") is None
    assert catalogue.own_path("digits/../mine.npz") == Path("digits/../mine.npz")


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ("fashon-mnist", ValueError, "found 'fashon-mnist'; did you mean fashion-mnist?"),
        (
            "imagenet",
            ValueError,
            "data must be one of cifar10, .*, or a path, or module.*'imagenet'; did you mean tiny-imagenet?",
        ),
        ("xyzxyz", ValueError, "or a path, or module:name of your own, found 'xyzxyz'$"),
        ("cats.npz", FileNotFoundError, "cats.npz: there is no such file or folder$"),
        ("data/mnist", FileNotFoundError, "data/mnist: there is no such file or folder"),
        ("~no-such-user/at/all", FileNotFoundError, "there is no such file"),
        (Path("cifar10"), FileNotFoundError, "cifar10: there is no such file or folder"),
        ("", ValueError, "found ''"),
    ],
)
def test_what_is_not_there_is_said_and_what_may_be_meant(tmp_path, monkeypatch, data, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message):
        catalogue.load(data)


def test_other_files_and_settings_are_refused(tmp_path):
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.npz").touch()
    os.mkfifo(tmp_path / "c.npz")
    for name in "a.txt", "c.npz":
        with pytest.raises(DataError, match=rf"{name}: expected an .npz file or a folder of classes"):
            load_path(tmp_path / name)
    with pytest.raises(DataError, match=r"b\.npz: expected a folder or a zip archive"):
        load_path(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        load_path(tmp_path / "d.npz")
    for options in {"T": 0}, {"by": "place"}:
        with pytest.raises(ValueError, match="must be"):
            load_path(tmp_path / "a.txt", **options)
    for options in {"by": "place"}, {"split": "mine"}:
        with pytest.raises(ValueError, match="must be one of"):
            catalogue.load("digits", **options)


def test_pictures_need_pillow_and_say_so(tmp_path, monkeypatch):
    root = fill(tmp_path / "zoo")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ModuleNotFoundError, match=r"this needs PIL.*: pip install 'minisnn\[data\]'"):
        load_path(root)


def test_classes_of_the_catalogue_have_names():
    assert len(set(fashion_mnist.CLASSES)) == len(cifar10.LAYOUT.class_names) == 10
    fine = cifar100.LAYOUT.class_names
    assert len(set(fine)) == 100
    assert list(fine) == sorted(fine)  # as in its archive
    assert (cifar10.LAYOUT.class_names[3], fine[0], fine[99], fashion_mnist.CLASSES[9]) == (
        "cat",
        "apple",
        "worm",
        "Ankle boot",
    )


# On the command line.


@pytest.mark.parametrize("kind", ["pictures", "recordings", "two channels"])
def test_the_command_takes_a_path(tmp_path, monkeypatch, capsys, kind):
    drawn = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append((self, str(path))))
    if kind == "pictures":
        fill(tmp_path / "mine")
        path, text = "./mine", "32 + 4 + 4 images of 5x7x1, 4 classes: ant, bee, cow, dog"
    elif kind == "recordings":
        record(tmp_path / "mine", 8)
        path, text = "mine/", "6 + 1 + 1 recordings in frames of 10x128x128x2, 2 classes: ant, bee"
    else:
        path, text = (
            str(save(tmp_path / "mine.npz", images=IMAGES[..., :2], labels=NAMES[LABELS])),
            "32 + 4 + 4 images",
        )
    assert cli.main(["data", "check", path]) == 0
    assert f"{path}: intact, {text}" in capsys.readouterr().out
    assert cli.main(["data", "show", path]) == 0
    assert (
        f"mine.png: {4 if kind == 'recordings' else 32} of the training set of mine"
        in capsys.readouterr().out
    )
    ((figure, out),) = drawn
    assert out == "mine.png"
    labels = {ax.get_ylabel() or ax.get_title() for ax in figure.axes} - {""}
    assert labels <= set(NAMES)
    assert cli.main(["data", "fetch", path]) == 2
    assert "to be fetched, found the path" in capsys.readouterr().err


def test_a_picture_of_few_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(fill(tmp_path / "zoo", IMAGES[:8, ..., 0], LABELS[:8]))
    assert cli.main(["data", "show", "."]) == 0
    assert "zoo.png: 6 of the training set of zoo" in capsys.readouterr().out
    assert (tmp_path / "zoo" / "zoo.png").stat().st_size > 0


def test_the_pages_examples_run(tmp_path, monkeypatch, own_data_sets):
    """docs/data.md, "Your own data"."""
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    section = page.split("\n## Your own data\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 5
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in blocks:
        exec(block, scope)
