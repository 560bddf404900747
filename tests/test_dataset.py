"""A data set of one's own: of arrays as they come; what is refused, and in which words; what is known."""

import json
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import characters, rngs, sizes

from data_loaders import DataInfo, DataSet, Split
from data_loaders.common import measure
from data_loaders.common.rows import Rows, evenly, stratified
from minisnn import load_digits

GOOD = np.arange(6 * 4 * 5 * 3, dtype=np.uint8).reshape(6, 4, 5, 3) % 200
LABELS = np.array([0, 1, 2, 0, 1, 2])
FRAMES = np.ones((6, 3, 4, 5, 2), np.float32)


def made(images=GOOD, labels=LABELS, **change):
    """A data set that has the same samples in every split, but for what is changed."""
    split = Split(images, labels)
    return DataSet(**{"name": "a", "train": split, "validation": split, "test": split, "max_value": 255,
                      "n_classes": 3} | change)  # fmt: skip


def with_value(array, value):
    array = array.copy()
    array[1, ..., 0] = value
    return array


refused = {
    "floats": ((GOOD / 255, LABELS), {}, "images must be uint8 from 0 to max_value.*from 0 to 1, found float64"),
    "int64": ((GOOD.astype(np.int64), LABELS), {}, "images must be uint8 .*, found int64"),
    "a list": ((GOOD.tolist(), LABELS), {}, "images must be an array of NumPy.* lists, found list"),
    "no Split": (None, {}, "must be a Split of images and labels.*, found NoneType"),
    "a pair": ([GOOD, LABELS], {}, "must be a Split of images and labels.*, found list"),
    "no channels": ((GOOD[..., 0], LABELS), {}, r"found 6 x 4 x 5 \(is the channel axis missing\?"),
    "flat": ((GOOD.reshape(6, -1), LABELS), {}, r"found 6 x 60 \(are they flat\?"),
    "one number": ((np.array(3, np.uint8), LABELS), {}, "found a single number"),
    "channels first": ((GOOD.transpose(0, 3, 1, 2), LABELS), {},
                       r"\[N, H, W, C\].*, found 6 x 3 x 4 x 5 \(did you mean channels last\? images.transp"),
    "sequence first": ((FRAMES.transpose(0, 1, 4, 2, 3), LABELS), {}, "did you mean channels last"),
    "3 polarities": ((np.ones((6, 3, 4, 5, 3), np.float32), LABELS), {}, r"\[N, T, H, W, 2\] for recordings"),
    "no pixels": ((GOOD[:, :0], LABELS), {}, "found 6 x 0 x 5 x 3"),
    "empty": ((GOOD[:0], LABELS[:0]), {}, "images must be at least one, found none"),
    "too bright": ((with_value(GOOD % 17, 18), LABELS), {"max_value": 16}, "0 to max_value, 16, found 18"),
    "float64 frames": ((FRAMES.astype(float), LABELS), {}, "must be float32 counts of events.*, found float64"),
    "nan": ((with_value(FRAMES, np.nan), LABELS), {}, r"0 or more, found NaN, the first at index \[1, 0, 0, 0, 0\]"),
    "inf": ((with_value(FRAMES, np.inf), LABELS), {}, "finite and 0 or more, found 1 to inf"),
    "negative": ((with_value(FRAMES, -1), LABELS), {}, "finite and 0 or more, found -1 to 1"),
    "label list": ((GOOD, LABELS.tolist()), {}, "labels must be an array of integers.* lists, found list"),
    "float labels": ((GOOD, LABELS * 1.0), {}, r"labels must be \[6\] integers, found \[6\] float64"),
    "one-hot": ((GOOD, np.eye(3, dtype=int)[LABELS]), {}, r"labels must be \[6\] integers, found \[6, 3\] int"),
    "fewer labels": ((GOOD, LABELS[:5]), {}, "labels must be as many as images, 6, found 5"),
    "more labels": ((GOOD[:5], LABELS), {}, "labels must be as many as images, 5, found 6"),
    "label 3": ((GOOD, LABELS + 1), {}, "labels must be 0 to 2, as n_classes says, found 1 to 3"),
    "label -1": ((GOOD, LABELS - 1), {}, "labels must be 0 to 2, as n_classes says, found -1 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", refused)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_what_does_not_fit_is_refused_naming_the_split(split, case):
    pair, change, message = refused[case]
    bad = Split(*pair) if isinstance(pair, tuple) else pair
    good = Split(FRAMES, LABELS) if "polarit" in case else Split(GOOD % 17, LABELS)
    with pytest.raises(ValueError, match=message) as caught:
        made(*good, **change | {split: bad})
    assert str(caught.value).startswith(split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": Split(GOOD[:, 1:], LABELS)},
         r"validation images must be \[4, 5, 3\], as train images are, found \[3, 5, 3\]"),
        ({"test": Split(FRAMES, LABELS)}, "test images must be .*as train images are"),
        ({"n_classes": 1}, "n_classes must be an integer from 2 to .*, found 1"),
        ({"n_classes": 3.0}, "n_classes must be an integer"),
        ({"n_classes": 2}, "train labels must be 0 to 1, as n_classes says, found 0 to 2"),
        ({"max_value": 0}, "max_value must be an integer from 1 to 255, found 0"),
        ({"max_value": 256}, "max_value must be an integer from 1 to 255, found 256"),
        ({"max_value": 1.0}, r"max_value must be an integer from 1 to 255, found 1\.0"),
        ({"train": Split(GOOD, LABELS * 0 + 2)}, "train labels must be of at least 2 classes, found only class 2"),
        ({"class_names": ("a", "b")}, "class_names must be n_classes, 3, different texts, or none, found 2"),
        ({"class_names": ("a", "b", "a")}, "different texts, or none, found 2 different of 3"),
        ({"class_names": ["a", "b", "c"]}, "class_names must be a tuple of texts, or of integers"),
        ({"class_names": (1, 2, 3.0)}, "class_names must be a tuple of texts, or of integers"),
        ({"class_names": (1, 2, True)}, "class_names must be a tuple of texts, or of integers"),
        ({"class_names": ("a", "b", 3)}, "class_names must be a tuple of texts"),
        ({"class_names": ("a", "b", "")}, "class_names must be a tuple of texts"),
    ],
)  # fmt: skip
def test_splits_and_classes_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        made(**change)


