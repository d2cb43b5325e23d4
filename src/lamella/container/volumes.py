"""What is mounted into a container: folders of this machine, volumes, memory.

ROOT/lamella/volumes/NAME   a volume's files. At its first use it gets what the image has at its place, as in Docker.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamella.container.values import Container, Mounted
from lamella.errors import InputError, NotFound
from lamella.runtime.protocol import BindMount, Mount, TmpfsMount
from lamella.runtime.stubs import resolve_in_root
from lamella.snapshot.erase import erase
from lamella.snapshot.treecopy import TreeCopy
from lamella.store.disk import disk_errors
from lamella.userns import within

if TYPE_CHECKING:
    from lamella.container.table import Table

_TMPFS_OPTIONS = ("noexec", "nodev")


class Volumes:
    def __init__(self, root: str) -> None:
        """``root`` is the store's."""
        self._path = f"{os.path.abspath(root)}/lamella/volumes"

    def mounts(self, container: Container, rootfs: str) -> tuple[Mount, ...]:
        """What the runtime is to mount; volumes are made and filled. Raises InputError, NoSpace."""
        return tuple(self._mount(one, rootfs) for one in container.mounts)

    def _mount(self, one: Mounted, rootfs: str) -> Mount:
        if one.kind == "tmpfs":
            return tmpfs(one)
        propagation = (one.propagation,) if one.propagation else ()
        if one.kind == "bind":
            if not os.path.exists(one.source):
                raise InputError(
                    f"-v {one.source}:{one.target}: there is no such file or folder",
                    where=one.source,
                    hint="make it first",
                )
            return BindMount(one.target, one.source, one.readonly, propagation)
        return BindMount(one.target, self._volume(one, rootfs), one.readonly, propagation)

    def _volume(self, one: Mounted, rootfs: str) -> str:
        path = f"{self._path}/{one.source}"
        with self._locked(), disk_errors(path, "make a volume"):
            if os.path.isdir(path) and (os.listdir(path) or not one.fill):
                return path
            half = f"{self._path}/.{one.source}.new"
            erase(half)
            os.mkdir(half, 0o755)
            os.chmod(half, 0o755)
            try:
                inside = rootfs + resolve_in_root(rootfs, one.target)
                if one.fill and os.path.isdir(inside):
                    TreeCopy(os.geteuid() == 0).copy(inside, half)
                if os.path.isdir(path):
                    os.rmdir(path)
                os.rename(half, path)
            except BaseException:
                erase(half)
                raise
        return path

    def names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._path) if not name.startswith("."))
        except FileNotFoundError:
            return []

    def users(self, name: str, table: Table) -> list[str]:
        """The IDs of the containers that have it, also of those that have ended, as in Docker."""
        return [
            container.id
            for _, container, _ in table.list()
            if any(one.kind == "volume" and one.source == name for one in container.mounts)
        ]

    def remove(self, name: str, table: Table) -> None:
        """Raises NotFound; InputError where a container has it. A container is in the table before its volumes are
        made, so that what is free here under the lock is nobody's."""
        with self._locked():
            if name not in self.names():
                raise NotFound(f"there is no volume {name!r}", hint="`lamella volume ls` shows what there is")
            users = self.users(name, table)
            if users:
                raise InputError(
                    f"the volume {name!r} belongs to the container {users[0][:12]}",
                    hint=f"remove that one first: lamella rm {users[0][:12]}",
                    code="in-use",
                )
            gone = f"{self._path}/.{name}.gone"  # a volume is there as a whole or not at all
            with disk_errors(self._path, "remove a volume"):
                self._erase(gone)
                os.rename(f"{self._path}/{name}", gone)
                self._erase(gone)

    def remove_anonymous(self, container: Container) -> None:
        for one in container.mounts:
            if one.kind == "volume" and one.anonymous:
                self._erase(f"{self._path}/{one.source}")

    def _erase(self, path: str) -> None:
        """Its files may belong to subordinate ids of the user's."""
        try:
            erase(path)
        except PermissionError:
            if not within(lambda: erase(path)):
                raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One volume is made at a time: two containers that start with the same new one must find it whole."""
        with disk_errors(self._path, "make a volume"):
            # Nobody else comes in: a volume may hold setuid programs that a container's root has made.
            os.makedirs(self._path, mode=0o700, exist_ok=True)
            descriptor = os.open(f"{self._path}/.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def tmpfs(one: Mounted) -> TmpfsMount:
    """Docker's defaults are rw, noexec, nosuid and nodev; words of the user's come after them and win."""
    words = [word for word in one.source.split(",") if word]
    kept = [word for word in _TMPFS_OPTIONS if word.removeprefix("no") not in words]
    return TmpfsMount(
        one.target, 0, one.readonly or "ro" in words, (*kept, *(w for w in words if w not in ("rw", "ro")))
    )
