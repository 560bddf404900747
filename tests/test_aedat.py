"""AEDAT 2.0: worked bytes, a writer and a reader typed byte by byte, and every kind of bad file."""

import struct
from importlib import import_module

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import rngs

from data_loaders import DataError
from data_loaders.formats import aedat
from data_loaders.formats.aedat import AXES, BACKWARDS, Events, parse_aedat, read_aedat, write_aedat

LINE = b"#!AER-DAT2.0\r\n"
HEADER = LINE + b"# This is a raw AE data file - do not edit\r\n"
EVENT = bytes.fromhex("0000090B000003E8")  # x 5, y 9, bit 0 set, 1000 us
numbers = st.integers(0, 40)


def peer(name):
    """A library to compare with, where it is installed and works."""
    try:
        return import_module(name)
    except Exception as error:
        pytest.skip(f"{name}: {error}")


def events(rng, n, side=128):
    """Random events, in the order of time."""
    t = np.sort(rng.integers(0, rng.choice([3, 1000, 1 << 32]), n))
    y, x = rng.integers(0, side, (2, n)).astype(np.int16)
    return Events(t, y, x, rng.random(n) < 0.5)


def pack(*pairs):
    """Addresses and times as bytes."""
    return b"".join(struct.pack(">II", *pair) for pair in pairs)


def at(*times):
    return pack(*((0x90B, t) for t in times))


def naive_read(body, axes):
    """The same, event by event."""
    found = []
    for address, t in struct.iter_unpack(">II", body):
        if address >> 31 or address >> 15 & 1:
            continue
        x, y = (address & 0xFE) >> 1, (address & 0x7F00) >> 8
        found.append((t, 127 - x, 127 - y if axes == "spikingjelly" else y, address % 2 == 0))
    return found


def naive_unwrap(times):
    late, found = 0, []
    for k, t in enumerate(times):
        if k and t < times[k - 1]:
            late += times[k - 1] - t
        found.append(t + late)
    return found


def rows(events):
    return list(zip(*(column.tolist() for column in events), strict=True))


def assert_same(found, expected):
    for name, dtype in (("t", np.int64), ("y", np.int16), ("x", np.int16), ("on", bool)):
        assert getattr(found, name).dtype == dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@pytest.mark.parametrize(("axes", "column"), [("spikingjelly", 118), ("tet", 9)])
def test_worked_bytes(axes, column):
    assert rows(parse_aedat(HEADER + EVENT, "a", axes)) == [(1000, 122, column, False)]
    assert rows(parse_aedat(HEADER + pack((0x90A, 7)), "a", axes)) == [(7, 122, column, True)]


@given(rngs, numbers)
def test_write_is_undone_by_read(tmp_path_factory, rng, n):
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    expected = events(rng, n)
    write_aedat(path, expected, ("a comment", "# and another", ""))
    assert_same(read_aedat(path), expected)
    mirrored = expected._replace(x=127 - expected.x)
    assert_same(read_aedat(path, "tet"), mirrored)
    head, body = path.read_bytes().split(b"# \r\n")
    assert head == HEADER + b"# a comment\r\n# # and another\r\n"
    pairs = zip(*(column.tolist() for column in expected), strict=True)
    assert body == pack(*((127 - y << 1 | 127 - x << 8 | (not on), t) for t, y, x, on in pairs))


@pytest.mark.parametrize("axes", AXES)
@given(rngs, numbers)
def test_every_address_is_read_as_bit_by_bit(axes, rng, n):
    """Half of them have one of the bits that no pixel sets, and anything in the others."""
    address = rng.integers(0, 1 << 15, n)
    special = rng.random(n) < 0.5
    junk = rng.integers(0, 1 << 32, n)
    address = np.where(special, junk | rng.choice([1 << 31, 1 << 15, 1 << 31 | 1 << 15], n), address)
    address[:1] &= 0x00FFFFFF  # the first byte is not "#", or it would be taken for a comment
    address[:1] |= special[:1].astype(int) << 15
    body = pack(*zip(address.tolist(), rng.integers(0, 1 << 32, n).tolist(), strict=True))
    assert rows(parse_aedat(HEADER + body, "a", axes)) == naive_read(body, axes)