def test_what_fits():
    data = made(class_names=("x", "y", "z"))
    assert (data.shape, data.is_sequence, data.frames, data.n_train) == ((4, 5, 3), False, None, 6)
    data = made(FRAMES, max_value=1)
    assert (data.shape, data.is_sequence, data.frames, data.n_train) == ((4, 5, 2), True, 3, 6)
    assert data.mean is data.std is None
    one_line = np.zeros((6, 1, 200, 2), np.uint8)  # is no picture with channels first
    assert made(one_line).shape == (1, 200, 2)
    assert made(labels=LABELS.astype(np.uint8)).n_train == 6


def test_images_on_disk_are_not_read_to_check_them():
    class Asked:
        shape, dtype, ndim, rows = (100_000, 3, 4, 5, 2), np.dtype(np.float32), 5, 0

        def __getitem__(self, index):
            self.rows += np.size(index)
            return np.ones((np.size(index), *self.shape[1:]), np.float32)

    array = Asked()
    images, labels = Rows(array, np.arange(100_000)), np.arange(100_000) % 3
    made(images, labels)
    assert 0 < array.rows <= 50
    array.rows = 0
    data = DataSet.from_arrays(images, labels)
    assert data.n_train == 80_000
    assert 0 < array.rows <= 100
    data.fingerprint  # noqa: B018
    assert 0 < array.rows * 480 <= 3 * measure.READ + 50_000


