"""Recognising, packing and unpacking compressed streams; cut, padded, doubled and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable

import pytest
import zstandard

from lamella.errors import ImageInvalid, UsageError
from lamella.layer.compression import make_compressor, open_decompressed
from lamella.layer.decoders import detect_compression
from lamella.layer.limits import Swelling

PLAIN = b"".join(b"line %d of many\n" % number for number in range(25_000))

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "none": bytes,
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("ahead", [False, True])
def test_every_compression_is_recognised_and_read(name: str, ahead: bool) -> None:
    data = PACKERS[name](PLAIN)
    assert detect_compression(data[:6]) == name
    with open_decompressed(io.BytesIO(data), ahead=ahead) as stream:
        assert stream.read(10) == PLAIN[:10]
        assert stream.read() == PLAIN[10:]
        assert stream.read() == b""


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_members_one_after_another_are_one_content(name: str) -> None:
    pack = PACKERS[name]
    data = pack(PLAIN) + pack(b"") + pack(b"end")
    assert open_decompressed(io.BytesIO(data)).read() == PLAIN + b"end"


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_zeros_after_the_end_are_padding(name: str) -> None:
    assert open_decompressed(io.BytesIO(PACKERS[name](PLAIN) + bytes(1000))).read() == PLAIN


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("rest", [b"more", b"\0\0\0more than six"])
def test_anything_else_after_the_end_is_refused(name: str, rest: bytes) -> None:
    with pytest.raises(ImageInvalid, match=r"layer-7: .*something else follows"):
        open_decompressed(io.BytesIO(PACKERS[name](b"text") + rest), "layer-7").read()


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_cut_stream_is_refused(name: str, ahead: bool) -> None:
    data = PACKERS[name](PLAIN)
    for size in (7, 20, len(data) // 2, len(data) - 1):
        with pytest.raises(ImageInvalid, match=f"layer-7: the {name} stream is broken"):
            open_decompressed(io.BytesIO(data[:size]), "layer-7", ahead=ahead).read()


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_damage_is_refused(name: str) -> None:
    pack = zstandard.ZstdCompressor(write_checksum=True).compress if name == "zstd" else PACKERS[name]
    data = bytearray(pack(PLAIN))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(ImageInvalid, match="layer-7"):
        open_decompressed(io.BytesIO(data), "layer-7").read()


def test_a_skippable_zstd_frame_comes_first() -> None:
    data = b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + PACKERS["zstd"](b"text")
    assert open_decompressed(io.BytesIO(data)).read() == b"text"


def test_a_gzip_header_with_name_and_comment() -> None:
    body = gzip.compress(b"text", mtime=0)
    data = body[:3] + b"\x18" + body[4:10] + b"name\0comment\0" + body[10:]
    assert open_decompressed(io.BytesIO(data)).read() == b"text"


@pytest.mark.parametrize("data", [b"", b"a", b"\x1f", b"hello"])
def test_short_streams_are_plain(data: bytes) -> None:
    assert open_decompressed(io.BytesIO(data)).read() == data


def test_a_source_that_gives_a_byte_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else 0)

    assert open_decompressed(Slow(PACKERS["gzip"](b"text" * 100))).read() == b"text" * 100


@pytest.mark.parametrize("name", PACKERS)
def test_limits_stop_bombs(name: str) -> None:
    data = PACKERS[name](bytes(3 << 20))
    assert len(open_decompressed(io.BytesIO(data), limit=3 << 20).read()) == 3 << 20
    with pytest.raises(ImageInvalid, match="layer-7: holds more than"):
        open_decompressed(io.BytesIO(data), "layer-7", limit=(3 << 20) - 1).read()


def test_the_ratio_counts_only_large_outputs() -> None:
    twenty = Swelling(20, 64 << 20)
    data = zlib.compress(bytes(70 << 20), 9)
    gzipped = PACKERS["gzip"](bytes(70 << 20))
    assert len(data) < 100_000
    with pytest.raises(ImageInvalid, match="unpacks to more than 20 times"):
        open_decompressed(io.BytesIO(gzipped), "layer-7", swelling=twenty).read()
    assert len(open_decompressed(io.BytesIO(PACKERS["gzip"](bytes(10 << 20))), swelling=twenty).read()) == 10 << 20


def test_a_zstd_bomb_does_not_fill_the_memory() -> None:
    import tracemalloc

    compressor = zstandard.ZstdCompressor().compressobj()
    bomb = b"".join(compressor.compress(bytes(8 << 20)) for _ in range(50)) + compressor.flush()
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        assert open_decompressed(io.BytesIO(bomb)).read(1 << 20) == bytes(1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20


@pytest.mark.parametrize("name", ["gzip", "zstd", "none"])
def test_compressing_is_deterministic_and_standard(name: str) -> None:
    def squeeze() -> bytes:
        compressor = make_compressor(name)
        return compressor.compress(PLAIN) + compressor.flush()

    assert squeeze() == squeeze()
    assert open_decompressed(io.BytesIO(squeeze())).read() == PLAIN
    if name == "gzip":
        assert squeeze()[3:8] == bytes(5)  # no name, no time
        assert gzip.decompress(squeeze()) == PLAIN


def test_levels_and_names_are_checked() -> None:
    with pytest.raises(UsageError, match="level 10"):
        make_compressor("gzip", 10)
    with pytest.raises(UsageError, match="level 30"):
        make_compressor("zstd", 30)
    with pytest.raises(UsageError, match="lzma"):
        make_compressor("lzma")


@pytest.mark.parametrize("read_to_the_end", [False, True])
def test_reading_ahead_leaves_no_thread_behind(read_to_the_end: bool) -> None:
    import threading

    data = PACKERS["gzip"](bytes(40 << 20))
    stream = open_decompressed(io.BytesIO(data), ahead=True)
    size = -1 if read_to_the_end else 10 << 20
    assert len(stream.read(size)) == (40 << 20 if read_to_the_end else size)
    stream.close()
    assert "decompress" not in [thread.name for thread in threading.enumerate()]
