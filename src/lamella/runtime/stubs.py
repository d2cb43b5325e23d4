"""Mount points that the root file system does not have: made before the start, removed after it.

A RUN step's layer must hold what the step did, and nothing that was needed to run it. An image ``FROM scratch`` has no
/proc, and no /etc for resolv.conf to be laid on.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from lamella.errors import InputError

_MOST_LINKS = 40  # as Linux: path_resolution(7)


class _Made(NamedTuple):
    path: str
    inode: int
    parent_before: int
    """The parent's time before, in nanoseconds."""
    parent_after: int


def resolve_in_root(rootfs: str, path: str) -> str:
    """The path that ``path`` means to a process whose root directory is ``rootfs``, absolute in that root.

    Symlinks are followed, the last one too, and never lead out. Parts that do not exist are taken as they are.
    Raises InputError on a loop of links."""
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        host = os.path.join(rootfs, *done, part)
        try:
            target = os.readlink(host)
        except OSError:  # no link, or nothing there
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise InputError("too many levels of symbolic links", where=path)
        if target.startswith("/"):
            done.clear()
        todo.extend(piece for piece in reversed(target.split("/")) if piece not in ("", "."))
    return "/" + "/".join(done)


def make_directory(rootfs: str, path: str, uid: int, gid: int) -> None:
    """Makes the directory ``path`` and its parents where they are missing, owned by ``uid`` and ``gid``: a working
    directory that does not exist, as BuildKit does it. No stub: it stays. Raises InputError where a file stands."""
    host = rootfs
    for part in resolve_in_root(rootfs, path).split("/")[1:]:
        host = f"{host}/{part}" if part else host
        if not os.path.lexists(host):
            os.mkdir(host, 0o755)
            os.chmod(host, 0o755)
            os.chown(host, uid, gid)
    if not os.path.isdir(host):
        raise InputError("the working directory is no directory", where=path)


class Stubs:
    """The mount points made in one root file system."""

    def __init__(self, rootfs: str) -> None:
        self._rootfs = rootfs
        self._made: list[_Made] = []

    def ensure(self, target: str, directory: bool) -> str:
        """Sees to it that ``target`` exists; returns it without symlinks. ``directory``: what to make."""
        resolved = resolve_in_root(self._rootfs, target)
        parts = resolved.split("/")[1:]
        parent = self._rootfs
        for number, part in enumerate(parts):
            path = f"{parent}/{part}"
            if not os.path.lexists(path):
                self._make(path, parent, directory or number < len(parts) - 1)
            parent = path
        return resolved

    def _make(self, path: str, parent: str, directory: bool) -> None:
        before = os.lstat(parent).st_mtime_ns
        if directory:
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        self._made.append(_Made(path, os.lstat(path).st_ino, before, os.lstat(parent).st_mtime_ns))

    def remove(self) -> None:
        """Removes those that are still ours and empty, and gives their parents back the times they would have."""
        for made in reversed(self._made):
            parent = os.path.dirname(made.path)
            try:
                about = os.lstat(parent)
                if not self._remove_one(made):
                    continue
            except OSError:  # the step removed or replaced it or put something in: then it is the step's
                continue
            touched = about.st_mtime_ns != made.parent_after
            os.utime(parent, ns=(about.st_atime_ns, about.st_mtime_ns if touched else made.parent_before))
        self._made.clear()

    @staticmethod
    def _remove_one(made: _Made) -> bool:
        about = os.lstat(made.path)
        if about.st_ino != made.inode:
            return False
        if stat.S_ISDIR(about.st_mode):
            os.rmdir(made.path)
            return True
        if about.st_size:
            return False
        os.unlink(made.path)
        return True
