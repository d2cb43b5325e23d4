"""A secret is in memory while a step runs, and nowhere else at any time, whatever becomes of the build: not in a layer,
the history, the build cache, a temporary file or what is printed."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from lamella.build.mounts.cachefolders import CacheFolders

Shell = Any
pytestmark = pytest.mark.containers

#: the step shows by a digest that it saw both; it waits until a file shows up in its cache, for at most a minute
HOLD = (
    "RUN --mount=type=secret,id=file,required --mount=type=secret,id=both,env=TOKEN,target=/token,mode=0444 "
    "--mount=type=cache,id=hold,target=/hold,sharing=locked --mount=target=/ctx,rw --mount=type=ssh,id=key,required "
    'cat /run/secrets/file /token | sha256sum > /digest; test "$TOKEN" = "$(cat /token)" && echo holding; '
    "n=0; until [ -e /hold/go ] || [ $n -gt 600 ]; do sleep 0.1; n=$((n + 1)); done; {end}\n"
)


class Secrets(NamedTuple):
    """``words`` give them to a build. ``key`` is a line of a private SSH key."""

    file: bytes
    env: bytes
    key: bytes
    words: tuple[str, ...]


@pytest.fixture
def secrets(alpine: Shell, tmp_path: Path, require: Callable[[str], str]) -> Secrets:
    """They lie outside of what is searched; temporary files of everybody lie below ``tmp_path``."""
    file, env = os.urandom(20).hex().encode(), os.urandom(20).hex().encode()
    (tmp_path / "outside").mkdir()
    key = tmp_path / "outside" / "key"
    subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "outside" / "secret").write_bytes(file)
    (tmp_path / "tmp").mkdir()
    alpine.env["TMPDIR"] = str(tmp_path / "tmp")
    alpine.env["LAMELLA_TEST_SECRET"] = env.decode()
    alpine.write("context-file", "x")
    words = ("--secret", f"id=file,src={tmp_path}/outside/secret", "--secret", "id=both,env=LAMELLA_TEST_SECRET")
    return Secrets(file, env, key.read_bytes().splitlines()[3], (*words, "--ssh", f"key={key}"))


def _readings(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they are when unpacked."""
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    if raw[:4] == b"\x28\xb5\x2f\xfd":
        yield zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()


def _holders(shell: Shell, tmp_path: Path, secrets: Secrets) -> tuple[int, list[Path]]:
    """How many files there are in the store and in temporary folders, and which of them hold a secret."""
    files = [
        path
        for top in (shell.store, shell.folder, tmp_path / "tmp")
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    return len(files), [path for path in files if any(one in text for text in _readings(path) for one in secrets[:3])]


@contextmanager
def _holding(shell: Shell, words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A build whose step has its mounts and waits."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lamella", "build", "-t", "app", *words, "."],
        cwd=shell.folder,
        env=shell.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if b"| holding" in line:
            break
    else:
        pytest.fail(b"".join(said).decode())
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _children(parent: int) -> list[str]:
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [child for one in lists for child in one.read_text().split()]


def _cache(shell: Shell) -> Path:
    (files,) = (shell.store / "lamella" / "caches").glob("*/*/files")
    return Path(files)


@pytest.mark.parametrize("end", ["true", "exit 3"], ids=["built", "failed"])
def test_nothing_holds_a_secret(alpine: Shell, tmp_path: Path, secrets: Secrets, end: str) -> None:
    alpine.write("Dockerfile", "FROM alpine:3.20\n" + HOLD.format(end=end))
    with _holding(alpine, secrets.words) as process:
        count, found = _holders(alpine, tmp_path, secrets)
        assert count > 10
        assert found == [], "while the step runs"
        (_cache(alpine) / "go").touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == (0 if end == "true" else 1)
    assert _holders(alpine, tmp_path, secrets)[1] == []
    for secret in secrets[:3]:
        assert secret not in out + err
    if end == "true":
        shown = alpine.ok("history", "--no-trunc", "app") + alpine.ok("inspect", "app")
        assert secrets.env.decode() not in shown
        assert "TOKEN" not in alpine.ok("inspect", "app")


def test_a_killed_build_leaves_no_secret_no_mount_no_process_and_no_lock(
    alpine: Shell, tmp_path: Path, secrets: Secrets
) -> None:
    alpine.write("Dockerfile", "FROM alpine:3.20\n" + HOLD.format(end="true"))
    with _holding(alpine, secrets.words) as process:
        children = _children(process.pid)
        assert len(children) == 2, "the runtime and the agent of the key"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert _holders(alpine, tmp_path, secrets)[1] == []
    assert alpine.mounts() == []
    usage = CacheFolders(str(alpine.store / "lamella" / "caches")).usage()
    assert len(usage.folders) == len(usage.free) == 1
    (_cache(alpine) / "go").touch()
    alpine.ok("build", *secrets.words, ".", timeout=30)
    assert list((alpine.store / "lamella" / "tmp").iterdir()) == []
    assert list((alpine.store / "lamella" / "run").iterdir()) == []
    alpine.verify()


def test_what_a_step_prints_itself_is_printed_and_kept_nowhere(alpine: Shell, tmp_path: Path, secrets: Secrets) -> None:
    alpine.write("Dockerfile", "FROM alpine:3.20\nRUN --mount=type=secret,id=both,env=T echo $T\n")
    assert secrets.env.decode() in alpine.run("build", *secrets.words, ".").stderr
    for words in (secrets.words, (), ()):  # the last is answered from a note
        assert secrets.env.decode() not in alpine.run("build", *words, ".").stderr
    assert _holders(alpine, tmp_path, secrets)[1] == []


def test_the_search_finds_what_a_step_gives_away(alpine: Shell, tmp_path: Path, secrets: Secrets) -> None:
    """Were it blind, all of the above would pass."""
    alpine.write("Dockerfile", "FROM alpine:3.20\nRUN --mount=type=secret,id=file cp /run/secrets/file /kept\n")
    alpine.ok("build", *secrets.words, ".")
    found = _holders(alpine, tmp_path, secrets)[1]
    assert any("blobs" in path.parts for path in found)
    assert any("snapshots" in path.parts for path in found)
