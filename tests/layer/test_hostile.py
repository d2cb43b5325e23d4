"""Layers that mean harm. Whatever they hold, nothing outside the target changes; messages name layer and path."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from lamella.errors import ImageInvalid, LamellaError
from lamella.layer.compression import open_decompressed
from lamella.layer.tarformat import Header, encode_header
from lamella.layer.unpack import unpack_layer
from lamella.userns import current

pytestmark = pytest.mark.containers

REFUSED, HARMLESS = "refused", "harmless"
Members = list[tuple[tarfile.TarInfo, bytes]]


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.LNKTYPE, linkname=target)


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.DIRTYPE, mode=mode)


def device(name: str, major: int, minor: int) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.CHRTYPE, devmajor=major, devminor=minor)


def xattr(name: str, key: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, pax_headers={f"SCHILY.xattr.{key}": "y"})


EVIL = member("evil", data=b"evil")[1]

#: name: (members, what becomes of it, how the message names the path)
CORPUS: dict[str, tuple[Members, str, str]] = {
    "dot dot": ([member("../canary/file", data=EVIL)], REFUSED, "../canary/file"),
    "dot dot inside": ([member("a/../../canary/file", data=EVIL)], REFUSED, "a/../../canary/file"),
    "dot dot that stays inside": ([member("a/../b", data=EVIL)], REFUSED, "a/../b"),
    "dot dot alone": ([folder("..")], REFUSED, ".."),
    "absolute": ([member("/canary/file", data=EVIL)], HARMLESS, ""),
    "absolute dot dot": ([member("/../canary/file", data=EVIL)], REFUSED, "/../canary/file"),
    "root as a file": ([member("./", tarfile.SYMTYPE, linkname="../canary")], REFUSED, "root"),
    "root as a link, empty": ([link(".", "../canary")], REFUSED, "root"),
    "through a link out": ([link("out", "../canary"), member("out/file", data=EVIL)], HARMLESS, ""),
    "through an absolute link": ([link("out", "{canary}"), member("out/file", data=EVIL)], HARMLESS, ""),
    "through a link to the root": ([link("out", "/"), member("out/etc/passwd", data=EVIL)], HARMLESS, ""),
    "through a chain of links": (
        [link("a", "b"), link("b", "c/../.."), folder("c"), member("a/../canary/file", data=EVIL)],
        REFUSED,
        "a/../canary/file",
    ),
    "through many dots": ([link("a", "../../../../../../.."), member("a/canary/file", data=EVIL)], HARMLESS, ""),
    "through proc": ([link("p", "/proc/self/root"), member("p/tmp/x", data=EVIL)], HARMLESS, ""),
    "a loop of links": ([link("a", "b"), link("b", "a"), member("a/x", data=EVIL)], REFUSED, "a"),
    "a link to itself": ([link("a", "a"), member("a/x", data=EVIL)], REFUSED, "a"),
    "a file over a link": ([link("a", "{canary}/file"), member("a", data=EVIL)], HARMLESS, ""),
    "a file over a link, nested": ([link("d/a", "{canary}/file"), member("d/a", data=EVIL)], HARMLESS, ""),
    "a directory over a link": ([link("a", "{canary}"), folder("a", 0o777), member("a/file", data=EVIL)], HARMLESS, ""),
    "a link over a directory": (
        [folder("a"), member("a/file", data=b"1"), link("a", "{canary}"), member("a/file", data=EVIL)],
        HARMLESS,
        "",
    ),
    "a link in place of a parent half way": (
        [folder("a/b"), member("a/b/1", data=b"1"), link("a", "{canary}"), member("a/b/2", data=EVIL)],
        HARMLESS,
        "",
    ),
    "chmod of a link's target": ([link("a", "{canary}"), folder("a/", 0o777)], HARMLESS, ""),
    "a fifo over a link": ([link("a", "{canary}/file"), member("a", tarfile.FIFOTYPE)], HARMLESS, ""),
    "hard link out": ([hard("a", "../canary/file"), member("a", data=EVIL)], REFUSED, "../canary/file"),
    "hard link, absolute": ([hard("a", "{canary}/file")], REFUSED, "a"),
    "hard link through a link": ([link("out", "{canary}"), hard("a", "out/file")], REFUSED, "a"),
    "hard link to a link out": ([link("l", "{canary}/file"), hard("a", "l"), member("a", data=EVIL)], HARMLESS, ""),
    "hard link to a directory": ([folder("d"), hard("a", "d")], REFUSED, "a"),
    "hard link to the root": ([hard("a", "/")], REFUSED, "a"),
    "hard link to itself": ([hard("a", "a")], REFUSED, "a"),
    "hard link to what it replaces": ([member("d/f", data=b"1"), hard("d", "d/f")], REFUSED, "d"),
    "whiteout through a link": ([link("out", "{canary}"), member("out/.wh.file")], HARMLESS, ""),
    "opaque through a link": ([link("out", "{canary}"), member("out/.wh..wh..opq")], HARMLESS, ""),
    "whiteout of the root": ([member(".wh.")], REFUSED, ".wh."),
    "whiteout of dot": ([member("a/.wh..")], REFUSED, ".wh.."),
    "whiteout of dot dot": ([member("a/.wh...")], REFUSED, ".wh..."),
    "whiteout as a parent": ([member(".wh.a/b", data=EVIL)], REFUSED, ".wh.a/b"),
    "whiteout with dot dot": ([member("a/../../.wh.canary")], REFUSED, ".wh.canary"),
    "overlayfs's whiteout": ([device("a", 0, 0)], REFUSED, "a"),
    "opaque by attribute": ([xattr("a", "trusted.overlay.opaque")], REFUSED, "a"),
    "redirect by attribute": ([xattr("a", "trusted.overlay.redirect")], REFUSED, "a"),
    "opaque by user attribute": ([xattr("a", "user.overlay.opaque")], REFUSED, "a"),
    "a device that is not": ([device("a", 5000, 1)], REFUSED, "a"),
    "a name too long": ([member("n" * 256, data=EVIL)], REFUSED, "nnn"),
    "a path too long": ([member("/".join(["n" * 200] * 21), data=EVIL)], REFUSED, "nnn"),
    "100,000 deep": ([member("d/" * 100_000 + "f", data=EVIL)], REFUSED, "d/d/d"),
    "2,000 deep": ([member("d/" * 2000 + "f", data=EVIL)], HARMLESS, ""),
    "2,000 deep, then replaced": ([member("d/" * 2000 + "f", data=b"1"), member("d", data=b"2")], HARMLESS, ""),
    "deeper by a link": (
        [member("d/" * 1500 + "f", data=b"1"), link("l", "d/" * 1500), member("l/" + "e/" * 1500 + "f", data=b"2")],
        HARMLESS,
        "",
    ),
    "the same path again and again": ([member("a", data=bytes([n])) for n in range(50)], HARMLESS, ""),
    "case and Unicode twins": (
        [member("Twin"), member("twin"), member("caf\u00e9"), member("cafe\u0301"), member("\u212a"), member("K")],
        HARMLESS,
        "",
    ),
    "control characters": ([member("a\x1b[2J\nb", data=EVIL)], HARMLESS, ""),
    "an empty link": ([link("a", "")], REFUSED, "a"),
    "setuid": ([member("su", data=b"x", mode=0o4755)], HARMLESS, ""),
    "in a file as if it were a folder": ([member("a", data=b"1"), member("a/b", data=b"2")], HARMLESS, ""),
    "an unknown type": ([member("a", b"Z")], REFUSED, "a"),
    "sparse by PAX": ([member("a", pax_headers={"GNU.sparse.size": "10"})], REFUSED, "a"),
    "NUL by PAX": ([member("a", pax_headers={"path": "a\0b"})], REFUSED, "a"),
    "dot dot by PAX": ([member("a", data=EVIL, pax_headers={"path": "../canary/file"})], REFUSED, "../canary/file"),
    "negative size by PAX": ([member("a", pax_headers={"size": "-1"})], REFUSED, "-1"),
    "negative owner by PAX": ([member("a", pax_headers={"uid": "-1"})], REFUSED, "-1"),
    "owner too large": ([member("a", pax_headers={"uid": "99999999999"})], REFUSED, "a"),
    "a time that is none": ([member("a", pax_headers={"mtime": "yesterday"})], REFUSED, "yesterday"),
    "a time far away": ([member("a", pax_headers={"mtime": "9" * 19})], REFUSED, "a"),
    "AUFS's own files": ([folder(".wh..wh.plnk"), member(".wh..wh.plnk/1.2", data=EVIL)], HARMLESS, ""),
}


def written(members: Members, canary: Path) -> io.BytesIO:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            info.linkname = info.linkname.replace("{canary}", str(canary))
            archive.addfile(info, io.BytesIO(data))
    sink.seek(0)
    return sink


def names(folder: Path) -> list[str]:
    """Every path below, of any depth."""
    done = subprocess.run(["find", folder, "-printf", "%P\\0"], capture_output=True, check=True)
    return sorted(os.fsdecode(done.stdout).split("\0"))


@pytest.fixture
def arena(place: Path) -> tuple[Path, Path, Path]:
    """(everything, target, canary): the canary lies beside the target and must not change."""
    target, canary = place / "target", place / "canary"
    target.mkdir()
    canary.mkdir()
    (canary / "file").write_bytes(b"as it was")
    (canary / "sub").mkdir()
    (canary / "sub" / "other").write_bytes(b"other")
    return place, target, canary


def outside(arena: tuple[Path, Path, Path]) -> dict[str, tuple[Any, ...]]:
    """All that can be told of what lies beside the target, times and link counts included."""
    everything, target, _ = arena
    found = {}
    for base, folders, files in os.walk(everything):
        for name in [".", *folders, *files]:
            path = Path(base, name)
            about = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
            found[str(path)] = (about.st_mode, about.st_nlink, about.st_uid, about.st_mtime_ns, content)
        folders[:] = [name for name in folders if base != str(everything) or name != target.name]
    del found[str(target)]
    return found


@pytest.mark.parametrize("whiteouts", ["apply", "overlay"])
@pytest.mark.parametrize("name", CORPUS)
def test_nothing_outside_the_target_changes(
    name: str, whiteouts: Literal["apply", "overlay"], arena: tuple[Path, Path, Path]
) -> None:
    members, verdict, shown = CORPUS[name]
    _, target, canary = arena
    before = outside(arena)
    tar = written(members, canary)
    lower = None if whiteouts == "apply" else {}.get
    if verdict == REFUSED:
        with pytest.raises(ImageInvalid) as caught:
            unpack_layer(tar, str(target), "layer-7", whiteouts=whiteouts, lower=lower, privileged=True)
        assert "layer-7" in str(caught.value)
        assert shown in str(caught.value)
        assert "\x1b" not in str(caught.value)
    else:
        unpack_layer(tar, str(target), "layer-7", whiteouts=whiteouts, lower=lower, privileged=True)
    assert outside(arena) == before


@pytest.mark.parametrize("name", [name for name in CORPUS if CORPUS[name][1] == HARMLESS])
def test_what_is_unpacked_lies_where_a_container_sees_it(name: str, arena: tuple[Path, Path, Path]) -> None:
    """Unprivileged and privileged put the same paths."""
    members, _, _ = CORPUS[name]
    place, target, canary = arena
    other = place / "target2"
    other.mkdir()
    unpack_layer(written(members, canary), str(target), "x", whiteouts="apply", lower=None, privileged=True)
    unpack_layer(written(members, canary), str(other), "x", whiteouts="apply", lower=None, privileged=False)
    assert names(target) == names(other)
    assert len(names(target)) > 2 or name == "AUFS's own files"


def test_a_path_through_a_link_lands_inside(arena: tuple[Path, Path, Path]) -> None:
    _, target, canary = arena
    tar = written([link("bin", "usr/bin"), member("bin/tool", data=b"#!"), link("e", "/etc"), member("e/x")], canary)
    unpack_layer(tar, str(target), "x", whiteouts="apply", lower=None, privileged=True)
    assert (target / "usr/bin/tool").read_bytes() == b"#!"
    assert (target / "etc/x").is_file()
    assert not os.path.lexists("/etc/x")


def block(name: bytes, size: int = 0, kind: bytes = b"0") -> bytes:
    return encode_header(Header(name, 0o644, 0, 0, size, 0, kind, b"", 0, 0))


def patched(raw: bytes, start: int, field: bytes) -> bytes:
    """A header block with one field changed and its checksum made right again."""
    raw = raw[:start] + field + raw[start + len(field) :]
    total = sum(raw[:148]) + 8 * 32 + sum(raw[156:512])
    return raw[:148] + b"%06o\0 " % total + raw[156:]


NEGATIVE = b"\xff" * 11 + b"\xf0"

BROKEN: dict[str, bytes] = {
    "cut in a header": block(b"a")[:300],
    "cut in a file": block(b"a", 5000) + b"x" * 1000,
    "cut in the padding": block(b"a", 10) + b"x" * 10,
    "a size that lies": block(b"a", 8 * 2**30) + bytes(1024),
    "a huge size by base 256": patched(block(b"a"), 124, b"\x80" + b"\x7f" * 11),
    "a negative size": patched(block(b"a"), 124, NEGATIVE),
    "a negative owner": patched(block(b"a"), 108, NEGATIVE[-8:]),
    "a size that is no number": patched(block(b"a"), 124, b"12x45678901\0"),
    "a negative octal number": patched(block(b"a"), 124, b"-0000000001\0"),
    "a wrong checksum": block(b"a")[:100] + b"0000755\0" + block(b"a")[108:],
    "not a tar": b"hello, world\n" * 100,
    "no name": block(b""),
    "GNU sparse": block(b"a", 0, b"S"),
    "multi-volume": block(b"a", 0, b"M"),
    "an extended header that is too large": block(b"a", 1 << 21, b"x") + bytes(1 << 21) + block(b"a"),
    "a long name that is too large": block(b"a", 1 << 30, b"L"),
    "many extended headers": (block(b"x", 1 << 19, b"x") + b"524288 comment=" + b"c" * (524288 - 16) + b"\n") * 3
    + block(b"a"),
    "an extended header cut short": block(b"a", 600, b"x") + b"600 path=a",
    "a PAX record without a length": block(b"a", 512, b"x") + b"path=a\n".ljust(512, b"x") + block(b"a"),
    "a PAX record that is too long": block(b"a", 12, b"x") + b"99 path=abc\n".ljust(512, b"\0") + block(b"a"),
    "a PAX record of length 0": block(b"a", 12, b"x") + b"0 path=abcd\n".ljust(512, b"\0") + block(b"a"),
    "a global name": block(b"a", 10, b"g") + b"10 path=a\n".ljust(512, b"\0") + block(b"b"),
    "a global size": block(b"a", 10, b"g") + b"10 size=5\n".ljust(512, b"\0") + block(b"b"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tars_are_refused(name: str, arena: tuple[Path, Path, Path]) -> None:
    before = outside(arena)
    with pytest.raises(ImageInvalid, match="layer-7"):
        unpack_layer(io.BytesIO(BROKEN[name]), str(arena[1]), "layer-7", whiteouts="apply", lower=None, privileged=True)
    assert outside(arena) == before


def test_every_cut_of_a_layer_is_refused_or_whole(packed: Callable[..., io.BytesIO], fresh: Any) -> None:
    """Cut anywhere, a tar is never read as something else; only at a member's border it looks complete."""
    from lamella.filetree.entry import FILE, Entry

    whole = packed((Entry("a" * 120, FILE), b"x" * 700), (Entry("b", FILE), b"")).read()
    assert len(whole) == 4096  # extended header, header, 1024 of content; another header; the end
    for size in range(64, 3072, 64):
        if size == 2560:
            continue
        tar = io.BytesIO(whole[:size])
        with pytest.raises(ImageInvalid):
            unpack_layer(tar, str(fresh()), "x", whiteouts="apply", lower=None, privileged=True)


