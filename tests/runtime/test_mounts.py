"""Mounts of a sandbox: in memory, inside of each other, and never on a disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.runtime.protocol import BindMount, FileMount, Process, Sandbox, TmpfsMount

pytestmark = pytest.mark.containers
Run = Callable[..., tuple[int, bytes, bytes]]
SECRET = b"correct horse battery staple"


def test_a_file_in_memory_has_its_mode_and_owner_and_cannot_be_written(run: Run, alpine: Path) -> None:
    mount = FileMount("/run/secrets/key", SECRET, 0o440, 7, 8)
    script = "stat -c '%a %u %g' /run/secrets/key; cat /run/secrets/key; echo x > /run/secrets/key || echo refused"
    assert run(alpine, "sh", "-c", script, mounts=(mount,))[1] == b"440 7 8\n" + SECRET + b"refused\n"
    assert os.listdir(alpine / "run") == []


def test_a_file_in_memory_is_executable_where_its_mode_says_so(run: Run, alpine: Path) -> None:
    script = b"#!/bin/sh\necho ran\n"
    assert run(alpine, "/dev/pipes/EOF", mounts=(FileMount("/dev/pipes/EOF", script, 0o755),))[1] == b"ran\n"
    assert run(alpine, "/bin/script", mounts=(FileMount("/bin/script", script, 0o644),))[0] == 126
    assert not (alpine / "dev" / "pipes").exists()


def test_a_large_file_in_memory_is_whole(run: Run, alpine: Path) -> None:
    content = os.urandom(3 << 20)
    assert run(alpine, "cat", "/big", mounts=(FileMount("/big", content),))[1] == content


def test_tmpfs_has_the_mode_of_what_it_covers_or_1777(run: Run, alpine: Path) -> None:
    mounts = (TmpfsMount("/new/deep"), TmpfsMount("/root"), TmpfsMount("/tmp", readonly=True))
    script = "stat -c %a /new/deep /root; touch /new/deep/x /root/x && touch /tmp/x || echo refused"
    assert run(alpine, "sh", "-c", script, mounts=mounts)[1] == b"1777\n700\nrefused\n"
    assert not (alpine / "new").exists()


def test_mounts_inside_of_mounts_in_any_order(run: Run, alpine: Path, tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    (outer / "sub").mkdir(parents=True)
    inner.mkdir()
    (inner / "file").write_text("inner")
    mounts = (BindMount("/src/sub", str(inner)), TmpfsMount("/src/made"), BindMount("/src", str(outer)))
    script = "cat /src/sub/file; touch /src/made/x; ls /src"
    assert run(alpine, "sh", "-c", script, mounts=mounts)[1] == b"innermade\nsub\n"
    assert not (alpine / "src").exists()
    assert list((outer / "sub").iterdir()) == []


def test_neither_environment_nor_files_reach_the_disk(runner: Any, alpine: Path, tmp_path: Path) -> None:
    found: list[str] = []

    def output(stream: int, data: bytes) -> None:
        assert data.startswith(SECRET + SECRET), "the step sees both"
        grep = ["grep", "-rlaF", SECRET.decode(), str(tmp_path), str(alpine)]
        found.extend(subprocess.run(grep, capture_output=True, text=True, check=False).stdout.splitlines())

    process = Process(("sh", "-c", 'echo "$TOKEN$(cat /key)"'), ("PATH=/bin", f"TOKEN={SECRET.decode()}"))
    assert runner.run(Sandbox(str(alpine), process, (FileMount("/key", SECRET),)), output) == 0
    assert found == []


@pytest.mark.root
def test_insecure_has_devices_and_every_capability_whoever_it_runs_as(run: Run, alpine: Path) -> None:
    script = "test -c /dev/fuse && test -b /dev/loop0 && grep CapEff /proc/self/status"
    _, out, _ = run(alpine, "sh", "-c", script, user=(1000, 1000, ()), security="insecure")
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    known = (1 << 41) - 1
    assert int(out.split()[1], 16) == int(held.split()[1], 16) & known
    assert run(alpine, "test", "-e", "/dev/fuse")[0] == 1
