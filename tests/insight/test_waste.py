"""Waste known by construction. Sizes are powers of two, so that a sum tells its parts."""

from __future__ import annotations

import hashlib

import pytest
from effort import usually
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import merge_layers
from lamella.insight.as_json import waste_to_json
from lamella.insight.attribution import attribute_layers
from lamella.insight.waste import Waste, measure_waste


def f(path: str, size: int, text: str = "", **fields: object) -> Entry:
    """A file; ``text`` tells contents of the same size apart, and without it the path does."""
    digest = hashlib.sha256(f"{size} {text or path}".encode()).hexdigest()
    return Entry(path, FILE, size=size, digest=digest)._replace(**fields)  # type: ignore[arg-type]


def d(path: str) -> Entry:
    return Entry(path, DIRECTORY, 0o755)


def h(path: str, link: str) -> Entry:
    return Entry(path, HARDLINK, link=link)


def wh(path: str) -> Entry:
    return Entry(path, WHITEOUT)


def opq(path: str) -> Entry:
    return Entry(path, OPAQUE)


Paths = list[tuple[str, int, str, int, int | None]]

#: name → layers, and the paths that must be reported: path, bytes, why, brought_by, hidden_by
SHAPES: dict[str, tuple[list[list[Entry]], Paths]] = {
    "nothing wasted": ([[f("a", 1)], [f("b", 2)]], []),
    "a deleted file": ([[f("a", 1)], [f("b", 2)], [wh("a")]], [("/a", 1, "deleted", 0, 2)]),
    "a deleted directory": (
        [[d("opt"), d("opt/sdk"), f("opt/sdk/a", 1), d("opt/sdk/x"), f("opt/sdk/x/b", 2)], [wh("opt/sdk")]],
        [("/opt/sdk/x/b", 2, "deleted", 0, 1), ("/opt/sdk/a", 1, "deleted", 0, 1)],
    ),
    "a deleted directory that no layer lists": ([[f("opt/a", 1)], [wh("opt")]], [("/opt/a", 1, "deleted", 0, 1)]),
    "a directory filled by two layers and deleted": (
        [[d("o"), f("o/a", 1)], [f("o/b", 2)], [wh("o")]],
        [("/o/b", 2, "deleted", 1, 2), ("/o/a", 1, "deleted", 0, 2)],
    ),
    "an opaque directory": (
        [[d("o"), f("o/a", 1), f("o/b", 2)], [d("o"), opq("o"), f("o/c", 4)]],
        [("/o/b", 2, "opaque", 0, 1), ("/o/a", 1, "opaque", 0, 1)],
    ),
    "an opaque whiteout at the end of the layer": (
        [[f("o/a", 1)], [d("o"), f("o/c", 4), opq("o")]],
        [("/o/a", 1, "opaque", 0, 1)],
    ),
    "an opaque directory with a file that comes back": (
        [[f("o/a", 1), f("o/b", 2)], [d("o"), opq("o"), f("o/a", 4)]],
        [("/o/b", 2, "opaque", 0, 1), ("/o/a", 1, "overwritten", 0, 1)],
    ),
    "the whole file system made opaque": ([[f("a", 1)], [opq(""), f("b", 2)]], [("/a", 1, "opaque", 0, 1)]),
    "an overwritten file": ([[f("a", 1)], [f("a", 2)]], [("/a", 1, "overwritten", 0, 1)]),
    "overwritten twice": (
        [[f("a", 1)], [f("a", 2)], [f("a", 4)]],
        [("/a", 2, "overwritten", 1, 2), ("/a", 1, "overwritten", 0, 1)],
    ),
    "a file by a directory": ([[f("a", 1)], [d("a"), f("a/b", 2)]], [("/a", 1, "overwritten", 0, 1)]),
    "a directory by a file": ([[d("a"), f("a/b", 1)], [f("a", 2)]], [("/a/b", 1, "overwritten", 0, 1)]),
    "a directory by a link": (
        [[d("a"), f("a/b", 1)], [Entry("a", SYMLINK, link="c")]],
        [("/a/b", 1, "overwritten", 0, 1)],
    ),
    "a file by a link": ([[f("a", 1)], [Entry("a", SYMLINK, link="b")]], [("/a", 1, "overwritten", 0, 1)]),
    "a directory over a directory": ([[d("a"), f("a/b", 1)], [Entry("a", DIRECTORY, 0o700)]], []),
    "chmod": ([[f("a", 64)], [f("a", 64, mode=0o755)]], [("/a", 64, "metadata", 0, 1)]),
    "chown after chmod": (
        [[f("a", 64)], [f("a", 64, mode=0o755)], [f("a", 64, mode=0o755, uid=1)]],
        [("/a", 64, "metadata", 0, 1), ("/a", 64, "metadata", 1, 2)],
    ),
    "a rename": ([[f("a", 8, "same")], [wh("a"), f("b", 8, "same")]], [("/a", 8, "deleted", 0, 1)]),
    "deleted and made again": (
        [[f("a", 1, "same")], [wh("a")], [f("a", 1, "same")]],
        [("/a", 1, "deleted", 0, 1)],
    ),
    "deleted and made again, otherwise, in one layer": (
        [[f("a", 1)], [wh("a"), f("a", 2)]],
        [("/a", 1, "overwritten", 0, 1)],
    ),
    "a whiteout of nothing": ([[f("a", 1)], [wh("b"), wh("a/c"), wh("x/y/z")]], []),
    "a whiteout in the lowest layer": ([[wh("a"), f("a", 1)]], []),
    "empty files": ([[f("a", 0), f("b", 0)], [wh("a")]], []),
    "one name of a hard link deleted": ([[f("a", 1), h("b", "a")], [wh("a")]], []),
    "both names of a hard link deleted": (
        [[f("a", 1), h("b", "a")], [wh("a")], [wh("b")]],
        [("/a", 1, "deleted", 0, 2)],
    ),
    "chmod of a hard link, both names copied up": (
        [[f("a", 1), h("b", "a")], [f("a", 1, mode=0o700), h("b", "a")]],
        [("/a", 1, "metadata", 0, 1)],
    ),
    "chmod of a hard link, one name copied up": (
        [[f("a", 1), h("b", "a")], [f("a", 1, mode=0o700)]],
        [("/a", 1, "duplicate", 1, None)],
    ),
    "a folder reached through a link": (
        [[d("usr/bin"), f("usr/bin/a", 1), Entry("bin", SYMLINK, link="usr/bin")], [f("bin/a", 2)], [wh("bin/a")]],
        [("/bin/a", 2, "deleted", 1, 2), ("/usr/bin/a", 1, "overwritten", 0, 1)],
    ),
    "a file where a folder is needed": ([[f("a", 1)], [f("a/b/c", 2)]], [("/a", 1, "overwritten", 0, 1)]),
    "a file where a folder is needed, behind a link": (
        [[d("x"), f("x/a", 1), Entry("x/l", SYMLINK, link="../x/a")], [f("x/l/b", 2)]],
        [("/x/a", 1, "overwritten", 0, 1)],
    ),
    "duplicates in a layer": ([[f("a", 1, "same"), f("b", 1, "same")]], [("/b", 1, "duplicate", 0, None)]),
    "duplicates across layers": (
        [[f("z", 1, "same")], [f("a", 1, "same"), f("b", 1, "same")]],
        [("/a", 1, "duplicate", 1, None), ("/b", 1, "duplicate", 1, None)],
    ),
    "a duplicate whose twin was deleted": (
        [[f("a", 1, "same")], [f("b", 1, "same")], [wh("a")]],
        [("/a", 1, "deleted", 0, 2)],
    ),
    "hard links are no duplicates": ([[f("a", 1), h("b", "a")]], []),
    "the same path twice in one layer": ([[f("a", 1), f("a", 2)]], [("/a", 1, "overwritten", 0, 0)]),
    "siblings with a common beginning": (
        [[f("lib/a", 1), f("lib2/a", 2)], [wh("lib")]],
        [("/lib/a", 1, "deleted", 0, 1)],
    ),
    "a directory deleted and filled again in one layer": (
        [[d("o"), f("o/a", 1), d("o/x"), f("o/x/a", 2)], [wh("o"), d("o"), d("o/x"), f("o/x/b", 4)]],
        [("/o/x/a", 2, "deleted", 0, 1), ("/o/a", 1, "deleted", 0, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_ground_truth(name: str) -> None:
    layers, expected = SHAPES[name]
    waste = measure_waste(layers)
    assert [tuple(path)[:5] for path in waste.paths] == expected
    assert waste.bytes == sum(path[1] for path in expected if path[2] != "duplicate")
    assert waste.duplicate_bytes == sum(path[1] for path in expected if path[2] == "duplicate")
    assert waste.bytes + waste.used == sum(entry.size for layer in layers for entry in layer)


CHANGES = [
    ({"mode": 0o755}, "mode"),
    ({"uid": 1}, "owner"),
    ({"gid": 1}, "owner"),
    ({"mtime": 5}, "mtime"),
    ({"xattrs": (("user.a", b""),)}, "xattrs"),
    ({"mode": 0o755, "uid": 1, "mtime": 5}, "mode,owner,mtime"),
    ({}, ""),
]


@pytest.mark.parametrize(("fields", "change"), CHANGES)
def test_what_a_metadata_copy_changed(fields: dict[str, object], change: str) -> None:
    (path,) = measure_waste([[f("a", 1)], [f("a", 1, **fields)]]).paths
    assert (path.why, path.change) == ("metadata", change)


def test_a_file_of_unknown_content_is_never_called_unchanged() -> None:
    blank = f("a", 4)._replace(digest="")
    (path,) = measure_waste([[blank, blank._replace(path="b")], [blank._replace(mode=0o755)]]).paths
    assert path.why == "overwritten"


def test_json() -> None:
    layers = [[f("a", 2, "same"), f("b", 4)], [f("c", 2, "same"), f("b", 4, uid=3)], [wh("b")]]
    assert waste_to_json(measure_waste(layers)) == {
        "bytes": 8,
        "duplicate_bytes": 2,
        "used_bytes": 4,
        "paths": [
            {"path": "/b", "bytes": 4, "why": "metadata", "brought_by": 0, "hidden_by": 1, "change": "owner"},
            {"path": "/b", "bytes": 4, "why": "deleted", "brought_by": 1, "hidden_by": 2},
            {"path": "/c", "bytes": 2, "why": "duplicate", "brought_by": 1, "hidden_by": None, "twin": "/a"},
        ],
    }


_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
_ENTRIES = st.one_of(
    st.builds(f, _PATHS, st.integers(0, 5), st.sampled_from("xy")),
    st.builds(d, _PATHS),
    st.builds(h, _PATHS, _PATHS),
    st.builds(wh, _PATHS),
    st.builds(opq, _PATHS),
    st.builds(lambda path: Entry(path, SYMLINK, link="a"), _PATHS),
)
_LAYERS = st.lists(st.lists(_ENTRIES, max_size=8), max_size=5)


def _total(layers: list[list[Entry]]) -> int:
    return sum(entry.size for layer in layers for entry in layer)


def _waste_or_reject(layers: list[list[Entry]]) -> Waste:
    try:
        return measure_waste(layers)
    except ImageInvalid:
        reject()  # a hard link to nothing, or a loop of links


@settings(max_examples=usually(50, 100))
@given(_LAYERS)
def test_each_byte_is_counted_once(layers: list[list[Entry]]) -> None:
    """Whatever the layers hold: used and wasted are all there is."""
    waste = _waste_or_reject(layers)
    assert waste.bytes + waste.used == _total(layers)
    assert waste.duplicate_bytes <= waste.used
    assert all(path.hidden_by is None or path.brought_by <= path.hidden_by for path in waste.paths)


@settings(max_examples=usually(50, 100))
@given(_LAYERS)
def test_deleting_everything_wastes_everything(layers: list[list[Entry]]) -> None:
    waste = _waste_or_reject([*layers, [opq("")]])
    assert (waste.used, waste.bytes) == (0, _total(layers))


@settings(max_examples=usually(50, 100))
@given(_LAYERS)
def test_what_is_left_is_what_merging_the_layers_gives(layers: list[list[Entry]]) -> None:
    _waste_or_reject(layers)
    attribution, tree = attribute_layers(layers), merge_layers(layers)
    files = {path: (entry.size, entry.digest) for path, entry in tree.items() if entry.kind == FILE}
    assert {path: (entry.size, entry.digest) for path, entry in attribution.files} == files
    assert attribution.layers.keys() <= tree.keys()
    assert {path for path, entry in tree.items() if entry.kind != DIRECTORY} <= attribution.layers.keys()


def test_a_hundred_thousand_paths_and_a_thousand_whiteouts_are_quick() -> None:
    import time

    layer = [f(f"d{number % 1000}/f{number}", 1) for number in range(100_000)]
    started = time.process_time()
    waste = measure_waste([layer, [wh(f"d{number}") for number in range(1000)]])
    assert time.process_time() - started < 5
    assert waste.bytes == 100_000