def test_a_gzip_bomb_is_stopped(fresh: Callable[[], Path]) -> None:
    import gzip

    bomb = gzip.compress(block(b"a", 300 << 20) + bytes(300 << 20), 1)
    with pytest.raises(ImageInvalid, match="more than"):
        tar = open_decompressed(io.BytesIO(bomb), "layer-7", limit=8 << 20)
        unpack_layer(tar, str(fresh()), "layer-7", whiteouts="apply", lower=None, privileged=True)
    with pytest.raises(ImageInvalid, match="100 times"):
        tar = open_decompressed(io.BytesIO(bomb), "layer-7", ratio=100)
        while tar.read(1 << 20):
            pass


def test_random_damage_never_gets_out_as_another_error(
    packed: Callable[..., io.BytesIO], arena: tuple[Path, Path, Path]
) -> None:
    """Bytes flipped anywhere in a tar: an error of this project, or a layer; never a traceback, never a stray file."""
    import random

    from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry

    whole = packed(
        Entry("d", DIRECTORY, 0o755),
        (Entry("d/" + "n" * 200, FILE, uid=2**22, xattrs=(("user.a", b"1"),)), b"x" * 600),
        Entry("d/l", SYMLINK, link="../" + "t" * 120),
        (Entry("f", FILE, mtime=-(10**9)), b"y"),
        Entry("h", HARDLINK, link="f"),
    ).read()
    before = outside(arena)
    dice = random.Random(7)
    errors = 0
    for turn in range(400):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 1, 2, 5])):
            damaged[dice.randrange(len(damaged))] = dice.choice([0, 0x20, 0x2F, 0x2E, 0x31, 0x80, 0xFF])
        for start in range(0, len(damaged) - 511, 512):
            # Half of them get their checksums made right, to get past that check.
            if turn % 2 and damaged[start + 257 : start + 262] == b"ustar":
                total = sum(damaged[start : start + 148]) + 256 + sum(damaged[start + 156 : start + 512])
                damaged[start + 148 : start + 156] = b"%06o\0 " % total
        target = arena[1] / str(turn)
        target.mkdir()
        try:
            unpack_layer(io.BytesIO(damaged), str(target), "x", whiteouts="apply", lower=None, privileged=True)
        except LamellaError:
            errors += 1
    assert 100 < errors < 400 or current().in_namespace  # where most of the owners that come up are not there
    assert outside(arena) == before