# from_arrays.


def test_arrays_become_a_data_set():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (50, 6, 9)), list(rng.integers(0, 4, 50))
    data = DataSet.from_arrays(images, labels, name="mine")
    assert (data.name, data.shape, data.n_classes, data.class_names) == ("mine", (6, 9, 1), 4, ())
    assert [len(split.labels) for split in data.splits.values()] == [40, 5, 5]
    for split in data.splits.values():
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
    pixels = np.concatenate([split.images[..., 0] for split in data.splits.values()])
    np.testing.assert_array_equal(np.unique(pixels, axis=0), np.unique(images, axis=0))
    for image, label in zip(data.train.images, data.train.labels, strict=True):
        (where,) = np.flatnonzero((images == image[..., 0]).all((1, 2)))
        assert label == labels[where]


def test_given_splits_are_kept_as_they_are():
    held = GOOD[:3], LABELS[:3]
    data = DataSet.from_arrays(GOOD, LABELS, validation=held, test=held)
    assert data.train.images is GOOD
    assert data.validation.images.base is GOOD
    assert len(data.test.labels) == 3
    data = DataSet.from_arrays(GOOD, LABELS, test=held)
    assert [len(split.labels) for split in data.splits.values()] == [5, 1, 3]
    data = DataSet.from_arrays(GOOD, LABELS, validation=held)
    assert [len(split.labels) for split in data.splits.values()] == [5, 3, 1]


@pytest.mark.parametrize(
    ("images", "max_value", "expected", "kept"),
    [
        (np.array([0, 16, 5], np.uint8), None, 16, [0, 16, 5]),
        (np.array([0, 17, 5], np.uint8), None, 255, [0, 17, 5]),
        (np.array([0, 16, 5]), 20, 20, [0, 16, 5]),
        (np.array([0, 200, 255], np.uint16), None, 255, [0, 200, 255]),
        (np.array([False, True, True]), None, 1, [0, 1, 1]),
        (np.array([0.0, 0.5, 1.0]), None, 255, [0, 128, 255]),
        (np.array([0.0, 0.004, 0.001], np.float32), None, 255, [0, 1, 0]),
        (np.array([0.0, 1.0, 0.0], np.float16), 255, 255, [0, 255, 0]),
        (np.array([0, 0, 0]), None, 1, [0, 0, 0]),
        (np.arange(256) / np.float32(255), None, 255, range(256)),
    ],
)
def test_grey_values(images, max_value, expected, kept):
    images = np.broadcast_to(images, (20, 1, len(images)))
    data = DataSet.from_arrays(images, np.arange(20) % 2, max_value=max_value)
    assert data.max_value == expected
    assert (data.train.images[..., 0] == np.array(kept)).all()


