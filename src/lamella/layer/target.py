"""The directory a layer is unpacked into: its parents, its clashes, and attributes that are set when all is written."""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Callable

from lamella.errors import NoPrivilege
from lamella.filetree.entry import DIRECTORY, Entry
from lamella.layer.changes import is_packed_xattr
from lamella.layer.names import at
from lamella.layer.rootdir import Lower, RootDirectory, remove_tree
from lamella.layer.standin import MARK, is_device, mark_of
from lamella.userns.ids import missing
from lamella.userns.standing import SINGLE, current


class Target:
    """Paths given and returned as *real* have no symbolic links in them. ``lower`` gives the entry that lies below at a
    real path and still shows through, for the attributes of directories that the layer does not bring."""

    def __init__(self, root: str, where: str, lower: Lower, privileged: bool) -> None:
        self.tree = RootDirectory(root, where, lower)
        self.privileged = privileged
        standing = current()
        #: in a user namespace, with rights to make what can be made there
        self.namespace = standing if privileged and standing.in_namespace else None
        #: told the real path of a directory that took the place of something else: nothing lower may show in it
        self.on_replaced: Callable[[str], None] = _nothing
        #: told the real path of each directory that was made
        self.on_made: Callable[[str], object] = _nothing
        self._where = where
        self._lower = lower
        #: of directories; set at the end, for their times would not last
        self._attributes: dict[str, Entry] = {}
        #: directories that no member brings: what they take from below is asked at the end, too
        self._implicit: set[str] = set()
        #: (mode, access time, modification time) of directories that were there and only get new content
        self._kept: dict[str, tuple[int, int, int]] = {}
        self._removed = False  # a directory, at some time

    def close(self) -> None:
        self.tree.close()

    def directory(self, path: str) -> str:
        """The real path of the directory ``path``, links followed; made where it is missing, and noted as about to
        change."""
        real = self.tree.resolve(path, self._make_implicit)
        assert real is not None
        self.touch(real)
        return real

    def touch(self, real: str) -> None:
        """Notes times and mode of an existing directory before it changes; they are set back at the end."""
        if real in self._attributes or real in self._kept or real in self._implicit:
            return
        descriptor = self.tree.descriptor(real)
        status = os.stat(descriptor)
        mode = status.st_mode & 0o7777
        self._kept[real] = (mode, status.st_atime_ns, status.st_mtime_ns)
        if not self.privileged and mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{descriptor}", mode | 0o700)

    def make(self, parent: str, name: str) -> None:
        """Makes the directory; one that is there stays, anything else gives way."""
        descriptor = self.tree.descriptor(parent)
        real = join(parent, name)
        try:
            os.mkdir(name, 0o700, dir_fd=descriptor)
            self.on_made(real)
        except FileExistsError:
            if modes.S_ISDIR(os.lstat(name, dir_fd=descriptor).st_mode):
                self.touch(real)
                return
            os.unlink(name, dir_fd=descriptor)
            os.mkdir(name, 0o700, dir_fd=descriptor)
            self.on_made(real)
            self.on_replaced(real)

    def _make_implicit(self, parent: str, name: str) -> None:
        self.touch(parent)
        self.make(parent, name)
        self.set_implicit(join(parent, name))

    def set_implicit(self, real: str) -> None:
        """A directory that no member brings takes the attributes of the one below, where one still shows."""
        self._implicit.add(real)
        self._attributes.pop(real, None)

    def set_attributes(self, real: str, entry: Entry) -> None:
        """Attributes of a directory that a member brings."""
        self._attributes[real] = entry

    def clear(self, parent: str, name: str) -> None:
        """Removes what stands there, if anything does."""
        descriptor = self.tree.descriptor(parent)
        try:
            os.unlink(name, dir_fd=descriptor)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
        self.tree.forget(join(parent, name))
        self._removed = True
        remove_tree(name, descriptor)

    def finish(self) -> None:
        """Sets the attributes of directories, deepest first."""
        for real in reversed(self._remaining()):
            descriptor = self.tree.open_readable(real)
            try:
                self._finish_directory(real, descriptor)
            finally:
                os.close(descriptor)

    def _remaining(self) -> list[str]:
        """The directories that got attributes and were not replaced later on, parents first."""
        known = sorted(self._attributes.keys() | self._kept.keys() | self._implicit)
        if not self._removed:
            return known
        remaining = []
        gone: set[str] = set()
        for real in known:
            try:
                if real.rpartition("/")[0] in gone:
                    gone.add(real)
                    continue
                self.tree.descriptor(real)
                remaining.append(real)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
                gone.add(real)
        return remaining

    def _finish_directory(self, real: str, descriptor: int) -> None:
        entry = self._attributes.get(real)
        if entry is None and real in self._implicit:
            below = self._lower(real)
            entry = below if below is not None and below.kind == DIRECTORY else Entry(real, DIRECTORY, 0o755)
        if entry is None:
            mode, access, change = self._kept[real]
            if not self.privileged:
                os.fchmod(descriptor, mode)
            os.utime(descriptor, ns=(access, change))
            return
        self.own(descriptor, entry)
        if real in self._kept:
            self._drop_xattrs(descriptor)
        self.set_xattrs(descriptor, entry)
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime, entry.mtime))

    def own(self, descriptor: int, entry: Entry) -> None:
        """Sets the owner, or notes it where there is but one; without privileges one that is refused is left as it is.
        Raises NoPrivilege for an id that a user namespace does not have."""
        if self.namespace is not None:
            if self.namespace.kind == SINGLE:
                self.mark(descriptor, entry)
                return
            if not self.namespace.has(entry.uid, entry.gid):
                raise self._missing(entry)
        try:
            os.chown(descriptor, entry.uid, entry.gid)
        except OSError:
            if self.privileged:
                raise

    def own_special(self, folder: int, name: str, entry: Entry) -> None:
        """Sets the owner of a symbolic link, a named pipe or a device."""
        if self.namespace is not None:
            if self.namespace.kind == SINGLE:
                return
            if not self.namespace.has(entry.uid, entry.gid):
                raise self._missing(entry)
        try:
            os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        except OSError:
            if self.privileged:
                raise

    def _missing(self, entry: Entry) -> NoPrivilege:
        assert self.namespace is not None
        return missing("belongs to", entry.uid, entry.gid, self.namespace, at(self._where, entry.path))

    def mark(self, descriptor: int, entry: Entry) -> None:
        """Notes what the file stands for, where that is not what it is."""
        if is_device(entry) or entry.uid or entry.gid:
            os.setxattr(descriptor, MARK, mark_of(entry))
        elif MARK in os.listxattr(descriptor):
            os.removexattr(descriptor, MARK)

    def set_xattrs(self, descriptor: int, entry: Entry) -> None:
        """Sets those that layers carry; others are left out, as are those the file system does not know."""
        for name, value in entry.xattrs:
            if not is_packed_xattr(name):
                continue
            try:
                os.setxattr(descriptor, name, value)
            except OSError as error:
                if self.privileged and error.errno != errno.ENOTSUP:
                    raise

    def _drop_xattrs(self, descriptor: int) -> None:
        for name in os.listxattr(descriptor):
            if name.startswith("user.") and is_packed_xattr(name):
                os.removexattr(descriptor, name)


def join(parent: str, name: str) -> str:
    """A real path; the root is ""."""
    return f"{parent}/{name}" if parent else name


def _nothing(real: str) -> None:
    pass
