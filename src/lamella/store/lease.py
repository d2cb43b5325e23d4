"""Leases: what a living process may be using. Garbage collection leaves alone what is newer than the oldest lease.

A lease is a file in ``ROOT/lamella/leases`` that its process holds an flock on; the kernel lets go of it however the
process ends, so a killed build leaves no lease that counts. Temporary files carry their lease's name, so whoever
comes later can tell those of the living from those of the dead.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time

from lamella.store.disk import disk_errors, remove_quietly

_SUFFIX = ".lease"
_TEMPORARY = re.compile(r"(\d+-[0-9a-f]{12})\..*", re.DOTALL)
#: temporary files that carry no lease's name are somebody's for this long
_STRANGER_SECONDS = 86_400


class Lease:
    """This process's lease on one store. Taken at the first need, held until ``release``. Thread-safe."""

    def __init__(self, run: str, temporary: str) -> None:
        self.folder = run
        self._temporary = temporary
        self._guard = threading.Lock()
        self.name = ""
        self._descriptor = -1
        self._count = 0

    def hold(self) -> str:
        """Takes the lease if it is not held yet; returns its name."""
        if self._descriptor < 0:
            with self._guard:
                if self._descriptor < 0:
                    self._take()
        return self.name

    def temporary_path(self, suffix: str = "") -> str:
        """A path in the store's temporary folder that nobody else uses."""
        name = self.hold()
        with self._guard:
            self._count += 1
            return f"{self._temporary}/{name}.{self._count}{suffix}"

    def release(self) -> None:
        with self._guard:
            if self._descriptor >= 0:
                remove_quietly(f"{self.folder}/{self.name}{_SUFFIX}")
                os.close(self._descriptor)
                self._descriptor = -1

    def _take(self) -> None:
        name = f"{os.getpid()}-{os.urandom(6).hex()}"
        path = f"{self.folder}/{name}{_SUFFIX}"
        with disk_errors(path, "use the store"):
            os.makedirs(self.folder, exist_ok=True)
            os.makedirs(self._temporary, exist_ok=True)
            # Locked before it has its name: nobody can take it for a dead one in between.
            hidden = f"{path}.new"
            descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.rename(hidden, path)
        self.name, self._descriptor = name, descriptor
        sweep(self.folder, self._temporary)


def oldest_living(run: str, *, but: str = "") -> int | None:
    """When the oldest lease held by anyone ``but`` this name began, in ns since the epoch; None: nobody holds one."""
    begun = [
        stat.st_mtime_ns
        for name in _leases(run)
        if name != but and (stat := _living(f"{run}/{name}{_SUFFIX}")) is not None
    ]
    return min(begun, default=None)


def sweep(run: str, temporary: str) -> int:
    """Removes leases and temporary files of the dead; returns how many files went."""
    removed = 0
    for name in _leases(run):
        path = f"{run}/{name}{_SUFFIX}"
        if _living(path) is None:
            remove_quietly(path)
            removed += 1
    living = set(_leases(run))
    for entry in _names(temporary):
        match = _TEMPORARY.fullmatch(entry)
        if match[1] not in living if match else _is_old(f"{temporary}/{entry}"):
            remove_any(f"{temporary}/{entry}")
            removed += 1
    return removed


def _living(path: str) -> os.stat_result | None:
    """The lease file's stat if someone holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return None


def _leases(run: str) -> list[str]:
    return [name.removesuffix(_SUFFIX) for name in _names(run) if name.endswith(_SUFFIX)]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_old(path: str) -> bool:
    try:
        return os.lstat(path).st_mtime < time.time() - _STRANGER_SECONDS
    except OSError:
        return False


def remove_any(path: str) -> None:
    """A file or a folder with all that is in it; nothing happens where it cannot be."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        remove_quietly(path)
