"""scripts/bases and scripts/busybox-rootfs: where no root file system lies ready, a stand-in that says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.containers, pytest.mark.peer, pytest.mark.xdist_group("examples")]


def run(*argv: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    return subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rootfs") / "busybox.tar"
    done = run(REPOSITORY / "scripts" / "busybox-rootfs", file)
    assert done.returncode == 0, done.stderr
    return file


def test_the_rootfs_is_the_same_bytes_each_time(rootfs: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    assert run(REPOSITORY / "scripts" / "busybox-rootfs", again).returncode == 0
    assert again.read_bytes() == rootfs.read_bytes()


def test_the_rootfs_has_what_a_container_expects(rootfs: Path) -> None:
    with tarfile.open(rootfs) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}
    assert members["bin/busybox"].mode == 0o755
    assert members["bin/sh"].linkname == "/bin/busybox"
    assert members["tmp"].mode == 0o1777
    assert members["root"].mode == 0o700
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}


def test_a_stand_in_is_made_where_no_base_lies_and_says_so(tmp_path: Path) -> None:
    env = {"LAMELLA_ROOT": str(tmp_path / "store"), "LAMELLA_BASES": str(tmp_path / "nothing")}
    first = run(REPOSITORY / "scripts" / "bases", "alpine:3.20", **env)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "alpine:3.20: a stand-in, made of Debian's static BusyBox" in first.stdout
    second = run(REPOSITORY / "scripts" / "bases", "alpine:3.20", **env)
    assert "alpine:3.20: already in the store" in second.stdout

    lamella = (sys.executable, "-m", "lamella")
    for folder in ("frontend-layers/base:node14-like", "frontend-layers:frontend", "many-runs:many-runs"):
        path, tag = folder.split(":")
        built = run(*lamella, "build", "-q", "-t", tag, REPOSITORY / "examples" / path, **env)
        assert built.returncode == 0, built.stderr
    explained = json.loads(run(*lamella, "explain", "--format", "json", "frontend", **env).stdout)
    assert explained["layers"]["total"] == 18


def test_an_unknown_base_is_refused(tmp_path: Path) -> None:
    done = run(REPOSITORY / "scripts" / "bases", "windows:95", LAMELLA_ROOT=str(tmp_path / "store"))
    assert done.returncode == 3
    assert "does not know how to make windows:95" in done.stderr
