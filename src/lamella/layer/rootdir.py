"""A directory tree that hostile paths are resolved in: never out of it, whatever symbolic links it holds.

Paths are walked component by component, each opened relative to its parent and without following links; a link is
read and followed by hand, with the tree's root as its root, as a process inside the container would see it.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Callable, Iterable

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, SYMLINK, Entry
from lamella.layer.limits import MAX_NAME, MAX_PATH
from lamella.layer.names import at

_PATH_ONLY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel
_MAX_OPEN = 200

Lower = Callable[[str], Entry | None]
LowerNames = Callable[[str], Iterable[str]]
Make = Callable[[str, str], None]
"""Called with the real path of a directory and a name: makes the directory of that name, whatever stands there."""
Stops = Callable[[str, bool], bool]
"""Called with the real path of a directory, or of a link (True): whether the way ends there."""


class RootDirectory:
    """Open directories of one tree, by real path ("" is the root). Close it when done.

    ``lower`` gives what lies below at a real path that the tree itself does not hold: its links count, too."""

    def __init__(self, root: str, where: str, lower: Lower) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: dict[str, int] = {}  # least recently used first
        self._where = where
        self._lower = lower

    def close(self) -> None:
        """Closes every descriptor."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        os.close(self._root)

    def forget(self, path: str) -> None:
        """Closes the directories at and below the real ``path``: it is about to be removed."""
        below = path + "/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            os.close(self._open.pop(known))

    def descriptor(self, path: str) -> int:
        """An O_PATH descriptor of the real directory ``path``, owned by this object. It stays open at least until
        hundred other directories were asked for. Raises OSError where there is no such directory."""
        if not path:
            return self._root
        found = self._open.pop(path, None)
        if found is not None:
            self._open[path] = found
            return found
        # Deep paths open from the nearest open ancestor, without recursion.
        missing: list[str] = []
        parent = path
        while parent and parent not in self._open:
            parent, _, name = parent.rpartition("/")
            missing.append(name)
        current = self.descriptor(parent)
        while missing:
            name = missing.pop()
            parent = f"{parent}/{name}" if parent else name
            current = self._keep(parent, os.open(name, _PATH_ONLY, dir_fd=current))
        return current

    def _keep(self, path: str, descriptor: int) -> int:
        if len(self._open) >= _MAX_OPEN:
            for old in list(self._open)[: _MAX_OPEN // 2]:
                os.close(self._open.pop(old))
        self._open[path] = descriptor
        return descriptor

    def open_readable(self, path: str) -> int:
        """A descriptor of the real directory ``path`` that can be listed and changed; the caller closes it."""
        return os.open(".", _READABLE, dir_fd=self.descriptor(path))

    def resolve(self, path: str, make: Make | None, stops: Stops | None = None) -> str | None:
        """The real path of the directory ``path``, links followed inside the tree. What is missing, or is no
        directory, is made by ``make``; of what only lies below that is the directory itself and those above it, not
        those that a link leads through and out of. Without ``make`` nothing is touched: None means that neither the
        tree nor what lies below has such a directory. Raises ImageInvalid on a loop of links."""
        if not path or (path in self._open and stops is None):
            return path
        pending = path.split("/")[::-1]
        current, links = "", 0
        while pending:
            name = pending.pop()
            if name == "..":
                current = current.rpartition("/")[0]
            elif name not in ("", "."):
                following = f"{current}/{name}" if current else name
                target = None if following in self._open else self._step(current, name, following, make, stops)
                if target is None and stops is not None and stops(following, False):
                    return None
                if target is None:
                    current = following
                    continue
                if target == "":
                    return None
                links += 1
                if links > _MAX_LINKS:
                    raise ImageInvalid("too many symbolic links, or a loop of them", where=at(self._where, path))
                if target.startswith("/"):
                    current = ""
                pending.extend(target.split("/")[::-1])
                if len(pending) > MAX_PATH:
                    raise ImageInvalid("its links lead too deep for a file system", where=at(self._where, path))
        if links and len(os.fsencode(current)) > MAX_PATH - MAX_NAME - 1:
            raise ImageInvalid("its links lead too deep for a file system", where=at(self._where, path))
        if make is not None:
            self._ensure(current, make)
        return current

    def _ensure(self, path: str, make: Make) -> None:
        """Makes the real directory ``path``, which may lie below only."""
        if not path or path in self._open:
            return
        current = ""
        for name in path.split("/"):
            following = f"{current}/{name}" if current else name
            if following not in self._open:
                try:
                    self._keep(following, os.open(name, _PATH_ONLY, dir_fd=self.descriptor(current)))
                except FileNotFoundError:
                    make(current, name)
            current = following

    def _step(self, parent: str, name: str, path: str, make: Make | None, stops: Stops | None) -> str | None:
        """None when ``path`` is a directory, here or below, a link's target, or "" when it is neither and is not to be
        made."""
        try:
            descriptor = self.descriptor(parent)
            try:
                self._keep(path, os.open(name, _PATH_ONLY, dir_fd=descriptor))
                return None
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
            if modes.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode):
                return "" if stops is not None and stops(path, True) else os.readlink(name, dir_fd=descriptor)
        except FileNotFoundError:
            below = self._lower(path)
            if below is not None and below.kind == SYMLINK:
                return below.link
            if below is not None and below.kind == DIRECTORY:
                return None
        if make is None:
            return ""
        self._ensure(parent, make)
        make(parent, name)
        return None


def remove_tree(name: str, parent: int) -> None:
    """Removes ``name`` in the directory ``parent`` with all that is in it, following no link, at any depth: only one
    directory is open at a time, and going back up is by ``..``, since nobody else moves things here."""
    if not modes.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    current = _open_readable(name, parent)
    levels = [(name, os.listdir(current))]
    try:
        while True:
            own_name, names = levels[-1]
            if names:
                child = names.pop()
                try:
                    os.unlink(child, dir_fd=current)
                    continue
                except OSError as error:
                    if error.errno not in (errno.EISDIR, errno.EPERM):
                        raise
                inner = _open_readable(child, current)
                os.close(current)
                current = inner
                levels.append((child, os.listdir(current)))
                continue
            levels.pop()
            if not levels:
                break
            outer = os.open("..", _READABLE, dir_fd=current)
            os.close(current)
            current = outer
            os.rmdir(own_name, dir_fd=current)
    finally:
        os.close(current)
    os.rmdir(name, dir_fd=parent)


def _open_readable(name: str, parent: int) -> int:
    try:
        descriptor = os.open(name, _READABLE, dir_fd=parent)
    except PermissionError:
        # Its owner may lock himself out of his own directory; root never comes here.
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, _READABLE, dir_fd=parent)
    if os.geteuid() != 0:
        os.fchmod(descriptor, 0o700)
    return descriptor
