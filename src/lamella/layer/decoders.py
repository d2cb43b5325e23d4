"""Decompressors of several libraries, made alike: one member or frame each, with bounded output."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lamella.layer.limits import LZMA_MEMORY, ZSTD_WINDOW

if TYPE_CHECKING:  # a protocol costs start-up time
    from typing import Protocol

    class Decoder(Protocol):
        """What bz2, lzma and ISA-L's decompressors have in common."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


MAGIC_SIZE = 6
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


def detect_compression(start: bytes) -> str:
    """``gzip``, ``zstd``, ``bzip2``, ``xz`` or ``none``, by the first six bytes."""
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    if len(start) >= 4 and start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame may come first
    return "none"


def make_decoder(name: str) -> Decoder:
    """A decompressor for one member or frame of ``gzip``, ``zstd``, ``bzip2`` or ``xz``."""
    if name == "gzip":
        from isal import igzip_lib

        return cast("Decoder", igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    if name == "xz":
        import lzma

        return lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
    return _ZstdDecoder()


def is_decoding_error(error: Exception) -> bool:
    """Whether it is a library's way to say that its input is broken."""
    # Each has a class of its own, which would have to be imported to be named.
    return isinstance(error, OSError | EOFError | ValueError | ArithmeticError) or type(error).__name__ in {
        "error",
        "IsalError",
        "LZMAError",
        "ZstdError",
    }


class _ZstdDecoder:
    """zstandard gives all that its input comes to: the input is handed to it in pieces, so that a block of zeros, four
    bytes for 128 KiB, cannot fill the memory."""

    _PIECE = 2048  # 64 MiB at most come out of it

    def __init__(self) -> None:
        import zstandard

        self._object = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
        self._input = memoryview(b"")
        self._output = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._object.eof and not self._output

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output and not self._object.eof

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data) + bytes(self._input)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._input = memoryview(data)
        pieces: list[bytes] = []
        size = 0
        while self._input and not self._output and not self._object.eof and size < max_length:
            piece, self._input = self._input[: self._PIECE], self._input[self._PIECE :]
            pieces.append(self._object.decompress(piece))
            size += len(pieces[-1])
        if pieces:
            self._output = memoryview(b"".join(pieces))
        out, self._output = bytes(self._output[:max_length]), self._output[max_length:]
        return out
