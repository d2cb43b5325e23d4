"""Differences, and the layer that makes them."""

from __future__ import annotations

from typing import Any

from effort import usually
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.filetree.changeset import changes_as_layer, diff_trees, hardlink_groups, layer_order
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import apply_layer, merge_layers, order


@settings(max_examples=usually(150, 400), deadline=None)
@given(data=st.data())
def test_applying_the_difference_gives_the_other_tree(data: st.DataObject, draw_tree: Any) -> None:
    a, b = draw_tree(data), draw_tree(data)
    layer = changes_as_layer(a, b)
    assert apply_layer(dict(a), layer) == b
    assert merge_layers([a.values(), layer]) == b
    assert layer == sorted(layer, key=layer_order)
    changes = diff_trees(a, b)
    assert (not layer) == changes.empty == (a == b)


@settings(max_examples=usually(100, 200), deadline=None)
@given(data=st.data())
def test_a_difference_is_complete(data: st.DataObject, draw_tree: Any) -> None:
    a, b = draw_tree(data), draw_tree(data)
    changes = diff_trees(a, b)
    assert {entry.path for entry in changes.added} == b.keys() - a.keys()
    assert {entry.path for entry in changes.removed} == a.keys() - b.keys()
    changed = {change.path for change in changes.modified}
    for path in a.keys() & b.keys():
        if a[path] != b[path]:
            assert path in changed
    back = diff_trees(b, a)
    assert (back.added, back.removed) == (changes.removed, changes.added)
    assert {change.path: change.fields for change in back.modified} == {
        change.path: change.fields for change in changes.modified
    }
    for group in (changes.added, changes.removed, changes.modified):
        names = [one.path for one in group]  # type: ignore[attr-defined]
        assert names == sorted(names, key=order)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_tree_does_not_differ_from_itself(data: st.DataObject, draw_tree: Any) -> None:
    tree = draw_tree(data)
    assert diff_trees(tree, dict(tree)).empty
    assert changes_as_layer(tree, dict(tree)) == []


def tree(*entries: Entry) -> dict[str, Entry]:
    return merge_layers([entries])


def fields(a: Entry, b: Entry, **options: Any) -> tuple[str, ...]:
    modified = diff_trees(tree(a), tree(b), **options).modified
    return modified[0].fields if modified else ()


def test_the_fields_that_differ_are_named() -> None:
    one = Entry("a", FILE, 0o644, size=3, digest="1" * 64)
    assert fields(one, one._replace(mode=0o600, uid=1, gid=2)) == ("mode", "uid", "gid")
    assert fields(one, one._replace(size=4, digest="2" * 64)) == ("size", "digest")
    assert fields(one, one._replace(mtime=9)) == ("mtime",)
    assert fields(one, one._replace(mtime=9), ignore=["mtime"]) == ()
    assert fields(one, one._replace(xattrs=(("user.a", b""),))) == ("xattrs",)
    assert fields(one, one._replace(digest="")) == ()
    assert fields(one, Entry("a", DIRECTORY, 0o644)) == ("kind", "size")
    assert fields(Entry("a", SYMLINK, link="x"), Entry("a", SYMLINK, link="y")) == ("link",)


def test_groups_of_links_are_compared() -> None:
    a, b, c = (Entry(path, FILE, size=1, digest="1" * 64) for path in "abc")
    apart, together = tree(a, b, c), tree(a, Entry("b", HARDLINK, link="a"), c)
    changes = diff_trees(apart, together)
    assert [(change.path, change.fields) for change in changes.modified] == [("a", ("links",)), ("b", ("links",))]
    assert changes.modified[1].after == b
    assert hardlink_groups(together) == {"a": frozenset("ab"), "b": frozenset("ab")}
    layer = changes_as_layer(apart, together)
    assert [(entry.path, entry.kind) for entry in layer] == [("a", FILE), ("b", HARDLINK)]


def test_only_what_is_needed_is_written() -> None:
    big = [
        Entry("d", DIRECTORY),
        *(Entry(f"d/f{n}", FILE) for n in range(9)),
        Entry("e", DIRECTORY),
        Entry("e/f", FILE),
    ]
    a = tree(*big)
    b = {path: entry for path, entry in a.items() if not path.startswith("d")}
    assert changes_as_layer(a, b) == [Entry("d", WHITEOUT)]
    c = dict(b, d=Entry("d", FILE, size=1))
    assert changes_as_layer(a, c) == [Entry("d", FILE, size=1)]
    d = {path: entry for path, entry in a.items() if path != "d/f3"}
    assert changes_as_layer(a, d) == [Entry("d/f3", WHITEOUT)]
