"""Loaders, encodings and augmentation: good files, and every kind of bad one."""

import gzip
import hashlib
import http.server
import shutil
import sys
import threading
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import slow_but
from strategies import rngs, sizes

from data_loaders import DataError, fashion_mnist, load, mnist
from data_loaders.catalogue import DATA_SETS, load_stand_in
from data_loaders.common.download import Remote, cache_folder, find, find_or_fetch
from data_loaders.common.rows import Split, hold_out
from data_loaders.formats.idx import read_idx
from minisnn import load_digits
from minisnn.backend import to_host
from minisnn.batches.augment import flip, in_turn, roll, shift
from minisnn.batches.encode import direct_code, event_code, latency_code


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
GOOD = idx(IMAGES)


def test_digits_are_stratified_and_disjoint():
    data = load_digits()
    assert [len(s.labels) for s in (data.train, data.validation, data.test)] == [1302, 140, 355]
    for split in (data.train, data.validation, data.test):
        counts = np.bincount(split.labels, minlength=10)
        assert counts.min() / counts.max() > 0.8
        assert split.images.shape[1:] == (8, 8, 1)
    everything = np.concatenate([s.images for s in (data.train, data.validation, data.test)])
    assert everything.max() == data.max_value == 16
    assert len(np.unique(everything.reshape(1797, -1), axis=0)) == 1797


def test_hold_out():
    split = Split(np.arange(50).reshape(50, 1, 1, 1), np.arange(50))
    kept, held = hold_out(split, 0.1, np.random.default_rng(0))
    assert sorted([*kept.labels, *held.labels]) == list(range(50))
    assert len(held.labels) == 5
    assert (held.images.ravel() == held.labels).all()


@pytest.mark.parametrize("name", ["a-ubyte", "a-ubyte.gz"])
def test_idx_reads_plain_and_compressed(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(GOOD, mtime=0) if name.endswith("gz") else GOOD)
    np.testing.assert_array_equal(read_idx(path, (5, 4, 3)), IMAGES)


packed = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a", b"", "expected an IDX file"),
        ("a", GOOD[:9], "its header says"),
        ("a", GOOD[:-1], "expected 60 bytes of data after the header, found 59"),
        ("a", GOOD + b"x", "found more"),
        ("a", b"\0\0\x0d" + GOOD[3:], "expected an IDX file starting 00000803, found 00000d03"),
        ("a", idx(IMAGES[:4]), r"expected an array of \(5, 4, 3\), its header says \(4, 4, 3\)"),
        ("a.gz", GOOD, "not a readable gzip file"),
        ("a.gz", packed[: len(packed) // 2], "truncated"),
        ("a.gz", packed[:-8] + bytes(8), "not a readable gzip file"),
        ("a.gz", b"", "expected an IDX file"),
    ],
)
def test_bad_idx_gets_one_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, (5, 4, 3))
    assert str(path) in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path):
    """A file that would unpack to far more than its header says is refused after the bytes that are needed."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(50_000_000)))
    with pytest.raises(DataError, match="found more"):
        read_idx(path, (5, 4, 3))


@given(content=st.binary(max_size=80), flip=st.integers(0, len(packed) - 1), bit=st.integers(0, 7))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, flip, bit):
    folder = tmp_path_factory.mktemp("fuzz")
    flipped = bytearray(packed)
    flipped[flip] ^= 1 << bit
    for name, data in [("a", content), ("b.gz", content), ("c.gz", bytes(flipped))]:
        (folder / name).write_bytes(data)
        try:
            assert read_idx(folder / name, (5, 4, 3)).shape == (5, 4, 3)
        except DataError as error:
            assert name in str(error)


def fake_mnist(folder, monkeypatch, labels=None, seed=0):
    """Small numbers in MNIST's files."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (n, 28, 28), np.uint8)))
        y = rng.integers(0, 10, n).astype(np.uint8) if labels is None else np.full(n, labels, np.uint8)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))


def test_mnist_from_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    fake_mnist(tmp_path / "mnist", monkeypatch)
    data, again = mnist.load(), mnist.load()
    assert data.train.images.shape == (54_000, 28, 28, 1)
    assert data.validation.images.shape == (6_000, 28, 28, 1)
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert (data.shape, data.is_sequence) == ((28, 28, 1), False)
    np.testing.assert_array_equal(data.validation.labels, again.validation.labels)
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path / "mnist"))  # the folder itself will do
    np.testing.assert_array_equal(mnist.load().test.labels, data.test.labels)
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        mnist.load()


