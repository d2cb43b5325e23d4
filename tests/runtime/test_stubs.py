"""A step leaves its own changes only: not the mount points that running it took."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.errors import InputError
from lamella.runtime.protocol import BindMount
from lamella.runtime.stubs import Stubs, resolve_in_root

Run = Callable[..., tuple[int, bytes, bytes]]


def _state(root: Path) -> dict[str, tuple[int, int, int]]:
    result = {}
    for folder, folders, files in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in folders + files)):
            about = os.lstat(path)
            result[os.path.relpath(path, root)] = (about.st_mode, about.st_mtime_ns, about.st_size)
    return result


@pytest.mark.containers
def test_image_with_one_program(run: Run, scratch: Path, tmp_path: Path) -> None:
    before = _state(scratch)
    mounts = (
        BindMount("/root/.cache/tool", str(tmp_path)),
        BindMount("/run/secrets/key", str(scratch / "bin" / "busybox"), readonly=True),
    )
    status, out, err = run(scratch, "/bin/busybox", "ls", "-a", "/", "/root/.cache", mounts=mounts)
    assert (status, err) == (0, b"")
    assert b"proc" in out
    assert b"tool" in out
    assert _state(scratch) == before


@pytest.mark.containers
def test_own_changes_stay(run: Run, scratch: Path, tmp_path: Path) -> None:
    before = _state(scratch)
    script = "cd /; busybox mkdir new; echo x > new/f; echo y > root/.cache/kept; echo p > etc/passwd"
    status, _, err = run(
        scratch,
        "/bin/busybox",
        "sh",
        "-c",
        script,
        env=("PATH=/bin",),
        mounts=(BindMount("/root/.cache/m", str(tmp_path)),),
    )
    assert (status, err) == (0, b"")
    after = _state(scratch)
    assert sorted(set(after) - set(before)) == [
        "etc", "etc/passwd", "new", "new/f", "root", "root/.cache", "root/.cache/kept",
    ]  # fmt: skip
    assert after["."][1] > before["."][1], "the root was written by the step"
    assert after["bin"] == before["bin"]


@pytest.mark.containers
def test_time_of_a_parent_that_the_step_did_not_touch(run: Run, scratch: Path) -> None:
    (scratch / "etc").mkdir()
    (scratch / "etc" / "keep").write_text("x")
    subprocess.run(["touch", "-d", "2002-02-02", scratch / "etc", scratch / "etc" / "keep", scratch], check=True)
    before = _state(scratch)
    assert run(scratch, "/bin/busybox", "cat", "/etc/keep", "/etc/resolv.conf")[0] == 0
    assert _state(scratch) == before


@pytest.mark.containers
def test_links_stay_inside(run: Run, scratch: Path, tmp_path: Path) -> None:
    (scratch / "etc").mkdir()
    (scratch / "etc" / "resolv.conf").symlink_to("/run/systemd/stub-resolv.conf")
    (scratch / "etc" / "hosts").symlink_to("../../../../../.." + str(tmp_path / "outside"))
    before = _state(scratch)
    status, out, _ = run(scratch, "/bin/busybox", "cat", "/etc/resolv.conf", "/etc/hosts")
    assert status == 0
    assert b"localhost" in out
    assert out.startswith(Path("/etc/resolv.conf").read_bytes())
    assert _state(scratch) == before
    assert not (tmp_path / "outside").exists()


@pytest.mark.containers
def test_step_that_swaps_a_parent_for_a_link_out(run: Run, scratch: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "resolv.conf").touch()
    (victim / "hosts").touch()
    script = f"busybox mv /etc /etc2 && busybox ln -s {victim} /etc"
    assert run(scratch, "/bin/busybox", "sh", "-c", script, env=("PATH=/bin",))[0] == 0
    assert sorted(os.listdir(victim)) == ["hosts", "resolv.conf"]
    assert os.listdir(scratch / "etc2") == []
    assert os.readlink(scratch / "etc") == str(victim)


def test_stub_that_somebody_replaced_or_filled(tmp_path: Path) -> None:
    stubs = Stubs(str(tmp_path))
    assert stubs.ensure("/a/b", directory=False) == "/a/b"
    assert stubs.ensure("/c", directory=True) == "/c"
    assert stubs.ensure("/d", directory=True) == "/d"
    (tmp_path / "a" / "b").write_text("theirs")
    (tmp_path / "c").rmdir()
    (tmp_path / "keep").touch()
    (tmp_path / "c").mkdir()
    (tmp_path / "d" / "x").touch()
    stubs.remove()
    stubs.remove()
    assert (tmp_path / "a" / "b").read_text() == "theirs"
    assert sorted(os.listdir(tmp_path)) == ["a", "c", "d", "keep"] or sorted(os.listdir(tmp_path)) == ["a", "d", "keep"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/x/../y/./z", "/y/z"),
        ("/abs/f", "/t/f"),
        ("/up/f", "/etc/f"),
        ("/t/rel", "/t/here"),
        ("/../../x", "/x"),
        ("/chain/q", "/t/q"),
    ],
)
def test_paths_are_resolved_inside(tmp_path: Path, path: str, expected: str) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "abs").symlink_to("/t")
    (tmp_path / "up").symlink_to("../../../etc")
    (tmp_path / "t" / "rel").symlink_to("here")
    (tmp_path / "chain").symlink_to("abs")
    assert resolve_in_root(str(tmp_path), path) == expected


def test_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError):
        resolve_in_root(str(tmp_path), "/a/x")