arrays_refused = [
    (GOOD * 2.0, LABELS, {}, "train images must be floats from 0 to 1, or integers .*, found 0 to 398"),
    (GOOD / 255 - 0.1, LABELS, {}, "train images must be floats from 0 to 1"),
    (
        with_value(GOOD / 255, np.nan),
        LABELS,
        {},
        r"train images must be floats from 0 to 1.*, found NaN, the first at index \[1, 0, 0, 0\]",
    ),
    (GOOD.astype(int) * 2, LABELS, {}, "train images must be integers from 0 to 255.*, found 0 to 398"),
    (GOOD.astype(int) - 1, LABELS, {}, "train images must be integers from 0 to 255.*, found -1 to"),
    (GOOD / 255, LABELS, {"max_value": 16}, "max_value must be 255 where train images are floats"),
    (GOOD, LABELS, {"max_value": 0}, "max_value must be an integer from 1 to 255, found 0"),
    (GOOD, LABELS, {"max_value": 16}, "train images must be 0 to max_value, 16, found 1"),
    ([[[1, 2], [3, 4]], [[1, 2]]], [0, 1], {}, "train images must be of one size, found 2x2, 1x2$"),
    (
        [[[1, 2], [3]], [[1, 2]]],
        [0, 1],
        {},
        "must be of one size, found lists of several lengths in one image",
    ),
    ([np.ones((k, 1)) for k in range(1, 6)], [0, 1], {}, "of one size, found 1x1, 2x1, 3x1 and others"),
    ([[["a"]]] * 6, LABELS, {}, "train images must be real numbers, found <U1"),
    (GOOD * 1j, LABELS, {}, "train images must be real numbers, found complex"),
    (GOOD.reshape(6, -1), LABELS, {}, "are they flat"),
    (GOOD.transpose(0, 3, 1, 2), LABELS, {}, "did you mean channels last"),
    (GOOD[:0], LABELS[:0], {}, "train images must be at least one, found none"),
    (-FRAMES, LABELS, {}, "train images must be counts of events, finite and 0 or more, found -1 to -1"),
    (with_value(FRAMES, np.nan), LABELS, {}, "counts of events.*, found NaN, the first at index"),
    (with_value(FRAMES.astype(float), 1e300), LABELS, {}, "finite and 0 or more, found 1 to inf"),
    (GOOD, LABELS[:5], {}, "train labels must be as many as images, 6, found 5"),
    (
        GOOD,
        LABELS * 1.0,
        {},
        r"train labels must be \[N\] integers or texts, found \[6\] float64: labels\.astype",
    ),
    (GOOD, LABELS / 2, {}, r"train labels .*, found \[6\] float64, such as 0\.5: no class"),
    (GOOD, np.r_[LABELS[:5], np.nan], {}, r"train labels .*, found \[6\] float64, such as nan: no class"),
    (GOOD, [0, 1, None, 1, 1, 1], {}, r"train labels must be \[N\] integers or texts, found \[6\] object"),
    (
        GOOD,
        [[0], [1, 2]],
        {},
        "train labels must be one label for each image, found lists of several lengths",
    ),
    (GOOD, np.eye(3)[LABELS], {}, r"train labels must be \[N\], found \[6, 3\] \(one-hot\?"),
    (GOOD, np.full(6, 1 << 63, np.uint64), {}, "train labels must be below"),
    (GOOD, LABELS * 0, {}, "labels must be of at least 2 classes, found only 0"),
    (GOOD, ["cat"] * 6, {}, "labels must be of at least 2 classes, found only cat"),
    (GOOD, list("abcabc"), {"class_names": ("a", "b")}, "labels must be one of class_names, a, b, found 'c'"),
    (GOOD, LABELS, {"class_names": ("a", "b")}, "train labels must be 0 to 1"),
    (GOOD, LABELS, {"test": GOOD}, "test must be a pair of images and labels, found ndarray"),
    (GOOD, LABELS, {"test": (GOOD[:, 1:], LABELS)}, "test images must be .*as train images are"),
    (GOOD, LABELS, {"test": (GOOD, list("abcabc"))}, "labels must be either integers or texts in all splits"),
    (
        GOOD,
        LABELS,
        {"validation": (GOOD, LABELS[1:])},
        "validation labels must be as many as images, 6, found 5",
    ),
    (
        GOOD[:3],
        LABELS[:3],
        {},
        "samples must be at least 4 in classes with two or more.* found 0: give more of each",
    ),
]


