"""Progress events as lines for people, or as JSON lines for programs."""

from __future__ import annotations

import codecs
import threading
from typing import Protocol

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



def human_size(size: int) -> str:
    """Decimal units, as Docker prints them: ``12.8MB``."""
    value, unit = float(size), "B"
    for following in ("kB", "MB", "GB", "TB"):
        if value < 999.5:  # what rounds to 1000 is one of the next unit
            break
        value, unit = value / 1000, following
    return f"{size}B" if unit == "B" else f"{value:.3g}{unit}"


class Writer(Protocol):
    """A text stream, as much of one as progress needs."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


class PlainProgress:
    """One line for each thing that happens: ``#3 [build 2/5] RUN make`` … ``#3 done 1.2s 4.1MB``."""

    def __init__(self, stream: Writer) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._tails: dict[tuple[str, int], str] = {}
        self._decoders: dict[tuple[str, int], codecs.IncrementalDecoder] = {}

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
                self._line(f"{level}: {where}: {message}" if where else f"{level}: {message}")
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

    def emit(self, event: Event) -> None:
        import json
        import re

        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        data: dict[str, object] = {"event": name}
        for field, value in event._asdict().items():
            data[field] = _plain(value)
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
