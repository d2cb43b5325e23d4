"""RUN --mount=type=bind: what it shows, and that nothing can be written through it."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import ContextError, DockerfileError, LamellaError
from lamella.events import Note, StepOutput
from lamella.userns import current
from lamella.userns.standing import ROOT

pytestmark = pytest.mark.containers
Builder = Any


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


def cached(result: Any) -> list[bool]:
    return [step.cached for step in result.steps]


def everything(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Of all below ``folder``: mode, size and the time of the last change of anything."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        about = path.lstat()
        found[str(path)] = (about.st_mode, about.st_size, about.st_ctime_ns)
    return found


@pytest.mark.parametrize("owner", [0, 1234])
def test_the_context_is_seen_and_belongs_to_root_and_leaves_nothing(alpine: Builder, owner: int) -> None:
    """Files of root are shown as they lie, those of others in a copy: it looks the same."""
    alpine.file("src/a.txt", "hello", 0o640)
    alpine.file("src/deep/b.sh", "#!/bin/sh\n", 0o755)
    (alpine.context / "src" / "link").symlink_to("a.txt")
    os.utime(alpine.context / "src" / "a.txt", (1_000_000_000, 1_000_000_000))
    for path in (alpine.context, *alpine.context.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)
    before = everything(alpine.context)
    result = alpine.build(
        "FROM alpine:3.20\nRUN --mount=target=/ctx cd /ctx/src && cat link && stat -c '%n %a %u:%g' a.txt deep/b.sh . "
        "&& stat -c %Y a.txt && touch /made && exec 2>/dev/null; rm -f a.txt || echo ro; touch /ctx/x || echo ro\n"
    )
    said = output(alpine)
    assert said.startswith("helloa.txt 640 0:0\ndeep/b.sh 755 0:0\n. 755 0:0\n1000000000\n")
    assert said.endswith("\nro\nro\n")
    assert alpine.layer_paths(result, 1) == ["made"]
    assert everything(alpine.context) == before


def test_what_the_ignore_file_leaves_out_is_not_seen(alpine: Builder) -> None:
    alpine.file(".dockerignore", "*.key\nbuild\n!build/keep\n")
    for path in ("a", "my.key", "build/out", "build/keep", "sub/my.key"):
        alpine.file(path, path)
    alpine.build("FROM alpine:3.20\nRUN --mount=target=/ctx cd /ctx && find . | sort\n")
    assert output(alpine).split() == [".", "./.dockerignore", "./a", "./build", "./build/keep", "./sub", "./sub/my.key"]


@pytest.mark.parametrize("ignore", ["", "*.md\n"])
def test_writes_to_a_writable_mount_are_thrown_away(alpine: Builder, ignore: str) -> None:
    alpine.file(".dockerignore", ignore)
    alpine.file("src/a", "a")
    before = everything(alpine.context)
    alpine.build(
        "FROM alpine:3.20 AS other\nRUN mkdir /d && echo d > /d/f\nFROM alpine:3.20\n"
        "RUN --mount=target=/ctx,rw --mount=from=other,source=/d,target=/d,rw "
        "echo more >> /ctx/src/a && rm /d/f && echo new > /d/new && cat /ctx/src/a && ls /d\n"
        "RUN --mount=target=/ctx --mount=from=other,source=/d,target=/d cat /ctx/src/a; ls /d\n"
    )
    assert output(alpine) == "amore\nnew\naf\n"
    assert everything(alpine.context) == before
    assert not [name for name in os.listdir(alpine.root / "lamella" / "tmp") if ".mount" in name]


def test_a_single_file_a_stage_an_image_and_a_named_context(alpine: Builder, tmp_path: Path) -> None:
    alpine.file("package.json", "{}")
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "n").write_text("named")
    result = alpine.build(
        "FROM alpine:3.20 AS made\nRUN echo made > /out && ln -s out /alias\nFROM alpine:3.20\nWORKDIR /w\n"
        "RUN --mount=source=package.json,target=package.json --mount=from=made,source=alias,target=/o "
        "--mount=from=alpine:3.20,source=/etc/alpine-release,target=/release --mount=from=extra,target=/n "
        "cat package.json /o /release /n/n\n",
        named_contexts=(("extra", str(tmp_path / "named")),),
    )
    assert output(alpine) == "{}made\n3.20.3\nnamed"
    assert alpine.layer_paths(result, 2) == []


def test_the_key_is_of_what_is_mounted(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nRUN --mount=source=src,target=/src cat /src/*\n"
    alpine.file("src/a", "1")
    alpine.file("other", "1")
    assert cached(alpine.build(text)) == [False]
    assert cached(alpine.build(text)) == [True]
    alpine.file("other", "2")
    os.utime(alpine.context / "src" / "a", (1, 1))
    assert cached(alpine.build(text)) == [True], "neither what is beside it nor a time counts"
    (alpine.context / "src").rename(alpine.context / "moved")
    assert cached(alpine.build(text.replace("source=src", "source=moved"))) == [True], "nor where it lies"
    alpine.file("moved/a", "2")
    assert cached(alpine.build(text.replace("source=src", "source=moved"))) == [False]
    alpine.file("moved/a", "2", 0o600)
    assert cached(alpine.build(text.replace("source=src", "source=moved"))) == [False]


def test_the_key_is_of_what_a_stage_has_there(alpine: Builder) -> None:
    text = (
        "FROM alpine:3.20 AS s\nRUN echo {} > /a; echo {} > /b\n"
        "FROM alpine:3.20\nRUN --mount=from=s,source=/b,target=/b cat /b\n"
    )
    assert cached(alpine.build(text.format(1, 1))) == [False, False]
    assert cached(alpine.build(text.format(2, 1))) == [False, True]
    assert cached(alpine.build(text.format(2, 2))) == [False, False]


def test_files_that_change_while_the_step_runs_do_not_enter_the_cache(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nRUN --mount=target=/ctx --mount=from=alpine:3.20,target=/a cat /ctx/f; echo printed\n"
    alpine.file("f", "one")

    def emit(event: Any) -> None:
        alpine.events.append(event)
        if isinstance(event, StepOutput):
            alpine.file("f", "two")

    from lamella.build.engine import build
    from lamella.build.request import BuildRequest

    alpine.events = []
    build(BuildRequest(context=str(alpine.context), text=text, name="Dockerfile"), alpine.store, emit)
    assert any(isinstance(event, Note) and "changed while" in event.message for event in alpine.events)
    alpine.file("f", "one")
    assert cached(alpine.build(text)) == [False]
    assert cached(alpine.build(text)) == [True]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ("source=missing,target=/x", "'missing' does not exist in the build context", ""),
        ("source=dir/fil,target=/x", "'dir/fil' does not exist", "did you mean 'dir/file'?"),
        ("source=out.log,target=/x", "not in the build context", "ignore file"),
        ("source=/../../etc/shadow,target=/x", "'etc/shadow' does not exist", ""),
        ("source=outside,target=/x", "symbolic link", ""),
        ("from=alpine:3.20,source=/nope,target=/x", "'nope' does not exist in the source's file system", ""),
    ],
)
def test_a_source_that_is_not_there(alpine: Builder, options: str, message: str, hint: str) -> None:
    alpine.file(".dockerignore", "*.log\n")
    alpine.file("out.log")
    alpine.file("dir/file")
    (alpine.context / "outside").symlink_to("/etc/shadow")
    with pytest.raises(ContextError) as caught:
        alpine.build(f"FROM alpine:3.20\nRUN --mount={options} true\n")
    assert caught.value.where == "Dockerfile:2"
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_mount_point_inside_of_a_read_only_mount_must_be_there(alpine: Builder) -> None:
    alpine.file("src/there/x")
    text = "FROM alpine:3.20\nRUN --mount=source=src,target=/src{} --mount=type=tmpfs,target=/src/{} ls /src\n"
    with pytest.raises(DockerfileError) as caught:
        alpine.build(text.format("", "missing"))
    assert caught.value.where == "Dockerfile:2"
    assert "add rw to the mount on /src" in (caught.value.hint or "")
    assert os.listdir(alpine.context / "src") == ["there"]
    alpine.build(text.format("", "there"))
    alpine.build(text.format("", "there").replace("ls /src", "--mount=type=cache,target=/src/there/deeper ls /src"))
    alpine.build(text.format("", "there").replace("ls /src", "--mount=type=secret,id=no,target=/src/no ls /src"))
    alpine.build(text.format(",rw", "missing"))
    assert os.listdir(alpine.context / "src") == ["there"]


@pytest.mark.parametrize("outer", ["type=cache,target=/o,ro", "type=tmpfs,target=/o,ro", "from=alpine:3.20,target=/o"])
def test_nor_in_another_read_only_mount(alpine: Builder, outer: str) -> None:
    with pytest.raises(DockerfileError, match="/o/in is not there in the read-only mount on /o"):
        alpine.build(f"FROM alpine:3.20\nRUN --mount={outer} --mount=type=cache,id=in,target=/o/in true\n")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("type=tmpfs,target=/etc/passwd", "a folder cannot be mounted on /etc/passwd, where the image has a file"),
        ("source=f,target=/etc", "a file cannot be mounted on /etc, where the image has a folder"),
    ],
)
def test_a_file_in_a_folders_place(alpine: Builder, mount: str, message: str) -> None:
    alpine.file("f")
    with pytest.raises(LamellaError, match=message) as caught:
        alpine.build(f"FROM alpine:3.20\nRUN --mount={mount} true\n")
    assert (caught.value.where, caught.value.exit_code) == ("Dockerfile:2", 2)


def test_a_container_with_all_capabilities_cannot_reach_the_real_files(alpine: Builder) -> None:
    alpine.file("f", "mine")
    text = (
        "FROM alpine:3.20 AS s\nRUN echo mine > /f\nFROM alpine:3.20\n"
        "RUN --security=insecure --mount=target=/ctx --mount=from=s,target=/s "
        "mount -o remount,rw,bind /ctx; mount -o remount,rw,bind /s; echo evil > /ctx/f; echo evil > /s/f; true\n"
        "RUN --mount=from=s,source=/f,target=/s cat /s\n"
    )
    for backend in ("overlay", "copy"):
        alpine.build(text, allow=("security.insecure",), backend=backend, no_cache=True)
        assert output(alpine).endswith("mine\n")
        assert (alpine.context / "f").read_text() == "mine"


def test_a_mount_inside_of_the_context_cannot_be_written(alpine: Builder) -> None:
    """Read-only is said of the folder that is mounted, not of what is mounted in it."""
    inner = alpine.context / "with blank" / "inner"
    alpine.file("elsewhere/f", "mine")
    inner.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(alpine.context / "elsewhere"), str(inner)], check=True)
    try:
        alpine.build(
            "FROM alpine:3.20\nRUN --mount=target=/ctx cd '/ctx/with blank/inner'; "
            "cat f; echo; echo x > f && echo written; true\n"
        )
    finally:
        subprocess.run(["umount", str(inner)], check=True)
    assert "mine" in output(alpine)
    assert "written" not in output(alpine)
    assert (alpine.context / "elsewhere" / "f").read_text() == "mine"


def test_a_pipe_of_the_context_reaches_nobody_and_a_device_is_not_there(alpine: Builder) -> None:
    """Read-only keeps nobody from writing to a named pipe, at whose other end a process of the user's may be."""
    alpine.file("f", "mine")
    os.mkfifo(alpine.context / "pipe")
    if current().kind == ROOT:
        os.mknod(alpine.context / "device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    reader = os.open(alpine.context / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        alpine.build("FROM alpine:3.20\nRUN --mount=target=/ctx echo evil 1<>/ctx/pipe; ls /ctx\n")
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)
    assert output(alpine) == "f\npipe\n"


def test_the_mount_covers_what_the_image_has_there(alpine: Builder) -> None:
    alpine.file("hosts", "mine")
    result = alpine.build(
        "FROM alpine:3.20\n"
        "RUN --mount=source=hosts,target=/etc/hosts --mount=target=/etc/apk cat /etc/hosts; ls /etc/apk\n"
        "RUN ls /etc/apk\n"
    )
    assert output(alpine).startswith("minehosts\n")
    assert "repositories" in output(alpine)
    assert alpine.layer_paths(result, 1) == []
