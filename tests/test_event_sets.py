"""CIFAR10-DVS, real and simulated: files in folders and archives, splits, and every kind of bad ones."""

import os
import zipfile
from itertools import chain

import numpy as np
import pytest

from data_loaders import DataError, cifar10, cifar10_dvs
from data_loaders import cifar10_dvs_simulated as simulated
from data_loaders.cifar10_dvs import CLASSES, load_recordings
from data_loaders.common import download
from data_loaders.common.dataset import DataSet, Split
from data_loaders.events.camera import EventCamera
from data_loaders.events.frames import count_frames, resize
from data_loaders.formats import aedat
from data_loaders.formats.aedat import Events, read_aedat, write_aedat

EACH = 10
SMALL = {"T": 2, "by": "number", "size": 8, "split": "tet", "progress": False}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """Folders for the user's files and the cache, ten recordings in each class, and nobody to ask for more."""
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    nobody = {name: cifar10_dvs.remote(name)._replace(url="http://127.0.0.1:9/") for name in CLASSES}
    monkeypatch.setattr(cifar10_dvs, "remote", nobody.get)
    monkeypatch.setattr(load_recordings, "__defaults__", (False, EACH))


def recording(rng, n=None):
    n = rng.integers(2, 40) if n is None else n
    y, x = rng.integers(0, 128, (2, n)).astype(np.int16)
    return Events(np.sort(rng.integers(0, 1000, n)), y, x, rng.random(n) < 0.5)


def write_folders(root, each=EACH, rng=None):
    """The layout of CIFAR10-DVS, unpacked."""
    rng = rng or np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            write_aedat(root / name / f"cifar10_{name}_{n}.aedat", recording(rng))
    return root


