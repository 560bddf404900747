"""AEDAT 2.0, the files of the DVS128 event camera and of CIFAR10-DVS: a header of text, then 8 bytes for each event.

Header lines start with "#" and end with CRLF, the first is "#!AER-DAT2.0". An event is two big-endian uint32: an
address and a time in microseconds. Bit 0 of the address is the polarity, bits 1-7 are x, bits 8-14 are y; bits 15 and
31 mark events that no pixel sent (jAER). Sources: iniVation's description of the format, SpikingJelly's reader,
jAER's DVS128. On the polarity they differ: here, as in SpikingJelly, TET's scripts and jAER's DVS128, 0 is ON.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_loaders.common.errors import DataError, check, one_of
from data_loaders.common.files import write_atomically

SIZE = 128  # pixels along each side of the DVS128
FIRST_LINE = b"#!AER-DAT2.0"
HEADER = 1 << 16  # bytes; a longer header is none
LIMIT = 1 << 24  # events; CIFAR10-DVS has some 200,000 in a file
LONGEST = HEADER + 8 * LIMIT
SPECIAL = 1 << 31 | 1 << 15  # not from a pixel: a signal on the camera's pin, for example
PIXEL = 0x7FFF  # the bits of polarity, x and y
AXES = ("spikingjelly", "tet")
BACKWARDS = ("keep", "refuse", "unwrap")


class Events(NamedTuple):
    """What an event camera saw: a pixel got brighter or darker by a threshold, in the order of the recording."""

    t: np.ndarray  # [N] int64, microseconds
    y: np.ndarray  # [N] int16, row, 0 at the top
    x: np.ndarray  # [N] int16, column, 0 at the left
    on: np.ndarray  # [N] bool, brighter

    def take(self, index: np.ndarray | slice) -> Events:
        """Some of the events, in the order of the index."""
        return Events(*(column[index] for column in self))


def read_aedat(path: Path, axes: str = "spikingjelly", backwards: str = "keep") -> Events:
    """The events of an AEDAT 2.0 file of a DVS128, in the order of the file.

    axes: row and column are 127 - x and 127 - y of the address ("spikingjelly"), or 127 - x and y ("tet", as in jAER:
    its picture mirrored). backwards: what to do where the time of an event is before that of the event ahead of it:
    keep it as it is, as SpikingJelly does, refuse the file, or unwrap, as TET does: go on from the last time.
    Events that no pixel sent are left out.
    Raises DataError if it is not such a file, ends within an event, has addresses outside of the sensor or more
    events than any such recording (16.8 million): no more than that is ever read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size  # to set aside room for LONGEST would take longer than to read
        return parse_aedat(file.read(min(size, LONGEST) + 1), str(path), axes, backwards)


def parse_aedat(content: bytes, name: str, axes: str = "spikingjelly", backwards: str = "keep") -> Events:
    """As `read_aedat`, from a file's content; its name is for error messages. Raises the same errors."""
    one_of("axes", axes, AXES)
    one_of("backwards", backwards, BACKWARDS)
    start = _header(content, name)
    if len(content) - start > 8 * LIMIT:
        raise DataError(f"{name}: expected at most {LIMIT:,} events, found more")
    if (len(content) - start) % 8:
        raise DataError(
            f"{name}: expected 8 bytes for each event, found {len(content) - start:,} bytes: it is truncated"
        )
    words = np.frombuffer(content, ">u4", offset=start)
    address, t = words[::2].astype(np.uint32), words[1::2].astype(np.int64)
    if address.max(initial=0) > PIXEL:
        special = (address & SPECIAL) > 0
        outside = ~special & (address > PIXEL)
        if outside.any():
            n = int(outside.argmax())
            raise DataError(
                f"{name}: event {n} is outside the sensor: expected an address of 15 bits, found {address[n]:#x}"
            )
        address, t = address[~special], t[~special]
    if backwards != "keep" and (back := np.diff(t) < 0).any():
        if backwards == "refuse":
            n = int(back.argmax())
            raise DataError(f"{name}: time runs backwards after event {n}, from {t[n]:,} to {t[n + 1]:,} us")
        t[1:] += np.cumsum(np.where(back, t[:-1] - t[1:], 0))
    address = address.astype(np.int16)
    x, y = address >> 1 & 127, address >> 8
    return Events(t, 127 - x, 127 - y if axes == "spikingjelly" else y, address & 1 == 0)


def _header(content: bytes, name: str) -> int:
    """Where the events start: behind the last line that starts with "#"."""
    first = content[:80].splitlines()[0] if content else b""
    if first.rstrip() != FIRST_LINE:
        raise DataError(f"{name}: expected a first line {FIRST_LINE.decode()}, found {first[:20]!r}")
    start = 0
    while content[start : start + 1] == b"#":
        end = content.find(b"\n", start, HEADER)
        if end < 0:
            raise DataError(f"{name}: its header has no end within {min(len(content), HEADER):,} bytes")
        start = end + 1
    return start


def write_aedat(path: Path, events: Events, comments: tuple[str, ...] = ()) -> None:
    """Write events as a DVS128 file that `read_aedat` gives back, with lines of comment in its header.

    The file appears whole or not at all. Raises ValueError for what `read_aedat` would refuse: pixels outside of
    128x128, times outside of 32 bits, too many events or comments, or comments that are no ASCII lines.
    """
    t, y, x, on = events
    for column, what, most in ((y, "rows", SIZE), (x, "columns", SIZE), (t, "times", 1 << 32)):
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        check(what, f"{low} to {high}", 0 <= low <= high < most, f"0 to {most - 1}")
    if any(not line.isascii() or "\n" in line or "\r" in line for line in comments):
        raise ValueError(f"comments must be single lines of ASCII, found {comments}")
    lines = ("!AER-DAT2.0", " This is a raw AE data file - do not edit", *(f" {line}" for line in comments))
    header = "".join(f"#{line}\r\n" for line in lines).encode("ascii")
    if len(header) > HEADER or len(t) > LIMIT:
        raise ValueError(
            f"expected at most {HEADER:,} bytes of header and {LIMIT:,} events, found {len(header):,} and {len(t):,}"
        )
    words = np.empty((len(t), 2), ">u4")
    words[:, 0] = (127 - y.astype(np.int64)) << 1 | (127 - x.astype(np.int64)) << 8 | ~on
    words[:, 1] = t
    write_atomically(path, lambda file: file.write(header + words.tobytes()))
