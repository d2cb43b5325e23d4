"""Progress events as lines for people, or as JSON lines for programs."""

from __future__ import annotations

import codecs
import threading
import time
from typing import Protocol

from lamella.cli.text.docker import human_size
from lamella.cli.text.moves import PlainMoves
from lamella.cli.text.tame import tamed
from lamella.events import (
    BlobMoved,
    CacheMissed,
    Event,
    ImageWritten,
    Note,
    StepErrored,
    StepFinished,
    StepOutput,
    StepStarted,
    Transferred,
)

#: seconds
_MOMENT = 0.5


class Writer(Protocol):
    """A text stream, as much of one as progress needs."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


class PlainProgress:
    """One line for each thing that happens: ``#3 [build 2/5] RUN make`` … ``#3 done 1.2s 4.1MB``."""

    def __init__(self, stream: Writer) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._moves = PlainMoves()
        self._numbers: dict[str, int] = {}
        self._tails: dict[tuple[str, int], str] = {}
        self._decoders: dict[tuple[str, int], codecs.IncrementalDecoder] = {}

    def close(self) -> None:
        """Nothing comes any more."""

    def emit(self, event: Event) -> None:
        """Called by several threads; one line is written at a time."""
        with self._lock:
            self._emit(event)

    def _emit(self, event: Event) -> None:
        match event:
            case StepStarted(step, label, text, _):
                self._numbers[step] = number = len(self._numbers) + 1
                self._line(f"#{number} {label} {text}")
            case StepOutput(step, stream, data):
                self._output(step, stream, data)
            case StepFinished(step, cached, seconds, size):
                self._flush_tails(step)
                done = "CACHED" if cached else f"DONE {seconds:.1f}s"
                self._line(f"#{self._numbers[step]} {done}" + (f" {human_size(size)}" if size is not None else ""))
            case CacheMissed(step, reasons):
                from lamella.cli.text.misses import miss_text

                for reason in reasons:
                    self._line(f"#{self._numbers[step]} missed: {miss_text(reason)}")
            case StepErrored(step, message):
                self._flush_tails(step)
                self._line(f"#{self._numbers.get(step, 0)} ERROR {message}")
            case Note(level, message, where):
                self._line(tamed(f"{level}: {where}: {message}" if where else f"{level}: {message}"))
            case ImageWritten(_, image_id, names):
                named = f" as {', '.join(names)}" if names else ""
                self._line(f"image {image_id}{named}")
            case BlobMoved() | Transferred():
                for line in self._moves.lines(event):
                    self._line(line)

    def _output(self, step: str, stream: int, data: bytes) -> None:
        key = (step, stream)
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = codecs.getincrementaldecoder("utf-8")("replace")
        lines = (self._tails.pop(key, "") + decoder.decode(data)).split("\n")
        if lines[-1]:
            self._tails[key] = lines[-1]
        for line in lines[:-1]:
            self._line(f"#{self._numbers.get(step, 0)} | {line.rstrip(chr(13))}")

    def _flush_tails(self, step: str) -> None:
        for key in [key for key in self._tails if key[0] == step]:
            self._line(f"#{self._numbers.get(step, 0)} | {self._tails.pop(key)}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class JsonProgress:
    """One JSON object a line: ``{"event": "step_started", …}``; output is text with replacement characters."""

    def __init__(self, stream: Writer) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def close(self) -> None:
        """Nothing comes any more."""

    def _is_due(self, event: BlobMoved) -> bool:
        """Each state of a blob is told, what moves in it twice a second."""
        key, now = f"{event.blob} {event.state}", time.monotonic()
        if now - self._told.get(key, 0.0) < _MOMENT:
            return False
        self._told[key] = now
        return True

    def emit(self, event: Event) -> None:
        import json
        import re

        with self._lock:
            if isinstance(event, BlobMoved) and not self._is_due(event):
                return
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        data: dict[str, object] = {"event": name}
        for field, value in event._asdict().items():
            data[field] = _plain(value)
        with self._lock:
            self._stream.write(json.dumps(data) + "\n")
            self._stream.flush()


def _plain(value: object) -> object:
    """Bytes as text, named tuples as objects."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        parts = [_plain(one) for one in value]
        return dict(zip(fields, parts, strict=True)) if fields else parts
    return value


def listener(progress: str, stream: Writer) -> PlainProgress | JsonProgress:
    """For ``--progress``. ``auto`` is a live display on a terminal and plain lines elsewhere. To be closed."""
    if progress == "json":
        return JsonProgress(stream)
    import os
    import sys

    if progress == "auto" and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from lamella.cli.live import LiveProgress

        return LiveProgress(stream)
    return PlainProgress(stream)
