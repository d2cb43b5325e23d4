"""Snapshots on overlayfs: a layer is an upper directory, a view is a mount of several.

Source: the kernel's Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lamella.errors import LamellaError
from lamella.layer.packed import PackItem
from lamella.layer.standin import MARK, read_mark
from lamella.oci.digest import ChainID
from lamella.snapshot.lower import LowerTree, merged_names
from lamella.snapshot.marks import Marks, marks_for
from lamella.snapshot.overlaymount import OverlayMounts
from lamella.snapshot.protocol import Snapshot, Told, Workspace
from lamella.snapshot.table import SnapshotTable, disk_errors
from lamella.snapshot.upper import UpperChanges
from lamella.userns import current

_UNPACKED = "unpacked"
_NEW = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC


class OverlaySnapshotter:
    """Implements Snapshotter. Make one per process and root; threads may share it."""

    name = "overlay"

    def __init__(self, root: str, mounts: OverlayMounts | None = None, marks: Marks | None = None) -> None:
        """``marks``: None for those that this process needs."""
        self._marks = marks = marks or marks_for(current())
        self._mounts = mounts or OverlayMounts(os.path.abspath(root) + "/s", user=marks.stand_ins)
        self._table = SnapshotTable(root, self._mounts.release)
        self._empty = os.path.join(self._table.root, "empty")
        with disk_errors("the folder for snapshots cannot be made"):
            os.makedirs(self._empty, mode=0o755, exist_ok=True)

    def find(self, chain: ChainID) -> Snapshot | None:
        key = self._table.find(chain)
        return self._snapshot(key) if key is not None else None

    def _snapshot(self, key: str) -> Snapshot:
        return Snapshot(key, self._table.depth(key))

    def bind(self, snapshot: Snapshot, chain: ChainID) -> None:
        self._table.bind(snapshot.key, chain)

    def _stack(self, snapshot: Snapshot | None) -> tuple[str, ...]:
        return (snapshot.key, *self._table.lower(snapshot.key)) if snapshot is not None else ()

    def _allocate(self, parent: Snapshot | None) -> str:
        key = self._table.allocate(self._stack(parent), parent.depth + 1 if parent is not None else 1)
        with self._or_drop(key):
            os.mkdir(self._table.files(key), 0o755)
            os.chmod(self._table.files(key), 0o755)
        return key

    @contextmanager
    def _or_drop(self, key: str) -> Iterator[None]:
        """Removes ``key`` when what follows fails."""
        try:
            with disk_errors("a snapshot cannot be made"):
                yield
        except BaseException:
            self._table.drop(key)
            raise

    def unpack(
        self, parent: Snapshot | None, tar: BinaryIO, chain: ChainID, where: str, told: Told | None = None
    ) -> Snapshot:
        from lamella.layer.unpack import unpack_layer

        key = self._allocate(parent)
        target = self._table.files(key)
        with self._or_drop(key):
            below = [self._table.files(name) for name in self._table.lower(key)]
            entries = unpack_layer(
                tar,
                target,
                where,
                whiteouts="overlay",
                lower=LowerTree(below, self._marks) if below else None,
                lower_names=lambda _: merged_names(tuple(below)),
                privileged=True,
                digests=told is not None,
            )
            if told is not None:
                told(entries)
            if self._marks.stand_ins:
                # No process has written to it: see UpperChanges.
                os.close(os.open(f"{self._table.directory(key)}/{_UNPACKED}", _NEW, 0o600))
        return self._snapshot(self._table.bind(key, chain))

    @contextmanager
    def view(self, snapshot: Snapshot | None) -> Iterator[str]:
        if snapshot is None:
            yield self._empty
            return
        key = self._table.allocate(self._stack(snapshot), 0)
        target = self._table.directory(key) + "/root"
        try:
            with disk_errors("a view cannot be made"):
                os.mkdir(target)
            # One lower directory alone is not mounted by overlayfs: the empty one below it changes nothing.
            lower = [f"{name}/fs" for name in self._table.lower(key)] + ["../empty"]
            self._mount(target, lower, None)
            yield target
        finally:
            self._table.drop(key)

    def prepare(self, parent: Snapshot | None) -> Workspace:
        key = self._allocate(parent)
        directory = self._table.directory(key)
        if parent is None:
            return OverlayWorkspace(self._table, self._mounts, key, directory + "/fs", self._marks)
        with self._or_drop(key):
            # The upper root directory is what the mount shows as "/": it starts as the parent's.
            copy_root_attributes(self._table.files(parent.key), directory + "/fs")
            os.mkdir(directory + "/work", 0o700)
            os.mkdir(directory + "/root", 0o755)
            self._mount(directory + "/root", [f"{name}/fs" for name in self._table.lower(key)], key)
        return OverlayWorkspace(self._table, self._mounts, key, directory + "/root", self._marks)

    def _mount(self, target: str, lower: list[str], key: str | None) -> None:
        with disk_errors("overlayfs cannot be mounted"):
            self._mounts.mount(target, lower, key)

    def remove(self, chain: ChainID) -> None:
        self._table.remove(chain)

    def recover(self) -> None:
        if self._table.abandoned():
            self._table.sweep()

    def close(self) -> None:
        """Gives up this process's hold; call it when nothing of this snapshotter is in use any more."""
        self._table.close()


class OverlayWorkspace:
    """Implements Workspace."""

    def __init__(self, table: SnapshotTable, mounts: OverlayMounts, key: str, root: str, marks: Marks) -> None:
        self._table = table
        self._marks = marks
        self._mounts = mounts
        self._key = key
        self._root = root
        self._open = True

    @property
    def root(self) -> str:
        return self._root

    def changes(self) -> Iterator[PackItem]:
        keys = self._table.lower(self._key)
        lower = [self._table.files(name) for name in keys]
        unpacked: tuple[str, ...] = ()
        if self._marks.stand_ins:
            unpacked = tuple(
                self._table.files(name) for name in keys if os.path.exists(f"{self._table.directory(name)}/{_UNPACKED}")
            )
        return iter(UpperChanges(self._table.files(self._key), lower, marks=self._marks, unpacked=unpacked))

    def commit(self) -> Snapshot:
        if not self._open:
            raise LamellaError("the workspace is closed already", where=self._root)
        self._open = False
        self._mounts.release(self._table.directory(self._key))
        return Snapshot(self._key, self._table.depth(self._key))

    def discard(self) -> None:
        if self._open:
            self._open = False
            self._table.drop(self._key)


def copy_root_attributes(source: str, target: str) -> None:
    """A layer need not hold its own root directory; it then inherits the one below."""
    about = os.stat(source)
    os.chown(target, about.st_uid, about.st_gid)
    os.chmod(target, about.st_mode & 0o7777)
    mark = read_mark(source)
    if mark is not None:
        os.setxattr(target, MARK, mark)
    os.utime(target, ns=(about.st_mtime_ns, about.st_mtime_ns))
