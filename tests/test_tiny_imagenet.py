"""Tiny-ImageNet, folder and archive: good photographs, and every kind of bad ones."""

import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_loaders import DataError, tiny_imagenet
from data_loaders.common.measure import mean_and_std
from data_loaders.formats.archive import Archive
from data_loaders.tiny_imagenet import decode

Image = pytest.importorskip("PIL.Image")
FOLDER = "tiny-imagenet-200"
IDS = ["n02", "n01", "n03"]  # the classes are in the order of wnids.txt, not of the alphabet
BLOCKS = np.random.default_rng(0).integers(0, 256, (99, 4, 4, 3), np.uint8).repeat(16, 1).repeat(16, 2)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Three classes of ten, five for the test; nobody to download from."""
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(tiny_imagenet, "ZIP", tiny_imagenet.ZIP._replace(url="http://127.0.0.1:9/"))
    for name, n in (("CLASSES", 3), ("EACH", 10), ("TESTED", 5)):
        monkeypatch.setattr(tiny_imagenet, name, n)


def encoded(pixels, kind="JPEG", mode=None):
    with io.BytesIO() as file:
        picture = Image.fromarray(pixels)
        options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
        picture.convert(mode or picture.mode).save(file, kind, **options)
        return file.getvalue()


def pictures():
    """Of all files' contents, in the order of the data set: training, then test."""
    return [encoded(block) for block in BLOCKS[:35]]


TESTED = [2, 0, 0, 1, 2]  # classes
ANNOTATIONS = "".join(f"val_{k}.JPEG\t{IDS[c]}\t0\t32\t44\t62\n" for k, c in enumerate(TESTED))


def files():
    names = [f"train/{c}/images/{c}_{k}.JPEG" for c in IDS for k in range(10)]
    names += [f"val/images/val_{k}.JPEG" for k in range(5)]
    texts = {"wnids.txt": "\n".join(IDS).encode() + b"\n", "val/val_annotations.txt": ANNOTATIONS.encode()}
    return texts | dict(zip(names, pictures(), strict=True))


def put(root, content, packed):
    """The data set in a folder or an archive; its path."""
    if packed:
        path = root / f"{FOLDER}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(f"{FOLDER}/{name}", data)
        return path
    for name, data in content.items():
        (root / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (root / FOLDER / name).write_bytes(data)
    return root / FOLDER


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").rglob("*.npy"))


both = pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])


@both
@pytest.mark.parametrize("place", ["", "tiny-imagenet"])
def test_every_picture_is_where_it_belongs(tmp_path, packed, place):
    root = tmp_path / "own" / place
    root.mkdir(exist_ok=True)
    put(root, files(), packed)
    data = tiny_imagenet.load(progress=False)
    assert (data.name, data.shape, data.n_classes, data.max_value) == ("tiny-imagenet", (64, 64, 3), 3, 255)
    held = sorted(np.random.default_rng(0).choice(30, len(data.validation.labels), replace=False))
    assert len(held) == round(tiny_imagenet.HELD_OUT * 30)
    places = ([k for k in range(30) if k not in held], held, range(30, 35))
    for split, expected in zip(data.splits.values(), places, strict=True):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.labels.tolist() == [([0] * 10 + [1] * 10 + [2] * 10 + TESTED)[k] for k in expected]
        exact = np.stack([np.asarray(Image.open(io.BytesIO(pictures()[k]))) for k in expected])
        np.testing.assert_array_equal(split.images[:], exact)
        assert (
            abs(split.images[:].astype(int) - BLOCKS[list(expected)]).max() < 12
        )  # and that is what was put in
    mean, std = mean_and_std(data.train.images, 255)
    np.testing.assert_allclose(mean, data.train.images[:].mean((0, 1, 2)) / 255)
    np.testing.assert_allclose(std, data.train.images[:].std((0, 1, 2)) / 255)


