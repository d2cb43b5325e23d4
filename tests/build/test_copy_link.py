"""COPY --link: a layer that knows nothing of those below. What is expected is the specification's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamella.errors import DockerfileError

Builder = Any


def cached(builder: Builder, text: str, **options: Any) -> list[bool]:
    return [step.cached for step in builder.build(text, **options).steps]


def test_a_changed_base_leaves_the_layer_in_the_cache(builder: Builder) -> None:
    builder.file("base", "1")
    builder.file("app/main", "main")
    text = "FROM scratch\nCOPY base /etc/\nCOPY --link app /srv/app\nCOPY app /plain\nADD --link app /other\n"
    first = builder.build(text)
    builder.file("base", "2")
    second = builder.build(text)
    assert [step.cached for step in second.steps] == [False, True, False, True]
    assert first.config.diff_ids[1] == second.config.diff_ids[1]
    builder.file("app/main", "changed")
    assert cached(builder, text) == [True, False, False, False]


def test_the_layer_is_found_while_what_is_below_is_still_packed(builder: Builder) -> None:
    builder.file("app", "app")
    assert cached(builder, "FROM scratch\nCOPY --link app /\n") == [False]
    assert cached(builder, "FROM scratch\nWORKDIR /new\nCOPY --link app /\n") == [False, True]


def test_the_key_has_the_source_and_the_definition(builder: Builder) -> None:
    text = "FROM scratch AS one\nCOPY a /in/a\nFROM scratch\nCOPY --from=one --link {} /in/a /out\n"
    builder.file("a", "1")
    assert cached(builder, text.format("")) == [False, False]
    assert cached(builder, text.format("--chown=5")) == [True, False]
    assert cached(builder, text.format("")) == [True, True]
    builder.file("a", "2")
    assert cached(builder, text.format("")) == [False, False]
    assert not builder.build("FROM scratch\nCOPY a /in/a\n", no_cache=True).steps[0].cached


def test_links_and_modes_of_the_destination_are_not_looked_at(builder: Builder) -> None:
    builder.file("base/usr/lib/old")
    (builder.context / "base" / "lib").symlink_to("usr/lib")
    (builder.context / "base" / "usr").chmod(0o700)
    builder.file("new")
    start = "FROM scratch\nCOPY --chown=7:8 base /\n"
    plain = builder.tree(builder.build(start + "COPY new /lib/\nCOPY new /usr/\n"))
    assert (plain["lib"].kind, "usr/lib/new" in plain) == ("l", True)
    assert (plain["usr"].mode, plain["usr"].uid) == (0o700, 7)
    linked = builder.tree(builder.build(start + "COPY --link new /lib/\nCOPY --link --chown=1:2 new /usr/\n"))
    assert (linked["lib"].kind, "lib/new" in linked, "usr/lib/new" in linked) == ("d", True, False)
    assert "usr/lib/old" in linked
    assert [(linked[path].mode, linked[path].uid, linked[path].gid) for path in ("lib", "usr", "usr/new")] == [
        (0o755, 0, 0),
        (0o755, 1, 2),
        (0o644, 1, 2),
    ]


def test_a_file_takes_the_place_of_a_folder(builder: Builder) -> None:
    """There is no folder to see, so there is none to copy into."""
    builder.file("a")
    tree = builder.tree(builder.build("FROM scratch\nWORKDIR /x/y\nCOPY --link a /x\n"))
    assert {path: entry.kind for path, entry in tree.items() if path} == {"x": "f"}


def test_chmod_switches_it_off_as_in_buildkit(builder: Builder) -> None:
    builder.file("base/usr/keep")
    (builder.context / "base" / "lib").symlink_to("usr")
    builder.file("a")
    tree = builder.tree(builder.build("FROM scratch\nCOPY base /\nCOPY --link --chmod=600 a /lib/\n"))
    assert (tree["lib"].kind, tree["usr/a"].mode) == ("l", 0o600)


@pytest.mark.parametrize("owner", ["app", "app:app", "5:app", "app:5"])
def test_names_are_refused_with_their_line(builder: Builder, owner: str) -> None:
    builder.file("etc/passwd", "app:x:5:5::/:\n")
    builder.file("etc/group", "app:x:5:\n")
    plain = f"FROM scratch\nCOPY etc /etc\nCOPY --chown={owner} etc/passwd /x\n"
    assert builder.tree(builder.build(plain))["x"].uid == 5
    with pytest.raises(DockerfileError, match="--link") as caught:
        builder.build(plain.replace("--chown", "--link --chown"))
    assert (caught.value.where, "UID:GID" in (caught.value.hint or "")) == ("Dockerfile:3", True)


def test_root_is_a_number(builder: Builder) -> None:
    builder.file("a")
    for flags in ("--chown=root:root", "--chown=root --link"):
        entry = builder.tree(builder.build(f"FROM scratch\nCOPY {flags} a /\n"))["a"]
        assert (entry.uid, entry.gid) == (0, 0)


@pytest.mark.containers
def test_a_run_sees_the_layer_on_top(busybox: Builder, tmp_path: Path) -> None:
    busybox.file("a", "seen")
    text = "FROM busybox\nRUN mkdir -p /real && ln -s real /link && echo old > /real/old\nCOPY --link a /link/\n"
    text += "RUN test ! -L /link && test ! -e /link/old && test -e /real/old && cp /link/a /copy\n"
    assert busybox.tree(busybox.build(text))["copy"].size == 4
