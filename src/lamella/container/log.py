"""What a container writes, line by line, in the shape of Docker's ``json-file``: ``log``, ``stream``, ``time``.

Bytes that are not UTF-8 are kept, as lone surrogates. The log has a limit: at half of it the file is put aside as
``log.1``, in place of the one before.
"""

from __future__ import annotations

import json
import os
import threading
import time

LIMIT = 20 << 20  # bytes, both files together
LONGEST = 16 << 10  # bytes of a line; longer ones are cut into several records, as Docker does
STREAMS = {1: "stdout", 2: "stderr"}


class LogWriter:
    """Threads may share it. What cannot be written is lost; ``trouble`` says why: a full disk stops no container."""

    def __init__(self, path: str, limit: int = LIMIT) -> None:
        self._path = path
        self._half = limit // 2
        self._mutex = threading.Lock()
        self._begun = {1: b"", 2: b""}
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        self.trouble = ""

    def write(self, stream: int, data: bytes) -> None:
        with self._mutex:
            *lines, rest = (self._begun[stream] + data).split(b"\n")
            records = [record for line in lines for record in _cut(line + b"\n")]
            while len(rest) >= LONGEST:
                records.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            self._begun[stream] = rest
            self._put(stream, records)

    def close(self) -> None:
        """Writes lines that were begun, too."""
        with self._mutex:
            for stream, rest in self._begun.items():
                self._put(stream, [rest] if rest else [])
            self._begun = {1: b"", 2: b""}
            os.close(self._file)

    def _put(self, stream: int, records: list[bytes]) -> None:
        if not records:
            return
        content = b"".join(_encode(STREAMS[stream], record, _now()) for record in records)
        try:
            if self._size and self._size + len(content) > self._half:
                self._rotate()
            written = os.write(self._file, content)
            if written < len(content):  # half a line would spoil the next one
                os.ftruncate(self._file, self._size)
                raise OSError(28, os.strerror(28))
            self._size += written
        except OSError as error:
            self.trouble = self.trouble or f"the log is not whole: {error.strerror}"

    def _rotate(self) -> None:
        os.rename(self._path, f"{self._path}.1")
        fresh = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.close(self._file)
        self._file, self._size = fresh, 0


def _cut(line: bytes) -> list[bytes]:
    if len(line) <= LONGEST:
        return [line]
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]


def _encode(stream: str, record: bytes, moment: str) -> bytes:
    text = json.dumps(record.decode("utf-8", "surrogateescape"))
    return f'{{"log":{text},"stream":"{stream}","time":"{moment}"}}\n'.encode("ascii")


def _now() -> str:
    """RFC 3339 with nanoseconds, UTC."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"
