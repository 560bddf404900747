"""What large data sets stand on: arrays made once, archives, batches in advance, rows on disk, means."""

import io
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rngs, sizes
from test_run import states_equal
from tqdm import tqdm

from data_loaders import DataError
from data_loaders.common import measure, store
from data_loaders.common.measure import mean_and_std
from data_loaders.common.rows import Rows, Split, hold_out
from data_loaders.common.store import converted, mark
from data_loaders.formats.archive import Archive
from minisnn import load_digits
from minisnn.batches.prefetch import prefetch
from minisnn.recipes import LIF_DEFAULTS
from minisnn.training import loop

SHAPE = (11, 2, 3)
EXPECTED = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)


class Rowwise:
    """row(k) of EXPECTED; which were asked for; an interruption at one of them."""

    def __init__(self, stop=None):
        self.stop, self.asked = stop, []

    def __call__(self, k):
        if k == self.stop:
            raise KeyboardInterrupt
        self.asked.append(k)
        return EXPECTED[k]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(store, "SAFE_EVERY", 4)


def make(path, row, shape=SHAPE, dtype=np.uint8):
    return converted(path, shape, dtype, row, "test", progress=False)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_an_array_is_made_once_and_mapped_read_only(tmp_path):
    path, row = tmp_path / "new" / "folder" / "a.npy", Rowwise()
    first, again = make(path, row), make(path, row)
    assert row.asked == list(range(11))
    for array in (first, again):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, EXPECTED)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0
    assert names(path.parent) == ["a.npy"]


@given(stops=st.lists(st.integers(0, 10), max_size=4))
def test_an_interrupted_conversion_goes_on_at_the_last_safe_row(tmp_path_factory, stops):
    """It is there as a whole or not at all, and is the same as if nothing had happened."""
    path, safe = tmp_path_factory.mktemp("store") / "a.npy", 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SAFE_EVERY", 4)
        for stop in stops:
            row = Rowwise(stop)
            if stop < safe:
                row.stop = safe
            with pytest.raises(KeyboardInterrupt):
                make(path, row)
            assert row.asked == list(range(safe, row.stop))
            assert not path.exists()
            safe = row.stop // 4 * 4
        row = Rowwise()
        np.testing.assert_array_equal(make(path, row), EXPECTED)
        assert row.asked == list(range(safe, 11))
    assert names(path.parent) == ["a.npy"]


def interrupted(path, at=9):
    with pytest.raises(KeyboardInterrupt):
        make(path, Rowwise(at))
    assert names(path.parent) == ["a.npy.done", "a.npy.part"]


@pytest.mark.parametrize(
    "done", ["", "eight", "-4", "12", "999999", "4.0", "9" * 5000, b"\xff\xfe\x00", None], ids=str
)
def test_without_a_sound_note_of_what_is_done_it_starts_again(tmp_path, done):
    path, row = tmp_path / "a.npy", Rowwise()
    interrupted(path)
    note = tmp_path / "a.npy.done"
    if done is None:
        note.unlink()
    else:
        note.write_bytes(done if isinstance(done, bytes) else done.encode())
    np.testing.assert_array_equal(make(path, row), EXPECTED)
    assert row.asked == list(range(11))
    assert names(tmp_path) == ["a.npy"]


def npy(array):
    with io.BytesIO() as file:
        np.save(file, array)
        return file.getvalue()


@pytest.mark.parametrize(
    "part",
    [
        None,
        b"",
        b"garbage" * 100,
        npy(EXPECTED)[:-1],
        npy(EXPECTED[:10]),
        npy(EXPECTED[:, :1]),
        npy(EXPECTED.astype(np.float32)),
    ],
    ids=["none", "empty", "garbage", "truncated", "fewer", "narrower", "float"],
)
def test_an_unfinished_array_of_another_kind_is_begun_again(tmp_path, part):
    path, row = tmp_path / "a.npy", Rowwise()
    interrupted(path)
    (tmp_path / "a.npy.part").unlink() if part is None else (tmp_path / "a.npy.part").write_bytes(part)
    array = make(path, row)
    np.testing.assert_array_equal(array, EXPECTED)
    assert row.asked == list(range(11))


