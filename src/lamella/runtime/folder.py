"""Where a process keeps what it runs: ROOT/OWNER/ for each process, recognisable when that process is dead.

ROOT/OWNER/lock         held by flock as long as the process lives
ROOT/OWNER/NUMBER/log   what the runtime says of one container
ROOT/OWNER/NUMBER/bundle  where the runtime, and nobody else, finds that container's bundle; empty on the disk
ROOT/OWNER/resolv.conf
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamella.layer.disk import write_error
from lamella.runtime.cgroups import own_groups
from lamella.runtime.network import resolver_file


class RunFolder:
    """This process's folder below ``root``, made when first needed. Threads may share it."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._mutex = threading.Lock()
        self._counter = 0
        self._owner: str | None = None
        self._lock = -1

    def _register(self) -> str:
        owner = os.urandom(4).hex()
        path = f"{self._root}/{owner}"
        try:
            os.makedirs(path, mode=0o700)
            self._lock = _lock_of(path)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            with open(f"{path}/cgroup", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(own_groups())
            resolver_file(f"{path}/resolv.conf")
        except OSError as error:
            raise write_error(error, path) from None
        return owner

    @contextmanager
    def bundle(self) -> Iterator[tuple[str, str, str]]:
        """A name for a container, no other container's on this machine; its folder, which holds an empty one for the
        bundle and goes with what is in it; and the folder of this process."""
        with self._mutex:
            if self._owner is None:
                self._owner = self._register()
            self._counter += 1
            owner, number = self._owner, self._counter
        own = f"{self._root}/{owner}"
        path = f"{own}/{number}"
        try:
            os.makedirs(f"{path}/bundle", 0o700)
        except OSError as error:
            raise write_error(error, path) from None
        try:
            yield _container(owner, str(number)), path, own
        finally:
            _remove(path)

    @contextmanager
    def abandoned(self) -> Iterator[list[str]]:
        """The folders of processes that are dead, locked meanwhile and removed afterwards."""
        found: list[str] = []
        locks: list[int] = []
        try:
            for owner in os.listdir(self._root) if os.path.isdir(self._root) else []:
                path = f"{self._root}/{owner}"
                lock = _try_lock(path) if owner != self._owner else None
                if lock is not None:
                    locks.append(lock)
                    found.append(path)
            yield found
            for path in found:
                _remove(path)
        finally:
            for lock in locks:
                os.close(lock)

    def close(self) -> None:
        """Removes this process's folder. Nothing may run any more."""
        with self._mutex:
            if self._owner is not None:
                _remove(f"{self._root}/{self._owner}")
                os.close(self._lock)
                self._owner = None


def _container(owner: str, number: str) -> str:
    return f"lamella-{owner}-{number}"


def containers_of(folder: str) -> tuple[list[str], str]:
    """The containers that a dead process left in its ``folder``, begun ones too, and its control groups."""
    names = [_container(os.path.basename(folder), name) for name in os.listdir(folder) if name.isdigit()]
    try:
        with open(f"{folder}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            return names, file.read()
    except FileNotFoundError:
        return names, ""


def _remove(path: str) -> None:
    """Removes a folder of ours: small, and without a link in it."""
    for folder, folders, files in os.walk(path, topdown=False):
        for name in files:
            _quietly(os.unlink, f"{folder}/{name}")
        for name in folders:
            _quietly(os.rmdir, f"{folder}/{name}")
    _quietly(os.rmdir, path)


def _quietly(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except OSError:
        pass


def _lock_of(path: str) -> int:
    return os.open(f"{path}/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _try_lock(path: str) -> int | None:
    try:
        lock = _lock_of(path)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None
