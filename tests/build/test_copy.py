"""COPY and ADD: where files land, who owns them, what is refused. Nothing here needs root."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import ContextError, LamellaError
from lamella.events import Note

Builder = Any


def paths(builder: Builder, text: str, **options: Any) -> dict[str, str]:
    """Path → kind of everything in the image."""
    tree = builder.tree(builder.build(text, **options))
    return {path: entry.kind for path, entry in sorted(tree.items()) if path}


def test_a_file_to_a_name_and_into_a_folder(builder: Builder) -> None:
    builder.file("a.txt", "hello")
    assert paths(builder, "FROM scratch\nCOPY a.txt /b.txt\nCOPY a.txt /dir/\nCOPY a.txt /x/y\n") == {
        "b.txt": "f",
        "dir": "d",
        "dir/a.txt": "f",
        "x": "d",
        "x/y": "f",
    }


def test_a_file_onto_an_existing_folder_goes_into_it(builder: Builder) -> None:
    builder.file("a.txt")
    assert "dir/a.txt" in paths(builder, "FROM scratch\nWORKDIR /dir\nCOPY a.txt /dir\n")


def test_a_folder_gives_its_contents(builder: Builder) -> None:
    builder.file("src/one")
    builder.file("src/deep/two")
    assert paths(builder, "FROM scratch\nCOPY src /app\n") == {
        "app": "d",
        "app/deep": "d",
        "app/deep/two": "f",
        "app/one": "f",
    }


def test_relative_destinations_follow_workdir(builder: Builder) -> None:
    builder.file("a")
    assert "srv/app/sub/a" in paths(builder, "FROM scratch\nWORKDIR /srv\nWORKDIR app\nCOPY a sub/\n")


def test_patterns_match_within_one_folder_only(builder: Builder) -> None:
    for name in ("a.py", "b.py", "c.txt", "sub/d.py"):
        builder.file(name)
    assert paths(builder, "FROM scratch\nCOPY *.py /\n") == {"a.py": "f", "b.py": "f"}
    assert paths(builder, "FROM scratch\nCOPY */*.py /\n") == {"d.py": "f"}


def test_content_mode_owner_and_time_are_kept(builder: Builder) -> None:
    import os

    file = builder.file("run.sh", "#!/bin/sh\n", 0o750)
    os.utime(file, (1_600_000_000, 1_600_000_000))
    entry = builder.tree(builder.build("FROM scratch\nCOPY --chown=12:34 run.sh /bin/run\n"))["bin/run"]
    assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (0o750, 12, 34, 1_600_000_000 * 10**9)
    assert entry.digest == hashlib.sha256(b"#!/bin/sh\n").hexdigest()


def test_chown_covers_folders_made_on_the_way_and_a_bare_number_is_the_group_too(builder: Builder) -> None:
    builder.file("a")
    tree = builder.tree(builder.build("FROM scratch\nCOPY --chown=7 a /x/y/\n"))
    assert {(tree[path].uid, tree[path].gid) for path in ("x", "x/y", "x/y/a")} == {(7, 7)}


def test_chown_by_name_reads_the_images_own_passwd(builder: Builder) -> None:
    builder.file("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1234:99::/:/bin/sh\n")
    builder.file("etc/group", "root:x:0:\nweb:x:77:\n")
    tree = builder.tree(builder.build("FROM scratch\nCOPY etc /etc\nCOPY --chown=app:web etc/group /x\n"))
    assert (tree["x"].uid, tree["x"].gid) == (1234, 77)


def test_chown_by_an_unknown_name_says_where(builder: Builder) -> None:
    builder.file("a")
    with pytest.raises(LamellaError) as caught:
        builder.build("FROM scratch\nCOPY --chown=nobody a /\n")
    assert caught.value.where == "Dockerfile:2"
    assert "nobody" in caught.value.message


def test_chmod_sets_files_and_folders(builder: Builder) -> None:
    builder.file("d/a")
    tree = builder.tree(builder.build("FROM scratch\nCOPY --chmod=4711 d /d\n"))
    assert tree["d/a"].mode == 0o4711


def test_symlinks_below_a_folder_stay_and_a_named_one_is_followed(builder: Builder) -> None:
    builder.file("d/real", "content")
    (builder.context / "d" / "link").symlink_to("real")
    (builder.context / "named").symlink_to("d/real")
    tree = builder.tree(builder.build("FROM scratch\nCOPY d /d\nCOPY named /\n"))
    assert (tree["d/link"].kind, tree["d/link"].link) == ("l", "real")
    assert (tree["named"].kind, tree["named"].size) == ("f", 7)


def test_a_context_named_by_a_symlink_is_the_folder_behind_it(builder: Builder, tmp_path: Path) -> None:
    builder.file("sub/a", "1")
    plain = builder.build("FROM scratch\nCOPY . .\nCOPY sub /sub/\n", epoch=0)
    real, builder.context = builder.context, tmp_path / "link"
    builder.context.symlink_to(real)
    linked = builder.build("FROM scratch\nCOPY . .\nCOPY sub /sub/\n", epoch=0, no_cache=True)
    assert linked.image_id == plain.image_id
    assert set(builder.tree(linked)) == {"sub", "sub/a"}
    named = builder.build("FROM scratch\nCOPY --from=other . /\n", named_contexts=(("other", str(builder.context)),))
    assert set(builder.tree(named)) == {"sub", "sub/a"}


def test_a_symlink_that_leads_out_of_the_context_finds_nothing_outside(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (builder.context / "out").symlink_to("../secret")
    (builder.context / "abs").symlink_to(tmp_path / "secret")
    for name in ("out", "abs"):
        with pytest.raises(ContextError) as caught:
            builder.build(f"FROM scratch\nCOPY {name} /\n")
        assert caught.value.where == "Dockerfile:2"


@pytest.mark.parametrize("source", ["../x", "a/../../x"])
def test_a_source_outside_the_context_is_refused_with_its_line(builder: Builder, source: str) -> None:
    with pytest.raises(ContextError) as caught:
        builder.build(f"FROM scratch\nLABEL a=b\nCOPY {source} /\n")
    assert caught.value.where == "Dockerfile:3"


@pytest.mark.parametrize("source", ["../a", "d/../../a"])
def test_dots_above_the_root_are_dropped_as_docker_does(builder: Builder, source: str) -> None:
    builder.file("a", "1")
    builder.file("d/b")
    assert paths(builder, f"FROM scratch\nCOPY {source} /x/\n") == {"x": "d", "x/a": "f"}
    (note,) = (event for event in builder.events if isinstance(event, Note))
    assert (note.where, "leads out" in note.message) == ("Dockerfile:2", True)


def test_a_missing_source_names_the_nearest(builder: Builder) -> None:
    builder.file("requirements.txt")
    with pytest.raises(ContextError) as caught:
        builder.build("FROM scratch\nCOPY requirement.txt /\n")
    assert caught.value.where == "Dockerfile:2"
    assert "requirements.txt" in (caught.value.hint or "")


@pytest.mark.parametrize("sources", ["a.txt b.txt", "*.txt"])
def test_several_sources_without_a_folder_overwrite_each_other_as_in_docker(builder: Builder, sources: str) -> None:
    builder.file("a.txt", "1")
    builder.file("b.txt", "22")
    tree = builder.tree(builder.build(f"FROM scratch\nCOPY {sources} /dest\n"))
    assert (tree["dest"].kind, tree["dest"].size) == ("f", 2)
    (note,) = (event for event in builder.events if isinstance(event, Note))
    assert (note.where, "slash" in note.message) == ("Dockerfile:2", True)


def test_a_heredoc_needs_no_context(builder: Builder) -> None:
    result = builder.build("FROM scratch\nCOPY <<x /d/\nhi\nx\n", context=None)
    assert set(builder.tree(result)) == {"d", "d/x"}


def test_a_folder_cannot_replace_a_file(builder: Builder) -> None:
    builder.file("d/x/y")
    builder.file("plain")
    with pytest.raises(ContextError) as caught:
        builder.build("FROM scratch\nCOPY plain /t/x\nCOPY d /t\n")
    assert (caught.value.where, "/t/x" in caught.value.message) == ("Dockerfile:3", True)


def test_the_ignore_file_keeps_files_out_and_says_so_when_one_is_named(builder: Builder) -> None:
    builder.file("keep.py")
    builder.file("junk/big")
    builder.file("junk/wanted")
    builder.file(".dockerignore", "junk\n!junk/wanted\n*.log\n")
    builder.file("x.log")
    assert paths(builder, "FROM scratch\nCOPY . /\n") == {
        ".dockerignore": "f",
        "junk": "d",
        "junk/wanted": "f",
        "keep.py": "f",
    }
    with pytest.raises(ContextError) as caught:
        builder.build("FROM scratch\nCOPY x.log /\n")
    assert ".dockerignore:3" in (caught.value.detail or "")


def test_the_dockerfiles_own_ignore_file_comes_first(builder: Builder) -> None:
    builder.file("a")
    builder.file("b")
    builder.file(".dockerignore", "a\n")
    builder.file("app.Dockerfile.dockerignore", "b\n*ignore\n")
    dockerfile = str(builder.context / "app.Dockerfile")
    assert paths(builder, "FROM scratch\nCOPY . /\n", dockerfile=dockerfile) == {"a": "f"}


def test_hard_links_in_the_context_stay_hard_links(builder: Builder) -> None:
    import os

    file = builder.file("d/one", "x" * 1000)
    os.link(file, builder.context / "d" / "two")
    result = builder.build("FROM scratch\nCOPY d /d\n")
    kinds = {entry.path: entry.kind for entry in builder.store.layers.toc(result.config.diff_ids[0])}
    assert kinds == {"d": "d", "d/one": "f", "d/two": "h"}


def test_copy_from_a_scratch_stage_takes_its_files_and_not_its_layers(builder: Builder) -> None:
    builder.file("a", "A")
    builder.file("b", "B")
    text = "FROM scratch AS one\nCOPY a b /in/\nFROM scratch\nCOPY --from=one /in/b /out/\n"
    result = builder.build(text)
    assert len(result.config.diff_ids) == 1
    assert set(builder.tree(result)) - {""} == {"out", "out/b"}


def _archive(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as tar:
        for name, data in (("top/a", b"aaa"), ("top/big", b"b" * 200_000)):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.mtime = len(data), 0o640, 55, 1_500_000_000
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        tar.addfile(link)
        hard = tarfile.TarInfo("top/hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "top/a"
        tar.addfile(hard)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_add_unpacks_a_local_archive_and_copy_does_not(builder: Builder, mode: str) -> None:
    _archive(builder.context / "files.bin", mode)
    tree = builder.tree(builder.build("FROM scratch\nADD files.bin /opt/\n"))
    assert {path for path in tree if path} == {
        "opt",
        "opt/top",
        "opt/top/a",
        "opt/top/big",
        "opt/top/link",
        "opt/top/hard",
    }
    assert (tree["opt/top/a"].mode, tree["opt/top/a"].uid) == (0o640, 55)
    assert tree["opt/top/big"].digest == hashlib.sha256(b"b" * 200_000).hexdigest()
    assert tree["opt/top/link"].link == "a"
    assert "opt/files.bin" in builder.tree(builder.build("FROM scratch\nCOPY files.bin /opt/\n"))


def test_add_unpacks_zstandard_and_copies_what_is_compressed_and_no_archive(builder: Builder) -> None:
    import gzip

    import zstandard

    _archive(builder.context / "plain.tar", "w")
    packed = zstandard.ZstdCompressor().compress((builder.context / "plain.tar").read_bytes())
    (builder.context / "a.tar.zst").write_bytes(packed)
    (builder.context / "text.gz").write_bytes(gzip.compress(b"text" * 300))
    tree = builder.tree(builder.build("FROM scratch\nADD a.tar.zst text.gz /x/\n"))
    assert {path for path in tree if path.startswith("x/")} == {
        "x/text.gz", "x/top", "x/top/a", "x/top/big", "x/top/hard", "x/top/link",
    }  # fmt: skip


def test_add_of_a_plain_file_copies_it(builder: Builder) -> None:
    builder.file("plain.tar.gz", "this is no archive")
    assert paths(builder, "FROM scratch\nADD plain.tar.gz /x/\n") == {"x": "d", "x/plain.tar.gz": "f"}