def test_fashion_mnist_is_never_taken_from_mnists_files(tmp_path, monkeypatch):
    """Their names are the same: only a folder of its own counts."""
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    nobody = [remote._replace(url="http://127.0.0.1:9/") for remote in fashion_mnist.FILES]
    monkeypatch.setattr(fashion_mnist, "FILES", nobody)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fake_mnist(tmp_path, monkeypatch)
    mnist.load()
    with pytest.raises(FileNotFoundError, match="holds fashion-mnist/train-images"):
        fashion_mnist.load()
    fake_mnist(tmp_path / "fashion-mnist", monkeypatch, seed=1)
    data = fashion_mnist.load()
    assert data.name == "fashion-mnist"
    expected = np.random.default_rng(1).integers(0, 256, (60_000, 28, 28), np.uint8)
    held = np.sort(np.random.default_rng(0).choice(60_000, 6_000, replace=False))
    np.testing.assert_array_equal(data.validation.images[..., 0], expected[held])


def test_mnist_with_impossible_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    fake_mnist(tmp_path / "mnist", monkeypatch, labels=10)
    with pytest.raises(DataError, match="expected labels 0 to 9, found 10"):
        mnist.load()


class Server(http.server.BaseHTTPRequestHandler):
    """Gives `content`, but breaks off the first `failures` times; or goes on without end."""

    content, failures, requests, endless, sent = GOOD, 0, 0, False, 0

    def do_GET(self):
        cls = type(self)
        cls.requests += 1
        self.send_response(200)
        if not self.endless:
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: 10 if cls.requests <= cls.failures else None])
        try:
            while self.endless and cls.sent < 100_000_000:
                cls.sent += self.wfile.write(bytes(1 << 16))
        except ConnectionError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(handler class, url) of a local server, with an empty cache and no folder of the user's."""
    pytest.importorskip("pooch")
    monkeypatch.delenv("MINISNN_DATA", raising=False)
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between tries
    handler = type("Handler", (Server,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=partial(httpd.serve_forever, poll_interval=0.01), daemon=True).start()
        yield handler, f"http://127.0.0.1:{httpd.server_address[1]}/a"
        httpd.shutdown()


def remote(url, content=GOOD, kind="sha256", name="a"):
    return Remote(name, url, f"{kind}:{hashlib.new(kind, content).hexdigest()}", len(content))


def kept(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_download_once_and_again_after_it_broke_off(server, tmp_path, capsys, kind):
    handler, url = server
    handler.failures = 2
    path = find_or_fetch("test", remote(url, kind=kind))
    assert path.read_bytes() == GOOD
    assert handler.requests == 3
    assert find_or_fetch("test", remote(url, kind=kind)) == path == tmp_path / "cache" / "test" / "a"
    assert handler.requests == 3


def test_a_download_that_always_breaks_off_is_given_up(server, tmp_path, capsys):
    handler, url = server
    handler.failures = 100
    with pytest.raises(FileNotFoundError, match="could not download"):
        find_or_fetch("test", remote(url))
    assert handler.requests == 4
    assert not kept(tmp_path / "cache")


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_wrong_bytes_are_refused_and_not_kept(server, tmp_path, capsys, kind):
    handler, url = server
    handler.content = b"something else"
    with pytest.raises(FileNotFoundError, match="MINISNN_DATA") as caught:
        find_or_fetch("test", remote(url, kind=kind))
    assert url in str(caught.value)
    assert not kept(tmp_path / "cache")


def test_a_stream_without_end_is_cut(server, tmp_path, capsys):
    handler, url = server
    handler.endless = True
    with pytest.raises(FileNotFoundError, match="far longer than it should be"):
        find_or_fetch("test", remote(url))
    assert handler.requests == 1
    assert handler.sent < 50_000_000  # sockets hold some
    assert not kept(tmp_path / "cache")


def test_no_download_without_room_on_the_disk(server, tmp_path, monkeypatch):
    handler, url = server
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(100, 40, 60))
    with pytest.raises(FileNotFoundError, match="it has 5 MB, but only 0 MB are free"):
        find_or_fetch("test", remote(url)._replace(size=5_000_000))
    assert handler.requests == 0


def test_the_users_files_come_first_then_the_cache(server, tmp_path, monkeypatch, capsys):
    handler, url = server
    own, name = tmp_path / "own", "a.gz"
    (own / "test").mkdir(parents=True)
    cached = find_or_fetch("test", remote(url, name=name))
    assert cached == cache_folder("test") / name
    monkeypatch.setenv("MINISNN_DATA", str(own))
    assert find_or_fetch("test", remote(url, name=name)) == cached
    for path in (own / "a", own / name, own / "test" / "a", own / "test" / name):  # the later the better
        path.write_bytes(b"whatever: its reader checks it")
        assert find_or_fetch("test", remote(url, name=name)) == path
        apart = find_or_fetch("test", remote(url, name=name), apart=True)
        assert apart == (path if path.parent.name == "test" else cached)
    assert find("test", "nothing", "of the kind") is None
    assert handler.requests == 1


def test_nobody_answers(monkeypatch, tmp_path, capsys):
    pytest.importorskip("pooch")
    monkeypatch.delenv("MINISNN_DATA", raising=False)
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(FileNotFoundError, match="could not download"):
        find_or_fetch("test", remote("http://127.0.0.1:9/a"))


def test_without_pooch_an_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("MINISNN_DATA", raising=False)
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'minisnn\[data\]'.* holds test/a"):
        find_or_fetch("test", remote("http://127.0.0.1:9/a"))


REMOTES = {file for declared in DATA_SETS.values() for file in declared.files}


def test_addresses_and_checksums_are_complete_and_differ():
    assert len(REMOTES) >= 21
    for remote in REMOTES:
        kind, _, digits = remote.checksum.partition(":")
        assert len(bytes.fromhex(digits)) == {"md5": 16, "sha256": 32}[kind]
        assert remote.url.startswith(("https://", "http://"))
        assert remote.size > 0
    assert (
        len({remote.checksum for remote in REMOTES})
        == len({remote.url for remote in REMOTES})
        == len(REMOTES)
    )


STAND_INS = {
    "mnist": ((28, 28, 1), 10),
    "fashion-mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
    "tiny-imagenet": ((64, 64, 3), 200),
}


@pytest.mark.parametrize("name", slow_but(STAND_INS.keys() - {"tiny-imagenet"}, STAND_INS))
def test_stand_ins(name, monkeypatch, tmp_path):
    """In the shapes of the real data, with all its classes, never twice the same picture; and their names say so."""
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path))
    data, again, digits = load(f"{name}-stand-in"), load_stand_in(name), load_digits()
    shape, n_classes = STAND_INS[name]
    assert data.name == f"{name}-stand-in"
    assert (data.shape, data.n_classes, data.max_value, data.is_sequence) == (shape, n_classes, 255, False)
    for split, same, digit in zip(*(d.splits.values() for d in (data, again, digits)), strict=True):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.images.max() > 200
        np.testing.assert_array_equal(split.images, same.images)
        np.testing.assert_array_equal(split.labels, same.labels)
        np.testing.assert_array_equal(split.labels % 10, digit.labels)
        assert split.labels.max() < n_classes
    assert len(np.unique(data.train.labels)) == n_classes
    assert not kept(tmp_path)