@pytest.mark.parametrize(
    "header",
    [
        LINE,
        HEADER,
        HEADER.replace(b"\r\n", b"\n"),
        LINE.replace(b"\r\n", b" \r\n") + b"#\r\n#\n",
        LINE + b"# comment\r\n" * 1000,
        LINE + "# 10. März, 30 °C\r\n".encode("latin-1") + b"#\x00\xff\x0b\x85#\r\n",
        LINE + b"#" * ((1 << 16) - len(LINE) - 1) + b"\n",
    ],
    ids=["one line", "two", "LF", "spaces", "many", "not ASCII", "64 KiB"],
)
def test_headers(header):
    for body in (b"", EVENT, pack((0x90B, 0x23232323))):
        assert rows(parse_aedat(header + body, "a")) == naive_read(body, "spikingjelly")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "first line #!AER-DAT2.0, found b''"),
        (EVENT, "first line"),
        (b"\r\n" + HEADER, "first line"),
        (b" " + HEADER, "first line"),
        (HEADER[1:], "first line"),
        (b"# comment\r\n" + HEADER, "first line"),
        (HEADER.replace(b"2.0", b"1.0"), "found b'#!AER-DAT1.0'"),
        (HEADER.replace(b"2.0", b"3.1"), "found b'#!AER-DAT3.1'"),
        (HEADER.replace(b"2.0", b"2.01"), "first line"),
        (b"#!AER-DAT2.0", "no end within 12 bytes"),
        (HEADER + b"# no end", "no end within"),
        (LINE + b"# comment\r\n" * 10_000 + EVENT, "no end within 65,536 bytes"),
        (LINE + b"#" * ((1 << 16) - len(LINE)) + b"\n" + EVENT, "no end within 65,536 bytes"),
        (
            LINE + b"#" * ((1 << 16) - len(LINE) - 1) + b"\n#\r\x80\x00\x00\x00\x00\n" + EVENT,
            "no end within 65,536 bytes",
        ),
        (HEADER + pack((5, 0), (0x10000, 0)), "event 1 is outside the sensor.*15 bits, found 0x10000"),
        (HEADER + pack((1 << 15, 0), (1 << 30, 0)), "event 1 is outside the sensor.*found 0x40000000"),
    ],
)
def test_bad_content_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.aedat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.aedat: .*{message}"):
        read_aedat(path)


@pytest.mark.parametrize("missing", range(1, 8))
def test_truncated_events_are_refused(missing):
    content = HEADER + 2 * EVENT
    with pytest.raises(
        DataError, match=rf"a: expected 8 bytes .* found {16 - missing} bytes: it is truncated"
    ):
        parse_aedat(content[:-missing], "a")


def test_too_many_events_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(aedat, "LIMIT", 3)
    monkeypatch.setattr(aedat, "LONGEST", aedat.HEADER + 8 * 3)
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER + 3 * EVENT)
    assert len(read_aedat(path).t) == 3
    for more in (EVENT, EVENT[:1], EVENT * 10_000):
        path.write_bytes(HEADER + 3 * EVENT + more)
        with pytest.raises(DataError, match=r"a\.aedat: expected at most 3 events, found more"):
            read_aedat(path)
    seen = []
    monkeypatch.setattr(aedat, "parse_aedat", lambda content, *rest: seen.append(len(content)))
    read_aedat(path)
    assert seen == [aedat.LONGEST + 1]


def test_the_options_are_known():
    with pytest.raises(ValueError, match="axes must be one of spikingjelly, tet, found 'jaer'"):
        parse_aedat(HEADER, "a", "jaer")
    with pytest.raises(ValueError, match="backwards must be one of keep, refuse, unwrap, found 'sort'"):
        parse_aedat(HEADER, "a", backwards="sort")


def test_time_that_runs_backwards():
    content = HEADER + at(10, 20, 5, 5, 8, 2, 9)
    assert parse_aedat(content, "a").t.tolist() == [10, 20, 5, 5, 8, 2, 9]
    assert parse_aedat(content, "a", backwards="unwrap").t.tolist() == [10, 20, 20, 20, 23, 23, 30]
    with pytest.raises(DataError, match="a: time runs backwards after event 1, from 20 to 5 us"):
        parse_aedat(content, "a", backwards="refuse")


@given(st.lists(st.integers(0, 3) | st.integers(0, (1 << 32) - 1), max_size=30))
def test_time_is_unwrapped_as_event_by_event(times):
    content = HEADER + at(*times)
    found = parse_aedat(content, "a", backwards="unwrap").t
    assert found.tolist() == naive_unwrap(times)
    assert (np.diff(found) >= 0).all()
    if times == sorted(times):
        assert parse_aedat(content, "a", backwards="refuse").t.tolist() == times
    else:
        with pytest.raises(DataError, match="backwards"):
            parse_aedat(content, "a", backwards="refuse")


