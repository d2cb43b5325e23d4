"""A full disk is told in one sentence, and leaves a store that works once there is room again."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import NoSpace
from lamella.snapshot import open_snapshotter

pytestmark = pytest.mark.root

CHAIN = "sha256:" + "c" * 64


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB and 100 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "small", disk], check=True)
    yield disk
    subprocess.run(["umount", "-R", "-l", disk], check=True)


def _fill(disk: Path) -> None:
    """Until no file can be made any more."""
    with pytest.raises(OSError, match="No space"):
        for number in range(1000):
            (disk / f"fill{number}").touch()


def _empty(disk: Path) -> None:
    for file in disk.glob("fill*"):
        file.unlink()


def test_no_files_left(backend: str, small: Path) -> None:
    snapshotter: Any = open_snapshotter(str(small / "store"), backend)
    workspace = snapshotter.prepare(None)
    Path(workspace.root, "file").touch()
    base = workspace.commit()
    snapshotter.bind(base, CHAIN)
    other: Any = open_snapshotter(str(small / "store"), backend)
    _fill(small)
    for attempt in (
        lambda: snapshotter.prepare(base),
        lambda: snapshotter.view(base).__enter__(),
        lambda: other.find(CHAIN),
        lambda: snapshotter.bind(base, "sha256:" + "d" * 64),
        lambda: snapshotter.unpack(base, io.BytesIO(b"\0" * 1024), "sha256:" + "e" * 64, "layer"),
        lambda: open_snapshotter(str(small / "store"), backend),
    ):
        with pytest.raises(NoSpace) as caught:
            attempt()
        assert caught.value.hint
    _empty(small)
    assert other.find(CHAIN) == base
    workspace = snapshotter.prepare(base)
    workspace.commit()
    snapshotter.close()
    other.close()


def test_copy_that_does_not_fit(small: Path) -> None:
    snapshotter: Any = open_snapshotter(str(small / "store"), "copy")
    workspace = snapshotter.prepare(None)
    Path(workspace.root, "file").write_bytes(b"x" * 700_000)
    base = workspace.commit()
    with pytest.raises(NoSpace):
        snapshotter.prepare(base)
    used = subprocess.run(["du", "-s", small], capture_output=True, text=True, check=True).stdout.split()[0]
    assert int(used) < 800, "the half copy is gone"
    snapshotter.close()
