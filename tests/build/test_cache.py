"""The build cache: what brings a step back, and what does not."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from lamella.build.cache import contents_key
from lamella.build.copyplan import Found
from lamella.filetree.entry import Entry

Builder = Any
TEXT = 'FROM scratch\nCOPY a /a\nCOPY b /b\nCMD ["/a"]\n'


def cached(result: Any) -> list[bool]:
    return [step.cached for step in result.steps]


def test_the_same_build_again_is_cached_and_the_same_image(builder: Builder) -> None:
    builder.file("a", "1")
    builder.file("b", "2")
    first = builder.build(TEXT)
    second = builder.build(TEXT)
    assert (cached(first), cached(second)) == ([False, False], [True, True])
    assert second.image_id == first.image_id


def test_touching_a_file_changes_nothing(builder: Builder) -> None:
    file = builder.file("a", "1")
    builder.file("b", "2")
    builder.build(TEXT)
    os.utime(file, (1, 1))
    assert cached(builder.build(TEXT)) == [True, True]


@pytest.mark.parametrize("change", ["content", "mode", "same size and time"])
def test_a_changed_file_misses_from_there_on(builder: Builder, change: str) -> None:
    builder.file("a", "1")
    file = builder.file("b", "2")
    builder.build(TEXT)
    if change == "content":
        file.write_text("33")
    elif change == "mode":
        file.chmod(0o600)
    else:
        before = file.stat()
        file.write_text("3")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cached(builder.build(TEXT)) == [True, False]


def test_config_instructions_do_not_cost_the_cache(builder: Builder) -> None:
    builder.file("a", "1")
    builder.file("b", "2")
    builder.build(TEXT)
    assert cached(builder.build("FROM scratch\nLABEL x=y\nENV A=1\nCOPY a /a\nUSER 5\nCOPY b /b\n")) == [True, True]


def test_a_new_name_in_a_copied_folder_misses(builder: Builder) -> None:
    builder.file("d/a", "1")
    text = "FROM scratch\nCOPY d /d\n"
    builder.build(text)
    builder.file("d/b", "")
    assert cached(builder.build(text)) == [False]


def test_going_back_finds_the_old_layers(builder: Builder) -> None:
    file = builder.file("a", "1")
    builder.file("b", "2")
    first = builder.build(TEXT)
    file.write_text("changed")
    builder.build(TEXT)
    file.write_text("1")
    again = builder.build(TEXT)
    assert cached(again) == [True, True]
    assert again.config.diff_ids == first.config.diff_ids


def test_no_cache_runs_every_step(builder: Builder) -> None:
    builder.file("a", "1")
    builder.file("b", "2")
    builder.build(TEXT)
    assert cached(builder.build(TEXT, no_cache=True)) == [False, False]


def test_a_record_whose_blob_is_gone_is_no_hit(builder: Builder) -> None:
    builder.file("a", "1")
    builder.file("b", "2")
    first = builder.build(TEXT)
    builder.store.blobs.remove(first.steps[1].layer.blob.digest)
    assert cached(builder.build(TEXT)) == [True, False]


def test_with_an_epoch_two_stores_come_to_the_same_digest(builder: Builder, tmp_path: Any) -> None:
    from lamella.build.engine import build
    from lamella.build.request import BuildRequest
    from lamella.store.store import Store

    builder.file("d/a", "1")
    builder.file("d/e/b", "2")
    text = "FROM scratch\nWORKDIR /srv\nCOPY d app\nCOPY --chown=5:6 d/a /x/y/z\n"
    first = builder.build(text, epoch=1_000_000_000)
    for path in (builder.context / "d").rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    with Store.open(str(tmp_path / "other")) as other:
        request = BuildRequest(context=str(builder.context), text=text, name="Dockerfile", epoch=1_000_000_000)
        second = build(request, other)
    assert second.manifest.digest == first.manifest.digest
    assert first.config.created == "2001-09-09T01:46:40Z"


def test_a_hard_link_is_not_a_copy(builder: Builder) -> None:
    one = builder.file("d/one", "x")
    two = builder.file("d/two", "x")
    text = "FROM scratch\nCOPY d /d\n"
    builder.build(text)
    two.unlink()
    os.link(one, two)
    again = builder.build(text)
    assert cached(again) == [False]
    assert builder.tree(again)["d/two"].kind == "h"


def test_a_file_that_is_linked_elsewhere_is_the_same_file(builder: Builder) -> None:
    one = builder.file("d/one", "x")
    text = "FROM scratch\nCOPY d /d\n"
    builder.build(text)
    os.link(one, builder.context / "elsewhere")
    assert cached(builder.build(text)) == [True]


def test_owners_in_a_named_context_that_is_an_image_count(builder: Builder) -> None:
    builder.file("a", "x")
    for owner in (1, 2):
        builder.build(f"FROM scratch\nCOPY --chown={owner} a /a\n", tags=("files",))
        result = builder.build(
            "FROM scratch\nCOPY --from=named /a /b\n", named_contexts=(("named", "docker-image://files"),)
        )
        assert builder.tree(result)["b"].uid == owner


def test_a_cached_layer_is_of_the_same_epoch(builder: Builder) -> None:
    builder.file("a", "x")
    text = "FROM scratch\nCOPY a /x/a\n"
    builder.build(text)
    result = builder.build(text, epoch=1000)
    assert (cached(result), {entry.mtime for entry in builder.tree(result).values()}) == ([False], {1000 * 10**9})
    assert cached(builder.build(text, epoch=1000)) == [True]
    assert cached(builder.build(text, epoch=2000)) == [False]
    assert cached(builder.build(text, epoch=999)) == [False]
    assert cached(builder.build(text)) == [True]
    later = int(time.time()) + 1000
    assert cached(builder.build(text, epoch=later)) == [True]


@pytest.mark.containers
def test_the_network_of_the_command_line_counts(busybox: Builder) -> None:
    text = "FROM busybox\nRUN ls /sys/class/net > /net\n"
    assert [cached(busybox.build(text, network=network)) for network in ("none", "host", "none")] == [
        [False],
        [False],
        [True],
    ]


@pytest.mark.parametrize("change", ["ignore file", "build argument", "user line", "target of a link"])
def test_what_a_copy_depends_on_besides_its_files(builder: Builder, change: str) -> None:
    builder.file("d/a", "1")
    builder.file("d/b", "2")
    builder.file("etc/passwd", "app:x:1:1::/:/bin/sh\n")
    (builder.context / "link").symlink_to("d")
    text = "FROM scratch\nCOPY etc /etc\nARG WHERE=/x\nCOPY --chown=app link $WHERE/\n"
    builder.build(text)
    arguments: tuple[tuple[str, str], ...] = ()
    if change == "ignore file":
        builder.file(".dockerignore", "d/b\n")
    elif change == "build argument":
        arguments = (("WHERE", "/y"),)
    elif change == "user line":
        builder.file("etc/passwd", "app:x:2:2::/:/bin/sh\n")
    else:
        builder.file("e/a", "1")
        (builder.context / "link").unlink()
        (builder.context / "link").symlink_to("e")
    result = builder.build(text, build_args=arguments)
    assert not cached(result)[1]
    assert (
        sorted((path, entry.uid) for path, entry in builder.tree(result).items() if path[:1] in "xy" and path)
        == {
            "ignore file": [("x", 1), ("x/a", 1)],
            "build argument": [("y", 1), ("y/a", 1), ("y/b", 1)],
            "user line": [("x", 2), ("x/a", 2), ("x/b", 2)],
            "target of a link": [("x", 1), ("x/a", 1)],
        }[change]
    )


def test_every_attribute_but_the_time_counts_for_what_is_copied() -> None:
    def key(entry: Entry, digest: str = "1" * 64, link: str = "") -> str:
        found = Found("d", "d", "d", Entry("d", "d", 0o755), (entry,))
        return contents_key([found], {"d/a": digest}, {"d/a": link} if link else {}, with_owner=True)

    file = Entry("d/a", "f", 0o644, 1, 2)
    capability = (("security.capability", b"1"),)
    device = file._replace(kind="c", major=1, minor=3)
    keys = [
        key(file),
        key(file, digest="2" * 64),
        key(file, link="d/0"),
        key(file._replace(mode=0o4644)),
        key(file._replace(uid=3)),
        key(file._replace(gid=3)),
        key(file._replace(xattrs=capability)),
        key(file._replace(xattrs=(("security.capability", b"2"),))),
        key(device),
        key(device._replace(major=2)),
        key(device._replace(minor=5)),
        key(file._replace(kind="l", link="x")),
        key(file._replace(kind="l", link="y")),
        key(file._replace(path="d/b")),
    ]
    assert len(set(keys)) == len(keys)
    assert key(file._replace(mtime=5)) == keys[0]
