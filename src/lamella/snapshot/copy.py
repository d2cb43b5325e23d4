"""Snapshots as plain copies, for machines where overlayfs cannot be mounted: every snapshot is a whole file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lamella.errors import LamellaError
from lamella.layer.packed import PackItem
from lamella.oci.digest import ChainID
from lamella.snapshot.marks import Marks, marks_for
from lamella.snapshot.protocol import Snapshot, Told, Workspace
from lamella.snapshot.table import SnapshotTable, disk_errors
from lamella.snapshot.treecopy import TreeCopy
from lamella.snapshot.upper import UpperChanges
from lamella.userns import current


class CopySnapshotter:
    """Implements Snapshotter. A view is the snapshot itself: nothing but good manners keeps it from being written."""

    name = "copy"

    def __init__(self, root: str, marks: Marks | None = None) -> None:
        self._marks = marks or marks_for(current())
        self._table = SnapshotTable(root, lambda directory: None)
        self._privileged = os.geteuid() == 0
        self._empty = os.path.join(self._table.root, "empty")
        with disk_errors("the folder for snapshots cannot be made"):
            os.makedirs(self._empty, mode=0o755, exist_ok=True)

    def find(self, chain: ChainID) -> Snapshot | None:
        key = self._table.find(chain)
        return Snapshot(key, self._table.depth(key)) if key is not None else None

    def bind(self, snapshot: Snapshot, chain: ChainID) -> None:
        if self._table.bind(snapshot.key, chain) == snapshot.key:
            # Whole by itself: from now on only its name keeps it.
            self._table.stand_alone(snapshot.key)

    def _allocate(self, parent: Snapshot | None) -> str:
        """A new key that holds a copy of ``parent``."""
        lower = (parent.key,) if parent is not None else ()
        key = self._table.allocate(lower, parent.depth + 1 if parent is not None else 1)
        target = self._table.files(key)
        try:
            with disk_errors("a snapshot cannot be copied"):
                os.mkdir(target, 0o755)
                os.chmod(target, 0o755)
                if parent is not None:
                    TreeCopy(self._privileged).copy(self._table.files(parent.key), target)
        except BaseException:
            self._table.drop(key)
            raise
        return key

    def unpack(
        self, parent: Snapshot | None, tar: BinaryIO, chain: ChainID, where: str, told: Told | None = None
    ) -> Snapshot:
        from lamella.layer.unpack import unpack_layer

        key = self._allocate(parent)
        try:
            entries = unpack_layer(
                tar,
                self._table.files(key),
                where,
                whiteouts="apply",
                lower=None,
                privileged=self._privileged,
                digests=told is not None,
            )
            if told is not None:
                told(entries)
        except BaseException:
            self._table.drop(key)
            raise
        bound = self._table.bind(key, chain)
        self._table.stand_alone(bound)
        return Snapshot(bound, self._table.depth(bound))

    @contextmanager
    def view(self, snapshot: Snapshot | None) -> Iterator[str]:
        if snapshot is None:
            yield self._empty
            return
        # A key that stands on the snapshot keeps it from being removed meanwhile.
        key = self._table.allocate((snapshot.key,), 0)
        try:
            yield self._table.files(snapshot.key)
        finally:
            self._table.drop(key)

    def prepare(self, parent: Snapshot | None) -> Workspace:
        return CopyWorkspace(self._table, self._allocate(parent), self._marks)

    def remove(self, chain: ChainID) -> None:
        self._table.remove(chain)

    def recover(self) -> None:
        if self._table.abandoned():
            self._table.sweep()

    def close(self) -> None:
        """Gives up this process's hold; call it when nothing of this snapshotter is in use any more."""
        self._table.close()


class CopyWorkspace:
    """Implements Workspace."""

    def __init__(self, table: SnapshotTable, key: str, marks: Marks) -> None:
        self._table = table
        self._marks = marks
        self._key = key
        self._parent = [table.files(name) for name in table.lower(key)]
        self._open = True

    @property
    def root(self) -> str:
        return self._table.files(self._key)

    def changes(self) -> Iterator[PackItem]:
        below = tuple(self._parent)
        return iter(
            UpperChanges(self._table.files(self._key), self._parent, complete=True, marks=self._marks, unpacked=below)
        )

    def commit(self) -> Snapshot:
        if not self._open:
            raise LamellaError("the workspace is closed already", where=self._key)
        self._open = False
        return Snapshot(self._key, self._table.depth(self._key))

    def discard(self) -> None:
        if self._open:
            self._open = False
            self._table.drop(self._key)