def test_what_no_pixel_sent_does_not_turn_time_back():
    content = HEADER + pack((0x90B, 10), (1 << 31, 3), (0x90B, 11))
    assert parse_aedat(content, "a", backwards="refuse").t.tolist() == [10, 11]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("y", 128, "rows must be 0 to 127, found 3 to 128"),
        ("y", -1, "rows must be 0 to 127, found -1 to 3"),
        ("x", 128, "columns must be 0 to 127, found 4 to 128"),
        ("x", -1, "columns must be 0 to 127"),
        ("t", 1 << 32, "times must be 0 to 4294967295, found 5 to 4294967296"),
        ("t", -1, "times must be 0 to"),
    ],
)
def test_write_refuses_what_does_not_fit(tmp_path, column, value, message):
    good = Events(np.array([5, 5]), np.array([3, 3]), np.array([4, 4]), np.array([True, False]))
    getattr(good, column)[1] = value
    with pytest.raises(ValueError, match=message):
        write_aedat(tmp_path / "a.aedat", good)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("comment", ["two\nlines", "two\rlines", "30 °C"])
def test_write_refuses_comments_that_would_not_be_read(tmp_path, comment):
    with pytest.raises(ValueError, match="comments must be single lines of ASCII"):
        write_aedat(
            tmp_path / "a.aedat", Events(*np.zeros((3, 0), int), np.zeros(0, bool)), ("good", comment)
        )
    assert not list(tmp_path.iterdir())


def read_or_refused(content, axes, backwards):
    try:
        found = parse_aedat(content, "a", axes, backwards)
    except DataError as error:
        assert str(error).startswith("a: ")
        return
    assert len(found.t) == len(found.y) == len(found.x) == len(found.on) <= len(content) // 8
    assert ((found.y >= 0) & (found.y < 128) & (found.x >= 0) & (found.x < 128) & (found.t >= 0)).all()
    if backwards != "keep":
        assert (np.diff(found.t) >= 0).all()


options = st.sampled_from(AXES), st.sampled_from(BACKWARDS)


@given(st.binary(max_size=99), st.sampled_from([b"", LINE[:-2], LINE, HEADER]), *options)
@example(b"\n", b"", "tet", "keep")
def test_any_bytes_are_read_or_refused(content, before, axes, backwards):
    read_or_refused(before + content, axes, backwards)


@given(rngs, st.integers(0, 9), st.data(), *options)
def test_any_damage_is_read_or_refused(rng, n, data, axes, backwards):
    good = bytearray(HEADER + pack(*rng.integers(0, 1 << 15, (n, 2)).tolist()))
    read_or_refused(bytes(good), axes, backwards)
    k = data.draw(st.integers(0, len(good) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        good[k] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del good[k : k + data.draw(st.integers(1, 20))]
    else:
        good[k:k] = data.draw(st.binary(min_size=1, max_size=20))
    read_or_refused(bytes(good), axes, backwards)


@given(rngs, st.integers(1, 40))
def test_spikingjelly_reads_the_same(tmp_path_factory, rng, n):
    theirs = peer("spikingjelly.datasets.cifar10_dvs")
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    write_aedat(path, events(rng, n), ("a comment",))
    found = theirs._load_origin_data(path)
    assert_same(read_aedat(path), Events(*(found[key].astype(np.int64) for key in "tyxp")))


@given(rngs, st.integers(1, 40))
def test_tonic_reads_the_same_words(tmp_path_factory, rng, n):
    """Its x and y are those of the address, named the other way round; it leaves the polarity as it is."""
    io = peer("tonic.io")
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    write_aedat(path, events(rng, n), ("a comment",))
    found = io.get_aer_events_from_file(path, *io.read_aedat_header_from_file(path)[:2])
    y, x = found["address"] >> 1 & 127, found["address"] >> 8 & 127
    off = found["address"] & 1
    t = found["timeStamp"].astype(np.int64)
    assert_same(read_aedat(path), Events(t, 127 - y.astype(int), 127 - x.astype(int), off == 0))
    assert_same(read_aedat(path, "tet"), Events(t, 127 - y.astype(int), x.astype(int), off == 0))


def test_a_file_that_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "a.aedat"
    none = Events(*(np.zeros(0, int),) * 3, np.zeros(0, bool))
    with pytest.raises(ValueError, match="at most 65,536 bytes of header"):
        write_aedat(path, none, ("x" * 1000,) * 66)
    monkeypatch.setattr("data_loaders.formats.aedat.LIMIT", 2)
    with pytest.raises(ValueError, match=r"2 events, found .* and 3"):
        write_aedat(path, Events(*(np.zeros(3, int),) * 3, np.zeros(3, bool)))
    assert not list(tmp_path.iterdir())


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.aedat"
    one = Events(*(np.ones(1, int),) * 3, np.ones(1, bool))
    write_aedat(path, one)
    assert [p.name for p in tmp_path.iterdir()] == ["a.aedat"]
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_aedat(path, one)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.aedat"]


@pytest.mark.parametrize("special", [0x8000, 0x80000000, 0x80008000, 0x8FFF])
def test_a_file_of_special_events_alone_is_empty(special):
    content = b"#!AER-DAT2.0\r\n" + special.to_bytes(4, "big") + bytes(4)
    assert all(len(column) == 0 for column in parse_aedat(content, "a"))
