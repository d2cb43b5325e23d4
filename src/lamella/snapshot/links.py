"""Hard links of a tree: which paths name one and the same file."""

from __future__ import annotations

import os

from lamella.snapshot.lower import is_whiteout

Inode = tuple[int, int]


class LinkGroups:
    """The files of a directory tree that have several names in it."""

    def __init__(self, root: str) -> None:
        """Reads the whole tree. Raises OSError."""
        self._names: dict[Inode, list[str]] = {}
        self._collect(root)
        for names in self._names.values():
            # Layers are told depth first with names in order, which is the order of the paths' parts.
            names.sort(key=lambda name: name.split("/"))

    def _collect(self, root: str) -> None:
        stack = [""]
        while stack:
            path = stack.pop()
            with os.scandir(f"{root}/{path}") as entries:
                for entry in entries:
                    inner = f"{path}/{entry.name}" if path else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(inner)
                        continue
                    about = entry.stat(follow_symlinks=False)
                    # The kernel makes whiteouts as hard links to one; they are none of the image's.
                    if about.st_nlink > 1 and not is_whiteout(about):
                        self._names.setdefault((about.st_dev, about.st_ino), []).append(inner)

    def names(self, about: os.stat_result) -> list[str]:
        """The names of the file of this ``lstat``, in the order a layer tells them; none where it has but one."""
        return self._names.get((about.st_dev, about.st_ino), [])
