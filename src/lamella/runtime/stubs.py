"""Mount points that the root file system does not have: made before the start, removed after it.

A RUN step's layer must hold what the step did, and nothing that was needed to run it. An image ``FROM scratch`` has no
/proc, and no /etc for resolv.conf to be laid on.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from lamella.errors import InputError
from lamella.userns.ids import give

_MOST_LINKS = 40  # as Linux: path_resolution(7)
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Made(NamedTuple):
    """A stub ``name`` in the open directory ``parent``, whose time in nanoseconds was ``before`` and then ``after``."""

    name: str
    parent: int
    inode: int
    before: int
    after: int


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
            give(host, uid, gid, path)
    if not os.path.isdir(host):
        raise InputError("the working directory is no directory", where=path)


class Stubs:
    """The mount points made in one root file system. Their parents stay open: what a step does to the paths that led
    there (a symlink in place of /etc) leads nobody astray afterwards."""

    def __init__(self, rootfs: str) -> None:
        self._rootfs = rootfs
        self._made: list[_Made] = []

    def ensure(self, target: str, directory: bool, mode: int = 0o755) -> str:
        """Sees to it that ``target`` exists; returns it without symlinks. ``directory``: what to make, and then its
        ``mode``; that of its parents is 0755."""
        resolved = resolve_in_root(self._rootfs, target)
        parts = resolved.split("/")[1:]
        host = self._rootfs
        for number, part in enumerate(parts):
            above, host = host, f"{host}/{part}"
            if part and not os.path.lexists(host):
                last = number == len(parts) - 1
                self._make(part, above, directory or not last, mode if last else 0o755)
        return resolved

    def _make(self, name: str, above: str, directory: bool, mode: int) -> None:
        parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            before = os.stat(parent).st_mtime_ns
            if directory:
                os.mkdir(name, 0o700, dir_fd=parent)
                os.chmod(name, mode, dir_fd=parent)
            else:
                os.close(os.open(name, _NEW_FILE, 0o644, dir_fd=parent))
            inode = os.lstat(name, dir_fd=parent).st_ino
            self._made.append(_Made(name, parent, inode, before, os.stat(parent).st_mtime_ns))
        except BaseException:
            os.close(parent)
            raise

    def remove(self) -> None:
        """Removes those that are still ours and empty, and gives their parents the times that they would have."""
        for made in reversed(self._made):
            try:
                now = os.stat(made.parent)
                if _remove_stub(made):
                    touched = now.st_mtime_ns != made.after
                    os.utime(made.parent, ns=(now.st_atime_ns, now.st_mtime_ns if touched else made.before))
            except OSError:  # the step removed or replaced it or put something in: then it is the step's
                continue
            finally:
                os.close(made.parent)
        self._made.clear()


def _remove_stub(made: _Made) -> bool:
    about = os.lstat(made.name, dir_fd=made.parent)
    if about.st_ino != made.inode:
        return False
    if stat.S_ISDIR(about.st_mode):
        os.rmdir(made.name, dir_fd=made.parent)
        return True
    if about.st_size or not stat.S_ISREG(about.st_mode):
        return False
    os.unlink(made.name, dir_fd=made.parent)
    return True
