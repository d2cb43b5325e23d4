"""COPY and ADD ``--chmod``: changes for files and folders, octal numbers for folders that are made on the way too."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.errors import DockerfileError

Builder = Any


def modes(builder: Builder, text: str) -> dict[str, str]:
    tree = builder.tree(builder.build(text))
    return {path: oct(entry.mode)[2:] for path, entry in sorted(tree.items()) if path and entry.kind != "l"}


def test_changes_to_what_is_copied(builder: Builder) -> None:
    builder.file("d/run", mode=0o700)
    builder.file("d/sub/data", mode=0o600)
    (builder.context / "d" / "sub").chmod(0o700)
    (builder.context / "d" / "link").symlink_to("run")
    assert modes(builder, "FROM scratch\nCOPY --chmod=u=rwX,go=rX d /new/d\n") == {
        "new": "755",
        "new/d": "755",
        "new/d/run": "755",
        "new/d/sub": "755",
        "new/d/sub/data": "644",
    }
    assert modes(builder, "FROM scratch\nARG M=g=u\nCOPY --chmod=$M,o= d/sub d/run /x/\nADD --chmod=+x d/sub /y\n") == {
        "x": "755",
        "x/data": "660",
        "x/run": "770",
        "y": "755",
        "y/data": "711",
    }


def test_changes_to_a_heredoc(builder: Builder) -> None:
    assert modes(builder, "FROM scratch\nCOPY --chmod=a+x <<run /bin/run\n#!/bin/sh\nrun\n")["bin/run"] == "755"


def test_an_octal_mode_counts_for_the_folders_made_on_the_way(builder: Builder) -> None:
    """Since fsutil's "fix custom chmod for parent directories" (2025); the special bits are for what is copied."""
    builder.file("a")
    text = "FROM scratch\nWORKDIR /old\nCOPY --chmod=1770 a /old/new/deep/a\nCOPY --chmod=600 <<x /old/x/\nx\n"
    assert modes(builder, text) == {
        "old": "755",
        "old/new": "770",
        "old/new/deep": "770",
        "old/new/deep/a": "1770",
        "old/x": "600",
        "old/x/x": "600",
    }


def test_a_setgid_parent_is_inherited_under_an_octal_mode_too(builder: Builder) -> None:
    builder.file("base/sg/keep")
    builder.file("a")
    (builder.context / "base" / "sg").chmod(0o2775)
    assert modes(builder, "FROM scratch\nCOPY base /\nCOPY --chmod=700 a /sg/new/a\n")["sg/new"] == "2700"


def test_another_mode_makes_another_layer(builder: Builder) -> None:
    builder.file("a")
    builder.build("FROM scratch\nCOPY --chmod=u+x a /\n")
    assert not builder.build("FROM scratch\nCOPY --chmod=u+w a /\n").steps[0].cached
    assert builder.build("FROM scratch\nCOPY --chmod=u+x a /\n").steps[0].cached


@pytest.mark.parametrize("mode", ["u=rwz", "888", "10000"])
def test_what_is_no_mode_is_refused_with_its_line(builder: Builder, mode: str) -> None:
    with pytest.raises(DockerfileError, match="is no mode") as caught:
        builder.build(f"FROM scratch\nCOPY --chmod={mode} a /\n")
    assert caught.value.where == "Dockerfile:2"