@pytest.mark.parametrize(("images", "labels", "options", "message"), arrays_refused)
def test_arrays_that_do_not_fit_are_refused(images, labels, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        DataSet.from_arrays(images, labels, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "names", "expected", "class_names"),
    [
        (["dog", "cat", "cat", "dog", "emu", "emu"], (), [1, 0, 0, 1, 2, 2], ("cat", "dog", "emu")),
        (
            ["dog", "cat", "cat", "dog", "emu", "emu"],
            ["emu", "dog", "cat"],
            [1, 2, 2, 1, 0, 0],
            ("emu", "dog", "cat"),
        ),
        (np.array(["b", "a"] * 3, object), (), [1, 0] * 3, ("a", "b")),
        (np.array([b"b", b"a"] * 3), (), [1, 0] * 3, ("a", "b")),
        ([1, 2, 3, 1, 2, 3], (), [0, 1, 2, 0, 1, 2], (1, 2, 3)),
        ([-1, 1] * 3, (), [0, 1] * 3, (-1, 1)),
        ([10, 9] * 3, (), [1, 0] * 3, (9, 10)),
        ([1, 0] * 3, np.array([7, 5]), [1, 0] * 3, (7, 5)),
        ([[2], [0], [1], [1], [0], [2]], (), [2, 0, 1, 1, 0, 2], ()),
        ([False, True] * 3, (), [0, 1] * 3, ()),
        (np.array([1, 0] * 3, np.uint8), ["x", "y", "z"], [1, 0] * 3, ("x", "y", "z")),
    ],
)
def test_labels_and_their_names(labels, names, expected, class_names):
    every = (GOOD, labels)
    data = DataSet.from_arrays(*every, validation=every, test=every, class_names=names)
    for split in data.splits.values():
        assert split.labels.dtype == np.int64
        assert split.labels.tolist() == expected
    assert data.class_names == class_names
    assert data.n_classes == (len(class_names) or len(set(expected)))


def test_classes_are_those_of_all_splits():
    data = DataSet.from_arrays(GOOD, list("aabbaa"), test=(GOOD, list("abcabc")))
    assert data.class_names == ("a", "b", "c")
    assert data.test.labels.tolist() == [0, 1, 2] * 2


def test_frames_become_float32():
    counts = np.arange(20 * 2 * 3 * 3 * 2).reshape(20, 2, 3, 3, 2)
    data = DataSet.from_arrays(counts, np.arange(20) % 2)
    assert (data.is_sequence, data.frames, data.max_value) == (True, 2, 1)
    assert data.train.images.dtype == np.float32
    np.testing.assert_array_equal(data.test.images[0].sum(), counts[[k for k in range(20) if (
        counts[k] == data.test.images[0]).all()]].sum())  # fmt: skip


@pytest.mark.parametrize(
    "images", [np.repeat(GOOD, 4, 0), np.repeat(FRAMES, 4, 0), np.repeat(GOOD[..., 0], 4, 0)]
)
def test_a_memory_map_stays_on_disk(tmp_path, images):
    np.save(tmp_path / "a.npy", images)
    labels = np.repeat(LABELS, 4)
    data = DataSet.from_arrays(np.load(tmp_path / "a.npy", mmap_mode="r"), labels)
    expected = DataSet.from_arrays(images, labels)
    for found, split in zip(data.splits.values(), expected.splits.values(), strict=True):
        assert isinstance(found.images, Rows)
        np.testing.assert_array_equal(found.images[:], split.images)
    assert data.fingerprint == expected.fingerprint


@given(rng=rngs, n_classes=st.integers(2, 9), n=st.integers(4, 200), parts=st.integers(1, 2))
def test_every_class_in_proportion(rng, n_classes, n, parts):
    labels = rng.choice(n_classes, n, p=rng.dirichlet(np.ones(n_classes)))
    labels[:4] = 0, 0, 1, 1
    split = Split(np.arange(n).reshape(n, 1, 1, 1), labels)
    seed = int(rng.integers(1 << 32))
    found, again = (stratified(split, parts, np.random.default_rng(seed)) for _ in range(2))
    assert len(found) == parts + 1
    assert sorted(np.concatenate([part.images.ravel() for part in found])) == list(range(n))
    counts = np.bincount(labels, minlength=n_classes)
    several = counts[counts > 1].sum()
    for part, same in zip(found, again, strict=True):
        np.testing.assert_array_equal(part.images, same.images)
        np.testing.assert_array_equal(part.labels, labels[part.images.ravel()])
        assert (np.diff(part.images.ravel()) > 0).all()
    for part in found[1:]:
        assert len(part.labels) == max(1, round(several / 10))
        share = counts * len(part.labels) / several * (counts > 1)
        assert abs(np.bincount(part.labels, minlength=n_classes) - share).max() < 2
    assert set(found[0].labels) == set(labels)


