"""The live display of pulls and pushes on a terminal: a row for each blob that moves, and one for all of them.

Lines of other events scroll by above it. Sources: ECMA-48 (cursor up, erase below).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import NamedTuple

from lamella.cli.progress import PlainProgress, Writer
from lamella.cli.text.columns import shorten
from lamella.cli.text.docker import human_size
from lamella.cli.text.moves import LAST, short
from lamella.events import BlobMoved, Event, Transferred

_EVERY = 0.1  # seconds
_WINDOW = 5.0  # seconds that a rate is of
_ROWS = 8
_BAR = 20
_USUAL = 80  # columns


class _Row(NamedTuple):
    state: str
    done: int
    total: int


class LiveProgress(PlainProgress):
    """To be closed, so that nothing of it stays behind."""

    def __init__(self, stream: Writer) -> None:
        super().__init__(stream)
        self._rows: dict[str, _Row] = {}
        self._shown = 0
        self._drawn = 0.0
        self._moved: deque[tuple[float, int]] = deque()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def close(self) -> None:
        self._over.set()
        with self._lock:
            self._erase()
            self._rows.clear()
        if self._ticker is not None:
            self._ticker.join()

    def _emit(self, event: Event) -> None:
        if isinstance(event, BlobMoved):
            self._note(event)
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
                self._ticker.start()
            return
        if isinstance(event, Transferred):
            self._erase()
            self._rows.clear()
            self._moved.clear()
        super()._emit(event)

    def _note(self, event: BlobMoved) -> None:
        """What is unpacked while it comes is shown as coming."""
        before = self._rows.get(event.blob)
        coming = before is not None and before.state == "downloading" and before.done < before.total
        if not (coming and event.state == "unpacking"):
            self._rows[event.blob] = _Row(*event[1:])

    def _line(self, text: str) -> None:
        self._erase()
        super()._line(text)

    def _tick(self) -> None:
        """What nobody tells of goes on too: time, and the waiting."""
        while not self._over.wait(_EVERY):
            with self._lock:
                if self._rows:
                    self._draw()

    def _erase(self) -> None:
        if self._shown:
            self._stream.write(f"\x1b[{self._shown}A\r\x1b[J")
            self._stream.flush()
            self._shown = 0

    def _draw(self) -> None:
        columns = _columns()
        lines = [shorten(line, columns - 1) for line in self._lines()]
        up = f"\x1b[{self._shown}A\r\x1b[J" if self._shown else ""
        self._stream.write(up + "".join(line + "\n" for line in lines))
        self._stream.flush()
        self._shown = len(lines)

    def _lines(self) -> list[str]:
        moving = [(blob, row) for blob, row in self._rows.items() if row.state not in (*LAST, "waiting")]
        waiting = sum(row.state == "waiting" for row in self._rows.values())
        through = sum(row.state in LAST for row in self._rows.values())
        lines = [_row_line(blob, row) for blob, row in moving[:_ROWS]]
        more = len(moving) - len(lines) + waiting
        return [*lines, f"{through} of {len(self._rows)} blobs done{f', {more} waiting' if more else ''}{self._rate()}"]

    def _rate(self) -> str:
        """Of the bytes that go over the wire, and how long what is left of them takes."""
        wire = ("downloading", "uploading")
        done = sum(
            row.done if row.state in wire else row.total for row in self._rows.values() if row.state != "waiting"
        )
        left = sum(row.total for row in self._rows.values()) - done
        now = time.monotonic()
        self._moved.append((now, done))
        while now - self._moved[0][0] > _WINDOW:
            self._moved.popleft()
        (_, before), span = self._moved[0], now - self._moved[0][0]
        rate = (done - before) / span if span > 0 else 0.0
        if not any(row.state in wire for row in self._rows.values()):
            return ""
        if rate <= 0:
            return ", waiting for the registry"
        return f", {human_size(int(rate))}/s, {_duration(left / rate)} left"


def _row_line(blob: str, row: _Row) -> str:
    share = row.done / row.total if row.total else 1.0
    bar = "#" * int(share * _BAR)
    return f"{short(blob)} {row.state:<11} [{bar:<{_BAR}}] {human_size(row.done)} of {human_size(row.total)}"


def _duration(seconds: float) -> str:
    whole = int(seconds) + 1
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02}s"


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or _USUAL
    except ValueError:
        pass
    try:
        return os.get_terminal_size(2).columns or _USUAL
    except OSError:
        return _USUAL
