"""Layers that would fill a disk or a memory are stopped before they do."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from lyingtar import END, header, member, pax, record

from lamella.errors import ImageInvalid
from lamella.layer import limits
from lamella.layer.compression import make_compressor, open_decompressed
from lamella.layer.index import index_layer
from lamella.layer.limits import Swelling
from lamella.layer.unpack import unpack_layer

NAME = "sha256:" + "7" * 64
GIB = 1 << 30


def squeezed(data: bytes, compression: str) -> bytes:
    compressor = make_compressor(compression)
    return compressor.compress(data) + compressor.flush()


def zeros(size: int, compression: str) -> bytes:
    """A layer with one file of zeros; many members or frames one after another are one stream."""
    piece = 32 << 20
    start = header(b"zeros", size=size)
    return (
        squeezed(start, compression)
        + squeezed(bytes(piece), compression) * (size // piece)
        + squeezed(END, compression)
    )


def test_a_bomb_is_stopped_after_a_gigabyte() -> None:
    bomb = zeros(20 * GIB, "gzip")
    assert len(bomb) < 100 << 20
    with pytest.raises(ImageInvalid, match="250 times its size") as caught:
        index_layer(io.BytesIO(bomb), NAME)
    assert str(caught.value).startswith(NAME)
    assert "1024 MiB" in str(caught.value) or "1025 MiB" in str(caught.value)


@pytest.mark.parametrize(("compression", "most"), [("gzip", 40 << 20), ("zstd", 200 << 20)])
def test_a_bomb_fills_no_memory(compression: str, most: int) -> None:
    bomb = zeros(256 << 20, compression)
    tracemalloc.start()
    try:
        with pytest.raises(ImageInvalid, match="200 times its size"):
            index_layer(io.BytesIO(bomb), NAME, Swelling(200, 64 << 20))
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_what_stays_below_the_limits_passes() -> None:
    assert index_layer(io.BytesIO(zeros(256 << 20, "gzip")), NAME).entries[0].size == 256 << 20


def test_an_unpacked_bomb_leaves_the_disk(fresh: Callable[[], Path]) -> None:
    target = fresh()
    with (
        pytest.raises(ImageInvalid, match="times its size"),
        open_decompressed(io.BytesIO(zeros(GIB, "gzip")), NAME, swelling=Swelling(200, 64 << 20)) as tar,
    ):
        unpack_layer(tar, str(target), NAME, whiteouts="apply", lower=None, privileged=False)
    assert sum(path.stat().st_size for path in target.iterdir()) < 80 << 20


def test_a_zstd_window_is_bounded() -> None:
    """A frame that wants to look back two gigabytes: RFC 8878, section 3.1.1.1.2."""
    frame = b"\x28\xb5\x2f\xfd" + bytes([0, 21 << 3]) + b"\x01\x00\x00"
    with pytest.raises(ImageInvalid, match=r"zstd stream is broken .*memory"):
        index_layer(io.BytesIO(frame + bytes(100)), NAME)


def test_concatenated_members_are_one_layer() -> None:
    parts = (member("a", b"1"), member("b", b"2"), END)
    index = index_layer(io.BytesIO(b"".join(squeezed(part, "gzip") for part in parts)), NAME)
    assert [entry.path for entry in index.entries] == ["a", "b"]
    assert index.uncompressed == len(b"".join(parts))


@pytest.mark.parametrize("behind", [b"garbage", squeezed(b"x", "zstd"), b"\x1f\x8b"])
def test_what_follows_a_stream_is_not_passed_over(behind: bytes) -> None:
    with pytest.raises(ImageInvalid, match="gzip stream is broken"):
        index_layer(io.BytesIO(squeezed(member("a", b"1") + END, "gzip") + behind), NAME)


def test_members_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMBERS", 1000)
    assert len(index_layer(io.BytesIO(b"".join(header(b"%d" % n) for n in range(1000))), NAME).entries) == 1000
    with pytest.raises(ImageInvalid, match="more than 1000 members") as caught:
        index_layer(io.BytesIO(b"".join(header(b"%d" % n) for n in range(1001))), NAME)
    assert f"{NAME}: 1000" in str(caught.value)


@pytest.mark.parametrize(
    "part",
    [
        member("n/" * 1000 + "n"),
        member("l", kind=b"2", link=b"t" * 2000),
        pax(record("SCHILY.xattr.user.a", bytes(2000))) + member("x"),
    ],
)
def test_metadata_is_counted(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_METADATA", 1 << 20)
    assert index_layer(io.BytesIO(part * 500), NAME).entries
    with pytest.raises(ImageInvalid, match="1 MiB of names, links and attributes"):
        index_layer(io.BytesIO(part * 600), NAME)
