"""CIFAR's binary layout, in a folder and in an archive: good ones, and every kind of bad one."""

import gzip
import io
import tarfile
from functools import partial

import numpy as np
import pytest
import test_data
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import rngs

from data_loaders import DataError, cifar10, cifar100, load
from data_loaders.common.rows import Split, hold_out
from data_loaders.formats import cifar

server = test_data.server
CIFAR10, CIFAR100 = (
    layout._replace(files=dict.fromkeys(layout.files, 8)) for layout in (cifar10.LAYOUT, cifar100.LAYOUT)
)
both = pytest.mark.parametrize("layout", [CIFAR10, CIFAR100], ids=["10", "100"])


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Eight records in each file, and a folder of the user's for them."""
    monkeypatch.setattr(cifar10, "LAYOUT", CIFAR10)
    monkeypatch.setattr(cifar100, "LAYOUT", CIFAR100)
    monkeypatch.setenv("MINISNN_DATA", str(tmp_path))
    monkeypatch.setenv("MINISNN_CACHE", str(tmp_path / "cache"))


def contents(layout, rng=None):
    """The bytes of every file."""
    rng = rng or np.random.default_rng(0)
    records = {name: rng.integers(0, 256, (n, len(layout.labels) + 3072)) for name, n in layout.files.items()}
    for record in records.values():
        record[:, : len(layout.labels)] = rng.integers(0, layout.labels, (len(record), len(layout.labels)))
    return {name: record.astype(np.uint8).tobytes() for name, record in records.items()}


def folder(path, layout, files):
    (path / layout.folder).mkdir(parents=True)
    for name, content in files.items():
        (path / layout.folder / name).write_bytes(content)


zipped = partial(gzip.compress, mtime=0)


def archive(layout, files, extra=(), pack=zipped):
    """The bytes of a .tar.gz; extra: further members, (TarInfo, content)."""
    members = [(tarfile.TarInfo(f"{layout.folder}/{name}"), content) for name, content in files.items()]
    with io.BytesIO() as raw:
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for info, content in [*members, *extra]:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return pack(raw.getvalue())


def naive(layout, files):
    """The same, byte by byte."""
    images, labels, length = [], [], len(layout.labels) + 3072
    for content in files:
        for start in range(0, len(content), length):
            pixels = content[start + len(layout.labels) : start + length]
            labels.append(content[start + len(layout.labels) - 1])
            for row in range(32):
                for column in range(32):
                    images.append([pixels[1024 * colour + 32 * row + column] for colour in range(3)])
    return Split(np.array(images, np.uint8).reshape(-1, 32, 32, 3), np.array(labels))


def assert_same(data, layout, files):
    *batches, test = files.values()
    kept, held = hold_out(naive(layout, batches), 0.1, np.random.default_rng(0))
    for found, expected in zip(data.splits.values(), (kept, held, naive(layout, [test])), strict=True):
        np.testing.assert_array_equal(found.images, expected.images)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.images.dtype == np.uint8
        assert found.images.flags.c_contiguous
        assert found.labels.dtype == np.int64