def test_it_is_converted_once_and_again_if_it_has_changed(tmp_path, monkeypatch):
    path, asked = put(tmp_path / "own", files(), packed=True), []
    monkeypatch.setattr(tiny_imagenet, "decode", lambda *args: asked.append(1) or decode(*args))
    tiny_imagenet.load(progress=False)
    tiny_imagenet.load(progress=False)
    assert len(asked) == 35
    path.unlink()
    put(tmp_path / "own", {**files(), "words.txt": b"something new"}, packed=True)
    tiny_imagenet.load(progress=False)
    assert len(asked) == 70
    assert len(cached(tmp_path)) == 2


def test_grey_pictures_become_coloured_ones(tmp_path):
    grey = BLOCKS[0, ..., 0]
    path = tmp_path / "a.JPEG"
    path.write_bytes(encoded(grey))
    found = decode(Archive(tmp_path), "a.JPEG")
    assert found.shape == (64, 64, 3)
    with Image.open(path) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(found, np.asarray(picture)[..., None].repeat(3, 2))


good = pictures()[5]
frame = good.index(b"\xff\xc0")  # the header with the size; its height and width are at 5 and 7
huge = good[: frame + 5] + b"\xff\xff\xff\xff" + good[frame + 9 :]
BAD = {
    "empty": (b"", "not a whole JPEG file"),
    "page": (b"<html>not found</html>", "not a whole JPEG file"),
    "half": (good[: len(good) // 2], "not a whole JPEG file"),
    "tail": (good[:-200], r"not a whole JPEG file \(image file is truncated"),
    "magic": (good[:3], "not a whole JPEG file"),
    "header": (good[: frame + 4], "not a whole JPEG file"),
    "png": (encoded(BLOCKS[0], "PNG"), "not a whole JPEG file"),
    "gif": (encoded(BLOCKS[0], "GIF"), "not a whole JPEG file"),
    "small": (encoded(BLOCKS[0, :63]), r"expected 64x64 pixels, found \(64, 63\)"),
    "large": (encoded(BLOCKS[0].repeat(2, 0)), r"expected 64x64 pixels, found \(64, 128\)"),
    "bomb": (huge, "not a whole JPEG file .*decompression bomb"),
    "long": (good + bytes(2_000_000), "expected at most .* bytes, found more"),
    "missing": (None, "expected a file, found none"),
}


@both
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_named_and_nothing_is_kept(tmp_path, kind, packed):
    content, message = BAD[kind]
    changed = files() | {"train/n01/images/n01_5.JPEG": content}
    path = put(tmp_path / "own", {name: data for name, data in changed.items() if data is not None}, packed)
    with pytest.raises(DataError, match=message) as caught:
        tiny_imagenet.load(progress=False)
    assert str(path) in str(caught.value)
    assert "train/n01/images/n01_5.JPEG: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) == []


def test_a_large_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    (tmp_path / "a.JPEG").write_bytes(good[: frame + 5] + b"\x10\x00\x10\x00" + good[frame + 9 :])
    monkeypatch.setattr(Image.Image, "convert", None)
    with pytest.raises(DataError, match=r"expected 64x64 pixels, found \(4096, 4096\)"):
        decode(Archive(tmp_path), "a.JPEG")


LINES = ANNOTATIONS.splitlines()


@both
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wnids.txt", None, "expected a file, found none"),
        ("wnids.txt", "", "expected 3 different lines, found 0"),
        ("wnids.txt", "n01\nn02\n", "expected 3 different lines, found 2"),
        ("wnids.txt", "n01\nn02\nn03\nn04", "expected 3 different lines, found 4"),
        ("wnids.txt", "n01\nn02\nn02\n", "expected 3 different lines, found 3, of which 2 differ"),
        ("wnids.txt", "n01\nn02\nn03\nn03", "expected 3 different lines, found 4, of which 3 differ"),
        ("wnids.txt", "n01\nn02\nn04\n", "line 1: expected a file and a class, found 'val_0"),
        ("val/val_annotations.txt", None, "expected a file, found none"),
        ("val/val_annotations.txt", "\n".join(LINES[:4]), "expected 5 different lines, found 4"),
        ("val/val_annotations.txt", "\n".join([*LINES, "x"]), "expected 5 different lines, found 6"),
        (
            "val/val_annotations.txt",
            "\n".join([*LINES[:4], LINES[0]]),
            "expected 5 .* found 5, of which 4 differ",
        ),
        (
            "val/val_annotations.txt",
            "\n".join([*LINES[:4], "val_4.JPEG n01"]),
            "line 5: expected a file and a class",
        ),
        (
            "val/val_annotations.txt",
            "\n".join([*LINES[:4], "val_4.JPEG\tn09\t0"]),
            "line 5: expected a file and",
        ),
        (
            "val/val_annotations.txt",
            "\n".join([*LINES[:4], "../../../x\tn01\t0"]),
            "line 5: expected a file and",
        ),
        ("val/val_annotations.txt", "\n".join([*LINES[:4], "..\\x\tn01\t0"]), "line 5: expected a file and"),
        (
            "val/val_annotations.txt",
            "\n".join([*LINES[:4], "\0\ufffd\tn01\t0"]),
            "expected a file, found none",
        ),
        ("val/val_annotations.txt", "\xff" * 2_000_000, "expected at most .* bytes, found more"),
    ],
    ids=lambda text: repr(text)[-30:],
)
def test_a_bad_list_gets_one_clear_error(tmp_path, name, text, message, packed):
    changed = files() | {name: None if text is None else text.encode("latin-1", "replace")}
    path = put(tmp_path / "own", {name: data for name, data in changed.items() if data is not None}, packed)
    with pytest.raises(DataError, match=message) as caught:
        tiny_imagenet.load(progress=False)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) == []