def test_a_class_with_one_sample_is_trained_on():
    """Whatever the chance, and however many of them there are."""
    labels = np.r_[np.zeros(20, int), np.arange(1, 31)]
    for seed in range(20):
        data = DataSet.from_arrays(np.zeros((50, 2, 2)), labels, seed=seed)
        assert set(data.train.labels) == set(range(31))
        assert set(data.validation.labels) == set(data.test.labels) == {0}
        assert len(data.validation.labels) == len(data.test.labels) == 2


def test_the_split_is_drawn_with_the_seed():
    images, labels = np.arange(100, dtype=np.uint8).reshape(100, 1, 1), np.arange(100) % 3
    tested = [
        DataSet.from_arrays(images, labels, seed=seed).test.images.ravel().tolist() for seed in (0, 0, 1)
    ]
    assert tested[0] == tested[1] != tested[2]


@given(n=st.integers(0, 50), most=st.integers(1, 60))
def test_evenly(n, most):
    rows = evenly(n, most)
    assert len(rows) == min(n, most)
    assert n == 0 or rows[0] == 0
    assert (rows < n).all()
    steps = np.diff(rows)
    assert len(steps) == 0 or 1 <= steps.min() <= steps.max() <= steps.min() + 1


# What is known of it.


@given(rng=rngs, H=sizes, W=sizes, C=st.integers(1, 3))
def test_mean_and_std_are_those_of_the_training_images(rng, H, W, C):
    images = rng.integers(0, 17, (9, H, W, C), np.uint8)
    images[..., 0] = 7
    data = DataSet("a", Split(images, np.arange(9)), *[Split(images[:2], np.arange(2))] * 2, 16)
    np.testing.assert_allclose(data.mean, (images / 16).mean((0, 1, 2)))
    std = (images / 16).std((0, 1, 2))
    np.testing.assert_allclose(data.std, np.where(std < 1e-9, 1, std))
    assert data.std[0] == 1
    assert data.mean is data.mean
    with pytest.raises(ValueError, match="read-only"):
        data.mean[0] = 0


def changed(array, at=-1):
    array = array.copy()
    array.reshape(-1)[at] += 1
    return array


def test_the_fingerprint_tells_data_apart():
    data = made()
    others = [
        replace(data, **{split: Split(changed(GOOD, at), LABELS)})
        for split in data.splits
        for at in (0, 77, -1)
    ]
    others += [replace(data, **{split: Split(GOOD, LABELS[::-1].copy())}) for split in data.splits]
    wide = Split(GOOD.reshape(6, 5, 4, 3), LABELS)
    others += [
        replace(data, max_value=254), replace(data, n_classes=4), replace(data, class_names=("a", "b", "c")),
        made(GOOD.reshape(6, 5, 4, 3)), replace(data, test=data.test.take(slice(5))), DataSet("a", *[wide] * 3, 255, 3),
    ]  # fmt: skip
    prints = {other.fingerprint for other in [data, *others]}
    assert len(prints) == len(others)  # two of them are the same
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints)
    order = np.random.default_rng(0).permutation(6)
    same = [
        replace(data, name="b"), made(labels=LABELS.astype(np.uint8)), made(np.asfortranarray(GOOD)),
        made(Rows(GOOD[order], np.argsort(order))),
    ]  # fmt: skip
    assert {other.fingerprint for other in same} == {data.fingerprint}
    assert data.fingerprint == "bcc4b932367581cb"  # on every machine, and in every version


