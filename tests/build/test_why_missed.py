"""Why a step was not in the cache: the file, the variable or the instruction that is not as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lamella.cli.text.misses import miss_text
from lamella.events import CacheMissed, MissReason
from lamella.store.archive import import_rootfs

Builder = Any
COPY = "FROM scratch\nCOPY . /app\n"


def why(builder: Builder, text: str, **options: Any) -> list[list[str]]:
    """Builds, and says for each step that missed why, in the words of the command line."""
    builder.build(text, explain_cache=True, **options)
    return told(builder)


def told(builder: Builder) -> list[list[str]]:
    return [[miss_text(reason) for reason in one.reasons] for one in reasons_of(builder)]


def reasons_of(builder: Builder) -> list[CacheMissed]:
    return [event for event in builder.events if isinstance(event, CacheMissed)]


def test_never_built_before(builder: Builder) -> None:
    builder.file("a", "1")
    assert why(builder, COPY) == [["not built before"]]
    assert why(builder, COPY) == []


def test_nobody_is_told_who_did_not_ask(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    assert reasons_of(builder) == []


def test_the_content_of_a_file(builder: Builder) -> None:
    builder.file("src/a.py", "1")
    builder.file("src/b.py", "1")
    builder.build(COPY)
    builder.file("src/a.py", "2")
    assert why(builder, COPY) == [["the file src/a.py changed (content)"]]


def test_the_mode_of_a_file(builder: Builder) -> None:
    builder.file("run.sh", "1")
    builder.build(COPY)
    builder.file("run.sh", "1", mode=0o755)
    assert why(builder, COPY) == [["the file run.sh changed (mode 644 → 755)"]]


def test_files_that_came_and_went_and_links(builder: Builder) -> None:
    builder.file("old/deep/x", "1")
    (builder.context / "link").symlink_to("a")
    builder.build(COPY)
    shutil.rmtree(builder.context / "old")
    builder.file("new/y", "1")
    (builder.context / "link").unlink()
    (builder.context / "link").symlink_to("b")
    assert why(builder, COPY) == [
        ["the file link changed (link a → b)", "the file new/y is new", "the file old/deep/x is gone"]
    ]


def test_a_file_that_became_a_folder(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    (builder.context / "a").unlink()
    (builder.context / "a").mkdir()
    assert why(builder, COPY) == [["the file a changed (type)"]]


def test_a_file_that_the_ignore_file_leaves_out_now(builder: Builder) -> None:
    builder.file("keep", "1")
    builder.file("app.log", "1")
    builder.file(".dockerignore", "Dockerfile\n.dockerignore\n")
    builder.build(COPY)
    builder.file(".dockerignore", "Dockerfile\n.dockerignore\n*.log\n")
    (reasons,) = why(builder, COPY)
    assert reasons == [
        "the file app.log is left out: .dockerignore:3 (*.log) leaves 'app.log' out of the build context"
    ]


def test_many_files_are_counted(builder: Builder) -> None:
    for number in range(30):
        builder.file(f"f{number:02}", "1")
    builder.build(COPY)
    for number in range(30):
        builder.file(f"f{number:02}", "2")
    (reasons,) = why(builder, COPY)
    assert reasons[0] == "the file f00 changed (content)"
    assert (len(reasons), reasons[-1]) == (21, "and 10 more")


def test_names_with_line_breaks_and_bytes_that_are_no_text(builder: Builder) -> None:
    odd = os.path.join(os.fsencode(str(builder.context)), b"odd\n\xff")
    Path(os.fsdecode(odd)).write_text("1")
    builder.file("z", "1")
    builder.build(COPY)
    Path(os.fsdecode(odd)).write_text("2")
    assert why(builder, COPY) == [["the file odd \\xff changed (content)"]]


def test_a_pattern_names_the_file_that_it_matched(builder: Builder) -> None:
    builder.file("one/x.py", "1")
    builder.file("two/x.py", "1")
    text = "FROM scratch\nCOPY */x.py /app/\n"
    builder.build(text)
    builder.file("two/x.py", "2")
    assert why(builder, text) == [["the file two/x.py changed (content)"]]


def test_an_instruction(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build("FROM scratch\nCOPY a /a\nCOPY a /b\n")
    assert why(builder, "FROM scratch\nCOPY a /a\nCOPY a /c\n") == [["the instruction changed: COPY a /b → COPY a /c"]]


def test_an_instruction_that_was_put_in_between_was_not_built_before(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build("FROM scratch\nCOPY a /one\nCOPY a /two\n")
    assert why(builder, "FROM scratch\nCOPY a /one\nWORKDIR /x\nCOPY a /two\n") == [
        ["not built before"],
        ["the step above it was made again (Dockerfile:3)"],
    ]


def test_a_step_that_was_taken_out_above(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build("FROM scratch\nWORKDIR /one\nWORKDIR /two\nCOPY a /two\n")
    (reasons,) = why(builder, "FROM scratch\nWORKDIR /one\nCOPY a /two\n")
    assert reasons == ["a step above it is gone: WORKDIR /two"]


def test_a_flag_that_an_argument_changes(builder: Builder) -> None:
    builder.file("a", "1")
    text = "FROM scratch\nARG OWNER\nCOPY --chown=$OWNER a /a\n"
    builder.build(text, build_args=(("OWNER", "1"),))
    assert why(builder, text, build_args=(("OWNER", "2"),)) == [["--chown changed from 1 to 2"]]


def test_a_heredoc_of_copy(builder: Builder) -> None:
    builder.build("FROM scratch\nCOPY <<a <<b /x/\n1\na\n2\nb\n")
    assert why(builder, "FROM scratch\nCOPY <<a <<b /x/\n1\na\n3\nb\n") == [["the heredoc b changed"]]


def test_no_cache(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    assert why(builder, COPY, no_cache=True) == [["--no-cache or --no-cache-filter leaves the cache out"]]


def test_a_layer_that_the_store_lost(builder: Builder) -> None:
    builder.file("a", "1")
    first = builder.build(COPY)
    builder.store.blobs.remove(first.steps[0].layer.blob.digest)
    assert why(builder, COPY) == [["its layer was removed from the store"]]


def test_a_record_that_was_removed(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    builder.store.cache.clear()
    assert why(builder, COPY) == [["it was removed from the build cache"]]


def test_an_epoch_before_the_layer(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    assert why(builder, COPY, epoch=1) == [["it was made for other times than SOURCE_DATE_EPOCH=1"]]


def test_a_base_image_of_the_same_name(builder: Builder) -> None:
    builder.file("a", "1")
    base = "FROM scratch\nCOPY a /base\n"
    first = builder.build(base, tags=("base:1",)).manifest.digest
    text = "FROM base:1\nCOPY --chmod=600 a /a\nWORKDIR /srv\n"
    builder.build(text, dockerfile="/nowhere/Dockerfile")
    builder.file("a", "2")
    second = builder.build(base, tags=("base:1",)).manifest.digest
    assert why(builder, text, dockerfile="/nowhere/Dockerfile") == [
        [f"the base image base:1 changed ({str(first)[:19]}… → {str(second)[:19]}…)"],
        ["the step above it was made again (Dockerfile:2)"],
    ]


def test_another_base_image(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build("FROM scratch\nCOPY a /base\n", tags=("one", "two"))
    builder.build("FROM one\nCOPY a /a\n")
    builder.build("FROM scratch\nCOPY a /other\n", tags=("two",), dockerfile="/other/Dockerfile")
    assert why(builder, "FROM two\nCOPY a /a\n") == [["the base image changed (one → two)"]]


def test_a_file_that_another_stage_made(builder: Builder) -> None:
    builder.file("a", "1")
    text = "FROM scratch AS build\nCOPY a /out/a\nFROM scratch\nCOPY --from=build /out /out\n"
    builder.build(text)
    builder.file("a", "2")
    assert why(builder, text) == [["the file a changed (content)"], ["the file out/a changed (content)"]]


def test_the_stage_below(builder: Builder) -> None:
    builder.file("a", "1")
    text = "FROM scratch AS below\nCOPY a /a\nFROM below\nWORKDIR /srv\n"
    builder.build(text)
    builder.file("a", "2")
    assert why(builder, text) == [
        ["the file a changed (content)"],
        ["the stage it stands on changed (below)"],
    ]


def test_back_and_forth_is_compared_with_the_build_before(builder: Builder) -> None:
    """The cached build in between counts: what is told is the difference to it."""
    builder.file("a", "1")
    text = "FROM scratch\nARG N\nCOPY --chown=$N a /a\n"
    for number in ("1", "2", "1"):
        builder.build(text, build_args=(("N", number),))
    assert why(builder, text, build_args=(("N", "3"),)) == [["--chown changed from 1 to 3"]]


def test_another_dockerfile_is_no_earlier_build(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build("FROM scratch\nCOPY a /a\n", dockerfile="/one/Dockerfile")
    builder.file("a", "2")
    assert why(builder, "FROM scratch\nCOPY a /a\n", dockerfile="/two/Dockerfile") == [["not built before"]]


def test_a_file_from_a_server_and_one_beside_it(builder: Builder, web: Any) -> None:
    builder.file("a", "1")
    url = web.file("/app.tar", b"1")
    text = f"FROM scratch\nADD a {url} /x/\n"
    builder.build(text)
    web.file("/app.tar", b"2")
    assert why(builder, text) == [[f"the file {url} changed (content)"]]
    builder.file("a", "2")
    assert why(builder, text) == [["the file a changed (content)"]]


def test_a_linked_copy_does_not_depend_on_what_is_below(builder: Builder) -> None:
    builder.file("a", "1")
    builder.file("b", "1")
    text = "FROM scratch\nCOPY a /a\nCOPY --link b /b\n"
    builder.build(text)
    builder.file("a", "2")
    assert why(builder, text) == [["the file a changed (content)"]]
    builder.file("a", "3")
    builder.file("b", "2")
    assert why(builder, text) == [["the file a changed (content)"], ["the file b changed (content)"]]


def test_a_stage_that_is_to_run_again(builder: Builder) -> None:
    builder.file("a", "1")
    text = "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n"
    builder.build(text)
    assert why(builder, text, no_cache_stages=("one",)) == [["--no-cache or --no-cache-filter leaves the cache out"]]


def test_a_build_on_trial_is_not_the_last_one(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    builder.build("FROM scratch\nCOPY a /elsewhere\n", remember=False)
    assert why(builder, "FROM scratch\nCOPY . /other\n") == [["the instruction changed: COPY . /app → COPY . /other"]]


def test_what_a_failed_build_came_to_counts(builder: Builder) -> None:
    from lamella.errors import LamellaError

    builder.file("a", "1")
    builder.file("b", "1")
    with pytest.raises(LamellaError):
        builder.build("FROM scratch\nCOPY a /a\nCOPY missing /b\n")
    builder.file("a", "2")
    assert why(builder, "FROM scratch\nCOPY a /a\nCOPY b /b\n") == [
        ["the file a changed (content)"],
        ["not built before"],
    ]


def test_lines_are_kept_no_longer_than_their_record(builder: Builder) -> None:
    builder.file("a", "1")
    builder.build(COPY)
    builder.file("a", "2")
    second = builder.build(COPY)
    count = "SELECT count(*) FROM reading"
    assert builder.store.database.query(count) == [(2,)]
    kept = builder.store.database.query("SELECT key FROM cache WHERE digest = ?", (second.steps[0].layer.blob.digest,))
    assert builder.store.cache.delete(kept[0]) == 1
    assert builder.store.database.query(count) == [(1,)]
    builder.store.cache.clear()
    assert builder.store.database.query(count) == [(0,)]


@pytest.mark.containers
class TestRun:
    """What changes a RUN."""

    def test_an_argument_and_a_variable(self, busybox: Builder) -> None:
        text = "FROM busybox\nARG VERSION=1\nENV A=x\nRUN true\n"
        busybox.build(text)
        assert why(busybox, text, build_args=(("VERSION", "2"),)) == [["ARG VERSION changed from 1 to 2"]]
        assert why(busybox, text.replace("A=x", "A=y B=z")) == [
            ["ENV A changed from x to y", "ENV B is new (z)", "ARG VERSION changed from 2 to 1"]
        ]

    def test_user_folder_shell_and_network(self, busybox: Builder) -> None:
        busybox.build("FROM busybox\nRUN true\n")
        assert why(busybox, "FROM busybox\nUSER 5\nRUN true\n") == [["the user changed from nothing to 5"]]
        assert why(busybox, "FROM busybox\nUSER 5\nRUN true\n", network="none") == [
            ["the network changed from default to none"]
        ]
        text = 'FROM busybox\nSHELL ["/bin/sh", "-ec"]\nRUN true\n'
        assert why(busybox, text) == [
            [
                "the shell changed from /bin/sh -c to /bin/sh -ec",
                "the user changed from 5 to nothing",
                "the network changed from none to default",
            ]
        ]

    def test_a_line_of_a_heredoc(self, busybox: Builder) -> None:
        busybox.build("FROM busybox\nRUN <<E\necho 1\necho 2\nE\n")
        (reasons,) = why(busybox, "FROM busybox\nRUN <<E\necho 1\necho 3\nE\n")
        assert reasons == ["the heredoc changed from echo 2 to echo 3"]

    def test_the_command_and_what_follows(self, busybox: Builder) -> None:
        busybox.build("FROM busybox\nRUN echo 1 >/a\nRUN echo 2 >/b\n")
        assert why(busybox, "FROM busybox\nRUN echo 3 >/a\nRUN echo 2 >/b\n") == [
            ["the instruction changed: RUN echo 1 >/a → RUN echo 3 >/a"],
            ["the step above it was made again (Dockerfile:2)"],
        ]

    def test_a_file_of_a_bind_mount(self, busybox: Builder) -> None:
        busybox.file("src/a", "1")
        busybox.file("src/b", "1")
        text = "FROM busybox\nRUN --mount=target=/s,source=src --mount=type=cache,target=/c cat /s/a >/out\n"
        busybox.build(text)
        busybox.file("src/a", "2")
        assert why(busybox, text) == [["the file src/a changed (content)"]]
        busybox.file(".dockerignore", "src/b")
        assert why(busybox, text) == [
            ["the file src/b is left out: .dockerignore:1 (src/b) leaves 'src/b' out of the build context"]
        ]

    def test_a_mount_that_a_variable_changes(self, busybox: Builder) -> None:
        text = "FROM busybox\nARG AT=/one\nRUN --mount=type=tmpfs,target=$AT true\n"
        busybox.build(text)
        (reasons,) = why(busybox, text, build_args=(("AT", "/two"),))
        assert reasons[0].startswith("--mount changed from ")
        assert reasons[1:] == ["ARG AT changed from /one to /two"]

    def test_a_step_above_with_another_result(self, busybox: Builder) -> None:
        """The step above is cached, and not the one of the last build."""
        one, two = "FROM busybox\nRUN echo 1 >/a\n", "FROM busybox\nRUN echo 2 >/a\n"
        for text in (one, two + "RUN true\n"):
            busybox.build(text)
        assert why(busybox, one + "RUN true\n") == [["the step above it changed (Dockerfile:2)"]]


def test_the_whole_list_of_words_has_a_text() -> None:
    words = MissReason.__doc__ or ""
    for what in ("reads", "record-removed", "epoch", "security", "format", "base-stage"):
        assert f"``{what}``" in words
        assert miss_text(MissReason(what, name="n")) != what


def test_imported_root_file_systems(builder: Builder, bases: Path) -> None:
    """A base image that an import has put anew."""
    for archive in ("busybox-musl-amd64.tar.gz", "alpine-minirootfs-3.20.3-x86_64.tar.gz"):
        import_rootfs(builder.store, str(bases / archive), "base")
        reasons = why(builder, "FROM base\nWORKDIR /srv/new\n")
    assert len(reasons) == 1
    assert reasons[0][0].startswith("the base image base changed (sha256:")
