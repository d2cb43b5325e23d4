"""A directory tree that hostile paths are resolved in: never out of it, whatever symbolic links it holds.

Paths are walked component by component, each opened relative to its parent and without following links; a link is
read and followed by hand, with the tree's root as its root, as a process inside the container would see it.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Callable

from lamella.errors import ImageInvalid
from lamella.filetree.entry import SYMLINK, Entry

_OPEN_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel
_MAX_OPEN = 200

Missing = Callable[[str, int, str], None]
"""Called with a real path, its parent's descriptor and its name: makes the directory that is not there."""


class RootDirectory:
    """Open directories of one tree, by real path ("" is the root). Close it when done.

    ``lower`` gives what stands below at a real path that the tree itself does not hold (overlay), for its links."""

    def __init__(self, root: str, where: str, lower: Callable[[str], Entry | None]) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: dict[str, int] = {}
        self._where = where
        self._lower = lower

    def close(self) -> None:
        self.forget("")
        os.close(self._root)

    def forget(self, path: str) -> None:
        """Closes the directories at and below the real ``path``: it is about to be removed."""
        below = path + "/"
        for known in [known for known in self._open if not path or known == path or known.startswith(below)]:
            os.close(self._open.pop(known))

    def descriptor(self, path: str) -> int:
        """An O_PATH descriptor of the real directory ``path``, owned by this object; use it at once."""
        if not path:
            return self._root
        found = self._open.get(path)
        if found is not None:
            return found
        parent, _, name = path.rpartition("/")
        # Deep paths reopen from the nearest open ancestor without recursion.
        missing = [name]
        while parent and parent not in self._open:
            parent, _, name = parent.rpartition("/")
            missing.append(name)
        current = self._open[parent] if parent else self._root
        while missing:
            name = missing.pop()
            parent = f"{parent}/{name}" if parent else name
            current = self._keep(parent, os.open(name, _OPEN_DIRECTORY, dir_fd=current))
        return current

    def _keep(self, path: str, descriptor: int) -> int:
        if len(self._open) >= _MAX_OPEN:
            # Not the newest half: the caller may hold one of those.
            for old in list(self._open)[: _MAX_OPEN // 2]:
                os.close(self._open.pop(old))
        self._open[path] = descriptor
        return descriptor

    def resolve(self, path: str, make: Missing | None) -> str | None:
        """The real path of the directory ``path``, links followed inside the tree. What is missing, or is no
        directory, is made by ``make``; without it the answer is None. Raises ImageInvalid on a loop of links."""
        if not path or path in self._open:
            return path
        pending = path.split("/")[::-1]
        current, links = "", 0
        while pending:
            name = pending.pop()
            if name == "..":
                current = current.rpartition("/")[0]
            elif name not in ("", "."):
                following = f"{current}/{name}" if current else name
                target = None if following in self._open else self._step(current, name, following, make)
                if target is None:
                    current = following
                    continue
                if target == "":
                    return None
                links += 1
                if links > _MAX_LINKS:
                    raise ImageInvalid("too many symbolic links, or a loop of them", where=f"{self._where}: {path}")
                if target.startswith("/"):
                    current = ""
                pending.extend(target.split("/")[::-1])
        return current

    def _step(self, parent: str, name: str, path: str, make: Missing | None) -> str | None:
        """None when ``path`` is (now) an open directory, a link's target, or "" when it is missing."""
        descriptor = self.descriptor(parent)
        try:
            self._keep(path, os.open(name, _OPEN_DIRECTORY, dir_fd=descriptor))
            return None
        except FileNotFoundError:
            below = self._lower(path)
            if below is not None and below.kind == SYMLINK:
                return below.link
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            if modes.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode):
                return os.readlink(name, dir_fd=descriptor)
        if make is None:
            return ""
        make(path, descriptor, name)
        self._keep(path, os.open(name, _OPEN_DIRECTORY, dir_fd=self.descriptor(parent)))
        return None


def remove_tree(name: str, parent: int) -> None:
    """Removes ``name`` in the directory ``parent`` with all that is in it, following no link. Any depth."""
    try:
        os.unlink(name, dir_fd=parent)
        return
    except IsADirectoryError:
        pass
    except PermissionError:
        if not modes.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            raise
    stack: list[tuple[int, str, list[str]]] = []
    descriptor = _open_readable(name, parent)
    stack.append((descriptor, name, os.listdir(descriptor)))
    while stack:
        descriptor, own_name, names = stack[-1]
        if not names:
            stack.pop()
            os.close(descriptor)
            os.rmdir(own_name, dir_fd=stack[-1][0] if stack else parent)
            continue
        child = names.pop()
        try:
            os.unlink(child, dir_fd=descriptor)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            opened = _open_readable(child, descriptor)
            stack.append((opened, child, os.listdir(opened)))


def _open_readable(name: str, parent: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)
