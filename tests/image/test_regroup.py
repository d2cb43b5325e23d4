"""Layers regrouped: the same file system from fewer bytes and fewer layers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from effort import usually
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.filetree.changeset import changes_as_layer
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import apply_layer, merge_layers
from lamella.image.regroup import Joined, Part, regroup

ONE, TWO = "1" * 64, "2" * 64


def file(path: str, size: int = 1, digest: str = ONE, **more: Any) -> Entry:
    return Entry(path, FILE, size=size, digest=digest, **more)


def folder(path: str, mtime: int = 0) -> Entry:
    return Entry(path, DIRECTORY, 0o755, mtime=mtime)


def gone(path: str) -> Entry:
    return Entry(path, WHITEOUT)


BELOW = merge_layers([[folder("a"), file("a/x"), file("b")]])

_ENTRIES = st.builds(
    lambda parts, kind, size, digest: Entry(
        "/".join(parts),
        kind,
        0o755 if kind == DIRECTORY else 0o644,
        size=size if kind == FILE else 0,
        digest=digest if kind == FILE else "",
        link="a/b" if kind == SYMLINK else "",
    ),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
    st.sampled_from([FILE, FILE, DIRECTORY, DIRECTORY, WHITEOUT, OPAQUE]),
    st.integers(0, 3),
    st.sampled_from([ONE, TWO]),
)
_LAYERS = st.lists(st.lists(_ENTRIES, max_size=6), max_size=4)
_MARKS = st.lists(st.tuples(st.sampled_from(["run", "copy"]), st.booleans(), st.booleans()), min_size=4, max_size=4)


def parts_of(layers: Sequence[Sequence[Entry]], marks: Sequence[tuple[str, bool, bool]]) -> list[Part]:
    return [Part(layer, *mark) for layer, mark in zip(layers, marks, strict=False)]


def check(below: dict[str, Entry], parts: Sequence[Part]) -> list[Joined]:
    """The laws; returns the new stack."""
    joined = regroup(below, parts)
    whole = merge_layers([below.values(), *(part.entries for part in parts)])
    assert merge_layers([below.values(), *(one.entries for one in joined)]) == whole
    assert len(joined) <= len(parts)
    numbers = [one.part for one in joined]
    assert numbers == sorted(set(numbers))
    for one in joined:
        keys = [(entry.path, entry.kind == WHITEOUT) for entry in one.entries]
        assert len(set(keys)) == len(keys)
        assert not any(entry.kind == OPAQUE for entry in one.entries)
        for entry in one.entries:
            if entry.kind == FILE:
                assert whole[entry.path].digest == entry.digest or whole[entry.path].kind == HARDLINK
    written = [entry.path for one in joined for entry in one.entries if entry.kind == FILE]
    assert len(set(written)) == len(written)
    return joined


@settings(max_examples=usually(100, 300), deadline=None)
@given(_LAYERS, _LAYERS, _MARKS)
def test_the_file_system_stays_the_same(
    lower: list[list[Entry]], layers: list[list[Entry]], marks: list[tuple[str, bool, bool]]
) -> None:
    check(merge_layers(lower), parts_of(layers, marks))


@settings(max_examples=usually(100, 300), deadline=None)
@given(data=st.data(), marks=_MARKS)
def test_with_hard_links_too(data: st.DataObject, marks: list[tuple[str, bool, bool]], draw_tree: Any) -> None:
    trees = [draw_tree(data) for _ in range(5)]
    layers = [changes_as_layer(a, b) for a, b in pairwise(trees)]
    joined = check(trees[0], parts_of(layers, marks))
    tree = dict(trees[0])
    for one in joined:
        apply_layer(tree, one.entries)
    assert tree == trees[-1]


@settings(max_examples=usually(80, 200), deadline=None)
@given(data=st.data())
def test_one_layer_where_all_are_of_a_kind(data: st.DataObject, draw_tree: Any) -> None:
    trees = [draw_tree(data) for _ in range(4)]
    layers = [changes_as_layer(a, b) for a, b in pairwise(trees)]
    assert len(check(trees[0], [Part(layer) for layer in layers])) == (trees[0] != trees[-1])


def paths(joined: Joined) -> list[str]:
    return [("-" if entry.kind == WHITEOUT else "") + entry.path for entry in joined.entries]


def test_what_comes_and_goes_is_in_no_layer() -> None:
    assert check(BELOW, [Part([file("t", 9)], "copy"), Part([gone("t")], "run")]) == []


def test_what_is_copied_up_again_is_stored_once() -> None:
    copied = [folder("app"), file("app/big", 50), file("app/small", 1)]
    owned = [folder("app"), file("app/big", 50, uid=7), file("app/small", 1)]
    first, second = check(BELOW, [Part(copied, "copy"), Part(owned, "run")])
    assert (first.part, second.part) == (0, 1)
    assert paths(first) == ["app", "app/small"]
    assert paths(second) == ["app", "app/big"]


def test_kinds_do_not_mix_and_neighbours_of_a_kind_join() -> None:
    kinds = ["run", "run", "copy", "copy", "run"]
    joined = check({}, [Part([file(str(number))], kind) for number, kind in enumerate(kinds)])
    assert [paths(one) for one in joined] == [["0", "1"], ["2", "3"], ["4"]]
    assert [(one.part, one.kept) for one in joined] == [(1, False), (3, False), (4, True)]


def test_begins_and_alone_keep_apart() -> None:
    joined = check({}, [Part([file("0")]), Part([file("1")], begins=True), Part([file("2")])])
    assert [paths(one) for one in joined] == [["0"], ["1", "2"]]
    joined = check({}, [Part([file("0")]), Part([file("1")], alone=True), Part([folder("d")]), Part([file("d/2")])])
    assert [paths(one) for one in joined] == [["0"], ["1"], ["d", "d/2"]]
    assert joined[1].kept


@pytest.mark.parametrize("kind", ["run", "copy"])
def test_folders_alone_go_with_their_neighbour(kind: str) -> None:
    parts = [Part([folder("app")], "workdir"), Part([folder("app"), file("app/x")], kind), Part([folder("e")], "run")]
    joined = check({}, parts)
    assert [paths(one) for one in joined] == [["app", "app/x", "e"]]
    assert joined[0].part == 2


def test_a_layer_stays_as_it_is_whatever_comes_after() -> None:
    """Its folder's time changes later; that is the later layer's."""
    parts = [Part([folder("app", 1), file("app/x")], "copy"), Part([folder("app", 2), file("app/y")], "run")]
    first, second = check({}, parts)
    assert (first.kept, first.entries) == (True, (folder("app", 1), file("app/x")))
    assert (second.kept, second.entries) == (True, (folder("app", 2), file("app/y")))


def test_layers_of_nothing_are_left_out() -> None:
    parts = [Part([], "run"), Part([file("x")], "copy"), Part([], "run"), Part([folder("a")], "run")]
    (joined,) = check(BELOW, parts)
    assert (joined.part, paths(joined), joined.kept) == (1, ["x"], True)


def test_a_file_made_again_as_it_was_costs_nothing() -> None:
    assert check(BELOW, [Part([gone("b")]), Part([file("b")], "other")]) == []
    unknown = file("b", digest="")
    assert paths(regroup({"b": unknown}, [Part([gone("b")]), Part([unknown._replace()])])[0]) == ["b"]


def test_whiteouts_are_of_what_is_below() -> None:
    parts = [Part([gone("a/x"), file("a/y")], "run"), Part([gone("a")], "run")]
    assert [paths(one) for one in check(BELOW, parts)] == [["-a"]]


def test_a_name_that_was_a_link_is_written_as_the_file_it_is_now() -> None:
    below = merge_layers([[file("a"), Entry("b", HARDLINK, link="a")]])
    (one,) = check(below, [Part([file("b", digest=TWO)])])
    assert paths(one) == ["b"]  # what is left of the old file stays below
    assert [paths(one) for one in check(below, [Part([file("b")])])] == [["a", "b"]]  # apart, and equal


def test_links_are_written_in_one_layer() -> None:
    parts = [Part([file("a")], "copy"), Part([file("a"), Entry("b", HARDLINK, link="a")], "run")]
    (one,) = check({}, parts)
    assert (one.part, paths(one), one.kept) == (1, ["a", "b"], True)


def test_thousands_of_names_of_one_file_are_looked_at_once() -> None:
    names = [Entry(f"a/{number}", HARDLINK, link="a/-") for number in range(6000)]
    below = merge_layers([[file("a/-"), *names]])
    start = time.process_time()
    parts = [Part([file("a/-", mode=0o600), *names], "run"), Part([file("a/7")], "run"), Part([file("b")], "copy")]
    made = check(below, parts)
    assert time.process_time() - start < 5
    assert [len(one.entries) for one in made] == [6001, 1]  # a/7 is what it was


def test_a_symbolic_link_too_may_have_two_names() -> None:
    link = Entry("l", SYMLINK, 0o777, link="b")
    (joined,) = check(BELOW, [Part([link, Entry("m", HARDLINK, link="l")], "run"), Part([file("x")], "run")])
    assert [(entry.path, entry.kind) for entry in joined.entries] == [("l", SYMLINK), ("m", HARDLINK), ("x", FILE)]
