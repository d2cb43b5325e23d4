"""What the tests of snapshots share: both backends, and a judge that reads trees without the code under test."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.layer.pack import pack_layer
from lamella.layer.unpack import unpack_layer
from lamella.snapshot import open_snapshotter
from lamella.snapshot.protocol import Snapshot, Workspace
from lamella.userns import current
from lamella.userns.standing import ROOT

State = dict[str, tuple[Any, ...]]


@pytest.fixture(params=["overlay", "copy"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tmp_path(on_disk: Path) -> Path:
    """What these tests are about is how a file system behaves: a disk's."""
    return on_disk


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "snapshots"
    yield str(root)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in mounts:
        if mount.startswith(str(tmp_path) + "/"):
            subprocess.run(["umount", "-l", mount], check=True)


@pytest.fixture
def snapshotter(backend: str, store: str) -> Iterator[Any]:
    made = open_snapshotter(store, backend)
    assert made.name == backend
    yield made
    made.close()  # type: ignore[attr-defined]


def _describe(host: str, about: os.stat_result) -> tuple[Any, ...]:
    kind = stat.S_IFMT(about.st_mode)
    content: str | bytes = ""
    if kind == stat.S_IFREG:
        content = hashlib.sha256(Path(os.fsdecode(host)).read_bytes()).hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(host)
    wanted = [
        name
        for name in os.listxattr(host, follow_symlinks=False)
        if name == "security.capability" or name.startswith("user.")
    ]
    xattrs = tuple((name, os.getxattr(host, name, follow_symlinks=False)) for name in sorted(wanted))
    device = about.st_rdev if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
    return (about.st_mode, about.st_uid, about.st_gid, content, device, xattrs)


@pytest.fixture(scope="session")
def state_of() -> Callable[..., State]:
    """``state_of(root, times=True, links=True)``: path → everything that a layer holds about it. Times in seconds, as
    layers have them; the root's time is left out."""

    def read(root: str, times: bool = True, links: bool = True) -> State:
        result: State = {"": _describe(root, os.lstat(root))}
        groups: dict[int, list[str]] = {}
        stack = [""]
        while stack:
            path = stack.pop()
            for name in os.listdir(f"{root}/{path}"):
                inner = f"{path}/{name}" if path else name
                host = f"{root}/{inner}"
                about = os.lstat(host)
                if stat.S_ISSOCK(about.st_mode):
                    continue
                result[inner] = _describe(host, about)
                if times:
                    result[inner] += (about.st_mtime_ns // 10**9,)
                if stat.S_ISDIR(about.st_mode):
                    stack.append(inner)
                elif about.st_nlink > 1:
                    groups.setdefault(about.st_ino, []).append(inner)
        if links:
            for names in (names for names in groups.values() if len(names) > 1):
                for name in names:
                    result[name] += (tuple(sorted(names)),)
        return result

    return read


@pytest.fixture(scope="session")
def tar_of() -> Callable[[Workspace], bytes]:
    """The layer that a workspace comes to, uncompressed."""

    def pack(workspace: Workspace) -> bytes:
        sink = io.BytesIO()
        pack_layer(workspace.changes(), sink, compression="none")
        return sink.getvalue()

    return pack


@pytest.fixture
def start(snapshotter: Any, tmp_path: Path) -> Callable[[str], Snapshot]:
    """``start(script)``: a snapshot of what the shell script makes in an empty directory."""

    def make(script: str) -> Snapshot:
        workspace = snapshotter.prepare(None)
        _shell(script, workspace.root)
        return workspace.commit()

    return make


#: nobody makes a device in a user namespace
_DEVICE = 'DEVICE() { mknod "$@"; }' if current().kind == ROOT else 'DEVICE() { touch "$1"; }'


def _shell(script: str, cwd: str) -> None:
    words = f"umask 022\n{_DEVICE}\n"
    subprocess.run(["bash", "-euc", words + script], cwd=cwd, check=True)


@pytest.fixture(scope="session")
def shell() -> Callable[[str, str], None]:
    """``shell(script, directory)`` runs the script there and fails when it fails."""
    return _shell


@pytest.fixture
def obey(
    snapshotter: Any, tmp_path: Path, state_of: Callable[..., State], tar_of: Callable[[Workspace], bytes]
) -> Callable[[Snapshot | None, str], dict[str, str]]:
    """``obey(parent, script)``: runs the script in a workspace on ``parent`` and holds it to the laws: the layer
    applied to a copy of the parent, by the same backend or on plain files, is the final tree. Returns path → kind
    of what the layer holds."""

    def check(parent: Snapshot | None, script: str) -> dict[str, str]:
        workspace = snapshotter.prepare(parent)
        _shell(script, workspace.root)
        final = state_of(workspace.root)
        items = [item.entry for item in workspace.changes()]
        paths = [entry.path for entry in items]
        assert len(set(paths)) == len(paths), "a path twice"
        for entry in items:
            if entry.parent:
                assert entry.parent in paths[: paths.index(entry.path)], f"{entry.path} before its parent"
        tar = tar_of(workspace)
        committed = workspace.commit()
        assert tar_of(workspace) == tar, "the changeset after commit is another one"
        with snapshotter.view(committed) as root:
            assert state_of(root) == final

        plain = tmp_path / f"plain{os.urandom(4).hex()}"
        with snapshotter.view(parent) as below:
            subprocess.run(["cp", "-a", below, str(plain)], check=True)
        unpack_layer(io.BytesIO(tar), str(plain), "plain", whiteouts="apply", lower=None, privileged=True)
        assert state_of(str(plain)) == final

        unpacked = snapshotter.unpack(parent, io.BytesIO(tar), "sha256:" + os.urandom(32).hex(), "layer")
        with snapshotter.view(unpacked) as root:
            assert state_of(root) == final
        return {entry.path: entry.kind for entry in items}

    return check