def test_lines_may_end_as_they_do_on_windows(tmp_path):
    changed = {
        name: data.replace(b"\n", b"\r\n") if name.endswith("txt") else data for name, data in files().items()
    }
    put(tmp_path / "own", changed, packed=False)
    assert tiny_imagenet.load(progress=False).test.labels.tolist() == TESTED


def test_an_archive_that_is_none(tmp_path):
    path = put(tmp_path / "own", files(), packed=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="expected a folder or a zip archive, found neither") as caught:
        tiny_imagenet.load(progress=False)
    assert str(path) in str(caught.value)


def test_without_files_the_error_says_what_to_do(capsys):
    pytest.importorskip("pooch")
    with pytest.raises(FileNotFoundError, match=r"holds tiny-imagenet/tiny-imagenet-200\.zip"):
        tiny_imagenet.load(progress=False)


@given(seed=st.integers(0, 1 << 32), length=st.integers(0, len(good)))
def test_any_picture_is_read_or_refused(tmp_path_factory, seed, length):
    chance, damaged = random.Random(seed), bytearray(good)
    for _ in range(chance.choice([1, 2, 5])):
        damaged[chance.randrange(frame + 20 if chance.random() < 0.7 else len(good))] = chance.randrange(256)
    folder = Path(tmp_path_factory.mktemp("fuzz"))
    for content in (bytes(damaged), good[:length]):
        (folder / "a.JPEG").write_bytes(content)
        try:
            assert decode(Archive(folder), "a.JPEG").shape == (64, 64, 3)
        except DataError as error:
            assert "a.JPEG: " in str(error)


@both
def test_names_of_classes_cannot_lead_elsewhere(tmp_path, packed):
    content = files() | {"wnids.txt": b"n02\nn01\n../n03\n"}
    put(tmp_path / "own", content, packed)
    with pytest.raises(DataError, match=r"wnids.txt: expected names like n01443537, found '\.\./n03'"):
        tiny_imagenet.load(progress=False)
    assert not cached(tmp_path)
