"""Reading tars of other writers, and what a reader may rely on."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from lamella.errors import ImageInvalid
from lamella.filetree.entry import CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.layer.read import clean_path, read_entries

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def info(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def written(form: str, members: list[tuple[tarfile.TarInfo, bytes]]) -> BinaryIO:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=FORMATS[form], errors="surrogateescape") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    sink.seek(0)
    return sink


def entries(tar: BinaryIO) -> list[Entry]:
    return [entry for entry, _ in read_entries(tar, "test")]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_tarfile_is_read(form: str) -> None:
    long = "" if form == "ustar" else "d/" + "x" * 180
    members = [
        (info("./", tarfile.DIRTYPE, mode=0o755), b""),
        (info("d", tarfile.DIRTYPE, mode=0o1777, uid=5, gid=6, mtime=7), b""),
        (info("d/file", mode=0o4755, mtime=1_700_000_000), b"content"),
        (info("d/" + "p" * 90 + "/ü"), b"y" * 1000),
        (info("d/link", tarfile.SYMTYPE, mode=0o777, linkname="../ä"), b""),
        (info("d/hard", tarfile.LNKTYPE, linkname="./d/file"), b""),
        (info("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (info("pipe", tarfile.FIFOTYPE), b""),
    ]
    if long:
        members.append((info(long, uid=2**22, linkname=""), b"z"))
        members.append((info("far", tarfile.SYMTYPE, linkname="t" * 200), b""))
    found = {entry.path: entry for entry in entries(written(form, members))}
    assert found[""] == Entry("", DIRECTORY, 0o755)
    assert found["d"] == Entry("d", DIRECTORY, 0o1777, 5, 6, 0, 7 * 10**9)
    assert found["d/file"] == Entry("d/file", FILE, 0o4755, size=7, mtime=1_700_000_000 * 10**9)
    assert found["d/" + "p" * 90 + "/ü"].size == 1000
    assert found["d/link"] == Entry("d/link", SYMLINK, 0o777, link="../ä")
    assert found["d/hard"] == Entry("d/hard", HARDLINK, link="d/file")
    assert found["null"] == Entry("null", CHARACTER_DEVICE, major=1, minor=3)
    assert found["pipe"] == Entry("pipe", FIFO)
    if long:
        assert found[long] == Entry(long, FILE, uid=2**22, size=1)
        assert found["far"].link == "t" * 200


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "posix", "ustar", "v7"])
def test_every_format_of_gnu_tar_is_read(form: str, place: Path) -> None:
    (place / "d").mkdir()
    (place / "d" / "f").write_bytes(b"content")
    (place / "d" / "l").symlink_to("f")
    if form not in ("ustar", "v7"):
        (place / "d" / ("n" * 200)).write_bytes(b"")
    done = subprocess.run(
        ["tar", "cf", "-", f"--format={form}", "--sort=name", "--mtime=@1000000000", "-C", place, "."],
        capture_output=True, check=True,
    )  # fmt: skip
    found = entries(io.BytesIO(done.stdout))
    expected = ["", "d", "d/f", "d/l"] + (["d/" + "n" * 200] if form not in ("ustar", "v7") else [])
    assert [entry.path for entry in found] == expected
    assert {entry.mtime for entry in found} == {10**18}
    assert [entry.kind for entry in found[:4]] == [DIRECTORY, DIRECTORY, FILE, SYMLINK]


def test_times_of_pax_are_exact() -> None:
    members = [
        (info(text, pax_headers={"mtime": text}), b"") for text in ["1.5", "0.000000001", "-1.25", "3.", "7.1234567891"]
    ]
    found = [entry.mtime for entry in entries(written("pax", members))]
    assert found == [1_500_000_000, 1, -1_250_000_000, 3_000_000_000, 7_123_456_789]


def test_a_global_header_counts_for_all_that_follow() -> None:
    sink = io.BytesIO()
    headers = {"uid": "77", "comment": "made by git archive"}
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        archive.addfile(info("a"))
        archive.addfile(info("b", pax_headers={"uid": "78"}))
    sink.seek(0)
    assert [entry.uid for entry in entries(sink)] == [77, 78]


#: as the kernel stores cap_net_bind_service=ep
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_attributes_are_read() -> None:
    headers = {
        "SCHILY.xattr.user.b": "2",
        "SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1"),
        "LIBARCHIVE.xattr.user.c": "Mg==",
    }
    (found,) = entries(written("pax", [(info("a", pax_headers=headers), b"")]))
    assert found.xattrs == (("security.capability", CAPABILITY), ("user.b", b"2"))


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a", "a"), ("./a//b/", "a/b"), ("/a", "a"), ("//a", "a"), ("./", ""), (".", ""), ("/", ""),
        ("a/./b", "a/b"),
        ("a/.", "a"), (".a", ".a"), ("a..b", "a..b"), ("...", "..."), ("..a/b..", "..a/b.."), ("a\\b", "a\\b"),
        (" ", " "),
    ],
)  # fmt: skip
def test_clean_paths(name: str, clean: str) -> None:
    assert clean_path(name.encode(), "test") == clean


@pytest.mark.parametrize("name", ["..", "../a", "a/..", "a/../b", "/..", "./../a", "", "a\0b"])
def test_paths_that_are_refused(name: str) -> None:
    with pytest.raises(ImageInvalid, match="test"):
        clean_path(name.encode(), "test")


def test_whiteouts_are_decoded() -> None:
    names = [".wh.a", "d/.wh.b", "./.wh..wh..opq", "d/.wh..wh..opq", "d/.wh..opq"]
    found = entries(written("gnu", [(info(name, mtime=9, uid=4), b"") for name in names]))
    assert found == [
        Entry("a", WHITEOUT), Entry("d/b", WHITEOUT), Entry("", OPAQUE), Entry("d", OPAQUE), Entry("d/.opq", WHITEOUT),
    ]  # fmt: skip


def test_old_directories_are_files_with_a_slash() -> None:
    found = entries(written("gnu", [(info("d/", tarfile.AREGTYPE), b""), (info("e/"), b""), (info("f"), b"")]))
    assert [entry.kind for entry in found] == [DIRECTORY, DIRECTORY, FILE]


def test_readers_may_be_left_half_read() -> None:
    tar = written("gnu", [(info(name), name.encode() * 700) for name in "abc"])
    found = []
    for entry, content in read_entries(tar, "test"):
        assert content is not None
        found.append((entry.path, content.read(3) if entry.path != "b" else b""))
    assert found == [("a", b"aaa"), ("b", b""), ("c", b"ccc")]


def test_a_reader_is_a_stream() -> None:
    for _, content in read_entries(written("gnu", [(info("a"), b"line one\nline two\n")]), "test"):
        assert content is not None
        with io.BufferedReader(content) as buffered:  # type: ignore[type-var]
            assert buffered.readlines() == [b"line one\n", b"line two\n"]


def test_the_stream_is_read_to_its_end() -> None:
    """Whoever hashes what passes must see all of it."""
    tar = io.BytesIO(written("gnu", [(info("a"), b"x")]).read() + b"something after the end")
    assert [entry.path for entry in entries(tar)] == ["a"]
    assert tar.read() == b""


@pytest.mark.parametrize("tail", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_an_end_may_be_short_or_long(tail: bytes) -> None:
    raw = written("gnu", [(info("a"), b"x" * 512)]).read()[:1024]
    assert [entry.path for entry in entries(io.BytesIO(raw + tail))] == ["a"]


def test_an_empty_layer_has_no_entries() -> None:
    assert entries(io.BytesIO(b"")) == []
    assert entries(io.BytesIO(bytes(1024))) == []


def test_duplicates_are_reported_as_asked() -> None:
    members = [(info("a"), b"1"), (info("./a"), b"2"), (info(".wh.a"), b""), (info("b"), b"")]
    told: list[str] = []
    found = [entry.path for entry, _ in read_entries(written("gnu", members), "test", on_duplicate=told.append)]
    assert (found, told) == (["a", "a", "a", "b"], ["a"])


def test_content_of_other_types_is_not_theirs(write_members: Callable[[list[bytes]], BinaryIO]) -> None:
    """A hard link's header may repeat its file's size; no content follows."""
    from lamella.layer.tarformat import Header, encode_header

    linked = encode_header(Header(b"h", 0o644, 0, 0, 0, 0, b"1", b"f", 0, 0))
    sized = linked[:124] + b"%011o\0" % 5 + linked[136:]
    total = sum(sized[:148]) + 256 + sum(sized[156:])
    sized = sized[:148] + b"%06o\0 " % total + sized[156:]
    after = encode_header(Header(b"z", 0o644, 0, 0, 0, 0, b"0", b"", 0, 0))
    assert [entry.path for entry in entries(write_members([sized, after]))] == ["h", "z"]
