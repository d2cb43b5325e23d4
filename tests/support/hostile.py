"""The corpus of hostile layers: what each holds, on a harmless layer, and what has to become of it.

The table is code, since most of these tars cannot be written by any archiver. ``tests/data/hostile`` holds what Lamella
says of each, and what other programs do with the same tars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from lyingtar import (
    BLOCKDEV,
    CHAR,
    DIR,
    END,
    FIFO,
    FILE,
    HARD,
    LINK,
    SPARSE,
    base256,
    device,
    folder,
    gnu,
    hard,
    header,
    link,
    member,
    padded,
    pax,
    record,
)

Parts = list[bytes]
Tree = dict[str, str | None]
"""Path → what is there, ``None`` for what is gone: the difference to the harmless layer alone. A file is ``f CONTENT``,
a directory ``d``, a link ``l TARGET``, another name of a file ``h FIRST``, a device ``c 1,3``, a fifo ``p``; modes and
owners other than the usual come behind it. ``@`` is the canary."""


class Case(NamedTuple):
    """``parts`` makes the layer of the path of the canary, a folder outside. ``says`` is what the message has to hold
    where it is refused, and ``path`` how it names the path ("" where there is none to name); ``tree`` is what becomes
    of a layer that is not refused."""

    parts: Callable[[str], Parts | Iterator[bytes]]
    tree: Tree | None = None
    path: str = ""
    says: str = ""
    end: bytes = END

    @property
    def refused(self) -> bool:
        return self.tree is None

    def layer(self, canary: str) -> bytes:
        return b"".join(self.parts(canary)) + self.end


def lower_layer() -> bytes:
    """The harmless layer below each of them."""
    return b"".join(
        (
            folder("bin-dir"), link("bin", "usr/bin"), folder("etc"), member("etc/passwd", b"root"), folder("home"),
            folder("home/user"), member("home/user/file", b"1"), link("link", "home/user"), folder("usr"),
            folder("usr/bin"), member("usr/bin/tool", b"tool", mode=0o755), END,
        )
    )  # fmt: skip


E = b"evil"
FAR = b"../../../../../../../../../.."
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def evil(name: str | bytes) -> bytes:
    return member(name, E)


def named(name: bytes, *more: bytes) -> Parts:
    """A file with this name, said by PAX."""
    return [pax(record("path", name), *more), member("short", E)]


def _xattr(key: str, value: bytes = b"y", *, kind: bytes = FILE) -> Parts:
    return [pax(record(f"SCHILY.xattr.{key}", value)), member("x", b"", kind=kind)]


def _parts(*parts: bytes) -> Callable[[str], Parts]:
    return lambda _: list(parts)


def refused(parts: Callable[[str], Parts | Iterator[bytes]], path: str, says: str, end: bytes = END) -> Case:
    return Case(parts, None, path, says, end)


def _no(path: str, says: str, *parts: bytes, end: bytes = END) -> Case:
    return refused(_parts(*parts), path, says, end)


def _ok(tree: Tree, *parts: bytes, end: bytes = END) -> Case:
    return Case(_parts(*parts), tree, end=end)


def _names() -> Iterator[tuple[str, Case]]:
    yield "absolute name", _ok({"etc/passwd": "f evil"}, evil("/etc/passwd"))
    yield "absolute name, many slashes", _ok({"etc/passwd": "f evil"}, evil("///etc//passwd"))
    yield "absolute name of the canary", Case(lambda c: [evil(f"{c}/file")], {"@": "f evil"})
    yield "..", _no("'..'", "leads out", folder(".."))
    yield "../ before a name", _no("'../x'", "leads out", evil("../x"))
    yield ".. in the middle, leading out", _no("'etc/../../x'", "leads out", evil("etc/../../x"))
    yield ".. in the middle, staying inside", _no("'etc/../x'", "leads out", evil("etc/../x"))
    yield ".. at the end", _no("'etc/..'", "leads out", folder("etc/.."))
    yield ".. behind the root", _no("'/../x'", "leads out", evil("/../x"))
    yield ".. with dots around", _no("'./.././x'", "leads out", evil("./.././x"))
    yield "three dots are a name", _ok({"...": "f evil"}, evil("..."))
    yield "a name that ends in dots", _ok({"a..": "f evil"}, evil("a.."))
    yield "backslashes are letters", _ok({"..\\..\\x": "f evil"}, evil("..\\..\\x"))
    yield "dots between", _ok({"etc/passwd": "f evil"}, evil("./etc/./././passwd"))
    yield "an empty name", _no("", "no name", evil(""))
    yield "a name of slashes is the root", _ok({"": "d 0644", "x": "f evil"}, member("////", E), evil("x"))
    yield "the root as a file", _no("'.'", "root directory", evil("."))
    yield "the root as a symbolic link", Case(lambda c: [link("./", c)], None, "'./'", "root directory")
    yield "the root as a hard link", _no("'./'", "root directory", hard("./", "etc/passwd"))
    yield "the root as a device", _no("'.'", "root directory", device(".", 1, 3))
    yield "the root with another mode", _ok({"": "d 0700"}, folder("./", 0o700))
    yield "proc and its like", _ok(
        {"proc": "d", "proc/self": "d", "proc/self/root": "d", "proc/self/root/x": "f evil", "dev": "d", "dev/fd": "d",
         "dev/fd/0": "f evil"},
        evil("proc/self/root/x"), evil("/dev/fd/0"),
    )  # fmt: skip
    yield "NUL in a PAX name", Case(lambda _: named(b"a\0b"), None, r"'a\x00b'", "NUL")
    yield "NUL in a ustar name ends it", _ok({"a": "f evil"}, evil(b"a\0/../../x"))
    yield "NUL in a GNU name ends it", _ok({"a": "f evil"}, gnu(b"L", b"a\0/../../x"), evil("short"))
    yield "newline and escape", _ok({"a\n\x1b[2Jb": "f evil"}, evil("a\n\x1b[2Jb"))
    yield "control characters in a refused name", _no(r"'..\x1b[2J\n/../x'", "leads out", evil("..\x1b[2J\n/../x"))
    yield "bidirectional control in a refused name", _no(r"\u202e", "leads out", evil("../\u202etxt.exe"))
    yield "not UTF-8", _ok({"\udcff\udcfe": "f evil"}, evil(b"\xff\xfe"))
    yield "not UTF-8 in a refused name", _no(r"\xff", "leads out", evil(b"../\xff"))
    yield (
        "case twins",
        _ok({"Twin": "f evil", "twin": "f evil", "TWIN": "f evil"}, *map(evil, ("Twin", "twin", "TWIN"))),
    )
    yield (
        "Unicode twins",
        _ok(
            {
                "caf\u00e9": "f evil",
                "cafe\u0301": "f evil",
                "\u212a": "f evil",
                "K": "f evil",
                "\uff0e\uff0e": "f evil",
            },
            *map(evil, ("caf\u00e9", "cafe\u0301", "\u212a", "K", "\uff0e\uff0e")),
        ),
    )
    yield (
        "slashes that are none",
        _ok({"a\u2215b": "f evil", "..\u2044x": "f evil"}, evil("a\u2215b"), evil("..\u2044x")),
    )
    yield "a name of 255 bytes", _ok({"n" * 255: "f evil"}, evil("n" * 255))
    yield "a name of 256 bytes", _no("'nnn", "too long", evil("n" * 256))
    yield "a path of 4096 bytes", _no("'n/n/n", "too long", evil("n/" * 2047 + "nn"))
    yield "2,000 directories deep, then replaced", _ok({"d": "f evil"}, member("d/" * 2000 + "x", b"1"), evil("d"))
    yield "100,000 directories deep", _no("'d/d/d", "too long", evil("d/" * 100_000 + "x"))
    yield (
        "deeper by a link than a path may be",
        _no("l/e/e", "too deep", evil("d/" * 1500 + "x"), link("l", "d/" * 1500), evil("l/" + "e/" * 1500 + "x")),
    )
    yield "a ustar prefix that leads out", _no("'../../etc/x'", "leads out", member("etc/x", E, prefix=b"../.."))
    yield "a ustar prefix that is absolute", _ok({"etc/passwd": "f evil"}, member("passwd", E, prefix=b"/etc"))
    yield "a prefix in GNU's format is none", _ok({"x": "f evil"}, member("x", E, prefix=b"../..", magic=b"ustar  \0"))


def _links() -> Iterator[tuple[str, Case]]:
    yield "a file through a link out", Case(lambda c: [link("out", c), evil("out/file")], {"out": "l @", "@": "f evil"})
    yield (
        "a file through a relative link out",
        _ok({"out": f"l {FAR.decode()}", "x": "f evil"}, link("out", FAR), evil("out/x")),
    )
    yield (
        "a file through a link into proc",
        _ok(
            {
                "p": "l /proc/self/root",
                "proc": "d",
                "proc/self": "d",
                "proc/self/root": "d",
                "proc/self/root/x": "f evil",
            },
            link("p", "/proc/self/root"),
            evil("p/x"),
        ),
    )
    yield "a chain of links to the root", _ok(
        {"a": "l b", "b": "l c", "c": "l /", "etc/passwd": "f evil"},
        link("a", "b"), link("b", "c"), link("c", "/"), evil("a/etc/passwd"),
    )  # fmt: skip
    yield (
        "a chain that climbs",
        _ok({"a": "l etc/..", "b": "l a/../..", "x": "f evil"}, link("a", "etc/.."), link("b", "a/../.."), evil("b/x")),
    )
    yield "a lower link is followed inside", _ok({"usr/bin/x": "f evil"}, evil("bin/x"))
    yield "a loop of links", _no(": a: ", "symbolic links", link("a", "b"), link("b", "a"), evil("a/x"))
    yield "a link to itself", _no(": a: ", "symbolic links", link("a", "a"), evil("a/x"))
    yield (
        "more links than the kernel follows",
        _no(": l0: ", "symbolic links", *(link(f"l{n}", f"l{n + 1}") for n in range(41)), folder("l41"), evil("l0/x")),
    )
    yield "a link with an empty target", _no("'a'", "symbolic link", link("a", ""))
    yield (
        "a link with a NUL in its target",
        _no("'a'", "symbolic link", pax(record("linkpath", b"x\0y")), link("a", "z")),
    )
    yield "a link whose target is too long", _no("'a'", "symbolic link", link("a", "t/" * 2048))
    yield "a file over a link out", Case(lambda c: [link("a", f"{c}/file"), evil("a")], {"a": "f evil"})
    yield "a file over a lower link", _ok({"bin": "f evil"}, evil("bin"))
    yield (
        "a directory over a link out",
        Case(lambda c: [link("a", c), folder("a", 0o777), evil("a/file")], {"a": "d 0777", "a/file": "f evil"}),
    )
    yield "a directory over a lower link", _ok({"link": "d", "link/x": "f evil"}, folder("link"), evil("link/x"))
    yield (
        "a link over a directory half way",
        Case(lambda c: [folder("a"), member("a/1", b"1"), link("a", c), evil("a/file")], {"a": "l @", "@": "f evil"}),
    )
    yield (
        "a link over a lower directory half way",
        Case(
            lambda c: [member("home/user/2", b"2"), link("home", c), evil("home/file")],
            {"home": "l @", "home/user": None, "home/user/file": None, "@": "f evil"},
        ),
    )
    yield (
        "a link in place of a parent, and back",
        Case(lambda c: [folder("a/b"), link("a", c), folder("a"), evil("a/file")], {"a": "d", "a/file": "f evil"}),
    )
    yield (
        "a link to the root that is replaced through itself",
        _ok({"a": "d", "a/a": "f evil"}, link("a", "/"), member("a/a", kind=FIFO), evil("a/a")),
    )
    yield (
        "a link that is replaced through itself by another",
        _ok({"a": "l etc", "etc/x": "f evil"}, link("a", "/"), link("a/a", "etc"), evil("a/x")),
    )
    yield (
        "a link that is replaced through itself by a hard link",
        _ok({"a": "d", "a/x": "f 2", "f": "f evil"}, evil("f"), link("a", "/"), hard("a/a", "f"), member("a/x", b"2")),
    )
    yield (
        "a directory half way that is replaced through the way",
        _ok({"d": "d", "l": "l d/..", "x": "f evil"}, folder("d"), link("l", "d/.."), evil("l/d"), evil("l/x")),
    )
    yield "a fifo over a link out", Case(lambda c: [link("a", f"{c}/file"), member("a", kind=FIFO)], {"a": "p"})
    yield "a device over a link out", Case(lambda c: [link("a", f"{c}/file"), device("a", 1, 3)], {"a": "c 1,3"})
    yield "setuid on a link", _ok({"s": "l etc/passwd"}, member("s", kind=LINK, link=b"etc/passwd", mode=0o7777))
    yield (
        "a link that owns",
        Case(
            lambda c: [member("s", kind=LINK, link=f"{c}/file".encode(), uid=4242, mode=0o777)],
            {"s": "l @/file 4242:0"},
        ),
    )
    yield "a link with content", _no("", "", member("s", padded(evil("../x")), kind=LINK, link=b"y"))


def _hard_links() -> Iterator[tuple[str, Case]]:
    missing = "hard link"
    yield "hard link out", _no("'../canary/file'", "leads out", hard("a", "../canary/file"))
    yield "hard link to an absolute path", Case(lambda c: [hard("a", f"{c}/file")], None, "a", missing)
    yield "hard link through a link out", Case(lambda c: [link("out", c), hard("a", "out/file")], None, "a", missing)
    yield (
        "hard link to a link out",
        Case(lambda c: [link("l", f"{c}/file"), hard("a", "l"), evil("a")], {"l": "l @/file", "a": "f evil"}),
    )
    yield (
        "hard link to a link out, then chmod by a second name",
        Case(lambda c: [link("l", f"{c}/file"), hard("a", "l")], {"a": "l @/file", "l": "h a"}),
    )
    yield "hard link to nothing", _no("a", missing, hard("a", "nothing"))
    yield "hard link with an empty target", _no("", "no name", hard("a", ""))
    yield "hard link to a directory", _no("a", missing, folder("d"), hard("a", "d"))
    yield "hard link to the root", _no("a", missing, hard("a", "/"))
    yield "hard link to itself", _no("a", missing, hard("a", "a"))
    yield "hard link to itself, brought before", _ok({"a": "f evil"}, evil("a"), hard("a", "a"))
    yield "hard link before its target", _no("a", missing, hard("a", "b"), evil("b"))
    yield "hard link to a whiteout", _no("a", missing, member(".wh.b"), hard("a", ".wh.b"))
    yield "hard link to what a whiteout removed", _no("a", missing, member("etc/.wh.passwd"), hard("a", "etc/passwd"))
    yield "hard link to a file of a lower layer", _no("a", missing, hard("a", "etc/passwd"))
    yield "hard link to a lower file by a lower link", _no("a", missing, hard("a", "bin/tool"))
    yield (
        "hard link named like a whiteout",
        _ok({"etc/passwd": None, "x": "f evil"}, evil("x"), hard("etc/.wh.passwd", "x")),
    )
    yield "hard link to what it replaces", _no("d", missing, member("d/f", b"1"), hard("d", "d/f"))
    yield (
        "hard link over a directory with another name of it",
        _no("d", missing, member("d/f", b"1"), hard("d/g", "d/f"), hard("d", "d/g")),
    )
    yield "hard link to a device", _ok({"a": "c 1,5", "n": "h a"}, device("a", 1, 5), hard("n", "a"))
    yield "hard link with content", _no("", "", evil("f"), member("a", padded(evil("../x")), kind=HARD, link=b"f"))
    yield (
        "three names, one replaced",
        _ok({"a": "f evil", "b": "f new", "c": "h a"}, evil("a"), hard("b", "a"), hard("c", "b"), member("b", b"new")),
    )
    yield (
        "a name written through another",
        _ok({"a": "f evil", "b": "f 2"}, evil("a"), hard("b", "a"), member("b", b"2")),
    )
    yield (
        "attributes by a hard link",
        _ok({"a": "f evil", "b": "h a"}, evil("a"), member("b", kind=HARD, link=b"a", mode=0o6777, uid=5)),
    )


def _special() -> Iterator[tuple[str, Case]]:
    yield "character device", _ok({"a": "c 5,1"}, device("a", 5, 1))
    yield "block device of the disk", _ok({"a": "b 8,0"}, device("a", 8, 0, BLOCKDEV))
    yield "overlayfs's whiteout", _no("'a'", "0:0", device("a", 0, 0))
    yield "a block device 0:0 is none", _ok({"a": "b 0,0"}, device("a", 0, 0, BLOCKDEV))
    yield "a device number that is none", _no("'a'", "device number", device("a", 5000, 1))
    yield "a device with content", _no("", "", member("a", padded(evil("../x")), kind=CHAR, device=(1, 3)))
    yield "fifo", _ok({"a": "p"}, member("a", kind=FIFO))
    yield "a socket has no type", _no("'a'", "type", member("a", kind=b"s"))
    yield "Solaris's door", _no("'a'", "type", member("a", kind=b"D"))
    yield "an unknown vendor's type", _no("'a'", "type", member("a", kind=b"Z"))
    yield "multi-volume", _no("'a'", "type", member("a", kind=b"M"))
    yield "a volume label is passed over", _ok({"x": "f evil"}, member("../label", kind=b"V"), evil("x"))
    yield "setuid, setgid and sticky", _ok({"su": "f evil 7755"}, member("su", E, mode=0o7755))
    yield "type bits in the mode", _ok({"x": "f evil"}, member("x", E, mode=0o120644))
    yield "a contiguous file", _ok({"x": "f evil"}, member("x", E, kind=b"7"))
    yield "GNU sparse", _no("'x'", "sparse", member("x", E, kind=SPARSE))
    yield (
        "PAX sparse 0.1",
        _no("'x'", "sparse", pax(record("GNU.sparse.size", "1000000"), record("GNU.sparse.map", "0,4")), evil("x")),
    )
    yield "PAX sparse 1.0", _no(
        "'x'", "sparse",
        pax(record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0"), record("GNU.sparse.name", "x"),
            record("GNU.sparse.realsize", "1000000")),
        member("x", b"1\n0\n4\n".ljust(512, b"\0") + E),
    )  # fmt: skip
    yield (
        "a sparse name that hides another",
        _no("'x'", "sparse", pax(record("GNU.sparse.name", "../../etc/passwd")), evil("x")),
    )
    yield "a directory with content", _no("", "", member("d", padded(evil("../x")), kind=DIR))
    yield "a directory by its slash", _ok({"d": "d"}, member("d/", kind=b"\0", mode=0o755))
    yield "a directory by its slash, with content", _ok({"d": "d"}, member("d/", E, mode=0o755))


def _whiteouts() -> Iterator[tuple[str, Case]]:
    gone: Tree = {"home/user": None, "home/user/file": None}
    yield "whiteout of nothing", _no("'.wh.'", "names nothing", member(".wh."))
    yield "whiteout of .", _no("'etc/.wh..'", "names nothing", member("etc/.wh.."))
    yield "whiteout of ..", _no("'etc/.wh...'", "names nothing", member("etc/.wh..."))
    yield "whiteout with a slash behind it", _ok({"home/user": None, "home/user/file": None}, folder("home/.wh.user/"))
    yield "whiteout with a path in it", _no("'.wh.home/user'", "inside a whiteout", member(".wh.home/user"))
    yield "whiteout of a path that leads out", _no("'.wh../x'", "inside a whiteout", member(".wh../x"))
    yield "a file in a whiteout", _no("'.wh.a/b'", "inside a whiteout", evil(".wh.a/b"))
    yield "whiteout through ..", _no("'home/../.wh.etc'", "leads out", member("home/../.wh.etc"))
    yield "whiteout through a link out", Case(lambda c: [link("out", c), member("out/.wh.file")], {"out": "l @"})
    yield "whiteout through a lower link", _ok({"usr/bin/tool": None}, member("bin/.wh.tool"))
    yield "whiteout of what is not there", _ok({}, member("nowhere/.wh.x"), member(".wh.y"))
    yield (
        "whiteout of its own parent",
        _ok({"home/user/file": None, "home/user/x": "f evil"}, evil("home/user/x"), member("home/.wh.user")),
    )
    yield "whiteout of what the layer brings", _ok({"x": "f evil"}, evil("x"), member(".wh.x"))
    yield "whiteout of a directory that a link leads through", _ok(
        {"l": "l home/../etc", "etc/x": "f evil", "home": None, "home/user": None, "home/user/file": None},
        link("l", "home/../etc"), evil("l/x"), member(".wh.home"),
    )  # fmt: skip
    yield (
        "whiteout of a directory that was made on a link's way",
        _ok({"l": "l new/..", "new": "d", "x": "f evil"}, link("l", "new/.."), evil("l/x"), member(".wh.new")),
    )
    yield "whiteout of a whiteout", _ok({}, member(".wh..wh.x"))
    yield "whiteout that is a directory", _ok(gone, folder("home/.wh.user"))
    yield "whiteout that is a link out", Case(lambda c: [link("home/.wh.user", c)], gone)
    yield "whiteout that is a device", _ok(gone, device("home/.wh.user", 1, 3))
    yield "whiteout with content", _ok(gone, member("home/.wh.user", E))
    yield "the root made opaque", _ok(
        {"bin": None, "bin-dir": None, "etc": None, "etc/passwd": None, "home": None, "home/user": None,
         "home/user/file": None, "link": None, "usr": None, "usr/bin": None, "usr/bin/tool": None, "x": "f evil"},
        evil("x"), member(".wh..wh..opq"),
    )  # fmt: skip
    yield (
        "an opaque directory, said last",
        _ok(
            {"home/user": None, "home/user/file": None, "home/x": "f evil"}, evil("home/x"), member("home/.wh..wh..opq")
        ),
    )
    yield "opaque through a link out", Case(lambda c: [link("out", c), member("out/.wh..wh..opq")], {"out": "l @"})
    yield "opaque on a file", _ok({}, member("etc/passwd/.wh..wh..opq"))
    yield "opaque below a whiteout", _ok({}, member(".wh.a/.wh..wh..opq"))
    yield "AUFS's own files", _ok({}, folder(".wh..wh.plnk"), evil(".wh..wh.plnk/1.2"), evil(".wh..wh.aufs"))
    yield "whiteout that became a name by case", _ok({".WH.etc": "f evil"}, evil(".WH.etc"))


def _numbers() -> Iterator[tuple[str, Case]]:
    yield "a negative size, base 256", _no("'x'", "size", member("x", size=base256(-16)))
    yield "a huge size, base 256", _no("'x'", "size", member("x", size=b"\x80" + b"\x7f" * 11))
    yield "a size beyond the end", _no("x", "ends in the middle", member("x", size=8**11 - 1, data=E), end=b"")
    yield "a size of 2**63", _no("'x'", "size", member("x", size=base256(2**63)))
    yield "an octal size with a sign", _no("x", "number", member("x", size=b"-0000000001\0"))
    yield "octal garbage as a size", _no("", "number", member("x", size=b"12x45678901\0"))
    yield "an octal size with underscores", _no("x", "number", member("x", size=b"0_000_00016\0"))
    yield "an octal size with a prefix", _no("x", "number", member("x", size=b"0o000000016\0"))
    yield "digits 8 and 9", _no("", "number", member("x", size=b"00000000089\0"))
    yield (
        "a size by PAX that is less than it is",
        _no("", "checksum", pax(record("size", "1")), member("x", bytes(b"\1" * 600))),
    )
    yield "a size by PAX that is negative", _no("'-1'", "size", pax(record("size", "-1")), evil("x"))
    yield "a size by PAX that is no number", _no("'0x10'", "size", pax(record("size", "0x10")), evil("x"))
    yield "a size by PAX of forty digits", _no("size", "", pax(record("size", "9" * 40)), evil("x"))
    yield (
        "a size by PAX on a directory is nothing",
        _ok({"d": "d", "x": "f evil"}, pax(record("size", "512")), folder("d"), evil("x")),
    )
    yield "a negative owner, base 256", _no("'x'", "owner", member("x", uid=base256(-2, 8)))
    yield "an owner out of range", _no("'x'", "owner", pax(record("uid", "4294967296")), evil("x"))
    yield "the owner that means nobody changed", _no("'x'", "owner", pax(record("gid", "4294967295")), evil("x"))
    yield "the largest owner", _ok({"x": "f evil 4294967294:0"}, pax(record("uid", "4294967294")), evil("x"))
    yield "a negative owner by PAX", _no("'-1'", "uid", pax(record("uid", "-1")), evil("x"))
    yield "a negative time", _ok({"x": "f evil"}, member("x", E, mtime=base256(-1)))
    yield "a time in the far future", _no("'x'", "time", member("x", mtime=base256(2**62)))
    yield "a time that is no number", _no("'yesterday'", "time", pax(record("mtime", "yesterday")), evil("x"))
    yield "a time with a thousand digits", _ok({"x": "f evil"}, pax(record("mtime", "1." + "9" * 1000)), evil("x"))
    yield "octal garbage as a time", _no("", "number", member("x", mtime=b"12:34:56\0\0\0\0"))
    yield "octal garbage as a mode", _no("", "number", member("x", mode=b"rwxr-x\0\0"))


def _extended() -> Iterator[tuple[str, Case]]:
    yield "a PAX record longer than its header", _no("", "cut or too long", pax(b"99 path=abc\n"), evil("x"))
    yield "a PAX record of length 0", _no("", "PAX", pax(b"0 path=abcd\n"), evil("x"))
    yield "a PAX record of length 1", _no("", "PAX", pax(b"1 path=abcd\n"), evil("x"))
    yield "a PAX record shorter than it is", _no("", "PAX", pax(b"8 path=abcdef\n"), evil("x"))
    yield "a PAX record without a length", _no("", "PAX", pax(b"path=a\n"), evil("x"))
    yield "a PAX record without =", _no("", "PAX", pax(b"9 abcdef\n"), evil("x"))
    yield "a PAX length of a hundred digits", _no("", "PAX", pax(b"1" * 100 + b" path=a\n"), evil("x"))
    yield "a PAX name that leads out", Case(lambda _: named(b"../x"), None, "'../x'", "leads out")
    yield "an empty PAX name", Case(lambda _: named(b""), None, "", "no name")
    yield (
        "a PAX name twice, the last counts",
        Case(lambda _: named(b"first", record("path", "second")), {"second": "f evil"}),
    )
    yield (
        "two PAX headers, the last counts",
        _ok({"two": "f evil"}, pax(record("path", "one")), pax(record("path", "two")), evil("x")),
    )
    yield (
        "GNU and PAX names of one member",
        _no("'gnu'", "'pax'", gnu(b"L", b"gnu"), pax(record("path", "pax")), evil("x")),
    )
    yield (
        "PAX and GNU links of one member",
        _no("'pax'", "'gnu'", pax(record("linkpath", "pax")), gnu(b"K", b"gnu"), link("x", "y")),
    )
    yield (
        "a PAX header for a PAX header",
        _ok({"x": "f evil"}, pax(record("comment", "a")), pax(record("comment", "b")), evil("x")),
    )
    yield "a global name", _no("", "global", pax(record("path", "a"), kind=b"g"), evil("x"))
    yield "a global link", _no("", "global", pax(record("linkpath", "/etc"), kind=b"g"), link("x", "y"))
    yield "a global size", _no("", "global", pax(record("size", "0"), kind=b"g"), evil("x"))
    yield "a global owner counts", _ok({"x": "f evil 7:0"}, pax(record("uid", "7"), kind=b"g"), evil("x"))
    yield "a GNU name of a gigabyte", _no("", "too large", header(b"././@LongLink", b"L", size=1 << 30), evil("x"))
    yield "a GNU link of a gigabyte", _no("", "too large", header(b"././@LongLink", b"K", size=1 << 30), evil("x"))
    yield "a PAX header of a gigabyte", _no("", "too large", header(b"p", b"x", size=1 << 30), evil("x"))
    yield "a PAX header of negative size", _no("", "too large", header(b"p", b"x", size=base256(-512)), evil("x"))
    yield "PAX headers without end", _no("", "too large", *([pax(record("comment", "c" * 500_000))] * 3), evil("x"))
    yield (
        "global headers without end",
        _no("", "too large", *(pax(record(f"c{n}", "c" * 300_000), kind=b"g") + evil(f"x{n}") for n in range(8))),
    )
    yield "an extended header at the end", _no("", "extended", evil("x"), pax(record("path", "y")))
    yield (
        "a GNU name that is not ended",
        _ok({"nameless": "f evil"}, header(b"././@LongLink", b"L", size=8) + padded(b"nameless"), evil("x")),
    )
    for key in ("trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque", "user.overlay.whiteout"):
        yield f"the attribute {key}", Case(lambda _, key=key: _xattr(key), None, "x", key)  # type: ignore[misc]
    yield (
        "the attribute trusted.overlay.opaque on a directory",
        Case(lambda _: _xattr("trusted.overlay.opaque", kind=DIR), None, "x", "trusted.overlay.opaque"),
    )
    yield "the attribute trusted.other is left out", Case(lambda _: _xattr("trusted.other"), {"x": "f "})
    yield "the attribute security.selinux is left out", Case(lambda _: _xattr("security.selinux"), {"x": "f "})
    yield (
        "the attribute system.posix_acl_access is left out",
        Case(lambda _: _xattr("system.posix_acl_access"), {"x": "f "}),
    )
    yield "Lamella's own attribute is left out", Case(lambda _: _xattr("user.lamella.stat", b"c 0 0 8 0"), {"x": "f "})
    yield "a capability that is none", Case(lambda _: _xattr("security.capability", b"\xff" * 7), None, "x", "")
    yield "a capability", Case(lambda _: _xattr("security.capability", CAPABILITY), {"x": "f "})
    yield "an attribute of 100,000 bytes", Case(lambda _: _xattr("user.a", bytes(100_000)), None, "x", "attribute")
    yield "an attribute with a name of 300 bytes", Case(lambda _: _xattr("user." + "a" * 300), None, "x", "attribute")
    yield "an attribute with an empty name", Case(lambda _: _xattr(""), None, "x", "attribute")
    yield "an attribute with a NUL in its name", Case(lambda _: _xattr("user.a\0b"), None, "x", "attribute")
    yield "an attribute of a namespace that is none", Case(lambda _: _xattr("nonsense"), {"x": "f "})


def _duplicates() -> Iterator[tuple[str, Case]]:
    yield "file, file", _ok({"a": "f evil"}, member("a", b"1"), evil("a"))
    yield "file, directory", _ok({"a": "d"}, evil("a"), folder("a"))
    yield "file, link", _ok({"a": "l etc"}, evil("a"), link("a", "etc"))
    yield "directory, file", _ok({"a": "f evil"}, folder("a"), member("a/b", b"1"), evil("a"))
    yield "directory, directory", _ok({"a": "d 0700", "a/b": "f evil"}, folder("a"), evil("a/b"), folder("a", 0o700))
    yield "directory, link", _ok({"a": "l etc"}, folder("a"), member("a/b", b"1"), link("a", "etc"))
    yield "link, file", _ok({"a": "f evil"}, link("a", "etc"), evil("a"))
    yield "link, directory", _ok({"a": "d"}, link("a", "etc"), folder("a"))
    yield "link, link", _ok({"a": "l usr"}, link("a", "etc"), link("a", "usr"))
    yield (
        "file, directory, link, file",
        _ok({"a": "f evil"}, member("a", b"1"), folder("a"), link("a", "etc"), evil("a")),
    )
    yield "a file as a parent", _ok({"a": "d", "a/b": "f evil"}, member("a", b"1"), evil("a/b"))
    yield "a lower file as a parent", _ok({"etc/passwd": "d", "etc/passwd/x": "f evil"}, evil("etc/passwd/x"))
    yield "a device as a parent", _ok({"a": "d", "a/b": "f evil"}, device("a", 1, 3), evil("a/b"))
    yield "a thousand times the same", _ok({"a": "f evil"}, *([member("a", b"1")] * 1000), evil("a"))
    yield (
        "the same by other spellings",
        _ok({"etc/passwd": "f evil"}, member("/etc/passwd", b"1"), member("./etc//passwd", b"2"), evil("etc/./passwd")),
    )


def _streams() -> Iterator[tuple[str, Case]]:
    yield "an empty stream", _ok({}, end=b"")
    yield "only the end", _ok({})
    yield "no end", _ok({"x": "f evil"}, evil("x"), end=b"")
    yield "one block of zeros as the end", _ok({"x": "f evil"}, evil("x"), end=bytes(512))
    yield "members behind the end", _ok({"x": "f evil"}, evil("x"), END, evil("y"))
    yield "garbage behind the end", _ok({"x": "f evil"}, evil("x"), end=END + b"garbage" * 1000)
    yield "garbage instead of a header", _no("behind 'x'", "checksum", evil("x"), b"garbage!" * 64)
    yield "cut in a header", _no("behind 'x'", "middle", evil("x"), header(b"y")[:100], end=b"")
    yield "cut in a file", _no("y", "middle", evil("x"), member("y", b"1" * 1000)[:900], end=b"")
    yield "cut in the padding", _no("y", "middle", evil("x"), member("y", b"1" * 10)[:600], end=b"")
    yield "cut in an extended header", _no("", "middle", pax(record("comment", "c" * 900))[:800], end=b"")
    yield "a wrong checksum", _no("behind 'x'", "checksum", evil("x"), header(b"y", checksum=b"000000\0 "))
    yield "no checksum", _no("behind 'x'", "checksum", evil("x"), header(b"y", checksum=bytes(8)))
    yield "not a tar at all", _no("", "not a tar", b"#!/bin/sh\necho hello\n" * 100, end=b"")


def cases() -> dict[str, Case]:
    """The corpus, by name."""
    groups = (
        _names(), _links(), _hard_links(), _special(), _whiteouts(), _numbers(), _extended(), _duplicates(), _streams()
    )  # fmt: skip
    found: dict[str, Case] = {}
    for name, case in chain.from_iterable(groups):
        assert name not in found, name
        found[name] = case
    return found
