"""Random sequences of hostile members, in stacks of layers: nothing is ever written outside, and every road (index,
merge, files, overlayfs) comes to the same verdict and the same tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lyingtar import CHAR, END, FIFO, device, folder, hard, link, member
from roads import indexed, merged, mounted, unpack

from lamella.errors import ImageInvalid
from lamella.filetree.entry import Entry

pytestmark = pytest.mark.root
RELAXED = settings(
    deadline=None, max_examples=int(os.environ.get("LAMELLA_EXAMPLES", "150")), suppress_health_check=list(HealthCheck)
)

#: the folder beside the target that every link tries to reach
CANARY = "@canary"
_WORDS = st.sampled_from(["a", "b", "c"])
_ODD = st.sampled_from(["a", "b", "c", "..", ".", "", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh..", CANARY])
_PLAIN = st.lists(_WORDS, min_size=1, max_size=3).map("/".join)
_ANY = st.one_of(_PLAIN, _PLAIN, _PLAIN, st.lists(_ODD, min_size=1, max_size=4).map("/".join))
_TARGETS = st.sampled_from(
    ["a", "b", "/", "..", "../..", "/a", "b/c", "c/../..", "/a/b/c", "../../../../../..", f"/{CANARY}", f"../{CANARY}"]
)
_CONTENT = st.sampled_from([b"", b"1", b"evil"])
_MEMBERS = st.one_of(
    st.builds(member, _ANY, _CONTENT),
    st.builds(member, _PLAIN, _CONTENT),
    st.builds(folder, _ANY, st.sampled_from([0o755, 0o700])),
    st.builds(link, _PLAIN, _TARGETS),
    st.builds(link, _PLAIN, _TARGETS),
    st.builds(hard, _PLAIN, _ANY),
    st.builds(lambda name: member(name, kind=FIFO), _PLAIN),
    st.builds(lambda name: device(name, 1, 3, CHAR), _PLAIN),
    st.builds(lambda name: member(name.replace("a", ".wh.a")), _PLAIN),
    st.builds(lambda name: member(f"{name}/.wh..wh..opq"), _PLAIN),
)
_LAYERS = st.lists(st.lists(_MEMBERS, min_size=1, max_size=7).map(b"".join), min_size=1, max_size=3)


def _beside(arena: Path) -> list[object]:
    found: list[object] = [
        sorted(os.listdir(arena)),
        os.path.lexists("/a"),
        os.path.lexists("/b"),
        os.listdir("/c") if os.path.isdir("/c") else None,
    ]
    for path in sorted((arena / CANARY).rglob("*")):
        about = path.lstat()
        found.append((str(path), about.st_mode, about.st_nlink, about.st_mtime_ns, about.st_ctime_ns))
    return found


def _refusal(action: Callable[..., Any], *words: object) -> str:
    try:
        action(*words)
    except ImageInvalid as error:
        return str(error)
    return ""


@RELAXED
@given(layers=_LAYERS)
@example(layers=[member("a", b"1") + link("a", "/") + member("a/a", kind=FIFO) + member("a/a", b"evil")])
@example(layers=[link("a/c", "../b"), member("a/c/c", kind=FIFO) + member(".wh.a")])
@example(layers=[link("a", "/b/.."), link("a/a", "a/..") + member(".wh.b")])
@example(layers=[link("c", "a") + hard("b", "c"), member("b/c", b"evil")])
@example(layers=[folder("b") + link("a", "b/..") + member("a/b", b"1") + member("a/c", b"evil")])
def test_every_road_is_the_same(layers: list[bytes], fresh: Callable[[], Path], seen: Any) -> None:
    arena = fresh()
    (arena / CANARY / "a").mkdir(parents=True)
    (arena / CANARY / "b").write_bytes(b"as it was")
    for name in ("files", "empty", "mount"):
        (arena / name).mkdir()
    entries: list[list[Entry]] = []
    parts: list[Path] = []
    tree: dict[str, Entry] = {}
    for number, members in enumerate(layers):
        raw = members + END
        part = arena / str(number)
        part.mkdir()
        before = _beside(arena)
        refused = _refusal(lambda: entries.append(indexed(raw)))  # noqa: B023
        by_merging = refused or _refusal(merged, entries)
        by_files = _refusal(unpack, raw, arena / "files", None, "apply")
        by_overlay = _refusal(unpack, raw, part, tree if parts else None, "overlay")
        assert _beside(arena) == before
        assert bool(by_merging) == bool(by_files) == bool(by_overlay), (by_merging, by_files, by_overlay)
        if by_merging:
            return
        parts.insert(0, part)
        tree = merged(entries)
    expected = {path: entry for path, entry in tree.items() if path}
    assert seen(arena / "files") == expected
    with mounted([*parts, arena / "empty"], arena / "mount"):
        assert seen(arena / "mount") == expected
