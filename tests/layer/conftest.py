"""Trees on disk, tars in memory, and strategies that draw them."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import strategies as st

from lamella.filetree.entry import FILE, Entry
from lamella.layer.changes import walk_tree
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem
from lamella.userns import current
from lamella.userns.standing import ROOT

#: cap_net_bind_service=ep, as the kernel stores it
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def _remove(path: str) -> None:
    # Some tests make trees too deep for shutil.
    subprocess.run(["rm", "-rf", path], check=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder, in memory where that can be had: thousands of files are made there."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="lamella-test-", dir=parent)
    yield Path(path)
    _remove(path)


@pytest.fixture(scope="session")
def fresh() -> Iterator[Callable[[], Path]]:
    """Call it for one more empty folder: for Hypothesis, whose examples share a test's fixtures."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = tempfile.mkdtemp(prefix="lamella-test-", dir=parent)
    made = 0

    def make() -> Path:
        nonlocal made
        made += 1
        path = Path(root, str(made))
        path.mkdir()
        return path

    yield make
    _remove(root)


@pytest.fixture(scope="session")
def packed() -> Callable[..., BinaryIO]:
    """``packed(entry, (entry, content) …)``: an uncompressed layer, ready to read."""

    def pack(*members: Entry | tuple[Entry, bytes]) -> BinaryIO:
        items = []
        for member in members:
            entry, data = member if isinstance(member[0], Entry) else (member, b"")
            items.append(PackItem(entry, None, data if entry.kind == FILE else None))
        sink = io.BytesIO()
        pack_layer(items, sink, compression="none")
        sink.seek(0)
        return sink

    return pack


@pytest.fixture(scope="session")
def seen() -> Callable[..., dict[str, Entry]]:
    """``seen(folder)``: what is on disk, path to entry with content digests, times cut to seconds; without the root."""

    def look(folder: Path, *, root: bool = False) -> dict[str, Entry]:
        found = {}
        for entry, host_path, *_ in walk_tree(str(folder)):
            if not entry.path and not root:
                continue
            digest = ""
            if entry.kind == FILE and host_path is not None:
                digest = hashlib.sha256(Path(host_path).read_bytes()).hexdigest()
            found[entry.path] = entry._replace(mtime=entry.mtime // 10**9 * 10**9, digest=digest)
        return found

    return look


_NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "c", "readme", ".hidden", "wh.x", ".wh", "a b", "ä", "日本", "new\nline", "back\\slash"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20),
    st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")).map(os.fsdecode),
    st.integers(90, 255).map(lambda length: "n" * length),
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh.") and len(os.fsencode(name)) < 256)
_MODES = st.sampled_from([0o644, 0o755, 0o600, 0o4755, 0o2755, 0o6711, 0o1777, 0o000, 0o7777])
_IDS = st.sampled_from([0, 0, 1000, 65534, 2**21 - 1, 2**21, 2**32 - 2])
_TIMES = st.sampled_from([0, 1, -5, 1_700_000_000, 2**31, 2**33, 2**33 + 7]).flatmap(
    lambda seconds: st.sampled_from([0, 1, 999_999_999]).map(lambda rest: seconds * 10**9 + rest)
)
_CONTENT = st.one_of(
    st.binary(max_size=40),
    st.integers(500, 1100).map(lambda size: b"x" * size),
    st.integers(1, 9).map(lambda byte: bytes([byte]) * 300_000),
)
_XATTRS = st.dictionaries(
    st.sampled_from(["user.a", "user.with=sign", "user.50%25", "user.ü"]), st.binary(max_size=30), max_size=2
)


def _common(kind: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"kind": st.just(kind), "mode": _MODES, "uid": _IDS, "gid": _IDS, "mtime": _TIMES, **fields}
    )


@pytest.fixture(scope="session")
def draw_tree() -> Callable[[st.DataObject], dict[str, Any]]:
    """Draws a folder: name to node; a node is a dictionary of what :func:`grow` makes of it."""
    leaves = st.one_of(
        _common("f", data=_CONTENT, xattrs=_XATTRS, capability=st.booleans()),
        _common("f", data=_CONTENT, xattrs=st.just({}), capability=st.just(False)),
        _common("l", link=st.sampled_from(["a", "../..", "/etc/passwd", "x" * 100, "x" * 101, "ü", "y" * 1000])),
        _common("p"),
        _common("c", device=st.sampled_from([(1, 3), (0, 1), (4095, 1048575)])),
        _common("b", device=st.sampled_from([(7, 0), (0, 0)])),
        st.fixed_dictionaries({"kind": st.just("h"), "which": st.integers(0, 100)}),
    )

    def folder(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return _common("d", below=st.dictionaries(_NAMES, children, max_size=4), xattrs=_XATTRS)

    nodes = st.recursive(leaves, folder, max_leaves=12)
    drawn = st.dictionaries(_NAMES, nodes, max_size=5)

    def draw(data: st.DataObject) -> dict[str, Any]:
        return data.draw(drawn)

    return draw


@pytest.fixture(scope="session")
def grow() -> Callable[..., None]:
    """Makes a drawn folder on disk; what is of one of the kinds ``linked`` may get further names. Needs root."""

    def make(folder: str, below: dict[str, Any], linked: str, linkable: list[str]) -> None:
        for name, node in below.items():
            path = f"{folder}/{name}"
            kind = node["kind"]
            if kind == "h":
                if linkable:
                    os.link(linkable[node["which"] % len(linkable)], path, follow_symlinks=False)
                continue
            if kind == "f":
                Path(path).write_bytes(node["data"])
            elif kind == "l":
                os.symlink(node["link"], path)
            elif kind == "p":
                os.mkfifo(path)
            elif kind in "cb" and current().kind != ROOT:
                Path(path).touch()
            elif kind in "cb":
                os.mknod(path, 0o020600 if kind == "c" else 0o060600, os.makedev(*node["device"]))
            else:
                os.mkdir(path)
                make(path, node["below"], linked, linkable)
            if kind in linked:
                linkable.append(path)
            os.chown(path, node["uid"], node["gid"], follow_symlinks=False)
            if kind != "l":
                os.chmod(path, node["mode"])
            for key, value in node.get("xattrs", {}).items():
                os.setxattr(path, key, value)
            if node.get("capability"):
                os.setxattr(path, "security.capability", CAPABILITY)
            os.utime(path, ns=(node["mtime"], node["mtime"]), follow_symlinks=False)

    def start(folder: Path, below: dict[str, Any], linked: str = "flpcb") -> None:
        make(str(folder), below, linked, [])

    return start


@pytest.fixture
def write_members() -> Callable[[Iterable[bytes]], BinaryIO]:
    """Raw blocks as a tar stream with its end."""
    return lambda parts: io.BytesIO(b"".join(parts) + bytes(1024))
