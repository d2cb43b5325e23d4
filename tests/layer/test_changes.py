"""From a folder on disk to items."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lamella.errors import InputError
from lamella.filetree.changeset import layer_order
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.layer.changes import entry_of, is_packed_xattr, walk_tree


def test_a_walk_is_sorted_with_parents_first(place: Path) -> None:
    for name in ["b/z", "b/a", "a-b", "a/x", "a.b", "Z"]:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"")
    paths = [entry.path for entry, *_ in walk_tree(str(place))]
    assert paths == ["", "Z", "a", "a/x", "a-b", "a.b", "b", "b/a", "b/z"]
    assert paths == sorted(paths, key=lambda path: layer_order(Entry(path, FILE)))


def test_the_first_name_of_a_file_is_the_file(place: Path) -> None:
    (place / "d").mkdir()
    (place / "d" / "b").write_bytes(b"text")
    os.link(place / "d" / "b", place / "z")
    os.link(place / "d" / "b", place / "d" / "a")
    found = {entry.path: entry for entry, *_ in walk_tree(str(place))}
    assert (found["d/a"].kind, found["d/a"].size) == (FILE, 4)
    for path in ("d/b", "z"):
        assert (found[path].kind, found[path].link, found[path].size) == (HARDLINK, "d/a", 0)
        assert found[path].mtime == found["d/a"].mtime


def test_a_name_outside_the_walk_does_not_make_a_group(place: Path) -> None:
    (place / "in").mkdir()
    (place / "in" / "a").write_bytes(b"")
    os.link(place / "in" / "a", place / "out")
    assert [entry.kind for entry, *_ in walk_tree(str(place / "in"))] == [DIRECTORY, FILE]


def test_sockets_are_left_out(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place / "s"))
        assert [entry.path for entry, *_ in walk_tree(str(place))] == [""]
        assert entry_of(os.lstat(place / "s"), "s", str(place / "s")) is None


def test_links_are_not_followed(place: Path) -> None:
    (place / "l").symlink_to("/etc")
    (place / "dangling").symlink_to("no/where")
    found = [(entry.path, entry.kind, entry.link, entry.mode) for entry, *_ in walk_tree(str(place))][1:]
    assert found == [("dangling", SYMLINK, "no/where", 0o777), ("l", SYMLINK, "/etc", 0o777)]


def test_some_attributes_are_packed_and_others_not(place: Path) -> None:
    file = place / "f"
    file.write_bytes(b"")
    try:
        os.setxattr(file, "user.b", b"2")
        os.setxattr(file, "user.a", b"1")
    except OSError as error:
        pytest.skip(f"no user attributes here: {error}")
    items = list(walk_tree(str(place)))
    assert items[1].entry.xattrs == (("user.a", b"1"), ("user.b", b"2"))
    assert is_packed_xattr("security.capability")
    for name in ("trusted.overlay.opaque", "user.overlay.opaque", "security.selinux", "system.posix_acl_access"):
        assert not is_packed_xattr(name)


def test_what_cannot_be_walked_is_named(place: Path) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        list(walk_tree(str(place / "missing")))
    assert caught.value.where == str(place / "missing")
    (place / "f").write_bytes(b"")
    with pytest.raises(InputError, match="not a directory"):
        list(walk_tree(str(place / "f")))


def test_a_deep_tree_is_walked(place: Path) -> None:
    folder = place
    for _ in range(1200):
        folder = folder / "d"
    os.makedirs(str(place) + "/d" * 900)
    assert len(list(walk_tree(str(place)))) == 901


def test_the_order_of_a_layer() -> None:
    entries = [
        Entry("", OPAQUE), Entry("z", WHITEOUT), Entry("a", DIRECTORY), Entry("a", OPAQUE), Entry("a/y", WHITEOUT),
        Entry("a/z", WHITEOUT), Entry("a/b", DIRECTORY), Entry("a/b/.wh", WHITEOUT), Entry("a/b/c", FILE),
        Entry("a-b", FILE),
    ]  # fmt: skip
    backwards = entries[::-1]
    assert sorted(backwards, key=layer_order) == entries
