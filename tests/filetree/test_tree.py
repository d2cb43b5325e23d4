"""What a stack of layers comes to."""

from __future__ import annotations

import time

import pytest

from lamella.errors import ImageInvalid
from lamella.filetree.entry import CHARACTER_DEVICE, DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import apply_layer, merge_layers, order, resolved

D, F, L = DIRECTORY, FILE, SYMLINK


def e(path: str, kind: str = F, *, content: str = "", **fields: object) -> Entry:
    return Entry(path, kind, digest=content, size=len(content), **fields)  # type: ignore[arg-type]


def paths(*layers: list[Entry]) -> list[str]:
    """Both ways to merge, which must agree."""
    merged = merge_layers(layers)
    stepwise: dict[str, Entry] = {}
    for layer in layers:
        assert apply_layer(stepwise, layer) is stepwise
    assert stepwise == merged
    assert list(merged) == sorted(merged, key=order)
    return list(merged)


BASE = [e("a", D), e("a/x"), e("a/y", D), e("a/y/z"), e("b")]


def test_a_later_layer_adds_and_replaces() -> None:
    assert paths(BASE, [e("c"), e("a/x", content="new")]) == ["a", "a/x", "a/y", "a/y/z", "b", "c"]
    assert merge_layers([BASE, [e("a/x", content="new")]])["a/x"].digest == "new"


def test_whiteouts_remove_files_and_whole_directories() -> None:
    assert paths(BASE, [e("b", WHITEOUT)]) == ["a", "a/x", "a/y", "a/y/z"]
    assert paths(BASE, [e("a/y", WHITEOUT)]) == ["a", "a/x", "b"]
    assert paths(BASE, [e("a", WHITEOUT)]) == ["b"]


@pytest.mark.parametrize("path", ["nothing", "a/nothing", "nothing/at/all", "b/x"])
@pytest.mark.parametrize("kind", [WHITEOUT, OPAQUE])
def test_hiding_nothing_does_nothing(path: str, kind: str) -> None:
    assert paths(BASE, [e(path, kind)]) == ["a", "a/x", "a/y", "a/y/z", "b"]


def test_opaque_hides_what_is_below_only() -> None:
    assert paths(BASE, [e("a", OPAQUE)]) == ["a", "b"]
    assert paths(BASE, [e("", OPAQUE)]) == []
    assert paths(BASE, [e("a/new"), e("a", OPAQUE)]) == ["a", "a/new", "b"]
    assert paths(BASE, [e("a", OPAQUE), e("a/new")]) == ["a", "a/new", "b"]


def test_a_whiteout_never_hides_its_own_layer() -> None:
    for layer in ([e("b", WHITEOUT), e("b", D), e("b/c")], [e("b", D), e("b/c"), e("b", WHITEOUT)]):
        assert paths(BASE, layer) == ["a", "a/x", "a/y", "a/y/z", "b", "b/c"]
    assert paths(BASE, [e("a/new"), e("a", WHITEOUT)]) == ["a", "a/new", "b"]
    assert merge_layers([[e("a", D, mode=0o700)], [e("a/n"), e("a", WHITEOUT)]])["a"].mode == 0o755


def test_a_directory_over_a_directory_changes_attributes() -> None:
    tree = merge_layers([BASE, [e("a", D, mode=0o700)]])
    assert tree["a"].mode == 0o700
    assert "a/y/z" in tree


@pytest.mark.parametrize("kind", [F, L, CHARACTER_DEVICE])
def test_anything_over_a_directory_replaces_it(kind: str) -> None:
    assert paths(BASE, [e("a", kind)]) == ["a", "b"]


def test_a_directory_over_anything_is_empty() -> None:
    assert paths(BASE, [e("b", D)]) == ["a", "a/x", "a/y", "a/y/z", "b"]
    assert paths([e("a", D), e("a/x")], [e("a")], [e("a", D)]) == ["a"]
    assert paths([e("a", D), e("a/x")], [e("a"), e("a", D)]) == ["a"]


def test_missing_parents_are_made() -> None:
    tree = merge_layers([[e("p/q/r")]])
    assert tree["p"] == Entry("p", D, 0o755)
    assert tree["p/q"] == Entry("p/q", D, 0o755)
    assert paths([e("f")], [e("f/g")]) == ["f", "f/g"]


def test_parents_that_are_links_are_followed_inside() -> None:
    usr = [e("usr", D), e("usr/bin", D), e("bin", L, link="usr/bin")]
    assert paths(usr, [e("bin/tool")]) == ["bin", "usr", "usr/bin", "usr/bin/tool"]
    assert paths(usr, [e("bin", D), e("bin/tool")]) == ["bin", "bin/tool", "usr", "usr/bin"]
    assert paths([e("l", L, link="../../etc")], [e("l/x")]) == ["etc", "etc/x", "l"]
    assert paths([e("d/l", L, link="/etc")], [e("d/l/x")]) == ["d", "d/l", "etc", "etc/x"]
    assert paths(usr, [e("usr/bin/a")], [e("bin/a", WHITEOUT)]) == ["bin", "usr", "usr/bin"]
    assert paths(usr, [e("usr/bin/a")], [e("bin", OPAQUE)]) == ["bin", "usr", "usr/bin"]


