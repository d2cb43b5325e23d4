"""The verdict: laws on random trees, noise, declared removals, ignored paths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import UsageError
from lamella.filetree.entry import DIRECTORY, FILE, SYMLINK, Entry
from lamella.oci.config import ImageConfig, RunConfig
from lamella.oci.platform import Platform
from lamella.prove.compare import compare
from lamella.prove.model import Difference, Side

NO_CONFIG = RunConfig()
_NAMES = st.sampled_from(["a", "b", "c", "lib", "é", "\udcff"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)


def _side(entries: list[Entry], config: RunConfig = NO_CONFIG) -> Side:
    tree = {entry.path: entry for entry in entries}
    return Side("image", tree, ImageConfig(b"", Platform("linux", "amd64"), config, ()))


def _entry(path: str, kind: str, number: int) -> Entry:
    """An entry of that kind; ``number`` varies what it holds."""
    entry = Entry(path, kind, mode=[0o644, 0o755, 0o4755][number % 3], uid=number % 2, mtime=number)
    if kind == FILE:
        return entry._replace(size=number, digest=f"{number:064x}")
    if kind == SYMLINK:
        return entry._replace(link=f"to{number}")
    return entry._replace(major=number) if kind in "cb" else entry


_ENTRIES = st.builds(_entry, _PATHS, st.sampled_from([FILE, FILE, DIRECTORY, SYMLINK, "c", "p"]), st.integers(0, 9))
_TREES = st.lists(_ENTRIES, max_size=12, unique_by=lambda entry: entry.path)
_FIELDS = {
    "mode": lambda entry: entry._replace(mode=entry.mode ^ 0o1),
    "owner": lambda entry: entry._replace(gid=entry.gid + 1),
    "content": lambda entry: entry._replace(size=entry.size + 1, digest="f" * 64),
    "link": lambda entry: entry._replace(link=entry.link + "x"),
    "device": lambda entry: entry._replace(minor=entry.minor + 1),
    "xattrs": lambda entry: entry._replace(xattrs=(("user.x", b"1"),)),
}


def _applicable(entry: Entry) -> list[str]:
    fields = ["owner", "xattrs"]
    if entry.kind != SYMLINK:
        fields.append("mode")
    return fields + {FILE: ["content"], SYMLINK: ["link"], "c": ["device"], "b": ["device"]}.get(entry.kind, [])


@given(_TREES)
def test_a_tree_is_the_same_as_itself(entries: list[Entry]) -> None:
    proof = compare(_side(entries), _side(list(reversed(entries))))
    assert proof.same
    assert proof.differences == proof.times == proof.config == ()
    assert proof.paths == len({"", *(entry.path for entry in entries)})


@given(_TREES.filter(bool), st.data())
def test_a_single_change_is_always_found_and_named(entries: list[Entry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    what = data.draw(st.sampled_from(_applicable(entries[index])))
    changed = [_FIELDS[what](entry) if at == index else entry for at, entry in enumerate(entries)]
    proof = compare(_side(entries), _side(changed))
    assert not proof.same
    assert [(found.path, found.what) for found in proof.differences] == [("/" + entries[index].path, what)]


@given(_TREES.filter(bool), st.data())
def test_a_missing_path_is_always_found(entries: list[Entry], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(entries))
    less = [entry for entry in entries if entry.path != gone.path]
    proof = compare(_side(entries), _side(less))
    assert [(found.path, found.what) for found in proof.differences] == [("/" + gone.path, "presence")]


@given(_TREES.filter(bool), st.data())
def test_noise_never_hides_another_field(entries: list[Entry], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    noisy, real = data.draw(st.permutations(_applicable(entries[index])))[:2]
    again = [_FIELDS[noisy](entry) if at == index else entry for at, entry in enumerate(entries)]
    both = [_FIELDS[real](entry) if at == index else entry for at, entry in enumerate(again)]
    assert compare(_side(entries), _side(again), noise=_side(again)).same
    proof = compare(_side(entries), _side(both), noise=_side(again))
    assert not proof.same
    assert [(found.path, found.what) for found in proof.differences] == [("/" + entries[index].path, real)]
    assert [(found.path, found.what) for found in proof.excused] == [("/" + entries[index].path, noisy)]


@given(_TREES.filter(bool), st.data())
def test_noise_never_hides_another_path(entries: list[Entry], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(entries)).path
    again = [_FIELDS["owner"](entry) if entry.path != path else entry for entry in entries]
    changed = [_FIELDS["owner"](entry) for entry in entries]
    proof = compare(_side(entries), _side(changed), noise=_side(again))
    assert [(found.path, found.what) for found in proof.differences] == [("/" + path, "owner")]


class TestNoise:
    def test_a_path_that_comes_and_goes(self, make_file: Callable[..., Entry]) -> None:
        stamp = make_file("tmp/stamp")
        with_it, without = _side([stamp]), _side([])
        assert compare(with_it, without, noise=without).same
        assert compare(without, with_it, noise=with_it).same
        assert not compare(with_it, without, noise=with_it).same

    def test_such_a_path_is_not_excused_for_what_it_is(self, make_file: Callable[..., Entry]) -> None:
        stamp = make_file("tmp/stamp", mode=0o644)
        proof = compare(_side([]), _side([stamp._replace(mode=0o4755)]), noise=_side([stamp]))
        assert [(found.path, found.what) for found in proof.differences] == [("/tmp/stamp", "mode")]

    def test_noise_is_reported_with_both_values(self, make_file: Callable[..., Entry]) -> None:
        one, other = make_file("etc/machine-id", b"1"), make_file("etc/machine-id", b"2")
        proof = compare(_side([one]), _side([one]), noise=_side([other]))
        assert proof.same and proof.excused == ()
        assert [(found.path, found.what) for found in proof.noise] == [("/etc/machine-id", "content")]
        assert proof.noise[0].a != proof.noise[0].b

    def test_noise_in_the_config(self) -> None:
        one, two, three = (RunConfig(env=(f"BUILD={number}", "A=1")) for number in range(3))
        assert compare(_side([], one), _side([], three), noise=_side([], two)).same
        proof = compare(_side([], one), _side([], three._replace(env=("BUILD=2", "A=2"))), noise=_side([], two))
        assert [found.path for found in proof.config] == ["Env.A"]


class TestTimes:
    def test_are_told_apart_and_never_count(self, make_file: Callable[..., Entry]) -> None:
        one = [make_file("a", mtime=1), make_file("b", mtime=1)]
        other = [make_file("a", mtime=2), make_file("b", mtime=1)]
        proof = compare(_side(one), _side(other))
        assert proof.same
        assert proof.times == (Difference("/a", "mtime", "1", "2"),)

    def test_are_not_told_where_something_else_differs(self, make_file: Callable[..., Entry]) -> None:
        proof = compare(_side([make_file("a", mtime=1)]), _side([make_file("a", b"y", mtime=2)]))
        assert proof.times == () and len(proof.differences) == 1


class TestDeclared:
    def test_removals_are_listed_with_their_bytes(self, make_file: Callable[..., Entry]) -> None:
        lists = [make_file("var/lib/apt/lists/one", b"123"), make_file("var/lib/apt/lists/two", b"45678")]
        kept = make_file("usr/bin/git")
        proof = compare(_side([kept, *lists]), _side([kept]), declared=["/var/lib/apt/lists/*"])
        assert proof.same
        assert [(removal.path, removal.bytes) for removal in proof.declared] == [
            ("/var/lib/apt/lists/one", 3),
            ("/var/lib/apt/lists/two", 5),
        ]
        assert (proof.a_bytes, proof.b_bytes) == (9, 1)

    def test_nothing_else_may_be_missing(self, make_file: Callable[..., Entry]) -> None:
        entries = [make_file("var/cache/x"), make_file("var/lib/x")]
        proof = compare(_side(entries), _side([]), declared=["/var/cache/**"])
        assert [found.path for found in proof.differences] == ["/var/lib/x"]

    def test_only_a_removal_is_excused(self, make_file: Callable[..., Entry]) -> None:
        cache = make_file("var/cache/x")
        for other in (cache._replace(mode=0o600), make_file("var/cache/x", b"new")):
            assert not compare(_side([cache]), _side([other]), declared=["/var/cache"]).same
        assert not compare(_side([]), _side([cache]), declared=["/var/cache"]).same


GLOBS = [
    ("/var/log", "var/log", True),
    ("var/log", "var/log/a/b", True),
    ("/var/log", "var/logs", False),
    ("/var/log/*", "var/log", False),
    ("/var/log/*", "var/log/a/b", True),
    ("*.pyc", "a.pyc", True),
    ("*.pyc", "lib/a.pyc", False),
    ("**/*.pyc", "a.pyc", True),
    ("**/*.pyc", "usr/lib/a.pyc", True),
    ("/usr/**/x", "usr/x", True),
    ("/usr/**/x", "usr/a/b/x", True),
    ("/usr/**", "usr", False),
    ("/usr/**", "usr/a", True),
    ("/tmp/?", "tmp/a", True),
    ("/tmp/?", "tmp/ab", False),
    ("/tmp/[ab]", "tmp/a", True),
    ("/tmp/[ab]", "tmp/c", False),
    ("/tmp/[!ab]", "tmp/c", True),
    ("/tmp/[!ab]", "tmp/a", False),
    ("/tmp/[a-c]x", "tmp/bx", True),
    ("/tmp/\\*", "tmp/*", True),
    ("/tmp/\\*", "tmp/a", False),
    ("/tmp/a.b", "tmp/aXb", False),
    ("/tmp/[", "tmp/[", True),
    ("/tmp/[]]", "tmp/]", True),
    ("/new*", "new\nline", True),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), GLOBS)
def test_ignored_paths(pattern: str, path: str, matches: bool) -> None:
    proof = compare(_side([Entry(path, FILE)]), _side([Entry(path, FILE, 0o755)]), ignore=[pattern])
    assert proof.same is matches
    assert proof.paths == (1 if matches else 2)


@pytest.mark.parametrize("pattern", ["", "/", "//"])
def test_a_pattern_that_would_match_everything(pattern: str) -> None:
    with pytest.raises(UsageError, match="match everything"):
        compare(_side([]), _side([]), ignore=[pattern])


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(UsageError, match="not a path pattern"):
        compare(_side([]), _side([]), declared=["/a[z-a]"])