@both
@settings(max_examples=4)
@given(rng=rngs, place=st.sampled_from(["", "own"]), packed=st.booleans())
def test_every_byte_is_where_it_belongs(tmp_path_factory, layout, rng, place, packed):
    root, files = tmp_path_factory.mktemp("data"), contents(layout, rng)
    if packed:
        (root / layout.archive.name).write_bytes(archive(layout, files))
    else:
        folder(root / (layout.name if place else ""), layout, files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINISNN_DATA", str(root))
        data = load(layout.name)
    assert_same(data, layout, files)
    assert (data.name, data.max_value, data.n_classes) == (layout.name, 255, layout.labels[-1])


@both
def test_the_users_files_come_before_the_users_archive(tmp_path, layout):
    files = contents(layout)
    folder(tmp_path, layout, files)
    (tmp_path / layout.archive.name).write_bytes(b"")
    assert_same(load(layout.name), layout, files)


def one_wrong(layout, name, at, value):
    content = bytearray(contents(layout)[name])
    content[at] = value
    return bytes(content)


batch = contents(CIFAR10)["data_batch_2.bin"]
BAD = [
    (CIFAR10, "data_batch_2.bin", batch[:-1], r"24,584 bytes \(3,073 for an image\), found 24,583"),
    (CIFAR10, "data_batch_2.bin", batch + b"x", "expected 24,584 bytes .* found 24,585"),
    (CIFAR10, "test_batch.bin", b"", "expected 24,584 bytes .* found 0"),
    (
        CIFAR10,
        "data_batch_5.bin",
        one_wrong(CIFAR10, "data_batch_5.bin", 3073, 10),
        "labels 0 to 9, found 10",
    ),
    (CIFAR10, "test_batch.bin", one_wrong(CIFAR10, "test_batch.bin", 0, 255), "labels 0 to 9, found 255"),
    (CIFAR100, "train.bin", batch, r"expected 24,592 bytes \(3,074 for an image\), found 24,584"),
    (CIFAR100, "train.bin", one_wrong(CIFAR100, "train.bin", 3074, 20), "labels 0 to 19, found 20"),
    (CIFAR100, "test.bin", one_wrong(CIFAR100, "test.bin", 1, 100), "labels 0 to 99, found 100"),
    (CIFAR100, "test.bin", None, "expected train.bin, test.bin, found no test.bin"),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize(("layout", "name", "content", "message"), BAD)
def test_a_bad_file_gets_one_clear_error(tmp_path, layout, name, content, message, packed):
    files = {n: c for n, c in (contents(layout) | {name: content}).items() if c is not None}
    if packed:
        (tmp_path / layout.archive.name).write_bytes(archive(layout, files))
    else:
        folder(tmp_path, layout, files)
    with pytest.raises(DataError, match=message) as caught:
        load(layout.name)
    assert str(tmp_path / (layout.archive.name if packed else layout.folder)) in str(caught.value)
    assert name in str(caught.value)


GOOD = archive(CIFAR10, contents(CIFAR10))
flipped = bytearray(archive(CIFAR10, contents(CIFAR10), pack=partial(zipped, compresslevel=0)))
flipped[5000] ^= 1
raw = archive(CIFAR10, contents(CIFAR10), pack=bytes)
no_block = (
    zipped(raw[:5000]) + zipped(raw[5000:])[:10] + b"\x06"
)  # after gzip's header; there is no such type


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole .gz archive"),
        (b"<html>not found</html>", "not a whole .gz archive"),
        (gzip.compress(b"something else" * 99), "not a whole .gz archive"),
        (GOOD[:5], "not a whole .gz archive"),
        (GOOD[: len(GOOD) // 2], "not a whole .gz archive"),
        (GOOD[:-4], "not a whole .gz archive"),
        (bytes(flipped), r"not a whole .gz archive \(CRC check failed"),
        (no_block, "not a whole .gz archive .*invalid block type"),
        (archive(CIFAR10, {}), "expected data_batch_1.bin, .*, found no data_batch_1.bin, "),
    ],
    ids=["empty", "page", "other", "magic", "half", "tail", "flipped", "block", "nothing"],
)
def test_a_bad_archive_gets_one_clear_error(tmp_path, content, message):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        cifar10.load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_regular_file_is_refused(tmp_path, kind):
    """Not even if it leads to a file that would do."""
    files = contents(CIFAR10)
    info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    info.type, info.linkname = kind, "cifar-10-batches-bin/data_batch_1.bin"
    del files["test_batch.bin"]
    (tmp_path / CIFAR10.archive.name).write_bytes(archive(CIFAR10, files, [(info, b"")]))
    with pytest.raises(DataError, match=r"batch\.bin: expected a regular file, found a link or a folder"):
        cifar10.load()


def test_members_that_climb_out_are_left_alone(tmp_path):
    """Only the expected names are read, and nothing is written."""
    root, files = tmp_path / "a" / "b", contents(CIFAR10)
    root.mkdir(parents=True)
    names = ["../test_batch.bin", "cifar-10-batches-bin/../../test_batch.bin", f"{tmp_path}/test_batch.bin"]
    names += [
        "test_batch.bin",
        "cifar-10-batches-bin/readme.html",
        "other/cifar-10-batches-bin/test_batch.bin",
    ]
    path = root / CIFAR10.archive.name
    path.write_bytes(archive(CIFAR10, files, [(tarfile.TarInfo(name), b"evil") for name in names]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINISNN_DATA", str(root))
        patch.chdir(root)
        assert_same(cifar10.load(), CIFAR10, files)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """A member that is far too large is refused by its header."""
    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.size = 1 << 40
    (tmp_path / CIFAR10.archive.name).write_bytes(gzip.compress(info.tobuf()))
    with pytest.raises(DataError, match="found 1,099,511,627,776"):
        cifar10.load()


plain = archive(CIFAR100, contents(CIFAR100), pack=bytes)
headers = [i for start in (0, plain.index(b"cifar-100-binary/test.bin")) for i in range(start, start + 512)]


@given(at=st.sampled_from(headers), value=st.integers(0, 255), length=st.integers(0, len(plain)))
def test_any_archive_is_read_or_refused(tmp_path_factory, at, value, length):
    """One byte of a header changed, with the header's checksum made right again; or the rest missing."""
    root, damaged = tmp_path_factory.mktemp("fuzz"), bytearray(plain)
    damaged[at] = value
    start = at - at % 512
    damaged[start + 148 : start + 156] = b" " * 8
    damaged[start + 148 : start + 156] = b"%06o\0 " % sum(damaged[start : start + 512])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINISNN_DATA", str(root))
        for content in (damaged, plain[:length]):
            (root / "cifar-100-binary.tar").write_bytes(content)
            try:
                assert_same(cifar100.load(), CIFAR100, contents(CIFAR100))
            except DataError as error:
                assert str(root) in str(error)


def test_download_once(server, tmp_path, monkeypatch, capsys):
    handler, url = server
    handler.content, handler.failures = GOOD, 1
    here = test_data.remote(url, GOOD, name=CIFAR10.archive.name)
    monkeypatch.setattr(cifar10, "LAYOUT", CIFAR10._replace(archive=here))
    there = CIFAR100.archive._replace(url=url)
    monkeypatch.setattr(cifar100, "LAYOUT", CIFAR100._replace(archive=there))
    for _ in range(2):
        assert_same(cifar10.load(), CIFAR10, contents(CIFAR10))
        assert handler.requests == 2
    handler.content = archive(CIFAR100, contents(CIFAR100))  # not what the real checksum says
    with pytest.raises(FileNotFoundError, match=r"holds cifar100/cifar-100-binary\.tar\.gz"):
        cifar100.load()


@both
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("place", ["", "own"])
def test_the_python_layout_is_refused_where_it_is_all_there_is(tmp_path, layout, packed, place):
    """What lies in it is never opened: it could not even be read."""
    root = tmp_path / layout.name if place else tmp_path
    stem = layout.name.replace("cifar", "cifar-")
    path = root / (
        f"{stem}-python.tar.gz"
        if packed
        else {10: f"{stem}-batches-py", 100: f"{stem}-python"}[layout.labels[-1]]
    )
    root.mkdir(exist_ok=True)
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.") if packed else path.mkdir()
    with pytest.raises(DataError, match="a pickle, and opening a pickle can run any code") as caught:
        load(layout.name)
    assert str(path) in str(caught.value)
    assert layout.archive.url in str(caught.value)
    files = contents(layout)
    (tmp_path / layout.archive.name).write_bytes(archive(layout, files))
    assert_same(load(layout.name), layout, files)
    (tmp_path / layout.archive.name).unlink()
    folder(tmp_path, layout, files)
    assert_same(load(layout.name), layout, files)


@pytest.mark.parametrize(("module", "size"), [(cifar10, 6 * 30_730_000), (cifar100, 60_000 * 3074)])
def test_the_real_sizes_and_checksums(monkeypatch, module, size):
    monkeypatch.undo()
    real = module.LAYOUT
    assert sum(real.files.values()) * (len(real.labels) + 3072) == size
    assert list(real.files.values())[-1] == 10_000
    assert len(bytes.fromhex(real.archive.checksum.removeprefix("sha256:"))) == 32


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    folder(tmp_path, CIFAR100, contents(CIFAR100))
    monkeypatch.setattr(cifar, "fill", lambda file, array: array.size - 5)
    with pytest.raises(DataError, match=r"train\.bin: expected [\d,]+ bytes, found only [\d,]+"):
        load("cifar100")