with io.BytesIO() as file:
    np.savez(file, EXPECTED)
    NPZ = file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable array"),
        (b"garbage" * 100, "not a readable array"),
        (npy(EXPECTED)[:40], "not a readable array"),
        (npy(EXPECTED)[:-1], "not a readable array"),
        (npy(EXPECTED).replace(b"}", b"("), "not a readable array"),
        (NPZ, "not a readable array"),
        (npy(np.array([{}])), "not a readable array"),  # Python objects would be run
        (npy(EXPECTED[:10]), r"expected \(11, 2, 3\) uint8, found \(10, 2, 3\) uint8"),
        (npy(EXPECTED.astype(">f4")), r"expected \(11, 2, 3\) uint8, found \(11, 2, 3\) >f4"),
    ],
    ids=["empty", "garbage", "header", "truncated", "syntax", "npz", "objects", "shape", "dtype"],
)
def test_another_file_in_its_place_gets_one_clear_error(tmp_path, content, message):
    path, row = tmp_path / "a.npy", Rowwise()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        make(path, row)
    assert f"{path}: " in str(caught.value)
    assert "delete it, and it is made again" in str(caught.value)
    assert path.read_bytes() == content
    assert not row.asked


@given(seed=st.integers(0, 1 << 32), length=st.integers(0, 300))
def test_any_file_is_read_or_refused(tmp_path_factory, seed, length):
    path, chance = tmp_path_factory.mktemp("fuzz") / "a.npy", random.Random(seed)
    damaged = bytearray(npy(EXPECTED))
    for _ in range(chance.choice([1, 2, 5])):
        damaged[chance.randrange(80)] = chance.choice([chance.randrange(256), *b"(){}[]'\", 019\n"])
    for content in (bytes(damaged), npy(EXPECTED)[:length]):
        path.write_bytes(content)
        try:
            with warnings.catch_warnings(action="ignore"):  # NumPy's, of sizes that overflow
                assert make(path, Rowwise()).shape == SHAPE
        except DataError as error:
            assert str(path) in str(error)


def test_a_full_disk_is_noticed_before_anything_is_done(tmp_path, monkeypatch):
    path, row = tmp_path / "a.npy", Rowwise()
    usage = shutil._ntuple_diskusage(1 << 40, 1 << 40, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(
        OSError, match=r"a\.npy needs 0\.00 GB, .* set MINISNN_CACHE to a folder on a larger disk"
    ):
        make(path, row)
    assert not row.asked
    assert names(tmp_path) == []


def test_an_error_in_a_row_is_raised_as_it_is(tmp_path):
    def row(k):
        raise DataError(f"row {k} is damaged")

    with pytest.raises(DataError, match=r"^row 0 is damaged$"):
        make(tmp_path / "a.npy", row)
    assert not (tmp_path / "a.npy").exists()


def test_the_bar_shows_what_is_already_done(tmp_path, capsys):
    interrupted(tmp_path / "a.npy")
    assert capsys.readouterr().err == ""
    converted(tmp_path / "a.npy", SHAPE, np.uint8, Rowwise(), "the title")
    shown = capsys.readouterr().err
    assert "the title:  73%" in shown  # 8 of 11
    assert "the title: 100%" in shown
    converted(tmp_path / "a.npy", SHAPE, np.uint8, Rowwise(), "the title")
    assert capsys.readouterr().err == ""


PROCESS = """
import os, sys, time
from pathlib import Path
import numpy as np
from data_loaders.common import store
store.SAFE_EVERY = 4
folder, die = Path(sys.argv[1]), int(sys.argv[2])
def row(k):
    if k == die:
        os._exit(9)
    with (folder / "rows").open("a") as file:
        file.write(f"{k}\\n")
    time.sleep(0.05)
    return np.full(3, k, np.int32)
print(store.converted(folder / "a.npy", (10, 3), np.int32, row, "", progress=False).sum())
"""


def process(folder, die=-1):
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, folder, str(die)], stdout=subprocess.PIPE, text=True
    )


def test_of_two_processes_one_works_and_one_waits_even_after_one_that_was_killed(tmp_path):
    with process(tmp_path, die=6) as killed:
        assert killed.wait() == 9
    assert names(tmp_path) == ["a.npy.done", "a.npy.part", "rows"]
    (tmp_path / "rows").unlink()
    with process(tmp_path) as one, process(tmp_path) as other:
        assert [p.communicate()[0].strip() for p in (one, other)] == ["135", "135"]
    assert (tmp_path / "rows").read_text().split() == [str(k) for k in range(4, 10)]