def test_the_colour_of_a_stand_in_tells_its_class():
    """With ten classes it tells nothing: each digit comes in all six colours."""

    def hues(data):
        bright = data.train.images.reshape(len(data.train.labels), -1, 3).max(1) > 130
        return bright @ [4, 2, 1]

    assert {
        len(np.unique(hues(load_stand_in("cifar10"))[load_digits().train.labels == k])) for k in range(10)
    } == {6}
    hundred = load_stand_in("cifar100")
    first = hues(hundred)[hundred.train.labels < 10]
    assert (first == first[0]).all()


def test_there_is_no_stand_in_for_just_any_name():
    with pytest.raises(ValueError, match=r"name must be one of cifar10, .*, found 'cifar10-dvs'"):
        load_stand_in("cifar10-dvs")


@given(rng=rngs, by=st.integers(0, 3))
def test_shift(xp, rng, by):
    images = rng.integers(0, 256, (6, 5, 7, 2), np.uint8)
    seed = int(rng.integers(1 << 32))
    moved = to_host(shift(xp.asarray(images), by, np.random.default_rng(seed)))
    assert moved.shape == images.shape
    assert moved.dtype == np.uint8
    down, across = np.random.default_rng(seed).integers(0, 2 * by + 1, (2, 6))
    for b in range(6):
        for r in range(5):
            for c in range(7):
                r0, c0 = r + down[b] - by, c + across[b] - by
                inside = 0 <= r0 < 5 and 0 <= c0 < 7
                assert (moved[b, r, c] == (images[b, r0, c0] if inside else 0)).all()


