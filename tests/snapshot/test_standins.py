"""What stands for devices and owners: read back where it was written by us, and nowhere else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lamella.layer.standin import MARK
from lamella.snapshot.marks import Marks
from lamella.snapshot.upper import UpperChanges

MANY = Marks("user.overlay.opaque", stand_ins=True)
ONE = MANY._replace(owners=True)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Upper and lower; the lower one holds what stands for /dev/null."""
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for folder in (upper, lower):
        folder.mkdir()
        folder.chmod(0o755)
    _node(lower / "null", b"c 0 5 1 3")
    return upper, lower


def _node(path: Path, mark: bytes, content: bytes = b"") -> None:
    path.write_bytes(content)
    path.chmod(0o666)
    try:
        os.setxattr(path, MARK, mark)
    except OSError:
        pytest.skip("no user.* attributes on this file system")


def _told(upper: Path, lower: Path, marks: Marks, *, unpacked: bool = True) -> dict[str, tuple[str, int, int, int]]:
    changes = UpperChanges(str(upper), [str(lower)], marks=marks, unpacked=(str(lower),) if unpacked else ())
    return {item.entry.path: (item.entry.kind, item.entry.gid, item.entry.major, item.entry.minor) for item in changes}


@pytest.mark.parametrize(("marks", "gid"), [(MANY, os.getegid()), (ONE, 5)])
def test_a_device_stays_one_when_its_mode_changes(folders: tuple[Path, Path], marks: Marks, gid: int) -> None:
    upper, lower = folders
    shutil.copy2(lower / "null", upper / "null")  # as overlayfs copies up, attributes and all
    assert _told(upper, lower, marks) == {}
    (upper / "null").chmod(0o600)
    assert _told(upper, lower, marks) == {"null": ("c", gid, 1, 3)}


def test_what_came_in_its_place_is_a_file(folders: tuple[Path, Path]) -> None:
    upper, lower = folders
    (upper / "null").touch()
    (upper / "null").chmod(0o666)
    os.utime(upper / "null", ns=(0, os.stat(lower / "null").st_mtime_ns))
    assert _told(upper, lower, MANY)["null"][0] == "f"
    (upper / "null").write_bytes(b"content")
    os.setxattr(upper / "null", MARK, b"c 0 5 1 3")
    assert _told(upper, lower, MANY)["null"][0] == "f", "no device has content"


def test_a_process_of_an_image_makes_no_device_of_its_file(folders: tuple[Path, Path]) -> None:
    """With many ids there are users in a container that must not."""
    upper, lower = folders
    _node(upper / "mine", b"b 0 0 8 0")
    assert _told(upper, lower, MANY)["mine"] == ("f", os.getegid(), 0, 0)
    _node(upper / "null", b"b 0 0 8 0")
    assert _told(upper, lower, MANY)["null"][0] == "f", "another one than stands there"
    _node(upper / "null", b"c 0 5 1 3")
    (upper / "null").chmod(0o600)
    assert _told(upper, lower, MANY, unpacked=False)["null"][0] == "f", "a step has written what is below"


@pytest.mark.parametrize(
    "mark", [b"", b"c 1 2 3", b"c -1 0 1 3", b"c x 0 1 3", b"d 0 0 0 0", b"\xff" * 40, b"c 1_0 0 1 3"]
)
def test_a_mark_that_is_none(folders: tuple[Path, Path], mark: bytes) -> None:
    upper, lower = folders
    _node(upper / "odd", mark)
    assert _told(upper, lower, ONE)["odd"][0] == "f"


def test_root_believes_no_mark(folders: tuple[Path, Path]) -> None:
    upper, lower = folders
    _node(upper / "mine", b"c 0 5 1 3")
    assert _told(upper, lower, Marks())["mine"] == ("f", os.getegid(), 0, 0)