def test_the_mark_changes_with_the_sources(tmp_path):
    a, b = tmp_path / "a.zip", tmp_path / "b"
    a.write_bytes(b"one")
    b.mkdir()
    (b / "file").write_bytes(b"two")
    seen = [mark(a), mark(b), mark(a, b), mark(b, a)]
    assert seen == [mark(a), mark(b), mark(a, b), mark(b, a)]
    a.write_bytes(b"other")
    seen.append(mark(a, b))
    (b / "file").write_bytes(b"others")  # which leaves the folder's own time as it is
    seen.append(mark(a, b))
    (b / "more").write_bytes(b"")
    seen.append(mark(a, b))
    (b / "more").rename(b / "less")
    seen.append(mark(a, b))
    assert len(set(seen)) == len(seen) == 8
    assert all(len(text) == 8 and text.isalnum() for text in seen)


def prefetching():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@given(n=st.integers(0, 9), ahead=st.integers(1, 12), together=st.integers(1, 4))
def test_prefetch_gives_the_same_items_in_the_same_order(n, ahead, together):
    makers = set()

    def items():
        for k in range(n):
            makers.add(threading.current_thread().name)
            yield k

    assert list(prefetch(items(), ahead, together)) == list(range(n))
    assert threading.current_thread().name not in makers
    assert len(makers) == min(n, 1)
    assert not prefetching()


@pytest.mark.parametrize(("ahead", "together"), [(1, 1), (2, 1), (5, 1), (2, 3)])
def test_so_many_and_no_more_are_made_in_advance(ahead, together):
    made = []
    items = prefetch((made.append(k) or k for k in count()), ahead, together)
    for k in range(5):
        assert next(items) == k
        expected = (k // together + 1 + ahead) * together
        until = time.monotonic() + 5
        while len(made) < expected and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.01)  # for one too many
        assert len(made) == expected
    items.close()
    assert not prefetching()
    assert len(made) == expected


def test_an_error_is_raised_where_its_item_is_asked_for():
    def items():
        yield 1
        yield 2
        raise DataError("the third is damaged")

    for together, before in ((1, [1, 2]), (2, [1, 2]), (3, [])):  # or where those made with it are
        found = prefetch(items(), 5, together)
        assert [next(found) for _ in before] == before
        with pytest.raises(DataError, match="the third is damaged"):
            next(found)
        assert not prefetching()


def test_an_error_in_the_loop_stops_the_thread():
    def loop():
        for item in prefetch(iter([1, 0, 2, 3])):
            1 / item

    with pytest.raises(ZeroDivisionError):
        loop()
    assert not prefetching()


def test_nothing_ahead_is_refused():
    with pytest.raises(ValueError, match="ahead must be at least 1, found 0"):
        next(prefetch(iter([1]), 0))
    with pytest.raises(ValueError, match="together must be at least 1, found 0"):
        next(prefetch(iter([1]), 1, 0))


def test_training_with_batches_in_advance_is_training_without():
    """Bit for bit, with chance in the order and in the augmentation."""
    recipe = replace(
        LIF_DEFAULTS["digits"],
        net="4C3-AP4-10FC",
        T=2,
        images=230,
        batch_size=50,
        shift=1,
        flip=True,
        lr=0.01,
    )
    data = recipe.load()
    setup = recipe.setup(data)
    found, expected = loop.start(setup, 0), loop.start(setup, 0)
    row = loop.train_epoch(setup, found, data.train, tqdm(disable=True))
    rng, losses = expected.rngs["data"], []
    order = rng.permutation(230)
    for k in range(0, 230, 50):
        index = order[k : k + 50]
        images = setup.augment(data.train.images[index], rng=rng)
        one = loop.step(setup, expected, images, data.train.labels[index], setup.lr(0))
        losses.append(one.loss * len(index) / 230)
    expected.epoch += 1
    states_equal(found, expected)
    assert found.rngs["data"].bit_generator.state == rng.bit_generator.state
    assert row["train_loss"] == pytest.approx(sum(losses), rel=1e-12)
    assert not prefetching()


FILES = {"a.txt": b"one", "in/b.bin": bytes(2000), "in/deep/c": b"\x00\xff" * 50}


def zipped(files, method=zipfile.ZIP_DEFLATED):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, method)
        return file.getvalue()


def packed(folder, files=FILES, content=None, method=zipfile.ZIP_DEFLATED):
    path = folder / "a.zip"
    path.write_bytes(zipped(files, method) if content is None else content)
    return path


@pytest.fixture(params=["folder", "deflated", "stored"])
def archive(request, tmp_path):
    if request.param != "folder":
        return Archive(packed(tmp_path, method={"deflated": 8, "stored": 0}[request.param]))
    for name, content in FILES.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(content)
    return Archive(tmp_path / "x")