@given(rng=rngs, levels=st.integers(2, 20))
def test_latency_code(xp, rng, levels):
    """White first at z = 1, black last at z = 6, as many times as levels, and never later for a brighter pixel."""
    images = rng.integers(0, 17, (3, 4, 5, 1), np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 16
    z = to_host(latency_code(xp.asarray(images), 16, levels))
    assert z.shape == (3, 20)
    assert z.dtype == np.float32
    assert z[0, 0] == 6
    assert z[0, 1] == 1
    assert len(np.unique(z)) <= levels
    grey = images.reshape(3, -1)
    assert (np.diff(z.ravel()[np.argsort(grey.ravel(), kind="stable")]) <= 0).all()
    if levels == 2:
        np.testing.assert_array_equal(z, np.where(grey >= 8, 1, 6))
    if levels == 17:
        np.testing.assert_allclose(np.log(z), (1 - grey / 16) * np.log(6), rtol=1e-6, atol=1e-7)


def test_latency_code_of_one_level_is_refused():
    with pytest.raises(ValueError, match="levels must be at least 2"):
        latency_code(np.zeros((1, 2, 2, 1), np.uint8), 255, 1)


def test_images_brighter_than_white_are_refused(xp):
    with pytest.raises(ValueError, match=r"images must be 0 to 16, found .*17"):
        latency_code(xp.asarray(np.full((1, 2, 2, 1), 17, np.uint8)), 16)


def test_latency_code_of_no_images(xp):
    assert latency_code(xp.asarray(np.zeros((0, 2, 2, 1), np.uint8)), 16).shape == (0, 4)


@given(rng=rngs, max_value=st.sampled_from([16, 255]), channels=st.booleans())
def test_direct_code(xp, rng, max_value, channels):
    images = rng.integers(0, max_value + 1, (3, 4, 5, 2), np.uint8)
    mean, std = rng.random(2 if channels else None), rng.uniform(0.1, 1, 2 if channels else None)
    device = xp.asarray(images.copy())
    x = to_host(direct_code(device, max_value, mean, std))
    assert x.shape == (1, 3, 4, 5, 2)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[0], (images / max_value - mean) / std, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(to_host(device), images)
    np.testing.assert_array_equal(
        to_host(direct_code(device, max_value))[0], images * np.float32(1 / max_value)
    )


@given(rng=rngs, B=sizes, T=sizes)
def test_event_code(xp, rng, B, T):
    frames = rng.integers(0, 9, (B, T, 3, 4, 2)).astype(np.float32)
    x = to_host(event_code(xp.asarray(frames)))
    assert x.shape == (T, B, 3, 4, 2)
    assert x.dtype == np.float32
    for b in range(B):
        for t in range(T):
            np.testing.assert_array_equal(x[t, b], frames[b, t])


@given(rng=rngs, frames=st.booleans())
def test_flip(xp, rng, frames):
    images = rng.integers(0, 256, (8, *[3] * frames, 4, 5, 2), np.uint8)
    device, seed = xp.asarray(images.copy()), int(rng.integers(1 << 32))
    flipped = to_host(flip(device, np.random.default_rng(seed)))
    mirrored = np.random.default_rng(seed).random(8) < 0.5
    for image, found, m in zip(images, flipped, mirrored, strict=True):
        np.testing.assert_array_equal(found, image[..., ::-1, :] if m else image)
    np.testing.assert_array_equal(to_host(device), images)


@given(rng=rngs, by=st.integers(0, 3))
def test_roll(xp, rng, by):
    """A recording moves as a whole."""
    frames = rng.integers(0, 256, (4, 3, 5, 6, 2), np.uint8)
    seed = int(rng.integers(1 << 32))
    rolled = to_host(roll(xp.asarray(frames), by, np.random.default_rng(seed)))
    assert rolled.dtype == np.uint8
    offsets = np.random.default_rng(seed).integers(-by, by + 1, (4, 2))
    for sequence, found, (down, across) in zip(frames, rolled, offsets, strict=True):
        for r in range(5):
            for c in range(6):
                np.testing.assert_array_equal(found[:, (r + down) % 5, (c + across) % 6], sequence[:, r, c])


def test_in_turn():
    """The first is done first; all draw from one generator."""
    images, rng = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 1), np.random.default_rng
    steps = partial(shift, by=1), flip
    one = rng(7)
    np.testing.assert_array_equal(in_turn(*steps)(images, rng=rng(7)), flip(shift(images, 1, one), one))
    assert in_turn()(images, rng=rng(7)) is images
