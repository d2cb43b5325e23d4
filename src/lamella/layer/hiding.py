"""Two ways to remove lower content: at once, or by overlayfs's marks. Only lower content is hidden, never what the same
layer brings, wherever the whiteout stands in the tar.

Source: OCI image-spec layer.md, "Whiteouts"; kernel documentation, overlayfs, "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat as modes

from lamella.filetree.entry import DIRECTORY, Entry
from lamella.layer.rootdir import Lower
from lamella.layer.target import Target, join


class ApplyHiding:
    """For a target that holds the lower layers already: lower content is removed."""

    def __init__(self) -> None:
        self.target: Target
        self._brought: set[str] = set()
        self._holding: set[str] = set()  # directories with something brought at any depth below them

    def lower(self, real: str) -> Entry | None:
        return None

    def start(self, target: Target) -> None:
        self.target = target
        target.touch("")

    def brings(self, real: str) -> None:
        """Told of each path that the layer brings."""
        self._brought.add(real)
        parent = real
        while parent:
            parent = parent.rpartition("/")[0]
            if parent in self._holding:
                return
            self._holding.add(parent)

    def whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        parent = self.target.tree.resolve(folder, None)
        if parent is not None:
            self.target.touch(parent)
            self._purge(parent, name)

    def opaque(self, path: str) -> None:
        real = self.target.tree.resolve(path, None)
        if real is not None:
            self.target.touch(real)
            for name in self._names(real):
                self._purge(real, name)

    def _purge(self, parent: str, name: str) -> None:
        todo = [(parent, name)]
        while todo:
            parent, name = todo.pop()
            real = join(parent, name)
            if real not in self._brought and real not in self._holding:
                self.target.clear(parent, name)
            elif self._is_directory(parent, name):
                self.target.touch(real)
                if real not in self._brought:
                    self.target.set_implicit(real)
                todo += [(real, inner) for inner in self._names(real)]

    def _is_directory(self, parent: str, name: str) -> bool:
        status = os.lstat(name, dir_fd=self.target.tree.descriptor(parent))
        return modes.S_ISDIR(status.st_mode)

    def _names(self, real: str) -> list[str]:
        descriptor = self.target.tree.open_readable(real)
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)


class OverlayHiding:
    """For a fresh target that becomes one directory of an overlay mount: a character device 0:0 hides a path, the
    attribute ``trusted.overlay.opaque`` (without privileges ``user.overlay.opaque``) the lower content of a directory.

    ``below`` gives the lower layers' entry at a real path; None where there is nothing below at all."""

    def __init__(self, below: Lower | None) -> None:
        self.target: Target
        self._below = below
        self._hidden: set[str] = set()  # at the path and below it
        self._opaque: set[str] = set()  # below it only

    def lower(self, real: str) -> Entry | None:
        """What still shows at ``real`` of the lower layers."""
        if self._below is None or real in self._hidden:
            return None
        path = real
        while path and (self._hidden or self._opaque):
            path = path.rpartition("/")[0]
            if path in self._hidden or path in self._opaque:
                return None
        return self._below(real)

    def start(self, target: Target) -> None:
        self.target = target
        target.on_replaced = self._replaced
        root = self.lower("")
        if root is None and self._below is not None:
            target.touch("")  # whoever made it knows better
        else:
            target.set_implicit("")

    def brings(self, real: str) -> None:
        """Nothing to note: the target holds only what the layer brings."""

    def whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        parent = self.target.tree.resolve(folder, None)
        if parent is None or self.lower(join(parent, name)) is None:
            return
        real = join(self.target.directory(parent), name)
        self._hidden.add(real)
        descriptor = self.target.tree.descriptor(parent)
        try:
            os.mknod(name, modes.S_IFCHR, 0, dir_fd=descriptor)
        except FileExistsError:
            if modes.S_ISDIR(os.lstat(name, dir_fd=descriptor).st_mode):
                self._mark(real)

    def opaque(self, path: str) -> None:
        real = self.target.tree.resolve(path, None)
        if real is None:
            return
        below = self.lower(real)
        if below is None or below.kind != DIRECTORY:
            return
        self.target.directory(real)
        self._opaque.add(real)
        self._mark(real)

    def _replaced(self, real: str) -> None:
        if self._below is not None:
            self._hidden.add(real)
            self._mark(real)

    def _mark(self, real: str) -> None:
        name = "trusted.overlay.opaque" if self.target.privileged else "user.overlay.opaque"
        descriptor = self.target.tree.open_readable(real)
        try:
            os.setxattr(descriptor, name, b"y")
        finally:
            os.close(descriptor)
