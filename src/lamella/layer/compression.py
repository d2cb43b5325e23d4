"""Compression of layers and archives: recognised by their first bytes, streamed, bounded.

gzip is done by ISA-L (ten times as fast as zlib), zstd by zstandard; bzip2 and xz are read only, for archives that
ADD unpacks. Source: RFC 1952, RFC 8878; OCI image-spec layer.md names gzip and zstd.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

from lamella.errors import ImageInvalid, UsageError

if TYPE_CHECKING:  # a protocol costs start-up time
    from typing import Protocol

    from _typeshed import WriteableBuffer

    class Compressor(Protocol):
        def compress(self, data: bytes | memoryview, /) -> bytes: ...
        def flush(self) -> bytes: ...

    class _Decoder(Protocol):
        """What bz2, lzma and ISA-L's decompressors have in common."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


CHUNK = 1 << 20
#: the levels used where none is named; ISA-L's go from 0 to 3
DEFAULT_LEVEL = {"gzip": 1, "zstd": 3}
_LEVELS = {"gzip": range(4), "zstd": range(-7, 23)}

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


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
        from isal import isal_zlib

        return cast("Compressor", isal_zlib.compressobj(level=level, wbits=31))
    import zstandard

    return cast("Compressor", zstandard.ZstdCompressor(level=level).compressobj())


def detect_compression(start: bytes) -> str:
    """``gzip``, ``zstd``, ``bzip2``, ``xz`` or ``none``, by the first six bytes."""
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    if len(start) >= 4 and start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame may come first
    return "none"


def open_decompressed(
    stream: BinaryIO, where: str = "archive", *, limit: int | None = None, ratio: int | None = None
) -> BinaryIO:
    """The content of ``stream``, decompressed by what its first bytes say; several members or frames one after another
    are one content. More than ``limit`` bytes out, or more than ``ratio`` times what went in (beyond the first 64 MiB),
    raises ImageInvalid naming ``where``, and so do broken and cut streams. Closing it leaves ``stream`` open."""
    start = stream.read(6)
    name = detect_compression(start)
    source = _Source(stream, start)
    raw = _Plain(source, where) if name == "none" else _Decompressed(source, name, where)
    raw.limit, raw.ratio = limit, ratio
    return io.BufferedReader(raw, CHUNK)


_RATIO_FREE = 64 << 20


class _Source:
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


class _Plain(io.RawIOBase):
    limit: int | None = None
    ratio: int | None = None

    def __init__(self, source: _Source, where: str) -> None:
        self._source, self._where, self._out = source, where, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = self._next(len(view))
        view[: len(data)] = data
        self._out += len(data)
        if self.limit is not None and self._out > self.limit:
            raise ImageInvalid(f"holds more than {self.limit} bytes", where=self._where)
        if self.ratio is not None and self._out > max(_RATIO_FREE, self.ratio * self._source.taken):
            raise ImageInvalid(f"unpacks to more than {self.ratio} times its size", where=self._where)
        return len(data)

    def _next(self, size: int) -> bytes:
        return self._source.read(size)


class _Decompressed(_Plain):
    def __init__(self, source: _Source, name: str, where: str) -> None:
        super().__init__(source, where)
        self._name = name
        self._decoder: _Decoder | None = _decoder(name)
        self._rest = b""

    def _next(self, size: int) -> bytes:
        try:
            return self._decode(size)
        except (OSError, EOFError, ValueError, ArithmeticError) as error:
            raise self._broken(str(error)) from None
        except Exception as error:  # each library has an error class of its own
            if type(error).__name__ in ("error", "IsalError", "LZMAError", "ZstdError"):
                raise self._broken(str(error)) from None
            raise

    def _decode(self, size: int) -> bytes:
        while (decoder := self._decoder) is not None:
            data = b""
            if decoder.needs_input:
                data = self._rest or self._source.read(CHUNK // 4)
                self._rest = b""
                if not data:
                    raise self._broken("it ends in the middle")
            out = decoder.decompress(data, size)
            if decoder.eof:
                self._next_member(decoder.unused_data)
            if out:
                return out
        return b""

    def _next_member(self, rest: bytes) -> None:
        # Zeros after the last member are padding from tapes and block devices.
        while not (rest := rest.lstrip(b"\0")):
            rest = self._source.read(CHUNK // 4)
            if not rest:
                self._decoder = None
                return
        while len(rest) < 6 and (more := self._source.read(CHUNK // 4)):
            rest += more
        if detect_compression(rest) != self._name:
            raise self._broken("something else follows it")
        self._decoder, self._rest = _decoder(self._name), rest

    def _broken(self, why: str) -> ImageInvalid:
        return ImageInvalid(f"the {self._name} stream is broken ({why})", where=self._where)


def _decoder(name: str) -> _Decoder:
    if name == "gzip":
        from isal import igzip_lib

        return cast("_Decoder", igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if name == "xz":
        import lzma

        return lzma.LZMADecompressor(memlimit=256 << 20)
    return _ZstdDecoder()


class _ZstdDecoder:
    """zstandard's decompressor, one frame a time, with bounded output like the others'."""

    def __init__(self) -> None:
        import zstandard

        # 128 MiB is the largest window that readers must accept without being told to (RFC 8878, section 3.1.1.1.2).
        self._object = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
        self._pending = b""

    @property
    def eof(self) -> bool:
        return self._object.eof and not self._pending

    @property
    def needs_input(self) -> bool:
        return not self._pending

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._pending += self._object.decompress(data)
        out, self._pending = self._pending[:max_length], self._pending[max_length:]
        return out
