"""Two ways to remove lower content: at once, or by overlayfs's marks. Only lower content is hidden, never what the same
layer brings or makes on the way to it, wherever the whiteout stands in the tar; and on a whiteout's own way there are
only lower directories and links.

Source: OCI image-spec layer.md, "Whiteouts"; kernel documentation, overlayfs, "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat as modes

from lamella.errors import NotSupported
from lamella.filetree.entry import DIRECTORY, Entry
from lamella.layer.rootdir import Lower, LowerNames
from lamella.layer.target import Target, join

_TRUSTED = "trusted.overlay.opaque"


def _at_links(real: str, link: bool) -> bool:
    return link


class ApplyHiding:
    """For a target that holds the lower layers already: lower content is removed."""

    def __init__(self) -> None:
        self.target: Target
        self._brought: set[str] = set()
        self._holding: set[str] = set()  # directories with something brought at any depth below them
        self._new: set[str] = set()  # directories that are not there below, or not any more

    def lower(self, real: str) -> Entry | None:
        return None

    def start(self, target: Target) -> None:
        self.target = target
        target.on_made = self._makes
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

    def _makes(self, real: str) -> None:
        self._new.add(real)
        self.brings(real)

    def holds(self, real: str) -> bool:
        """Whether what lies at ``real`` is of this layer: hard links lead to nothing else."""
        return real in self._brought

    def _stops(self, real: str, link: bool) -> bool:
        """Whether it is none of the lower layers': whiteouts lead through those alone."""
        return real in (self._brought if link else self._new)

    def whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        parent = self.target.tree.resolve(folder, None, self._stops)
        if parent is not None:
            self.target.touch(parent)
            self._purge(parent, name)

    def opaque(self, path: str) -> None:
        real = self.target.tree.resolve(path, None, self._stops)
        if real is not None and real not in self._new:
            self.target.touch(real)
            for name in self._names(real):
                self._purge(real, name)
            self._new.add(real)

    def finish(self) -> None:
        """Nothing is left to do."""

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
                if real not in self._new:
                    self._new.add(real)
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
    attribute ``trusted.overlay.opaque`` (in a user namespace ``user.overlay.opaque``) the lower content of a directory.
    They are written at the end, when it is known what the layer itself has at their places: the kernel shows a device
    that stands where nothing lower can be seen.

    ``below`` gives the lower layers' entry at a real path; None where there is nothing below at all. ``names`` gives
    the names that they have in a directory."""

    def __init__(self, below: Lower | None, names: LowerNames | None, where: str) -> None:
        self.target: Target
        self._below, self._below_names, self._where = below, names, where
        self._hidden: set[str] = set()  # at the path and below it
        self._opaque: set[str] = set()  # below it only

    def lower(self, real: str) -> Entry | None:
        """What still shows at ``real`` of the lower layers."""
        if self._below is None or real in self._hidden or self._is_covered(real):
            return None
        return self._below(real)

    def _is_covered(self, real: str) -> bool:
        """Whether something above ``real`` is hidden with all that is in it."""
        while real and (self._hidden or self._opaque):
            real = real.rpartition("/")[0]
            if real in self._hidden or real in self._opaque:
                return True
        return False

    def start(self, target: Target) -> None:
        self.target = target
        target.on_replaced = self._hidden.add
        if self._below is None or self._below("") is not None:
            target.set_implicit("")
        else:
            target.touch("")  # whoever made it knows better

    def brings(self, real: str) -> None:
        """Nothing to note: the target holds only what the layer brings."""

    def holds(self, real: str) -> bool:
        return True

    def _stops(self, real: str, link: bool) -> bool:
        below = self.lower(real) if not link and real not in self._opaque else None
        return below is None or below.kind != DIRECTORY

    def whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        parent = self.target.tree.resolve(folder, None, self._stops)
        if parent is not None and self.lower(join(parent, name)) is not None:
            self._hidden.add(join(parent, name))

    def opaque(self, path: str) -> None:
        real = self.target.tree.resolve(path, None, self._stops)
        below = self.lower(real) if real is not None else None
        if real is not None and (not real or (below is not None and below.kind == DIRECTORY)):
            self._opaque.add(real)

    def finish(self) -> None:
        """Writes the marks."""
        if self._below is None:
            return
        for real in self._hidden | self._opaque:
            if self._is_covered(real):
                continue
            if not real:
                self._cover_root()
                continue
            parent, _, name = real.rpartition("/")
            if self.target.tree.resolve(parent, None, _at_links) == parent:
                self._write(parent, name, real in self._hidden)

    def _cover_root(self) -> None:
        # The kernel merges the root directory whatever its attributes say.
        if self._below_names is None:
            raise NotSupported("an opaque root directory cannot be unpacked for overlayfs", where=self._where)
        for name in self._below_names(""):
            self._write("", name, True)

    def _write(self, parent: str, name: str, hidden: bool) -> None:
        """Marks the directory that the layer has there, or what is missing; anything else hides by itself."""
        descriptor = self.target.tree.descriptor(self.target.directory(parent))
        try:
            directory = modes.S_ISDIR(os.lstat(name, dir_fd=descriptor).st_mode)
        except FileNotFoundError:
            if hidden:
                os.mknod(name, modes.S_IFCHR, 0, dir_fd=descriptor)
                return
            self.target.directory(join(parent, name))
            directory = True
        if directory:
            self._mark(join(parent, name))

    def _mark(self, real: str) -> None:
        name = "user.overlay.opaque" if self.target.namespace or not self.target.privileged else _TRUSTED
        descriptor = self.target.tree.open_readable(real)
        try:
            os.setxattr(descriptor, name, b"y")
        finally:
            os.close(descriptor)