def test_folders_and_archives_are_read_alike(archive):
    for name, content in FILES.items():
        assert name in archive
        assert archive.read(name, len(content)) == content
        with pytest.raises(
            DataError, match=f"expected at most {len(content) - 1:,} bytes, found more"
        ) as caught:
            archive.read(name, len(content) - 1)
        assert str(archive.path) in str(caught.value)
        assert name in str(caught.value)
    assert "a.txt" in archive.names()
    assert "in/missing" not in archive
    with pytest.raises(DataError, match="missing: expected a file, found none"):
        archive.read("in/missing", 10)


@pytest.mark.parametrize("name", ["../x", "/x", "a\\..\\x", "a/../x", "..", "C:\\x"])
def test_paths_that_climb_out_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="expected paths inside the archive, found ") as caught:
        Archive(packed(tmp_path, {"good": b"", name: b"evil"}))
    assert repr(name) in str(caught.value)
    assert names(tmp_path) == ["a.zip"]


def test_dots_within_a_name_are_no_climbing(tmp_path):
    assert Archive(packed(tmp_path, {"a..b/..c": b"good"})).read("a..b/..c", 9) == b"good"


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.zip"):
        Archive(tmp_path / "a.zip")


def with_size(content, size):
    """The same archive, which says that its first file has another size unpacked."""
    content = bytearray(content)
    content[22:26] = size.to_bytes(4, "little")
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = size.to_bytes(4, "little")
    return bytes(content)


def with_flag(content, flag):
    content = bytearray(content)
    content[6] |= flag
    content[content.index(b"PK\x01\x02") + 8] |= flag
    return bytes(content)


