"""A cached build answered from a note: the same answer as a build, and never after something changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shell = Any
WORDS = ("build", "-t", "app", ".")


@pytest.fixture
def noted(shell: Shell) -> Shell:
    """A shell whose next ``build -t app .`` can be answered by a note."""
    shell.write("src/a", "aaaa")
    shell.write("src/deep/b", "bbbb")
    shell.write("Dockerfile", "FROM scratch\nCOPY src /src\n")
    shell.ok(*WORDS)
    time.sleep(0.05)  # files this fresh are not trusted
    shell.ok(*WORDS)
    assert notes(shell)
    return shell


def notes(shell: Shell) -> list[Path]:
    folder = shell.store / "lamella" / "replay"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def is_answered_by_note(shell: Shell) -> bool:
    """A build proper opens the database, which is hidden here; a note does not."""
    database = next((shell.store / "lamella").glob("index.sqlite"))
    hidden = database.with_name("hidden")
    before = {path: path.read_bytes() for path in notes(shell)}
    database.rename(hidden)
    try:
        done = shell.run(*WORDS)
        return done.returncode == 0 and not database.exists() and before == {p: p.read_bytes() for p in notes(shell)}
    finally:
        for extra in (shell.store / "lamella").glob("index.sqlite*"):
            extra.unlink()
        hidden.rename(database)


def test_a_note_prints_what_the_build_printed(noted: Shell) -> None:
    from_note = noted.run(*WORDS)
    for path in notes(noted):
        path.unlink()
    built = noted.run(*WORDS)
    assert (from_note.stdout, from_note.stderr) == (built.stdout, built.stderr)
    assert "CACHED" in from_note.stderr


def test_a_note_is_used(noted: Shell) -> None:
    assert is_answered_by_note(noted)


def _same_size_and_time(folder: Path) -> None:
    path = folder / "src" / "deep" / "b"
    stat = path.stat()
    path.write_text("cccc")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "src/a").write_text("other"),
    "content of the same size and time": _same_size_and_time,
    "mode": lambda folder: (folder / "src/a").chmod(0o600),
    "new file": lambda folder: (folder / "src/deep/new").write_text(""),
    "file gone": lambda folder: (folder / "src/deep/b").unlink(),
    "file replaced by a link": lambda folder: ((folder / "src/a").unlink(), (folder / "src/a").symlink_to("deep/b")),
    "Dockerfile": lambda folder: (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /other\n"),
    "ignore file": lambda folder: (folder / ".dockerignore").write_text("src/a\n"),
    "its own ignore file": lambda folder: (folder / "Dockerfile.dockerignore").write_text("src/a\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_built(noted: Shell, change: str) -> None:
    before = noted.run(*WORDS).stdout
    CHANGES[change](noted.folder)
    after = noted.run(*WORDS)
    assert after.returncode == 0, after.stderr
    assert after.stdout != before
    assert "DONE" in after.stderr


def test_a_dockerfile_that_goes_first_is_built(shell: Shell) -> None:
    shell.write("a", "")
    shell.write("Containerfile", "FROM scratch\nCOPY a /one\n")
    time.sleep(0.05)
    shell.ok("build", ".")
    before = shell.ok("build", ".")
    assert notes(shell)
    shell.write("Dockerfile", "FROM scratch\nCOPY a /two\n")
    assert shell.ok("build", ".") != before


@pytest.mark.parametrize("words", [("-o", "out"), ("-qo", "out"), ("-q", "--iidfile", "out"), ("--metadata-file=out",)])
def test_what_writes_files_writes_them_each_time(shell: Shell, words: tuple[str, ...]) -> None:
    shell.write("context/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    time.sleep(0.05)
    out = shell.folder / "out"
    for _ in range(3):
        shell.ok("build", *words, "context")
        assert out.exists()
        out.rename(f"{out}.{time.time_ns()}")
    assert not notes(shell)


def test_a_name_that_went_elsewhere_comes_back(noted: Shell) -> None:
    noted.write("other/Dockerfile", "FROM scratch\nLABEL other=1\n")
    ours = noted.ok(*WORDS)
    noted.ok("build", "-t", "app", "other")
    noted.ok(*WORDS)
    assert noted.json("image", "inspect", "app")[0]["Id"] == ours.strip()


def test_a_missing_blob_is_built_again(noted: Shell) -> None:
    layers = [path for path in (noted.store / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
    layers[0].unlink()
    done = noted.run(*WORDS)
    assert done.returncode == 0
    assert "DONE" in done.stderr
    noted.ok("save", "-o", "app.tar", "app")  # reads and verifies every blob of the image


@pytest.mark.parametrize(
    "garbage", [b"", b"lamella replay 1", b"\xff\xfe\0\0", b"lamella replay 1\0x\0y\0z\0nonsense\0"]
)
def test_a_damaged_note_is_no_note(noted: Shell, garbage: bytes) -> None:
    for path in notes(noted):
        path.write_bytes(garbage)
    assert "CACHED" in noted.run(*WORDS).stderr


def test_what_has_just_changed_is_not_noted(shell: Shell) -> None:
    shell.write("Dockerfile", "FROM scratch\nCOPY a /\n")
    shell.write("a", "1")
    shell.ok(*WORDS)
    future = time.time() + 3600
    os.utime(shell.folder / "a", (future, future))
    shell.ok(*WORDS)
    assert notes(shell) == []


@pytest.mark.parametrize(
    "flag",
    [
        ("--no-cache",),
        ("--iidfile", "id"),
        ("--build-arg", "NAME"),
        ("--progress", "json"),
        ("-qo", "out"),
        ("-o", "out"),
    ],
)
def test_builds_that_do_more_than_print_are_never_noted(shell: Shell, flag: tuple[str, ...]) -> None:
    shell.write("Dockerfile", "FROM scratch\nCOPY a /\n")
    shell.write("a", "1")
    words = ("build", *flag, "-t", "app", ".")
    for _ in range(2):
        shell.ok(*words)
        time.sleep(0.05)
    assert notes(shell) == []


def test_a_linked_dockerfile_is_read_again(shell: Shell) -> None:
    """What a link leads to changes without the link."""
    shell.write("a", "aaaa")
    real = shell.write("real", "FROM scratch\nCOPY a /a\n")
    (shell.folder / "Dockerfile").symlink_to("real")
    for _ in range(2):
        shell.ok(*WORDS)
        time.sleep(0.05)
    before = shell.ok(*WORDS)
    real.write_text("FROM scratch\nCOPY a /b\n")
    assert shell.ok(*WORDS) != before


def test_the_ignore_file_of_a_named_context_counts(shell: Shell) -> None:
    shell.write("Dockerfile", "FROM scratch\nCOPY --from=other x /x\n")
    shell.write("other/x", "xxxx")
    ignore = shell.write("other/.dockerignore", "y")
    words = (*WORDS, "--build-context", "other=other")
    for _ in range(2):
        shell.ok(*words)
        time.sleep(0.05)
    assert notes(shell)
    ignore.write_text("x")
    assert shell.run(*words).returncode == 2


def test_a_file_that_changes_while_the_build_runs_is_not_trusted(tmp_path: Path, monkeypatch: Any) -> None:
    from lamella.cli.replay import record, replay

    monkeypatch.setenv("LAMELLA_ROOT", str(tmp_path / "store"))
    file = tmp_path / "Dockerfile"
    file.write_text("")
    changed = file.stat().st_mtime_ns
    for began, kept in ((changed - 10**9, False), (changed + 10**9, True)):
        record(["x"], {str(file): file.lstat()}, (), "out", "", began=began)
        assert replay(["x"]) == kept


def test_a_closed_pipe_is_no_traceback(noted: Shell) -> None:
    import subprocess
    import sys

    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "lamella", *WORDS],
        check=False,
        cwd=noted.folder,
        env=noted.env,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert (done.returncode, b"Traceback" in done.stderr, b"Exception" in done.stderr) == (141, False, False)
