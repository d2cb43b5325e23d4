"""A copy of a directory tree with all that makes it the same file system: owners, modes, times, links, attributes."""

from __future__ import annotations

import errno
import os
import stat

from lamella.layer.changes import is_packed_xattr
from lamella.layer.standin import MARK
from lamella.userns import current

_CHUNK = 1 << 30  # copy_file_range(2) takes less than 2 GiB at once


class TreeCopy:
    """Copies one tree. Without privilege, ownership that is refused and devices are left out."""

    def __init__(self, privileged: bool) -> None:
        self._privileged = privileged
        self._devices = privileged and not current().in_namespace
        self._links: dict[tuple[int, int], str] = {}

    def copy(self, source: str, target: str) -> None:
        """Copies what is in the directory ``source``, and its own attributes, to the existing directory ``target``.

        Sockets are left out. Raises OSError."""
        stack = [(source, target)]
        directories = []
        while stack:
            here, there = stack.pop()
            directories.append((here, there))
            with os.scandir(here) as entries:
                for entry in entries:
                    inner = f"{there}/{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        os.mkdir(inner, 0o700)
                        stack.append((entry.path, inner))
                    else:
                        self._leaf(entry.path, inner, entry.stat(follow_symlinks=False))
        # Last, for what is made in a directory changes its time; the inner ones first, lest a mode shuts us out.
        for here, there in reversed(directories):
            self._attributes(here, there, os.lstat(here))

    def _leaf(self, source: str, target: str, about: os.stat_result) -> None:
        if about.st_nlink > 1:
            first = self._links.setdefault((about.st_dev, about.st_ino), target)
            if first != target:
                os.link(first, target, follow_symlinks=False)
                return
        kind = stat.S_IFMT(about.st_mode)
        if kind == stat.S_IFREG:
            copy_content(source, target, about.st_size)
        elif kind == stat.S_IFLNK:
            os.symlink(os.readlink(source), target)
        elif kind == stat.S_IFIFO or (kind in (stat.S_IFCHR, stat.S_IFBLK) and self._devices):
            os.mknod(target, kind | 0o600, about.st_rdev)
        else:
            return
        self._attributes(source, target, about)

    def _attributes(self, source: str, target: str, about: os.stat_result) -> None:
        try:
            os.chown(target, about.st_uid, about.st_gid, follow_symlinks=False)
        except PermissionError:
            if self._privileged:
                raise
        # After the owner: a change of owner takes setuid bits and capabilities away.
        if not stat.S_ISLNK(about.st_mode):
            os.chmod(target, stat.S_IMODE(about.st_mode))
        self._xattrs(source, target)
        os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns), follow_symlinks=False)

    def _xattrs(self, source: str, target: str) -> None:
        try:
            names = os.listxattr(source, follow_symlinks=False)
        except OSError:
            return
        for name in names:
            if not is_packed_xattr(name) and name != MARK:
                continue
            try:
                os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
            except OSError:
                if self._privileged:
                    raise


def copy_content(source: str, target: str, size: int) -> None:
    """By the kernel, which shares the blocks on file systems that can."""
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            done = 0
            while done < size:
                moved = _move(reader, writer, size - done)
                if moved == 0:
                    raise OSError(errno.EIO, "the file became shorter while it was copied", source)
                done += moved
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _move(reader: int, writer: int, count: int) -> int:
    try:
        return os.copy_file_range(reader, writer, min(count, _CHUNK))
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    # Both descriptors have moved together so far.
    return os.sendfile(writer, reader, None, min(count, _CHUNK))
