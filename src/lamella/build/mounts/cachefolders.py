"""Where cache mounts keep their files between builds, and who may use them when.

    ROOT/lamella/caches/lock             held for a moment by whoever takes, makes or removes a folder
    ROOT/lamella/caches/KEY/NUMBER/lock  held as long as a step uses it: shared, or by one step alone
    ROOT/lamella/caches/KEY/NUMBER/files what the step sees; ``files.new`` while its first content is being copied

KEY is made of the cache's id and of what it began with. There is more than one NUMBER where steps wanted a cache for
themselves at the same time. All locks are the kernel's, so a killed build holds none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from lamella.snapshot.erase import erase
from lamella.store.disk import disk_errors

_EXCLUSIVE = fcntl.LOCK_EX | fcntl.LOCK_NB
_SHARED = fcntl.LOCK_SH | fcntl.LOCK_NB
_TRASH = "trash."


class Usage(NamedTuple):
    """``free`` are the folders that no step uses just now."""

    folders: tuple[str, ...]
    free: tuple[str, ...]


class _Taken(NamedTuple):
    folder: str
    lock: int


class CacheFolders:
    """The caches of one store. Threads and processes may share ``root``."""

    def __init__(self, root: str) -> None:
        self.root = root

    @contextmanager
    def use(self, key: str, sharing: str, fill: Callable[[str], None], wait: Callable[[], None]) -> Iterator[str]:
        """A folder for the cache ``key``, as long as the block lasts.

        ``sharing``: ``shared`` takes the one that others share, or any that is free; ``private`` one that is free, or
        a new one; ``locked`` waits for one that is free. ``fill`` makes the first content at the path it is given;
        ``wait`` is called between two tries (it may raise)."""
        path = f"{self.root}/{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:40]}"
        with disk_errors(path, "make a cache"):
            taken = self._take(path, sharing)
            while taken is None:
                wait()
                taken = self._take(path, sharing)
        try:
            files = f"{taken.folder}/files"
            if not os.path.isdir(files):
                with disk_errors(files, "make a cache"):
                    erase(f"{files}.new")
                    fill(f"{files}.new")
                    with self._guard():  # nobody is to find it filled and not shared yet
                        os.rename(f"{files}.new", files)
                        _share(taken.lock, sharing)
            yield files
        finally:
            os.close(taken.lock)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        os.makedirs(self.root, mode=0o700, exist_ok=True)  # there may be setuid programs in it
        descriptor = _open_lock(self.root)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _take(self, path: str, sharing: str) -> _Taken | None:
        """Locks a folder: for one step alone, or shared where others share it already. None: try again."""
        with self._guard():
            os.makedirs(path, mode=0o700, exist_ok=True)
            numbers = sorted(int(name) for name in os.listdir(path) if name.isdigit())
            free: _Taken | None = None
            busy = False
            for number in numbers:
                one = _Taken(f"{path}/{number}", _open_lock(f"{path}/{number}"))
                if _try(one.lock, _EXCLUSIVE):
                    if free is None:
                        free = one
                        continue
                elif not os.path.isdir(f"{one.folder}/files"):
                    busy = True  # it is being filled, which does not take forever
                elif sharing == "shared" and _try(one.lock, _SHARED):
                    if free is not None:
                        os.close(free.lock)
                    return one
                else:
                    busy = busy or sharing == "locked"
                os.close(one.lock)
            if free is not None:
                if os.path.isdir(f"{free.folder}/files"):
                    _share(free.lock, sharing)
                return free
            if busy and sharing != "private":
                return None
            folder = f"{path}/{numbers[-1] + 1 if numbers else 0}"
            os.mkdir(folder, 0o700)
            lock = _open_lock(folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _Taken(folder, lock)

    def _folders(self) -> list[str]:
        return [
            f"{self.root}/{key}/{number}"
            for key in _names(self.root)
            for number in _names(f"{self.root}/{key}")
            if number.isdigit()
        ]

    def usage(self) -> Usage:
        if not os.access(self.root, os.W_OK):  # then its locks cannot be tried
            return Usage(tuple(self._folders()), ())
        with self._guard():  # trying a lock is holding it, and whoever takes it meanwhile would find it in use
            return self._usage()

    def _usage(self) -> Usage:
        folders = self._folders()
        return Usage(tuple(folders), tuple(folder for folder in folders if _is_free(folder)))

    def prune(self, *, all: bool) -> int:
        """Removes what a killed prune left, and with ``all`` every cache that no step uses. Returns their number."""
        if not os.path.isdir(self.root) or not os.access(self.root, os.W_OK):
            return 0
        removed = 0
        with disk_errors(self.root, "remove caches"):
            with self._guard():
                for folder in self._folders() if all else []:
                    # Nobody takes a lock meanwhile, so the lock may go with the folder.
                    if _is_free(folder):
                        os.rename(folder, f"{self.root}/{_TRASH}{os.urandom(8).hex()}")
                        removed += 1
                for key in _names(self.root):
                    if not key.startswith(_TRASH) and not _names(f"{self.root}/{key}") and key != "lock":
                        os.rmdir(f"{self.root}/{key}")
            for name in _names(self.root):
                if name.startswith(_TRASH):
                    erase(f"{self.root}/{name}")
        return removed


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _open_lock(folder: str) -> int:
    return os.open(f"{folder}/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _share(lock: int, sharing: str) -> None:
    """A lock is let go for a moment when it becomes another: only for whoever keeps the others away meanwhile."""
    if sharing == "shared":
        fcntl.flock(lock, fcntl.LOCK_SH)


def _try(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how)
        return True
    except BlockingIOError:
        return False


def _is_free(folder: str) -> bool:
    """False too for whoever may not look into it."""
    try:
        lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _try(lock, _EXCLUSIVE)
    finally:
        os.close(lock)
