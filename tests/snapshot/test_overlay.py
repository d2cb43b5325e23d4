"""What is overlayfs's alone: old ways to mount it, odd store paths, and the choice of a backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import MachineError, NoPrivilege
from lamella.snapshot import open_snapshotter, select
from lamella.snapshot.erase import erase
from lamella.snapshot.overlay import OverlaySnapshotter
from lamella.snapshot.overlaymount import OverlayMounts

pytestmark = pytest.mark.containers


def _layers(snapshotter: Any, count: int) -> Any:
    snapshot = None
    for number in range(count):
        workspace = snapshotter.prepare(snapshot)
        with open(f"{workspace.root}/{number}", "w"):
            pass
        snapshot = workspace.commit()
    return snapshot


def test_kernels_without_the_new_mount_calls(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = OverlayMounts(f"{store}/s")
    monkeypatch.setattr(mounts, "_modern", False)
    monkeypatch.setattr(mounts, "_mount_by_parts", None)
    here = os.getcwd()
    snapshotter = OverlaySnapshotter(store, mounts)
    deep = _layers(snapshotter, 130)
    with snapshotter.view(deep) as root:
        assert len(os.listdir(root)) == 130
    assert os.getcwd() == here
    snapshotter.close()


@pytest.mark.parametrize("name", ["a:b", "a,b", "a b", "ä\\x", "n" * 200])
def test_store_paths_that_mount_options_would_choke_on(tmp_path: Path, name: str) -> None:
    root = str(tmp_path / name / "snapshots")
    os.makedirs(root)
    snapshotter = OverlaySnapshotter(root)
    snapshot = _layers(snapshotter, 3)
    with snapshotter.view(snapshot) as view:
        assert sorted(os.listdir(view)) == ["0", "1", "2"]
    snapshotter.close()


def test_view_cannot_be_written(store: str) -> None:
    snapshotter = OverlaySnapshotter(store)
    snapshot = _layers(snapshotter, 1)
    with snapshotter.view(snapshot) as view, pytest.raises(OSError, match="Read-only"):
        os.mkdir(f"{view}/new")
    snapshotter.close()


def test_image_does_not_see_our_attributes(store: str) -> None:
    snapshotter = OverlaySnapshotter(store)
    workspace = snapshotter.prepare(None)
    os.makedirs(workspace.root + "/d/e")
    workspace = snapshotter.prepare(workspace.commit())
    os.rmdir(workspace.root + "/d/e")
    os.rmdir(workspace.root + "/d")
    os.mkdir(workspace.root + "/d")
    assert os.listxattr(workspace.root + "/d") == []
    assert [(item.entry.path, item.entry.kind, item.entry.xattrs) for item in workspace.changes()] == [
        ("d", "d", ()),
        ("d/e", "w", ()),
    ]
    workspace.discard()
    snapshotter.close()


def test_auto_takes_copy_where_overlay_fails(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "_try_mount", lambda root: False)
    assert open_snapshotter(store).name == "copy"
    with pytest.raises(NoPrivilege) as caught:
        open_snapshotter(store, "overlay")
    assert caught.value.hint


def test_auto_takes_overlay_and_remembers(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_snapshotter(store).name == "overlay"
    monkeypatch.setattr(select, "_try_mount", lambda root: pytest.fail("tried again"))
    monkeypatch.setattr(select, "_probed", {})
    assert open_snapshotter(store).name == "overlay"
    assert [name for name in os.listdir(store) if name.startswith("probe")] == []


def test_unknown_backend(store: str) -> None:
    with pytest.raises(MachineError):
        open_snapshotter(store, "zfs")


def test_erase_goes_as_deep_as_it_must(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("top", dir_fd=here)
    inner = os.open("top", os.O_RDONLY, dir_fd=here)
    for _ in range(1500):
        os.mkdir("directory", dir_fd=inner)
        os.symlink("/etc", "link", dir_fd=inner)
        below = os.open("directory", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.close(inner)
    os.close(here)
    erase(str(tmp_path / "top"))
    erase(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []
    assert os.path.isdir("/etc")
