"""Reading a container's log: all of it, its end, or as it grows."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from lamella.container.folder import Folder

_PAUSE = 0.05  # seconds between two looks at a log that is followed
_BLOCK = 1 << 16


class Record(NamedTuple):
    """``stream`` is 1 or 2, ``time`` RFC 3339 text with nanoseconds, which sorts as time does."""

    stream: int
    data: bytes
    time: str


def read_log(folder: Folder, *, tail: int | None = None, follow: Callable[[], bool] | None = None) -> Iterator[Record]:
    """The records, the oldest first; the last ``tail`` where that is given. ``follow`` answers whether more may come:
    the iterator then goes on until it says no, or the container is gone."""
    file = _open(folder.file("log"))
    older = _open(folder.file("log.1")) if tail is None or file is None or _records_in(file) < tail else None
    if older is not None and file is not None and os.path.sameopenfile(older.fileno(), file.fileno()):
        older.close()  # it was put aside between the two
        older = None
    try:
        records = _first(older, file)
        yield from deque(records, maxlen=tail) if tail is not None else records
        if follow is not None:
            yield from _follow(folder, file, follow)
    finally:
        for one in (older, file):
            if one is not None:
                one.close()


def _open(path: str) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _records_in(file: BinaryIO) -> int:
    count = 0
    while block := file.read(_BLOCK):
        count += block.count(b"\n")
    file.seek(0)
    return count


def _first(*files: BinaryIO | None) -> Iterator[Record]:
    for file in files:
        if file is not None:
            yield from _rest(file)


def _rest(file: BinaryIO) -> Iterator[Record]:
    """What is whole by now; a line that is being written is left for the next time."""
    while True:
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        record = _decode(line)
        if record is not None:
            yield record


def _decode(line: bytes) -> Record | None:
    try:
        data = json.loads(line)
        return Record(
            2 if data["stream"] == "stderr" else 1, data["log"].encode("utf-8", "surrogateescape"), data["time"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _follow(folder: Folder, file: BinaryIO | None, more: Callable[[], bool]) -> Iterator[Record]:
    path = folder.file("log")
    while True:
        going = more()  # asked before reading: what was written before the end is read after it
        file = file or _open(path)
        if file is not None:
            yield from _rest(file)
            fresh = _moved_on(path, file)
            if fresh is not None:
                yield from _rest(file)
                file.close()
                file = fresh
                continue
        if not going:
            break
        time.sleep(_PAUSE)
    if file is not None:
        file.close()


def _moved_on(path: str, file: BinaryIO) -> BinaryIO | None:
    """The next file, where the log was put aside since ``file`` was opened."""
    try:
        if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:
            return None
    except FileNotFoundError:
        return None
    return _open(path)
