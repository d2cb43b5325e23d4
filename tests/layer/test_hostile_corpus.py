"""The corpus of hostile layers by every road: indexed, merged, unpacked over files, unpacked for overlayfs."""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile import Case, Tree, cases, lower_layer

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry
from lamella.filetree.tree import merge_layers
from lamella.layer.index import index_layer
from lamella.layer.unpack import unpack_layer

CASES = cases()
NAME = "sha256:" + "7" * 64
_LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def arena(fresh: Callable[[], Path]) -> Path:
    """A folder with a canary in it, beside which targets are made."""
    folder = fresh()
    (folder / "canary" / "sub").mkdir(parents=True)
    (folder / "canary" / "file").write_bytes(b"as it was")
    (folder / "canary" / "sub" / "other").write_bytes(b"other")
    return folder


def outside(arena: Path) -> list[object]:
    """The canary to the last time stamp, and every name beside it and beside that."""
    found: list[object] = [sorted(os.listdir(arena)), sorted(os.listdir("/"))]
    for path in (arena / "canary", *sorted((arena / "canary").rglob("*"))):
        about = path.lstat()
        found.append((about.st_mode, about.st_nlink, about.st_uid, about.st_mtime_ns, about.st_ctime_ns, path))
        found.append(path.read_bytes() if path.is_file() else b"")
    passwd = os.stat("/etc/passwd")
    return [*found, passwd.st_mtime_ns, passwd.st_ctime_ns, passwd.st_nlink, os.path.lexists("/etc/x")]


def described(entry: Entry, content: dict[str, bytes]) -> str:
    """As the table writes it."""
    owner = f" {entry.uid}:{entry.gid}" if entry.uid or entry.gid else ""
    if entry.kind == FILE:
        mode = f" {entry.mode:o}" if entry.mode & 0o7000 else ""
        return f"f {content[entry.digest].decode()}{mode}{owner}"
    if entry.kind == DIRECTORY:
        return "d" + (f" {entry.mode:04o}" if entry.mode != 0o755 else "")
    if entry.kind in (SYMLINK, HARDLINK):
        return f"{'l' if entry.kind == SYMLINK else 'h'} {entry.link}{owner}"
    return entry.kind + (f" {entry.major},{entry.minor}" if entry.kind in "bc" else "")


CONTENT = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"evil", b"new", b"root", b"tool", b"1", b"2")}


def difference(before: dict[str, Entry], after: dict[str, Entry], canary: str) -> Tree:
    inside = canary.lstrip("/")
    parents = {inside[:cut] for cut in range(len(inside)) if inside[cut] == "/"}
    found: Tree = {}
    for path in before.keys() | after.keys():
        was, now = before.get(path), after.get(path)
        if now is None:
            found[path] = None
        elif was is None or described(was, CONTENT) != described(now, CONTENT):
            if path not in parents and path != inside and (path or now.mode != 0o755):
                name = path.replace(f"{inside}/file", "@")
                found[name] = described(now, CONTENT).replace(canary, "@")
    return found


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) > 200
    assert 80 < sum(case.refused for case in CASES.values()) < len(CASES) - 80


def _index(raw: bytes) -> list[Entry]:
    return index_layer(io.BytesIO(raw), NAME).entries


@pytest.fixture(scope="module")
def lower() -> tuple[bytes, list[Entry]]:
    raw = lower_layer()
    return raw, _index(raw)


def by_merging(raw: bytes, lower: tuple[bytes, list[Entry]]) -> dict[str, Entry]:
    return merge_layers([lower[1], _index(raw)], ["sha256:" + "0" * 64, NAME])


def unpacked(raw: bytes, target: Path, whiteouts: str, below: dict[str, Entry] | None = None) -> None:
    unpack_layer(
        io.BytesIO(raw),
        str(target),
        NAME,
        whiteouts=whiteouts,  # type: ignore[arg-type]
        lower=below.get if below is not None else None,
        lower_names=lambda _: [path for path in below or () if path and "/" not in path],
        privileged=True,
    )


def check_refusal(error: ImageInvalid, case: Case) -> None:
    text = str(error)
    assert NAME in text
    assert case.path in text
    assert case.says in text
    assert text.isprintable()


@pytest.mark.parametrize("name", CASES)
def test_index_and_merge(name: str, lower: tuple[bytes, list[Entry]]) -> None:
    case = CASES[name]
    raw = case.layer("/c/canary")
    if case.tree is None:
        with pytest.raises(ImageInvalid) as caught:
            by_merging(raw, lower)
        check_refusal(caught.value, case)
    else:
        assert difference(merge_layers([lower[1]]), by_merging(raw, lower), "/c/canary") == case.tree


@contextmanager
def mounted(layers: list[Path], target: Path) -> Iterator[None]:
    options = "lowerdir=" + ":".join(map(str, layers))
    if _LIBC.mount(b"overlay", bytes(target), b"overlay", 1, options.encode()) != 0:
        pytest.skip(f"overlayfs cannot be mounted: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        _LIBC.umount2(bytes(target), 2)


@pytest.mark.root
@pytest.mark.parametrize("name", CASES)
def test_unpacked_over_files(
    name: str, arena: Path, lower: tuple[bytes, list[Entry]], seen: Callable[..., dict[str, Entry]]
) -> None:
    case = CASES[name]
    raw = case.layer(str(arena / "canary"))
    target = arena / "target"
    target.mkdir()
    unpacked(lower[0], target, "apply")
    before = outside(arena)
    try:
        if case.tree is None:
            with pytest.raises(ImageInvalid) as caught:
                unpacked(raw, target, "apply")
            check_refusal(caught.value, case)
        else:
            unpacked(raw, target, "apply")
            after = seen(target, root=True)
            assert difference(merge_layers([lower[1]]), after, str(arena / "canary")) == case.tree
        assert outside(arena) == before
    finally:
        _erase(target)


@pytest.mark.root
@pytest.mark.parametrize("name", CASES)
def test_unpacked_for_overlayfs(
    name: str, arena: Path, lower: tuple[bytes, list[Entry]], seen: Callable[..., dict[str, Entry]]
) -> None:
    case = CASES[name]
    raw = case.layer(str(arena / "canary"))
    for part in ("target", "below", "empty", "mount"):
        (arena / part).mkdir()
    unpacked(lower[0], arena / "below", "overlay")
    tree = merge_layers([lower[1]])
    before = outside(arena)
    try:
        if case.tree is None:
            with pytest.raises(ImageInvalid) as caught:
                unpacked(raw, arena / "target", "overlay", tree)
            check_refusal(caught.value, case)
        else:
            unpacked(raw, arena / "target", "overlay", tree)
            with mounted([arena / "target", arena / "below", arena / "empty"], arena / "mount"):
                after = seen(arena / "mount", root=True)
            assert difference(tree, after, str(arena / "canary")) == case.tree
        assert outside(arena) == before
    finally:
        for part in ("target", "below", "empty", "mount"):
            _erase(arena / part)


def _erase(folder: Path) -> None:
    from lamella.snapshot.erase import erase

    erase(str(folder))
    assert not os.path.lexists(folder), stat.filemode(folder.lstat().st_mode)
