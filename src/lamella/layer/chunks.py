"""A compressed stream as chunks of its content, within limits, and made ahead by a thread where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from lamella.errors import ImageInvalid
from lamella.layer.decoders import MAGIC_SIZE, detect_compression, is_decoding_error, make_decoder
from lamella.layer.limits import Swelling

if TYPE_CHECKING:
    from queue import Queue
    from threading import Event

    from lamella.layer.decoders import Decoder

_INPUT = 1 << 18
_QUEUED = 4


class Source:
    """``stream`` with the bytes that were already taken from it; counts what it hands out."""

    def __init__(self, stream: BinaryIO, start: bytes) -> None:
        self._stream, self._start, self.taken = stream, start, 0

    def read(self, size: int) -> bytes:
        if self._start:
            data, self._start = self._start, b""
        else:
            data = self._stream.read(size)
        self.taken += len(data)
        return data


class Chunks:
    """The content of ``source``, which is compressed by ``name`` (or ``none``). ``out`` counts its bytes so far;
    ``limit`` bounds them, ``swelling`` in proportion to the source's. ``tap`` is
    given each chunk on its way, and b"" at the end."""

    limit: int | None = None
    swelling: Swelling | None = None
    tap: Callable[[bytes], None] | None = None

    def __init__(self, source: Source, name: str, where: str) -> None:
        self._source, self._name, self._where = source, name, where
        self._decoder: Decoder | None = make_decoder(name) if name != "none" else None
        self._rest = b""
        self.out = 0

    def next(self, size: int) -> bytes:
        """Up to ``size`` bytes, none at the end. Raises ImageInvalid for a broken stream and beyond the limits."""
        data = self._source.read(size) if self._name == "none" else self._decode(size)
        self.out += len(data)
        if self.limit is not None and self.out > self.limit:
            raise ImageInvalid(f"holds more than {self.limit} bytes", where=self._where)
        if self.swelling is not None and self.out > max(self.swelling.free, self.swelling.ratio * self._source.taken):
            raise ImageInvalid(
                f"unpacks to more than {self.swelling.ratio} times its size: {self.out >> 20} MiB out of "
                f"{self._source.taken >> 10} KiB so far",
                where=self._where,
                hint="it may be made to fill the disk: do not use it unless you know who made it, and why",
            )
        if self.tap is not None:
            self.tap(data)
        return data

    def _decode(self, size: int) -> bytes:
        while (decoder := self._decoder) is not None:
            data = b""
            if decoder.needs_input:
                data = self._rest or self._source.read(_INPUT)
                self._rest = b""
                if not data:
                    raise self._broken("it ends in the middle")
            try:
                out = decoder.decompress(data, size)
            except Exception as error:
                if not is_decoding_error(error):
                    raise
                raise self._broken(str(error)) from None
            if decoder.eof:
                self._next_member(decoder.unused_data)
            if out:
                return out
        return b""

    def _next_member(self, rest: bytes) -> None:
        # Zeros after the last member are padding from tapes and block devices.
        while not (rest := rest.lstrip(b"\0")):
            rest = self._source.read(_INPUT)
            if not rest:
                self._decoder = None
                return
        while len(rest) < MAGIC_SIZE and (more := self._source.read(_INPUT)):
            rest += more
        if detect_compression(rest) != self._name:
            raise self._broken("something else follows it")
        self._decoder, self._rest = make_decoder(self._name), rest

    def _broken(self, why: str) -> ImageInvalid:
        return ImageInvalid(f"the {self._name} stream is broken ({why})", where=self._where)


class Ahead:
    """A thread that makes the next chunks while the last one is being worked on. To be closed."""

    def __init__(self, chunks: Chunks, size: int) -> None:
        from queue import Queue
        from threading import Event, Thread

        self._queue: Queue[bytes | BaseException] = Queue(_QUEUED)
        self._stop = Event()
        self._ended: BaseException | None = None
        # The thread must not hold this object, or it would never be collected.
        arguments = (chunks, size, self._queue, self._stop)
        self._thread = Thread(target=_make_chunks, args=arguments, name="decompress", daemon=True)
        self._thread.start()

    def next(self) -> bytes:
        """The next chunk, b"" at the end. Raises what making it raised."""
        if self._ended is not None:
            raise self._ended
        made = self._queue.get()
        if isinstance(made, bytes) and made:
            return made
        self._thread.join()
        if isinstance(made, bytes):
            self._queue.put(b"")  # for whoever asks again
            return b""
        self._ended = made
        raise made

    def close(self) -> None:
        """Ends the thread. Safe to call twice."""
        self._stop.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(0.05)


def _make_chunks(chunks: Chunks, size: int, queue: Queue[bytes | BaseException], stop: Event) -> None:
    try:
        while not stop.is_set():
            data = chunks.next(size)
            queue.put(data)
            if not data:
                return
    except BaseException as error:
        queue.put(error)
