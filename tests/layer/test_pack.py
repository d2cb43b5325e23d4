"""What packing writes, refuses, and promises about its bytes."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from lamella.errors import InputError, Interrupted, NoSpace
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.layer.changes import walk_tree
from lamella.layer.compression import open_decompressed
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackedLayer, PackItem

SECOND = 10**9


def pack(*items: PackItem, **options: Any) -> tuple[PackedLayer, bytes]:
    sink = io.BytesIO()
    return pack_layer(items, sink, **options), sink.getvalue()


def item(path: str, kind: str = FILE, data: bytes | None = None, **fields: Any) -> PackItem:
    return PackItem(Entry(path, kind, **fields), None, data if data is not None or kind != FILE else b"")


def from_file(path: Path, **fields: Any) -> PackItem:
    return PackItem(Entry(path.name, FILE, **{"size": path.stat().st_size, **fields}), str(path))


def listing(blob: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:*") as archive:
        return archive.getmembers()


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_hashes_and_sizes_are_those_of_the_bytes(compression: str, place: Path) -> None:
    large = place / "large"
    large.write_bytes(os.urandom(1000) * 5000)
    layer, blob = pack(
        item("d", DIRECTORY, mode=0o755), item("d/f", data=b"text"), from_file(large), compression=compression
    )
    tar = open_decompressed(io.BytesIO(blob)).read()
    assert layer.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert layer.uncompressed == len(tar)
    assert layer.blob.digest == "sha256:" + hashlib.sha256(blob).hexdigest()
    assert layer.blob.size == len(blob)
    assert layer.blob.media_type.endswith({"gzip": "+gzip", "zstd": "+zstd", "none": ".tar"}[compression])
    assert layer.entries[1].digest == hashlib.sha256(b"text").hexdigest()
    assert layer.entries[2].digest == hashlib.sha256(large.read_bytes()).hexdigest()


def test_the_same_items_give_the_same_bytes(place: Path) -> None:
    for number in range(300):
        (place / f"f{number}").write_bytes(b"%d" % number * 5000)
    items = list(walk_tree(str(place)))
    first, second = pack(*items), pack(*items)
    assert first == second


def test_the_blob_depends_on_the_tar_alone(place: Path) -> None:
    """From memory or from disk, in small files or as one stream: the compressor sees the same blocks."""
    data = os.urandom(5) * 700_000
    (place / "f").write_bytes(data)
    assert pack(item("f", data=data)) == pack(from_file(place / "f"))


def test_times_are_cut_and_clamped() -> None:
    late, early = 2_000 * SECOND + 7, -3 * SECOND + 5
    layer, blob = pack(item("a", mtime=late), item("b", mtime=early), item("c", DIRECTORY, mtime=late))
    assert [entry.mtime for entry in layer.entries] == [2_000 * SECOND, -3 * SECOND, 2_000 * SECOND]
    assert [info.mtime for info in listing(blob)] == [2_000, -3, 2_000]
    layer, blob = pack(
        item("a", mtime=late), item("b", mtime=early), item("c", DIRECTORY, mtime=late), clamp_mtime=1_000
    )
    assert [entry.mtime for entry in layer.entries] == [1_000 * SECOND, -3 * SECOND, 1_000 * SECOND]
    assert [info.mtime for info in listing(blob)] == [1_000, -3, 1_000]


def test_whiteouts_get_their_names_and_fixed_attributes() -> None:
    layer, blob = pack(
        item("", OPAQUE), item("a", WHITEOUT, mtime=5 * SECOND, uid=7), item("d/e", WHITEOUT), item("d", OPAQUE)
    )
    assert [info.name for info in listing(blob)] == [".wh..wh..opq", ".wh.a", "d/.wh.e", "d/.wh..wh..opq"]
    assert {(info.isreg(), info.size, info.uid, info.mtime) for info in listing(blob)} == {(True, 0, 0, 0)}
    assert list(layer.entries) == [Entry("", OPAQUE), Entry("a", WHITEOUT), Entry("d/e", WHITEOUT), Entry("d", OPAQUE)]


def test_names_are_those_of_the_specification() -> None:
    _, blob = pack(
        item("", DIRECTORY, mode=0o755),
        item("d", DIRECTORY),
        item("d/f", data=b"x"),
        item("h", HARDLINK, link="d/f"),
        item("l", SYMLINK, link="../d"),
    )
    raw = open_decompressed(io.BytesIO(blob)).read()
    assert [raw[start : start + 6].rstrip(b"\0") for start in range(0, 1536, 512)] == [b"./", b"d/", b"d/f"]
    found = listing(blob)
    assert [info.name for info in found] == [".", "d", "d/f", "h", "l"]
    assert [info.linkname for info in found] == ["", "", "", "d/f", "../d"]
    assert {info.uname for info in found} == {""}


@pytest.mark.parametrize("path", [".wh.a", "d/.wh.a", ".wh..wh..opq", ".wh.d/a", "a/.wh.", ".wh."])
@pytest.mark.parametrize("kind", [FILE, DIRECTORY, SYMLINK])
def test_a_file_that_would_be_a_whiteout_is_refused(path: str, kind: str) -> None:
    with pytest.raises(InputError, match=r"begin with \.wh\.") as caught:
        pack(item(path, kind, link="x"))
    assert caught.value.where == path


def test_similar_names_are_not_whiteouts() -> None:
    layer, _ = pack(item("a.wh.b"), item("wh.b"), item(".whb"), item(".wh"))
    assert len(layer.entries) == 4


def test_size_of_given_data_counts() -> None:
    layer, blob = pack(item("a", data=b"12345", size=99))
    assert (layer.entries[0].size, listing(blob)[0].size) == (5, 5)


def test_a_file_without_content_is_empty_or_an_error() -> None:
    layer, _ = pack(PackItem(Entry("a", FILE)))
    assert layer.entries[0].digest == hashlib.sha256(b"").hexdigest()
    with pytest.raises(InputError, match="nothing says") as caught:
        pack(PackItem(Entry("a", FILE, size=1)))
    assert caught.value.where == "a"


SMALL, LARGE = 5_000, 3 << 20


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_its_size_is_named(size: int, change: int, place: Path) -> None:
    file = place / "f"
    file.write_bytes(b"x" * size)
    if size + change < 0:
        change = 7
    with pytest.raises(InputError, match="changed while it was read") as caught:
        pack(from_file(file, size=size + change))
    assert (caught.value.code, caught.value.where) == ("changed", str(file))


def test_a_large_file_that_grows_while_it_is_read(place: Path) -> None:
    file = place / "f"
    file.write_bytes(b"x" * LARGE)
    once = from_file(file)
    file.write_bytes(b"x" * (2 * LARGE))
    with pytest.raises(InputError, match="changed"):
        pack(once)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_content_that_is_not_what_was_promised(size: int, place: Path) -> None:
    """A cache key was made of one content, the layer would hold another."""
    file = place / "f"
    file.write_bytes(b"x" * size)
    good = hashlib.sha256(b"x" * size).hexdigest()
    layer, _ = pack(from_file(file, digest=good))
    assert layer.entries[0].digest == good
    file.write_bytes(b"y" * size)
    with pytest.raises(InputError, match="changed"):
        pack(from_file(file, digest=good))


@pytest.mark.parametrize("becomes", ["nothing", "link", "folder", "fifo", "socket"])
def test_a_file_that_became_something_else(becomes: str, place: Path) -> None:
    file = place / "f"
    file.write_bytes(b"x" * 100)
    promised = from_file(file)
    file.unlink()
    secret = place / "secret"
    secret.write_bytes(b"s" * 100)
    if becomes == "link":
        file.symlink_to(secret)
    elif becomes == "folder":
        file.mkdir()
    elif becomes == "fifo":
        os.mkfifo(file)
    elif becomes == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(file))
    with pytest.raises(InputError, match="changed") as caught:
        pack(promised)
    assert caught.value.where == str(file)


def test_an_unreadable_file_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    (place / "f").write_bytes(b"x")
    promised = from_file(place / "f")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="cannot be read") as caught:
        pack(promised)
    assert caught.value.where == str(place / "f")


def test_cancelling_stops_between_files(place: Path) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(Interrupted):
        pack(*(item(f"f{number}", data=bytes(900_000)) for number in range(9)), cancelled=cancelled)
    assert asked == 4
    assert "squeeze" not in [thread.name for thread in threading.enumerate()]


class FullDisk(io.BytesIO):
    def write(self, data: Any, /) -> int:
        if self.tell() > 2_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_is_said_and_no_thread_stays() -> None:
    items = (item(f"f{number}", data=os.urandom(1_000_000)) for number in range(50))
    with pytest.raises(NoSpace):
        pack_layer(items, cast(BinaryIO, FullDisk()))
    assert "squeeze" not in [thread.name for thread in threading.enumerate()]


def test_an_error_of_the_items_ends_the_thread() -> None:
    def items() -> Iterator[PackItem]:
        yield item("a", data=bytes(5_000_000))
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        pack_layer(items(), io.BytesIO())
    assert "squeeze" not in [thread.name for thread in threading.enumerate()]


def test_a_large_file_is_never_in_memory(place: Path) -> None:
    import tracemalloc

    with (place / "sparse").open("wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    try:
        layer = pack_layer([from_file(place / "sparse")], io.BytesIO())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert layer.uncompressed > 200 << 20
    assert peak < 40 << 20


@pytest.mark.peer
def test_gnu_tar_lists_what_was_packed(require: Callable[[str], str]) -> None:
    _, blob = pack(
        item("d", DIRECTORY, mode=0o755),
        item("d/" + "n" * 150, data=b"x", uid=3_000_000),
        item("d/ü"),
        item("\udcff" * 120, data=b"yy"),
        item("l", SYMLINK, mode=0o777, link="t" * 150),
    )
    done = subprocess.run(
        [require("tar"), "tzvf", "-", "--numeric-owner", "--quoting-style=c", "--utc"],
        input=blob, capture_output=True, check=True, env={"LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == b""
    lines = [line.split(None, 5) for line in done.stdout.decode().splitlines()]
    assert [line[1] for line in lines] == ["0/0", "3000000/0", "0/0", "0/0", "0/0"]
    assert [line[5] for line in lines] == [
        '"d/"', f'"d/{"n" * 150}"', '"d/\\303\\274"', '"' + "\\377" * 120 + '"',
        f'"l" -> "{"t" * 150}"',
    ]  # fmt: skip
