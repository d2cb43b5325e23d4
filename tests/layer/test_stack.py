"""A stack of layers by four roads: merged as entries, unpacked one over the other, one overlay mount, one by one."""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from effort import usually
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FIFO, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import apply_layer, merge_layers
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem
from lamella.layer.read import read_entries
from lamella.layer.unpack import unpack_layer
from lamella.userns import current

pytestmark = pytest.mark.containers
RELAXED = settings(deadline=None, max_examples=usually(60, 150), suppress_health_check=list(HealthCheck))

Member = tuple[Entry, bytes]
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def overlay(layers: list[Path], target: Path) -> Iterator[None]:
    """Mounts ``layers``, the top one first."""
    options = "lowerdir=" + ":".join(map(str, layers)) + ",userxattr" * current().in_namespace
    if _LIBC.mount(b"overlay", bytes(target), b"overlay", 1, options.encode()) != 0:
        pytest.skip(f"overlayfs cannot be mounted: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        _LIBC.umount2(bytes(target), 2)


_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
_CONTENT = st.sampled_from([b"", b"one", b"two"])
_MODES = st.sampled_from([0o755, 0o700, 0o1777])
_TIMES = st.sampled_from([0, 10**9, 7 * 10**9])
_FILES = st.builds(
    lambda path, data, mode, time: (Entry(path, FILE, mode, size=len(data), mtime=time), data),
    _PATHS, _CONTENT, _MODES, _TIMES,
)  # fmt: skip
_FOLDERS = st.builds(lambda path, mode, time: (Entry(path, DIRECTORY, mode, mtime=time), b""), _PATHS, _MODES, _TIMES)
_OTHERS = st.builds(lambda path: (Entry(path, FIFO, 0o600), b""), _PATHS)
_TARGETS = ["a", "/b", "../c", "b/c", "nowhere", "/", "..", "c/../b", "/a/b/c"]
_SYMLINKS = st.builds(lambda path, to: (Entry(path, SYMLINK, 0o777, link=to), b""), _PATHS, st.sampled_from(_TARGETS))
_HARDLINKS = st.builds(lambda path, to: (Entry(path, HARDLINK, 0o644, link=to), b""), _PATHS, _PATHS)
_WHITEOUTS = st.builds(
    lambda path, kind: (Entry(path, kind), b""), _PATHS, st.sampled_from([WHITEOUT, WHITEOUT, OPAQUE])
)
_ROOT_OPAQUE = st.just((Entry("", OPAQUE), b""))
_CONTENTS = st.lists(st.one_of(_FILES, _FILES, _FOLDERS, _HARDLINKS, _OTHERS, _WHITEOUTS, _ROOT_OPAQUE), max_size=8)


def _first_whiteouts(members: list[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member[0].kind not in (WHITEOUT, OPAQUE))


_LINKED = st.lists(st.one_of(_FILES, _FILES, _FOLDERS, _SYMLINKS, _SYMLINKS, _HARDLINKS, _WHITEOUTS), max_size=8).map(
    _first_whiteouts
)


def _pack(members: list[Member]) -> io.BytesIO:
    sink = io.BytesIO()
    items = [PackItem(entry, None, data if entry.kind == FILE else None) for entry, data in members]
    pack_layer(items, sink, compression="none")
    sink.seek(0)
    return sink


def _entries(members: list[Member]) -> list[Entry]:
    return [
        entry._replace(digest=hashlib.sha256(data).hexdigest()) if entry.kind == FILE else entry
        for entry, data in members
    ]


def _check_all_roads(layers: list[list[Member]], fresh: Callable[[], Path], seen: Any) -> None:
    applied, target = fresh(), fresh()
    stepwise: dict[str, Entry] = {}
    parts: list[Path] = []
    for number, members in enumerate(layers):
        part = fresh()
        below = {
            "lower": stepwise.get if parts else None,
            "lower_names": lambda _: [path for path in stepwise if path and "/" not in path],
        }
        refusals = [
            _refusal(merge_layers, map(_entries, layers[: number + 1])),
            _refusal(_unpack, members, applied, whiteouts="apply", lower=None),
            _refusal(_unpack, members, part, whiteouts="overlay", **below),
            _refusal(apply_layer, stepwise, _entries(members)),
        ]
        assert len(set(map(bool, refusals))) == 1, refusals
        if refusals[0]:
            return
        parts.insert(0, part)
    expected = merge_layers(map(_entries, layers))
    expected.pop("", None)
    stepwise.pop("", None)
    assert stepwise == expected
    assert seen(applied) == expected
    with overlay([*parts, fresh()], target):
        assert seen(target) == expected


def _unpack(members: list[Member], target: Path, **more: Any) -> None:
    unpack_layer(_pack(members), str(target), "x", privileged=True, **more)


def _refusal(action: Callable[..., object], *words: object, **more: object) -> str:
    try:
        action(*words, **more)
    except ImageInvalid as error:
        return str(error)
    return ""


@RELAXED
@given(layers=st.lists(_CONTENTS, min_size=1, max_size=3))
def test_all_roads_lead_to_the_same_tree(layers: list[list[Member]], fresh: Any, seen: Any) -> None:
    _check_all_roads(layers, fresh, seen)


@RELAXED
@given(layers=st.lists(_LINKED, min_size=1, max_size=3))
def test_all_roads_are_the_same_through_symbolic_links(layers: list[list[Member]], fresh: Any, seen: Any) -> None:
    _check_all_roads(layers, fresh, seen)


@settings(max_examples=60)
@given(members=_CONTENTS)
def test_reading_gives_what_was_packed(members: list[Member]) -> None:
    assume(members)
    read = [(entry, b"" if content is None else content.read()) for entry, content in read_entries(_pack(members), "x")]
    assert read == members


def _file(path: str) -> Member:
    return Entry(path, FILE, 0o644), b""


def _folder(path: str) -> Member:
    return Entry(path, DIRECTORY, 0o755), b""


def _link(path: str, to: str) -> Member:
    return Entry(path, SYMLINK, 0o777, link=to), b""


def _hard(path: str, to: str) -> Member:
    return Entry(path, HARDLINK, 0o644, link=to), b""


def _gone(path: str) -> Member:
    return Entry(path, WHITEOUT), b""


def _opaque(path: str) -> Member:
    return Entry(path, OPAQUE), b""


_KNOWN: dict[str, list[list[Member]]] = {
    "a whiteout below what is hidden anyway": [[_file("a/a")], [_gone("a/a"), _folder("a"), _gone("a")]],
    "a whiteout in an opaque directory": [[_file("a/a")], [_gone("a/a"), _folder("a"), _opaque("a")]],
    "a whiteout in an opaque root": [[_file("a/a")], [_gone("a/a"), _folder("a"), _opaque("")]],
    "a mark in a hidden directory": [[_file("a"), _file("b/a")], [_file("a"), _opaque("b"), _opaque("")]],
    "a whiteout below a file": [[_file("a/b")], [_gone("a/b"), _file("a")]],
    "a whiteout below a link": [[_file("a/b")], [_gone("a/b"), _link("a", "c")]],
    "an opaque directory that became a file": [[_file("a/b")], [_opaque("a"), _file("a")]],
    "a file that became a directory over one": [[_file("a/b")], [_file("a"), _folder("a")]],
    "a file that became a parent over one": [[_file("a/b")], [_file("a"), _file("a/c")]],
    "an absolute link below": [[_file("b/x"), _link("a/b", "/b")], [_gone("a/b/x"), _file("a/b/y")]],
    "a relative link below": [[_file("b/x"), _link("a/b", "../b")], [_gone("a/b/x"), _file("a/b/y")]],
    "a link to what is not there": [[_link("a/b", "/c/d")], [_file("a/b/x")]],
    "a link above the root": [[_link("a/b", "../../../c")], [_file("a/b/x")]],
    "a link to a file as a parent": [[_file("c"), _link("a", "c")], [_file("a/x")]],
    "a hard link over what holds its file": [[_file("d/f"), _hard("d", "d/f")]],
    "a hard link over a directory": [[_file("f"), _file("d/f"), _hard("d", "f")]],
    "names of one file over two layers": [[_file("a"), _hard("b", "a"), _hard("c", "a")], [_gone("a"), _file("c")]],
    "a directory emptied and filled": [[_file("a/b/c")], [_file("a/b/d"), _gone("a")], [_opaque("a"), _file("a/e")]],
    "attributes of a directory that is hidden": [
        [(Entry("a", DIRECTORY, 0o700), b""), (Entry("a/b", DIRECTORY, 0o711), b"")],
        [_file("a/b/c"), _gone("a")],
    ],
    "attributes of an opaque directory": [[(Entry("a", DIRECTORY, 0o700), b""), _file("a/x")], [_opaque("a")]],
}


@pytest.mark.parametrize("name", _KNOWN)
def test_known_cases(name: str, fresh: Any, seen: Any) -> None:
    _check_all_roads(_KNOWN[name], fresh, seen)
