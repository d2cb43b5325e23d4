"""COPY --parents and --exclude: what is taken, where it goes, and what the folders on the way look like.

What is expected is the Dockerfile reference's and that of BuildKit's own tests: the flags are newer than any Docker
that could be asked here.
"""

from __future__ import annotations

from typing import Any

import pytest

from lamella.build.selection import Patterns, select
from lamella.build.sources import TreeSource
from lamella.errors import ContextError
from lamella.events import Note
from lamella.filetree.entry import Entry
from lamella.plan.ignore import parse_patterns

Builder = Any


def files(builder: Builder, text: str) -> list[str]:
    tree = builder.tree(builder.build(text))
    return [path for path, entry in sorted(tree.items()) if entry.kind != "d"]


@pytest.fixture
def nested(builder: Builder) -> Builder:
    """A stage ``base`` as BuildKit's tests have it."""
    for path in ("a/b/c/d/foo", "a/b/c/d/e/bay", "a/b2/c/d/e/bar", "a/b/c2/d/e/baz", "a/b/c2/d/e2/baz"):
        builder.file(f"test/{path}")
    return builder


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("/test/a/b/./c/d", ["c/d/e/bay", "c/d/foo"]),
        ("/test/a/b/c/d/.", ["test/a/b/c/d/e/bay", "test/a/b/c/d/foo"]),
        ("./test/a/b/c/d/", ["test/a/b/c/d/e/bay", "test/a/b/c/d/foo"]),
        ("/test/a/./b/./c", ["b/c/d/e/bay", "b/c/d/foo"]),
        ("/test/a/./*/c", ["b/c/d/e/bay", "b/c/d/foo", "b2/c/d/e/bar"]),
        ("/test/a/b*/./c/**/e", ["c/d/e/bar", "c/d/e/bay"]),
        ("/test/a/b/c*/./d/**/baz /test/a/b*/./c/**/bar", ["c/d/e/bar", "d/e/baz", "d/e2/baz"]),
        ("test/**/ba?", [f"test/{path}" for path in sorted(
            ("a/b/c/d/e/bay", "a/b2/c/d/e/bar", "a/b/c2/d/e/baz", "a/b/c2/d/e2/baz"))]),
        ("**/foo", ["test/a/b/c/d/foo"]),
        ("test/../test/a/b2", ["test/a/b2/c/d/e/bar"]),
        ("test/a/b2/./.", ["c/d/e/bar"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stage", ["", "--from=base"])
def test_what_is_taken_and_where_it_goes(nested: Builder, sources: str, expected: list[str], stage: str) -> None:
    text = f"FROM scratch AS base\nCOPY test /test\nFROM scratch\nCOPY {stage} --parents {sources} /out/\n"
    assert files(nested, text) == [f"out/{path}" for path in expected]


def test_the_references_examples(builder: Builder) -> None:
    for path in ("x/a.txt", "y/a.txt", "x/y/a.txt", "x/y/b.txt", "src/a.txt", "src/x/b.txt", "src/x/y/c.txt", "src/n"):
        builder.file(path)
    text = "FROM scratch\nCOPY --parents ./x/a.txt ./y/a.txt /parents/\nCOPY ./x/a.txt ./y/a.txt /no_parents/\n"
    assert files(builder, text) == ["no_parents/a.txt", "parents/x/a.txt", "parents/y/a.txt"]
    assert files(builder, "FROM scratch\nCOPY --parents ./x/./y/*.txt /p/\n") == ["p/y/a.txt", "p/y/b.txt"]
    assert files(builder, "FROM scratch\nCOPY --parents ./src/**/*.txt /p\n") == [
        "p/src/a.txt",
        "p/src/x/b.txt",
        "p/src/x/y/c.txt",
    ]
    assert files(builder, "FROM scratch\nWORKDIR /w\nCOPY --parents=true x/a.* .\n") == ["w/x/a.txt"]


def test_folders_on_the_way_look_like_the_sources(builder: Builder) -> None:
    """New ones get mode, owner and time of what they are copies of; those that are there the mode alone."""
    builder.file("a/b/c/file")
    for path, mode in (("a", 0o711), ("a/b", 0o2750), ("a/b/c", 0o1777)):
        (builder.context / path).chmod(mode)
    text = (
        "FROM scratch\nCOPY --chown=9:9 <<x /old/a/x\nx\nCOPY {} --parents a/b/c/file /old/\nCOPY --parents a/b /new\n"
    )

    def look(flags: str) -> dict[str, tuple[str, int]]:
        tree = builder.tree(builder.build(text.replace("{}", flags)))
        return {path: (oct(entry.mode)[2:], entry.uid) for path, entry in sorted(tree.items()) if entry.kind == "d"}

    made = {"new": ("755", 0), "new/a": ("711", 0), "new/a/b": ("2750", 0), "new/a/b/c": ("1777", 0)}
    there = {"old": ("755", 9), "old/a": ("711", 9)}
    assert look("") == made | there | {"old/a/b": ("2750", 0), "old/a/b/c": ("1777", 0)}
    assert look("--chown=3") == made | there | {"old/a/b": ("2750", 3), "old/a/b/c": ("1777", 3)}
    assert look("--chmod=go=") == made | there | {"old/a/b": ("700", 0), "old/a/b/c": ("1700", 0)}


def test_links_are_kept_and_not_followed(builder: Builder) -> None:
    builder.file("real/sub/f")
    (builder.context / "link").symlink_to("real")
    (builder.context / "real" / "inner").symlink_to("sub")
    builder.file("x")
    tree = builder.tree(
        builder.build("FROM scratch\nCOPY --parents link real/in* x /p/\nCOPY --parents link/./sub /q/\n")
    )
    assert {path: entry.link for path, entry in tree.items() if entry.kind == "l"} == {
        "p/link": "real",
        "p/real/inner": "sub",
    }
    assert "q/sub/f" in tree  # what stands before the pivot is followed


def test_a_missing_path_is_refused_and_a_pattern_may_match_nothing(builder: Builder) -> None:
    builder.file("there/a")
    for source in ("there/b", "gone/./a", "there/./b", "gone/./*", "there/./sub/a"):
        with pytest.raises(ContextError, match="does not exist") as caught:
            builder.build(f"FROM scratch\nCOPY --parents {source} /\n")
        assert caught.value.where == "Dockerfile:2"
    assert files(builder, "FROM scratch\nCOPY --parents there/*.txt g*/./a /d/\n") == []
    notes = [event.message for event in builder.events if isinstance(event, Note)]
    assert [("*.txt" in note, "g*/./a" in note) for note in notes] == [(True, False), (False, True)]


def test_the_ignore_file_is_heard(builder: Builder) -> None:
    for path in ("src/a", "src/node_modules/b", "src/node_modules/keep/c"):
        builder.file(path)
    builder.file(".dockerignore", "**/node_modules\n!**/node_modules/keep\n")
    assert files(builder, "FROM scratch\nCOPY --parents src/** /\n") == ["src/a", "src/node_modules/keep/c"]


def test_only_what_can_match_is_looked_at(builder: Builder) -> None:
    """A folder with everything one ever installed costs nothing where it is not asked for."""
    builder.file("node_modules/deep/x")
    builder.file("packages/a/package.json")
    result = builder.build("FROM scratch\nCOPY --parents packages/*/package.json /\n")
    ((_, looked_at),) = result.looked_at
    assert "node_modules/deep" not in looked_at
    assert "packages/a/package.json" in looked_at


def test_excludes_are_relative_to_what_is_copied(builder: Builder) -> None:
    for path in ("dir/a.1", "dir/a.2", "dir/sub/a.1", "dir/sub/a.2", "dir/sub/keep/a.1", "home.txt", "home.md"):
        builder.file(path)

    def left(flags: str, source: str = "dir") -> list[str]:
        return files(builder, f"FROM scratch\nCOPY {flags} {source} /\n")

    assert left("--exclude=*.1") == ["a.2", "sub/a.1", "sub/a.2", "sub/keep/a.1"]
    assert left("--exclude=**/*.1") == ["a.2", "sub/a.2"]
    assert left("--exclude=sub --exclude=*.1") == ["a.2"]
    assert left("--exclude=sub --exclude=!sub/keep") == ["a.1", "a.2", "sub/keep/a.1"]
    assert left("--exclude=*.txt", "hom*") == ["home.md"]
    assert left("--exclude=**/*.1 --parents", "dir/sub") == ["dir/sub/a.2"]
    assert left("--exclude=sub/*.1 --parents", "dir/./sub") == ["sub/a.2", "sub/keep/a.1"]
    assert left("--exclude=#x") == left("")
    add = "FROM scratch\nADD --exclude=**/*.1 --exclude=sub/a* dir /\n"
    assert files(builder, add) == ["a.2"]


def test_a_folder_whose_content_is_excluded_stays(builder: Builder) -> None:
    builder.file("dir/sub/a")
    builder.file("dir/gone/a")
    tree = builder.tree(builder.build("FROM scratch\nCOPY --exclude=*/a --exclude=gone dir /\n"))
    assert {path for path in tree if path} == {"sub"}


def test_the_cache_knows_what_is_left_out(builder: Builder) -> None:
    builder.file("d/a", "1")
    builder.file("d/b", "1")
    text = "FROM scratch\nCOPY --exclude=d/b --parents d /\n"
    builder.build(text)
    builder.file("d/b", "changed")
    assert builder.build(text).steps[0].cached
    builder.file("d/a", "changed")
    assert not builder.build(text).steps[0].cached
    (builder.context / "d").chmod(0o700)
    assert not builder.build(text).steps[0].cached


def test_very_deep_folders() -> None:
    paths = ["/".join(["d"] * depth) for depth in range(1, 1500)]
    source = TreeSource({path: Entry(path, "d", 0o755) for path in paths}, lambda: "")
    everything = select(source, "", Patterns(parse_patterns(["d"], "")))
    assert [entry.path for entry in everything.entries] == paths
    last = select(source, "d", Patterns(parse_patterns(["/".join(["d"] * 1498)], "")))
    assert (len(last.entries), len(last.passed)) == (1498, 1497)
