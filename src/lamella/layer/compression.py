"""Compression of layers and archives: recognised by their first bytes, streamed, bounded.

gzip is done by ISA-L (ten times as fast as zlib), zstd by zstandard; bzip2 and xz are read only, for archives that
ADD unpacks. Large streams are decompressed ahead, by a thread of its own.
Source: RFC 1952, RFC 8878; OCI image-spec layer.md names gzip and zstd.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.errors import UsageError
from lamella.layer.chunks import Ahead, Chunks, Source
from lamella.layer.decoders import MAGIC_SIZE, detect_compression
from lamella.layer.limits import SWELLING, Swelling

if TYPE_CHECKING:  # a protocol costs start-up time
    from typing import Protocol

    from _typeshed import WriteableBuffer

    class Compressor(Protocol):
        def compress(self, data: bytes | memoryview, /) -> bytes: ...
        def flush(self) -> bytes: ...


CHUNK = 1 << 20
_AHEAD_FROM = 4 << 20
#: the levels used where none is named
DEFAULT_LEVEL = {"gzip": 1, "zstd": 3}
_LEVELS = {"gzip": range(10), "zstd": range(-7, 23)}
_ISAL_LEVELS = range(4)  # the slow ones beyond are zlib's


class _Store:
    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def make_compressor(compression: str, level: int | None = None) -> Compressor:
    """A streaming compressor for ``none``, ``gzip`` or ``zstd``. The same calls give the same bytes: gzip's header
    holds neither time nor name. Raises UsageError for another compression or level."""
    if compression == "none":
        return _Store()
    if compression not in _LEVELS:
        raise UsageError(f"layers cannot be compressed by {compression!r}", hint="use gzip, zstd or none")
    if level is None:
        level = DEFAULT_LEVEL[compression]
    if level not in _LEVELS[compression]:
        levels = _LEVELS[compression]
        raise UsageError(f"{compression} has no level {level}", hint=f"use {levels.start} to {levels.stop - 1}")
    if compression == "gzip":
        if level not in _ISAL_LEVELS:
            import zlib

            return zlib.compressobj(level=level, wbits=31)
        from isal import isal_zlib

        return cast("Compressor", isal_zlib.compressobj(level=level, wbits=31))
    import zstandard

    return cast("Compressor", zstandard.ZstdCompressor(level=level).compressobj())


def open_decompressed(
    stream: BinaryIO,
    where: str = "archive",
    *,
    limit: int | None = None,
    swelling: Swelling | None = SWELLING,
    ahead: bool = True,
    tap: Callable[[bytes], None] | None = None,
) -> BinaryIO:
    """The content of ``stream``, decompressed by what its first bytes say; several members or frames one after another
    are one content. More than ``limit`` bytes out, or more than ``swelling`` has of what went in, raises ImageInvalid
    naming ``where``, and so do broken and cut streams. ``tap`` is given the content piece by piece as it is made, on
    whatever thread, and b"" at its end; it may raise.

    Close it before ``stream``, which stays open: with ``ahead`` a thread reads that one once some MiB have come out.
    """
    start = b""
    while len(start) < MAGIC_SIZE and (more := stream.read(MAGIC_SIZE - len(start))):
        start += more
    name = detect_compression(start)
    chunks = Chunks(Source(stream, start), name, where)
    chunks.limit, chunks.swelling, chunks.tap = limit, swelling if name != "none" else None, tap
    return io.BufferedReader(_Reader(chunks, ahead and name != "none"), CHUNK)


class _Reader(io.RawIOBase):
    """Chunks as a stream; from some size on they are made ahead."""

    def __init__(self, chunks: Chunks, ahead: bool) -> None:
        self._chunks, self._ahead_from = chunks, _AHEAD_FROM if ahead else None
        self._ahead: Ahead | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = memoryview(self._next(len(view)))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self, size: int) -> bytes:
        if self._ahead is None and self._ahead_from is not None and self._chunks.out >= self._ahead_from:
            self._ahead = Ahead(self._chunks, CHUNK)
        return self._chunks.next(size) if self._ahead is None else self._ahead.next()

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        super().close()