def pack(folder, above="", leave_out=()):
    """The same as a zip archive; its files in the folder `above`."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            if path.name not in leave_out:
                archive.write(path, above + path.name)
            path.unlink()
    folder.rmdir()


def frames(root, label, n, T, by, size):
    events = read_aedat(root / CLASSES[label] / f"cifar10_{CLASSES[label]}_{n}.aedat")
    counts = count_frames(events, T, (128, 128), by)
    return counts if size == 128 else resize(counts, (size, size))


def cached(tmp_path, name="cifar10-dvs"):
    folder = tmp_path / "cache" / name
    return sorted(path.name for path in folder.glob("*.npy")) if folder.exists() else []


@pytest.mark.parametrize(
    ("T", "by", "size"), [(2, "number", 8), (3, "time", 48), (1, "number", 128), (2, "time", 128)]
)
def test_every_recording_is_where_it_belongs(tmp_path, T, by, size):
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    data = cifar10_dvs.load(T, by, size, progress=False)
    assert data.name == "cifar10-dvs"
    assert (data.shape, data.is_sequence, data.n_classes, data.max_value) == ((size, size, 2), True, 10, 1)
    held = set(np.random.default_rng(0).choice(90, 9, replace=False))
    expected = {"train": [], "validation": [], "test": []}
    for label in range(10):
        for n in range(9):
            expected["validation" if label * 9 + n in held else "train"].append((label, n))
        expected["test"].append((label, 9))
    for name, samples in expected.items():
        split = getattr(data, name)
        assert split.images.shape == (len(samples), T, size, size, 2)
        assert split.images.dtype == np.float32
        assert split.labels.dtype == np.int64
        assert split.labels.tolist() == [label for label, _ in samples]
        for k in (0, 7, -1):
            np.testing.assert_array_equal(split.images[k], frames(root, *samples[k], T, by, size))
    every = np.concatenate([split.images[:] for split in data.splits.values()])
    total = sum(len(read_aedat(path).t) for path in root.rglob("*.aedat"))
    np.testing.assert_allclose(every.sum() * (128 / size) ** 2, total, rtol=0.2)


def test_archives_and_folders_are_the_same(tmp_path):
    """Whatever folder the files have in an archive, and next to other files."""
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    expected = cifar10_dvs.load(**SMALL)
    for label, name in enumerate(CLASSES[:6]):
        (root / name / "Thumbs.db").write_bytes(b"whatever")
        pack(root / name, above=("", f"{name.upper()}/", "some/where/")[label % 3])
    found = cifar10_dvs.load(**SMALL)
    for split, other in zip(found.splits.values(), expected.splits.values(), strict=True):
        np.testing.assert_array_equal(split.images[:], other.images[:])
        np.testing.assert_array_equal(split.labels, other.labels)
    assert len(cached(tmp_path)) == 2


def without_recordings(each, split):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            cifar10_dvs, "converted", lambda path, shape, *rest: np.zeros((shape[0], 1, 1, 1, 2), np.float32)
        )
        patch.setattr(cifar10_dvs, "mark", lambda *sources: "")
        return load_recordings("test", [], 1, "number", 8, split, False, each=each)


def held_back(each, split):
    """Numbers of the recordings of the first class that are for the test."""
    return without_recordings(each, split).test.images.index[: each // 10].tolist()


# of twenty: by the alphabet 0, 1, 10 ... 19, 2 ... 9
TESTED = {"tet": [18, 19], "tebn": [0, 1], "spikingjelly": [8, 9]}


@pytest.mark.parametrize("split", TESTED)
def test_the_three_splits(split):
    """Which recordings are for the test; the rest is for training and validation, none is twice anywhere."""
    data = without_recordings(20, split)
    samples = [[divmod(k, 20) for k in part.images.index] for part in data.splits.values()]
    assert samples[2] == [(label, n) for label in range(10) for n in TESTED[split]]
    assert sorted(chain(*samples)) == [(label, n) for label in range(10) for n in range(20)]
    assert [len(part) for part in samples] == [162, 18, 20]
    for part, found in zip(samples, data.splits.values(), strict=True):
        assert found.labels.tolist() == [label for label, _ in part]


def test_the_splits_of_a_thousand():
    """As they are for the real files: the last or the first hundred, or by the alphabet."""
    names = [f"cifar10_airplane_{n}.npz" for n in range(1000)]
    alphabet = sorted(names)
    assert cifar10_dvs.EACH == 1000
    for split, expected in (("tet", names[900:]), ("tebn", names[:100]), ("spikingjelly", alphabet[900:])):
        assert {names[n] for n in held_back(1000, split)} == set(expected)


def test_the_third_split_is_spikingjellys():
    try:
        from spikingjelly.datasets import utils
    except Exception as error:  # its own dependencies may be at odds
        pytest.skip(f"spikingjelly: {error}")
    files = sorted(
        (f"{name}/cifar10_{name}_{n}.npz", label, n) for label, name in enumerate(CLASSES) for n in range(100)
    )
    _, test = utils.split_to_train_test_set(0.9, [(None, label) for _, label, _ in files], 10)
    expected = {files[k][1:] for k in test.indices}
    assert expected == {(label, n) for label in range(10) for n in held_back(100, "spikingjelly")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"T": 0}, "T must be at least 1, found 0"),
        ({"size": 0}, "size must be 1 to 128, found 0"),
        ({"size": 129}, "size must be 1 to 128, found 129"),
        ({"by": "hand"}, "by must be one of number, time, found 'hand'"),
        ({"split": "random"}, "split must be one of tet, tebn, spikingjelly, found 'random'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(tmp_path, change, message):
    write_folders(tmp_path / "own" / "cifar10-dvs", 1)
    with pytest.raises(ValueError, match=message):
        cifar10_dvs.load(**SMALL | change)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_missing_recording_is_named(tmp_path, packed):
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    if packed:
        pack(root / "bird", leave_out=("cifar10_bird_7.aedat",))
    else:
        (root / "bird" / "cifar10_bird_7.aedat").unlink()
    with pytest.raises(DataError, match=r"expected 10 recordings, found no cifar10_bird_7\.aedat") as caught:
        cifar10_dvs.load(**SMALL)
    assert str(root / ("bird.zip" if packed else "bird")) in str(caught.value)
    assert cached(tmp_path) == []


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a first line #!AER-DAT2.0"),
        (b"<html>", "expected a first line #!AER-DAT2.0"),
        (b"#!AER-DAT2.0\r\n" + bytes(7), "it is truncated"),
        (b"#!AER-DAT2.0\r\n" + b"\x7f" * 8, "outside the sensor"),
    ],
    ids=["empty", "page", "truncated", "outside"],
)
def test_a_damaged_recording_is_named_and_nothing_is_kept(tmp_path, packed, content, message):
    """Put right, it goes on."""
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    file = root / "cat" / "cifar10_cat_5.aedat"
    good = file.read_bytes()
    file.write_bytes(content)
    if packed:
        pack(root / "cat")
    with pytest.raises(DataError, match=message) as caught:
        cifar10_dvs.load(**SMALL)
    assert (f"{root / 'cat.zip'}, {file.name}" if packed else str(file)) in str(caught.value)
    assert cached(tmp_path) == []
    if not packed:
        file.write_bytes(good)
        data = cifar10_dvs.load(**SMALL)
        np.testing.assert_array_equal(
            data.train.images.array[3 * EACH + 5], frames(root, 3, 5, 2, "number", 8)
        )


def test_an_archive_that_is_none(tmp_path):
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    pack(root / "dog")
    (root / "dog.zip").write_bytes((root / "dog.zip").read_bytes()[:-30])
    with pytest.raises(DataError, match="expected a folder or a zip archive, found neither") as caught:
        cifar10_dvs.load(**SMALL)
    assert str(root / "dog.zip") in str(caught.value)
    assert cached(tmp_path) == []


def test_a_recording_longer_than_any_is_not_read(tmp_path, monkeypatch):
    write_folders(tmp_path / "own" / "cifar10-dvs")
    monkeypatch.setattr(cifar10_dvs, "LONGEST", 30)
    with pytest.raises(DataError, match=r"cifar10_airplane_0\.aedat: expected at most 30 bytes, found more"):
        cifar10_dvs.load(**SMALL)


def test_by_time_goes_on_where_clocks_run_backwards(tmp_path):
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    y = x = np.arange(4, dtype=np.int16)
    back = Events(np.array([500, 600, 10, 210]), y, x, x > 0)  # unwrapped: 500, 600, 600, 800
    write_aedat(root / "airplane" / "cifar10_airplane_0.aedat", back)
    data = cifar10_dvs.load(3, "time", 128, progress=False)
    found = data.train.images.array[0].sum((1, 2, 3))
    assert found.tolist() == [1, 2, 1]


def test_changed_sources_are_converted_again(tmp_path):
    root = write_folders(tmp_path / "own" / "cifar10-dvs")
    pack(root / "truck")
    before = cifar10_dvs.load(**SMALL)
    assert cifar10_dvs.load(**SMALL).train.images.array.filename == before.train.images.array.filename
    file = root / "frog" / "cifar10_frog_0.aedat"
    write_aedat(file, recording(np.random.default_rng(9), 50))
    after = cifar10_dvs.load(**SMALL)
    np.testing.assert_array_equal(after.train.images.array[6 * EACH], frames(root, 6, 0, 2, "number", 8))
    assert (after.train.images.array[6 * EACH] != before.train.images.array[6 * EACH]).any()
    stat = (root / "truck.zip").stat()
    os.utime(root / "truck.zip", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    cifar10_dvs.load(**SMALL)
    assert len(cached(tmp_path)) == 3
    cifar10_dvs.load(**SMALL | {"split": "tebn"})  # the same array, other rows
    assert len(cached(tmp_path)) == 3


def test_without_files_the_error_says_what_to_do(tmp_path):
    pytest.importorskip("pooch")
    write_folders(tmp_path / "own", 1)  # not in a folder of the data set's own: `bird` may be anything
    with pytest.raises(FileNotFoundError, match=r"holds cifar10-dvs/airplane\.zip"):
        cifar10_dvs.load(**SMALL)


def test_the_cache_does_where_the_user_has_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MINISNN_DATA")
    root = write_folders(download.cache_folder("cifar10-dvs"))
    pack(root / "ship")
    assert len(cifar10_dvs.load(**SMALL).test.labels) == 10


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
LABELS = np.tile(np.arange(10), 4)
QUIET = EventCamera(threshold=0.2, noise=0.01)


@pytest.fixture
def cifar(monkeypatch):
    """CIFAR-10 of four images in each class. Returns how often it was loaded."""
    loads = []
    split = Split(IMAGES, LABELS)
    data = DataSet("cifar10", split, split, split, max_value=255)
    monkeypatch.setattr(cifar10, "load", lambda: loads.append(1) or data)
    monkeypatch.setattr(simulated, "TOGETHER", 2)
    monkeypatch.setattr(simulated.simulate, "__defaults__", (3, QUIET, False))
    monkeypatch.setattr(
        simulated,
        "almost_closed",
        lambda radius, steps: (radius / 8 * np.array([[0, 0], [0, 1]]), np.arange(0, 2000, 1000)),
    )
    return loads


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_simulated_files_are_named_and_laid_out_like_the_real_ones(tmp_path, cifar):
    simulated.simulate(tmp_path / "files")
    files = contents(tmp_path / "files")
    expected = {f"{name}/cifar10_{name}_{n}.aedat" for name in CLASSES for n in range(3)}
    assert set(files) == expected | {"README.txt"}
    note = "simulated by minisnn from CIFAR-10: this is not CIFAR10-DVS"
    for name in expected:
        header, _, _ = files[name].partition(b"\r\n# EventCamera")
        assert header == f"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# {note}".encode()
        assert len(read_aedat(tmp_path / "files" / name, backwards="refuse").t) > 100
    readme = files["README.txt"].decode()
    assert note in readme
    assert str(QUIET) in readme


def test_simulated_files_show_the_images_of_their_class(tmp_path, cifar):
    """Without noise: the n-th of a class is what the camera sees of the n-th image of that class."""
    camera = EventCamera(threshold=0.2)
    simulated.simulate(tmp_path / "files", camera=camera)
    path, times = simulated.almost_closed(8.0, steps=64)
    for label, n in ((0, 0), (3, 1), (9, 2)):
        grey = IMAGES[np.flatnonzero(label == LABELS)[n]] / 255 @ np.array([0.299, 0.587, 0.114])
        picture = resize(grey[..., None], (128, 128))[None, ..., 0]
        (expected,) = camera.record(picture, path, times, np.random.default_rng(0))
        file = tmp_path / "files" / CLASSES[label] / f"cifar10_{CLASSES[label]}_{n}.aedat"
        for found, column in zip(read_aedat(file), expected, strict=True):
            np.testing.assert_array_equal(found, column)


@pytest.mark.parametrize("stop", [0, 1, 16, 29])
def test_an_interrupted_simulation_goes_on(tmp_path, cifar, monkeypatch, stop):
    """README.txt comes last, no file is half there, what is there stays, and all is as if nothing had happened."""
    simulated.simulate(tmp_path / "whole")
    written, write_whole = [], aedat.write_atomically

    def half(path, write):
        def interrupted(file):
            write(file)
            file.truncate(file.tell() // 2)
            raise KeyboardInterrupt

        written.append(path)
        write_whole(path, interrupted if len(written) == stop + 1 else write)

    monkeypatch.setattr(aedat, "write_atomically", half)
    with pytest.raises(KeyboardInterrupt):
        simulated.simulate(tmp_path / "files")
    whole, files = contents(tmp_path / "whole"), contents(tmp_path / "files")
    assert len(files) == stop  # and nothing half there
    assert "README.txt" not in files
    assert files.items() <= whole.items()
    written[:] = [None] * 99  # no more interruptions
    simulated.simulate(tmp_path / "files")
    assert contents(tmp_path / "files") == whole
    before = len(written)
    simulated.simulate(tmp_path / "files")
    assert len(written) == before


def test_more_images_than_there_are(tmp_path, cifar):
    with pytest.raises(ValueError, match="there are 4 training images of airplane, 5 were asked for"):
        simulated.simulate(tmp_path / "files", each=5)


@pytest.mark.parametrize("own", [False, True], ids=["cache", "own"])
def test_the_simulated_set_is_made_once_and_its_name_says_what_it_is(tmp_path, cifar, own):
    root = tmp_path / "cache" / "cifar10-dvs-simulated" / "recordings"
    if own:
        root = tmp_path / "own" / "cifar10-dvs-simulated"
        simulated.simulate(root)
    data = simulated.load(**SMALL)
    again = simulated.load(**SMALL)
    assert len(cifar) == 1
    assert data.name == "cifar10-dvs-simulated"
    assert (data.shape, data.n_classes, data.is_sequence) == ((8, 8, 2), 10, True)
    assert [len(part.labels) for part in data.splits.values()] == [18, 2, 10]
    assert (root / "README.txt").exists()
    np.testing.assert_array_equal(data.test.images[:], again.test.images[:])
    for label in range(10):
        np.testing.assert_array_equal(data.test.images[label], frames(root, label, 2, 2, "number", 8))
    assert len(cached(tmp_path, "cifar10-dvs-simulated")) == 1
    assert not (tmp_path / "cache" / "cifar10-dvs").exists()


def test_the_users_folder_is_not_written_to(tmp_path, cifar):
    """Not even where recordings are missing in it."""
    own = tmp_path / "own" / "cifar10-dvs-simulated"
    simulated.simulate(own)
    (own / "README.txt").unlink()
    (own / "airplane" / "cifar10_airplane_0.aedat").unlink()
    before = contents(own)
    simulated.load(**SMALL)
    assert contents(own) == before
    assert (tmp_path / "cache" / "cifar10-dvs-simulated" / "recordings" / "README.txt").exists()
