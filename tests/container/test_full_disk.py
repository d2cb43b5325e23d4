"""A disk without a byte left: containers that do not start say so and leave nothing, those that run go on."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.root
Containers = Any


@pytest.fixture
def small(tmp_path: Path, bases: Path, container_store: Containers) -> Iterator[Containers]:
    """A store of its own on a file system of 24 MB, with BusyBox unpacked."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", mount], check=True)
    try:
        made = type(container_store)(mount / "store")
        made.ok("import", str(bases / "busybox-musl-amd64.tar.gz"), "busybox:1")
        assert made.run("true", image="busybox:1").returncode == 0
        yield made
        for one in made.ps():
            made.state(one["id"])
            made.ok("rm", "-f", one["id"])
        made.until(lambda: not made.processes())
    finally:
        subprocess.run(["umount", mount], check=True)


def fill(folder: Path) -> Path:
    """To the last byte."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


def test_nothing_starts(small: Containers) -> None:
    filler = fill(small.store.parent)
    for flags in ((), ("-d",)):
        done = small.call("run", *flags, "--network", "none", "busybox:1", "true")
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert done.stderr.startswith("error: ") and ("full" in done.stderr or "no space" in done.stderr)
        assert "Traceback" not in done.stderr
    filler.unlink()
    for one in small.ps():
        small.ok("rm", one["id"])
    assert small.processes() == []
    assert small.run("echo", "again", image="busybox:1").stdout == "again\n"


def test_what_runs_goes_on(small: Containers) -> None:
    script = "trap 'exit 6' TERM; echo before; while :; do echo more; sleep 0.005; done"
    id_ = small.start("going", "sh", "-c", script, image="busybox:1")
    small.until(lambda: "before" in small.ok("logs", "going"))
    filler = fill(small.store.parent)
    log = small.store / "lamella/containers" / id_ / "log"
    small.until(lambda: -log.stat().st_size % 4096 < 100)  # the next line needs one page more
    assert small.ok("exec", "going", "echo", "there") == "there\n"
    small.ok("stop", "going")
    assert (small.one("going")["status"], small.one("going")["exit_code"]) == ("exited", 6)
    assert "the log is not whole" in small.one("going")["error"]
    filler.unlink()
    assert small.ok("logs", "going").startswith("before\n")