ONE = zipped({"in/b.bin": bytes(2000)})
HUGE = zipped({"in/b.bin": bytes(30_000_000)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a folder or a zip archive, found neither"),
        (b"<html>not found</html>", "expected a folder or a zip archive, found neither"),
        (ONE[:-1], "expected a folder or a zip archive, found neither"),
        (ONE[: len(ONE) // 2], "expected a folder or a zip archive, found neither"),
        (HUGE, "expected at most 2,000 bytes, found more"),
        (with_size(ONE, 1000), r"cannot be read from the archive \(Bad CRC-32"),
        (with_size(HUGE, 1000), r"cannot be read from the archive \(Bad CRC-32"),
        (with_flag(ONE, 1), "cannot be read from the archive .*encrypted"),
        (zipped({"in/b.bin": b"x"}, zipfile.ZIP_LZMA), "expected it stored or deflated"),
        (zipped({"in/b.bin": b"x"}, zipfile.ZIP_BZIP2), "expected it stored or deflated"),
        (ONE.replace(b"PK\x03\x04", b"PK\x03\x05"), "cannot be read from the archive"),
    ],
    ids=[
        "empty", "page", "tail", "half", "bomb", "lying", "lying bomb", "encrypted", "lzma", "bzip2",
        "local header",
    ],
)  # fmt: skip
def test_a_bad_archive_gets_one_clear_error(tmp_path, content, message):
    path = packed(tmp_path, content=content)
    with pytest.raises(DataError, match=message) as caught:
        Archive(path).read("in/b.bin", 2000)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


INTACT = {"a": b"hello" * 20, "b": bytes(100), "é": b"x"}
GOOD = zipped(INTACT)


@given(
    flips=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    length=st.integers(0, len(GOOD)),
)
def test_any_archive_is_read_or_refused(tmp_path_factory, flips, length):
    """Some bytes changed, or the rest missing: what comes back has the right checksum."""
    root, damaged = tmp_path_factory.mktemp("fuzz"), bytearray(GOOD)
    for at, byte in flips:
        damaged[at] = byte
    for content in (bytes(damaged), GOOD[:length]):
        path = packed(root, content=content)
        try:
            archive = Archive(path)
            for name in archive.names():
                assert archive.read(name, 1000) in INTACT.values()
        except DataError as error:
            assert str(path) in str(error)


@given(rng=rngs, n=sizes, m=sizes)
def test_rows_are_those_of_the_array(rng, n, m):
    array = rng.integers(0, 256, (n, 3, 2))
    index = rng.integers(0, n, m)
    rows, naive = Rows(array, index), np.stack([array[k] for k in index])
    assert (len(rows), rows.shape, rows.dtype, rows.ndim) == (m, naive.shape, naive.dtype, 3)
    for which in (0, m - 1, slice(m // 2), slice(None, None, 2), rng.permutation(m), rng.random(m) < 0.5):
        np.testing.assert_array_equal(rows[which], naive[which])
    assert np.asarray(rows, np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.asarray(rows), naive)
    again = rng.integers(0, m, 4)
    np.testing.assert_array_equal(rows.take(again).take(slice(1, 3))[:], naive[again][1:3])


def test_rows_read_nothing_but_what_is_asked_for():
    class Asked:
        shape, dtype, ndim = (100, 2), np.dtype(np.uint8), 2
        rows = ()

        def __getitem__(self, index):
            self.rows += tuple(np.ravel(index).tolist())
            return np.zeros((np.size(index), 2))

    array = Asked()
    kept, held = hold_out(Split(Rows(array, np.arange(100)), np.arange(100)), 0.1, np.random.default_rng(0))
    kept = kept.take(slice(20))
    assert (len(kept.images), len(held.images)) == (20, 10)
    assert array.rows == ()
    kept.images[[3, 5]]
    assert array.rows == (kept.labels[3], kept.labels[5])


@given(rng=rngs, n=st.integers(0, 40), fraction=st.sampled_from([0, 0.1, 0.5, 1]), lazy=st.booleans())
def test_hold_out(rng, n, fraction, lazy):
    images, labels = rng.random((n, 1)), np.arange(n)
    seed = int(rng.integers(1 << 32))
    both = hold_out(
        Split(Rows(images, np.arange(n)) if lazy else images, labels), fraction, np.random.default_rng(seed)
    )
    held = sorted(np.random.default_rng(seed).choice(n, round(fraction * n), replace=False))
    assert both[1].labels.tolist() == held
    assert both[0].labels.tolist() == [k for k in range(n) if k not in held]
    for part in both:
        np.testing.assert_array_equal(part.images[:], images[part.labels])


@given(
    rng=rngs,
    shape=st.tuples(sizes, sizes, sizes, st.integers(1, 3)),
    max_value=st.sampled_from([1, 16, 255]),
    block=sizes,
)
@pytest.mark.parametrize("lazy", [False, True], ids=["array", "rows"])
def test_mean_and_std_of_each_channel(rng, shape, max_value, block, lazy):
    images = rng.integers(0, max_value + 1, shape, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "BLOCK", block)
        order = np.arange(len(images))
        mean, std = mean_and_std(Rows(images, order[::-1]) if lazy else images, max_value)
    x = (images / max_value).reshape(-1, shape[-1])
    assert mean.shape == std.shape == shape[-1:]
    np.testing.assert_allclose(mean, x.mean(0), atol=1e-12)
    np.testing.assert_allclose(std, x.std(0), atol=1e-7)  # the root of a rounding error, where all are equal


def test_mean_and_std_hold_one_block_in_memory():
    class Watched(Rows):
        longest = 0

        def __getitem__(self, which):
            found = super().__getitem__(which)
            self.longest = max(self.longest, len(found))
            return found

    digits = load_digits()
    images = Watched(digits.train.images, np.arange(1302))
    mean, _ = mean_and_std(images, digits.max_value)
    assert images.longest == measure.BLOCK == 1000
    np.testing.assert_allclose(mean, digits.train.images.mean() / 16)


def test_verifying_makes_every_row_again(tmp_path):
    path, asked = tmp_path / "a.npy", []

    def row(k):
        asked.append(k)
        return np.full(2, k)

    options = {"shape": (5, 2), "dtype": np.int64, "row": row, "title": "a", "progress": False}
    store.converted(path, **options, verify=True)
    assert asked == [*range(5)]  # made a moment ago
    store.converted(path, **options)
    assert asked == [*range(5)]
    store.converted(path, **options, verify=True)
    assert asked == [*range(5)] * 2
    content = bytearray(path.read_bytes())
    content[-17] ^= 1  # of row 3
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy: row 3 differs from its source; delete the file"):
        store.converted(path, **options, verify=True)


def test_small_batches_are_made_together():
    """As many as a MiB holds, and one that is larger."""
    labels = np.zeros(9, int)
    for images, size, expected in (
        (np.zeros((9, 8, 8, 1), np.uint8), 25, 655),
        (np.zeros((9, 5, 16, 16, 2), np.float32), 32, 3),
        (np.zeros((9, 10, 48, 48, 2), np.float32), 64, 1),
        (Rows(np.zeros((9, 64, 64, 3), np.uint8), np.arange(4)), 64, 1),
    ):
        assert loop.together(Split(images, labels), size) == expected
