"""Root file systems to run things in, and a runner."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.runtime import find_runner
from lamella.runtime.protocol import Process, Sandbox

Run = Callable[..., tuple[int, bytes, bytes]]


@pytest.fixture(scope="session")
def alpine(bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it only: it is shared."""
    folder = tmp_path_factory.mktemp("alpine")
    subprocess.run(["tar", "xzpf", bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz", "-C", folder], check=True)
    return folder


@pytest.fixture
def scratch(bases: Path, tmp_path: Path) -> Path:
    """An image FROM scratch: one static program, and nothing else, of a time long ago."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    folder.chmod(0o755)
    subprocess.run(["tar", "xzpf", bases / "busybox-musl-amd64.tar.gz", "-C", folder, "bin"], check=True)
    for path in (folder / "bin").iterdir():
        if path.name != "busybox":
            path.unlink()
    subprocess.run(["touch", "-d", "2001-02-03", folder / "bin" / "busybox", folder / "bin", folder], check=True)
    return folder


@pytest.fixture
def runner(tmp_path: Path, require: Callable[[str], str]) -> Iterator[Any]:
    require("runc")
    made = find_runner(str(tmp_path / "run"))
    yield made
    made.close()


@pytest.fixture
def run(runner: Any) -> Run:
    """``run(rootfs, *args, cwd=…, uid=…, …)`` gives (status, stdout, stderr)."""

    def call(
        rootfs: Path,
        *args: str,
        env: tuple[str, ...] = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin",),
        cwd: str = "/",
        user: tuple[int, int, tuple[int, ...]] = (0, 0, ()),
        **more: Any,
    ) -> tuple[int, bytes, bytes]:
        streams = {1: bytearray(), 2: bytearray()}
        process = Process(args, env, cwd, user[0], user[1], user[2])
        status = runner.run(Sandbox(str(rootfs), process, **more), lambda stream, data: streams[stream].extend(data))
        return status, bytes(streams[1]), bytes(streams[2])

    return call