def test_loops_of_links_are_refused() -> None:
    with pytest.raises(ImageInvalid, match="symbolic links"):
        merge_layers([[e("a", L, link="b"), e("b", L, link="a")], [e("a/x")]])


def test_hard_links_are_one_file() -> None:
    tree = merge_layers([[e("d/f", content="1", mode=0o600), e("g", HARDLINK, link="d/f"), e("a", HARDLINK, link="g")]])
    assert tree["a"] == e("a", content="1", mode=0o600)
    assert tree["g"] == Entry("g", HARDLINK, 0o600, link="a")
    assert tree["d/f"] == Entry("d/f", HARDLINK, 0o600, link="a")
    assert resolved(tree, tree["g"]) == e("g", content="1", mode=0o600)
    assert resolved(tree, tree["a"]) == tree["a"]


def test_names_of_a_file_live_on_without_the_first() -> None:
    base = [e("a", content="1"), e("b", HARDLINK, link="a"), e("c", HARDLINK, link="a")]
    for layer in ([e("a", WHITEOUT)], [e("a", content="2")], [e("a", D)]):
        tree = merge_layers([base, layer])
        assert tree["b"] == e("b", content="1")
        assert tree["c"].link == "b"
        assert apply_layer(merge_layers([base]), layer) == tree


def test_hard_links_to_nothing_are_refused() -> None:
    for link in ("nothing", "", "d", "d/x/y"):
        with pytest.raises(ImageInvalid, match="hard link"):
            merge_layers([[e("d", D), e("h", HARDLINK, link=link)]])


def test_a_layer_that_is_refused_leaves_the_tree() -> None:
    tree = merge_layers([BASE])
    before = dict(tree)
    with pytest.raises(ImageInvalid):
        apply_layer(tree, [e("new"), e("a", WHITEOUT), e("h", HARDLINK, link="no")])
    assert tree == before


def test_the_root_has_attributes_where_a_layer_says_so() -> None:
    assert "" not in merge_layers([BASE])
    assert merge_layers([BASE, [e("", D, mode=0o711)]])[""].mode == 0o711
    assert paths(BASE, [e("", D, mode=0o711)])[0] == ""


def test_many_whiteouts_over_many_files_are_linear() -> None:
    """Ten thousand whiteouts of directories over a hundred thousand files: twice the work takes about twice as long."""

    def layers(count: int) -> list[list[Entry]]:
        files = [e(f"d{number // 10}/s/f{number}") for number in range(count)]
        gone = [e(f"d{number}/s", WHITEOUT) for number in range(0, count // 10, 2)]
        return [files, gone, [e(f"d{number}", OPAQUE) for number in range(1, count // 10, 2)]]

    def seconds(count: int) -> float:
        stack = layers(count)
        start = time.process_time()
        tree = merge_layers(stack)
        spent = time.process_time() - start
        # Half of the directories keep nothing but themselves.
        assert len(tree) == count // 10
        return spent

    small = min(seconds(25_000) for _ in range(3))
    assert seconds(100_000) < 12 * small + 0.1


def test_one_layer_on_a_large_tree_is_quick() -> None:
    tree = merge_layers([[e(f"d{number // 100}/f{number}") for number in range(50_000)]])
    start = time.process_time()
    for number in range(100):
        apply_layer(tree, [e("d1", D), e(f"d1/new{number}"), e(f"d2/f{200 + number}", content="x")])
    assert time.process_time() - start < 2  # not a tree made anew each time


@pytest.mark.parametrize("hiding", [e("x", OPAQUE), e("x/a", WHITEOUT)])
def test_what_a_new_directory_hides_is_not_where_a_link_led(hiding: Entry) -> None:
    """Docker marks a directory as opaque that took the place of a link: what the link led to stays."""
    lower = [e("etc", DIRECTORY), e("etc/a"), e("x", SYMLINK, link="/etc")]
    assert paths(lower, [e("x", DIRECTORY), hiding]) == ["etc", "etc/a", "x"]


def test_a_name_that_became_a_link_stays_one_through_later_layers() -> None:
    """The tree lists it before the file that it is a name of: it was there first."""
    linked = [e("a", content="1"), Entry("b", HARDLINK, link="a")]
    assert paths([e("b")], linked, [e("c", D), e("c", WHITEOUT)]) == ["a", "b", "c"]


def test_many_folders_removed_at_once_cost_what_they_hold() -> None:
    lower = merge_layers([[e(f"a/{n}/{m}") for n in range(10_000) for m in range(3)]])
    removed = [e(f"a/{n}", WHITEOUT) for n in range(10_000)]
    start = time.process_time()
    assert set(apply_layer(dict(lower), removed)) == {"a"}
    assert time.process_time() - start < 3  # not every path held against every folder that goes
