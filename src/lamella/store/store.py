"""The local store: one folder that is an OCI image layout, with Lamella's own things in ``lamella/``.

ROOT/oci-layout, index.json, blobs/sha256/…      the layout; skopeo and umoci read it as it stands
ROOT/lamella/index.sqlite                        facts and the build cache (see database.py)
ROOT/lamella/lock                                held while names change or garbage is collected
ROOT/lamella/toc/<diff ID>                       tables of contents of layers
ROOT/lamella/tmp, leases                         temporary files and the leases of living processes
ROOT/lamella/partial                             beginnings of blobs whose fetching was broken off
ROOT/lamella/reserve                             space kept for removing things from a full disk
ROOT/lamella/snapshots, caches, containers, run  belong to other rooms
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from lamella.errors import InputError
from lamella.store.blobs import BlobStore
from lamella.store.cache import BuildCache
from lamella.store.database import Database
from lamella.store.digests import DigestCache
from lamella.store.disk import disk_errors, is_full, remove_quietly
from lamella.store.downloads import Downloads
from lamella.store.images import ImageTable
from lamella.store.layers import LayerStore
from lamella.store.layout import Layout
from lamella.store.lease import Lease
from lamella.store.lock import StoreLock
from lamella.store.mirror import Mirror
from lamella.store.notes import Notes
from lamella.store.origins import Origins
from lamella.store.partials import Partials

#: bytes; for index.json and SQLite's files beside its own
_RESERVE = 1 << 20


class Store:
    """Open one with ``Store.open``; close it, or use it in a ``with``. Its parts are safe to use from threads."""

    def __init__(self, root: str) -> None:
        own = f"{root}/lamella"
        self.root = root
        self.layout = Layout(root)
        self._lock = StoreLock(f"{own}/lock")
        self.lease = Lease(f"{own}/leases", f"{own}/tmp")
        self.database = Database(f"{own}/index.sqlite", self._lock)
        self.blobs = BlobStore(root, self.lease)
        self.layers = LayerStore(f"{own}/toc", self.database, self.blobs, self.lease)
        mirror = Mirror(self.layout, self.database, self.blobs, self.layers)
        self.partials = Partials(f"{own}/partial", self.lease)
        self.origins = Origins(self.database)
        self.images = ImageTable(
            self.layout, mirror, self.blobs, self.layers, lock=self._lock, lease=self.lease, origins=self.origins
        )
        self.cache = BuildCache(self.database, self.blobs)
        self.digests = DigestCache(self.database)
        self.downloads = Downloads(self.database)
        self.notes = Notes(self.database)

    @classmethod
    def open(cls, root: str, *, create: bool = True) -> Store:
        """Opens the store at ``root``; an existing OCI layout made by others becomes one.

        Raises InputError where something else lies or (without ``create``) nothing, MachineError when the folder
        cannot be read or made."""
        root = os.path.abspath(root)
        store = cls(root)
        if not store.layout.exists():
            if not create:
                raise InputError("there is no store here", where=root, hint="name it with --root or LAMELLA_ROOT")
            store.layout.create()
        else:
            store.layout.check()
        if not os.path.isdir(f"{root}/lamella/toc") and os.access(root, os.W_OK):
            with disk_errors(root, "make the store"):
                for name in ("tmp", "leases", "toc"):
                    os.makedirs(f"{root}/lamella/{name}", exist_ok=True)
            store._keep_reserve()
        return store

    def lock(self) -> AbstractContextManager[None]:
        """Exclusive use of names and garbage collection, over all processes. Keep it short."""
        return self._lock.hold()

    @contextmanager
    def removing(self) -> Iterator[None]:
        """The lock, for those who make room: on a full disk they may use the reserve."""
        with self._lock.hold():
            if is_full(self.root, _RESERVE):
                remove_quietly(self._reserve)
            try:
                yield
            finally:
                self._keep_reserve()

    @property
    def _reserve(self) -> str:
        return f"{self.root}/lamella/reserve"

    def _keep_reserve(self) -> None:
        if os.path.exists(self._reserve):
            return
        try:
            with open(self._reserve, "xb") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE)
        except OSError:  # no room for it, or no such call on this file system
            remove_quietly(self._reserve)

    def temporary_path(self, suffix: str = "") -> str:
        """A path nobody else uses, on the blobs' file system; swept away some time after this process died."""
        return self.lease.temporary_path(suffix)

    def close(self) -> None:
        self.cache.flush()
        self.database.close()
        self.lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