def test_the_fingerprint_of_large_images_reads_some_of_them(monkeypatch):
    images = np.zeros((4000, 4, 4, 1), np.uint8)
    labels = np.arange(4000) % 3
    read = []
    monkeypatch.setattr(measure, "READ", 16 * 1000)
    monkeypatch.setattr(
        Rows, "__getitem__", lambda self, which: read.extend(which) or self.array[self.index[which]]
    )
    whole = made(Rows(images, np.arange(4000)), labels)
    read.clear()
    before = whole.fingerprint
    assert sorted(set(read)) == list(range(0, 4000, 4))
    for at, seen in ((16 * 4, True), (16 * 5, False)):
        assert (made(Rows(changed(images, at), np.arange(4000)), labels).fingerprint != before) == seen


@pytest.mark.parametrize("data", [load_digits(), made(FRAMES, max_value=1, class_names=("a", "b", "c"))])
def test_facts_go_through_json(data):
    info = data.info
    again = DataInfo.from_json(json.loads(json.dumps(info.to_json())))
    assert again == info
    assert info.fingerprint == data.fingerprint
    assert (info.name, info.shape, info.n_classes, info.n_train) == (
        data.name,
        data.shape,
        data.n_classes,
        data.n_train,
    )
    assert (info.max_value, info.is_sequence, info.frames) == (data.max_value, data.is_sequence, data.frames)
    assert info.class_names == data.class_names
    if not data.is_sequence:
        assert info.mean == tuple(data.mean)
        assert info.std == tuple(data.std)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [8, 8]}, "shape must be H, W, C"),
        ({"shape": [8, 8, 0]}, "shape must be"),
        ({"shape": [8, 8, True]}, "shape must be"),
        ({"shape": None}, "shape must be a list, found None"),
        ({"shape": "881"}, "shape must be a list"),
        ({"name": 3}, "name must be a text, found 3"),
        ({"n_classes": 1}, "n_classes must be an integer above 1"),
        ({"n_classes": "ten"}, "n_classes must be an integer above 1"),
        ({"class_names": ["a"]}, "class_names must be n_classes, 10, different texts"),
        ({"max_value": 0}, "max_value must be 1 to 255"),
        ({"is_sequence": 1}, "is_sequence must be true or false"),
        ({"is_sequence": True}, "frames must be above 0 for sequences"),
        ({"frames": 3}, "frames must be .*null for images, found 3"),
        ({"n_train": -1}, "n_train must be an integer above 0"),
        ({"n_train": 1.5}, "n_train must be"),
        ({"mean": None}, r"mean must be 0 to 1 for each of 1 channels, found None"),
        ({"mean": [float("nan")]}, "mean must be"),
        ({"mean": [0.1, 0.1]}, "mean must be"),
        ({"std": [0.0]}, "std must be 1e-06 to 1 for each of 1 channels"),
        ({"std": ["a"]}, "std must be"),
        ({"fingerprint": "abc"}, "fingerprint must be 16 hexadecimal digits, found 'abc'"),
        ({"fingerprint": 3}, "fingerprint must be"),
        ({"more": 3}, "must have name, .* only, found 'more'"),
    ],
)
def test_facts_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DataInfo.from_json(load_digits().info.to_json() | change)


anything = st.none() | st.booleans() | st.floats() | st.text(characters, max_size=3) | st.integers()


@given(
    st.recursive(anything, st.lists, max_leaves=4),
    st.sampled_from([field.name for field in fields(DataInfo)]),
)
def test_any_fact_is_taken_or_refused_in_words(value, name):
    content = load_digits().info.to_json()
    for wrong in (content | {name: value}, {k: v for k, v in content.items() if k != name}, value):
        try:
            assert DataInfo.from_json(wrong).to_json() == wrong
        except ValueError as error:
            assert " must " in str(error)


def test_a_data_set_can_be_sent_elsewhere():
    data = load_digits()
    before = data.fingerprint
    assert pickle.loads(pickle.dumps(data)).fingerprint == before
