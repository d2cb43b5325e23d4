"""COPY and ADD in the corners where BuildKit's behaviour surprises; what is expected was observed with Docker."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import ContextError, ImageInvalid
from lamella.events import Note

Builder = Any
PASSWD = "root:x:0:0::/:/bin/sh\napp:x:8:12::/:/bin/sh\n"


def built(builder: Builder, text: str) -> dict[str, Any]:
    tree = builder.tree(builder.build(text))
    return {path: entry for path, entry in sorted(tree.items()) if path}


def archive(path: Path, *members: tuple[str, str, str]) -> None:
    """Members as (name, kind, content or target); kinds as in an Entry."""
    kinds = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}
    with tarfile.open(path, "w") as tar:
        for name, kind, what in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kinds[kind], 0o755 if kind == "d" else 0o644
            member.uid = 9
            data = what.encode() if kind == "f" else b""
            member.size, member.linkname = len(data), "" if kind == "f" else what
            tar.addfile(member, io.BytesIO(data))


def test_a_pattern_may_match_nothing_and_says_so(builder: Builder) -> None:
    builder.file("package.json")
    assert list(built(builder, "FROM scratch\nCOPY package.json yarn.lock* /app/\nCOPY *.none /none/\n")) == [
        "app",
        "app/package.json",
    ]
    notes = [event for event in builder.events if isinstance(event, Note)]
    assert [(note.where, "yarn.lock*" in note.message) for note in notes] == [
        ("Dockerfile:2", True),
        ("Dockerfile:3", False),
    ]


def test_the_folder_of_a_pattern_must_be_there(builder: Builder) -> None:
    with pytest.raises(ContextError, match="'nodir' does not exist") as caught:
        builder.build("FROM scratch\nCOPY nodir/*.txt /\n")
    assert caught.value.where == "Dockerfile:2"


def test_several_sources_into_a_folder_that_is_there(builder: Builder) -> None:
    for name in ("a", "b", "d1/x", "d2/y"):
        builder.file(name)
    text = "FROM scratch\nWORKDIR /m\nCOPY a b /m\nCOPY d1 d2 /n\nCOPY d1 a /o\n"
    assert list(built(builder, text)) == ["m", "m/a", "m/b", "n", "n/x", "n/y", "o", "o/a", "o/x"]


@pytest.mark.parametrize("source", ["dangling", "dang*"])
def test_a_named_link_to_nothing_is_refused(builder: Builder, source: str) -> None:
    (builder.context / "dangling").symlink_to("nothing")
    with pytest.raises(ContextError, match="symbolic link to 'nothing'") as caught:
        builder.build(f"FROM scratch\nCOPY {source} /\n")
    assert caught.value.where == "Dockerfile:2"


def test_a_loop_of_links_is_refused_with_its_line(builder: Builder) -> None:
    (builder.context / "loop").symlink_to("loop")
    with pytest.raises(ContextError, match="too many symbolic links") as caught:
        builder.build("FROM scratch\nCOPY loop /\n")
    assert caught.value.where == "Dockerfile:2"


def test_hard_links_join_what_one_word_named(builder: Builder) -> None:
    os.link(builder.file("d/one", "x"), builder.context / "d" / "two")
    tree = built(builder, "FROM scratch\nCOPY d /whole\nCOPY d/one d/two /each/\n")
    assert {path: entry.kind for path, entry in tree.items() if entry.kind != "d"} == {
        "whole/one": "f",
        "whole/two": "h",
        "each/one": "f",
        "each/two": "f",
    }


def test_new_folders_inherit_from_a_setgid_one(builder: Builder) -> None:
    builder.file("a")
    builder.file("base/sg/keep")
    os.chmod(builder.context / "base" / "sg", 0o2775)
    text = "FROM scratch\nCOPY --chown=1:50 base /\nCOPY a /sg/new/a\nCOPY --chown=5:6 a /sg/own/a\nWORKDIR /sg/dir\n"
    tree = built(builder, text + "USER 9\nWORKDIR /sg/mine\n")
    folders = {path: (entry.mode, entry.uid, entry.gid) for path, entry in tree.items() if entry.kind == "d"}
    assert folders == {
        "sg": (0o2775, 1, 50),
        "sg/new": (0o2755, 0, 50),
        "sg/own": (0o2755, 5, 6),
        "sg/dir": (0o2755, 0, 50),
        "sg/mine": (0o2755, 9, 9),
    }


def test_a_bare_number_is_the_group_of_new_folders_too(builder: Builder) -> None:
    builder.file("etc/passwd", PASSWD)
    tree = built(builder, "FROM scratch\nCOPY etc /etc\nUSER 8\nWORKDIR /number\nUSER app\nWORKDIR /name\n")
    assert [(tree[path].uid, tree[path].gid) for path in ("number", "name")] == [(8, 8), (8, 12)]


def test_an_unknown_user_is_refused_with_the_line_of_workdir(builder: Builder) -> None:
    with pytest.raises(Exception, match="USER nobody") as caught:
        builder.build("FROM scratch\nUSER nobody\nWORKDIR /x\n")
    assert caught.value.where == "Dockerfile:3"  # type: ignore[attr-defined]


def test_passwd_may_be_a_hard_link(builder: Builder) -> None:
    os.link(builder.file("etc/passwd", PASSWD), builder.context / "etc" / "first")
    tree = built(builder, "FROM scratch\nCOPY etc /etc\nCOPY --chown=app etc/passwd /x\n")
    assert (tree["etc/passwd"].kind, tree["x"].uid, tree["x"].gid) == ("h", 8, 12)


def test_heredocs_of_one_name_and_over_a_file(builder: Builder) -> None:
    """Files that come from no source are placed last."""
    builder.file("a", "from the context")
    tree = built(builder, "FROM scratch\nCOPY a <<a <<b <<b /x/\nheredoc\na\n1\nb\n22\nb\n")
    assert {path: entry.size for path, entry in tree.items() if entry.kind == "f"} == {"x/a": 8, "x/b": 3}


def test_sources_are_placed_in_their_order_archives_too(builder: Builder) -> None:
    builder.file("a", "context")
    archive(builder.context / "t.tar", ("a", "f", "archive, longer"), ("twin", "h", "a"))
    after = built(builder, "FROM scratch\nADD t.tar a /x/\n")
    assert {path: (entry.kind, entry.size) for path, entry in after.items()} == {
        "x": ("d", 0),
        "x/a": ("f", 7),
        "x/twin": ("f", 15),
    }
    before = built(builder, "FROM scratch\nADD a t.tar /x/\n")
    assert (before["x/a"].size, before["x/twin"].kind) == (15, "h")


def test_links_in_an_archive_are_resolved_inside_of_the_destination(builder: Builder) -> None:
    archive(
        builder.context / "t.tar", ("real", "d", ""), ("rel", "l", "real"), ("rel/f", "f", "x"), ("abs", "l", "/real"),
        ("abs/g", "f", "y"), ("a-link", "h", "rel/f"),
    )  # fmt: skip
    result = builder.build("FROM scratch\nADD t.tar /top/\n")
    assert set(builder.layer_paths(result, 0)) == {
        "top", "top/real", "top/real/f", "top/real/g", "top/rel", "top/abs", "top/a-link",
    }  # fmt: skip
    assert builder.layer_paths(result, 0)[-1] == "top/a-link"  # behind the file that it leads to
    assert builder.tree(result)["top/real/f"].link == "top/a-link"


def test_chmod_and_chown_of_an_archive(builder: Builder) -> None:
    """BuildKit 0.23 gives the members the owner; modes stay the archive's."""
    archive(builder.context / "t.tar", ("d", "d", ""), ("d/f", "f", "x"))
    tree = built(builder, "FROM scratch\nADD --chown=3:4 --chmod=600 t.tar /x/\n")
    assert {path: (entry.mode, entry.uid, entry.gid) for path, entry in tree.items()} == {
        "x": (0o755, 3, 4),
        "x/d": (0o755, 3, 4),
        "x/d/f": (0o644, 3, 4),
    }


@pytest.mark.parametrize(
    "member", [("../out", "f", "x"), ("link", "h", "../../etc/passwd"), (".wh.gone", "f", ""), ("h", "h", "nowhere")]
)
def test_a_hostile_archive_is_refused_with_its_line(builder: Builder, member: tuple[str, str, str]) -> None:
    archive(builder.context / "t.tar", member)
    with pytest.raises((ImageInvalid, ContextError)) as caught:
        builder.build("FROM scratch\n\nADD t.tar /x/\n")
    assert caught.value.where == "Dockerfile:3"
    assert caught.value.hint


def test_a_context_that_cannot_be_read_says_where(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.file("d/a")

    def refuse(path: str) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("lamella.build.sources.os.scandir", refuse)
    with pytest.raises(ContextError, match="cannot be read") as caught:
        builder.build("FROM scratch\nCOPY d /\n")
    assert (caught.value.where, caught.value.detail) == ("Dockerfile:2", f"{builder.context}/d")
