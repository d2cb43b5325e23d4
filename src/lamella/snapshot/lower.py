"""What a mount of several lower directories shows, read without mounting.

Source: the kernel's Documentation/filesystems/overlayfs.rst (whiteouts, opaque directories, merged directories).
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from lamella.filetree.entry import Entry
from lamella.layer.changes import entry_of
from lamella.layer.standin import as_marked, read_mark
from lamella.snapshot.marks import ROOT_MARKS, Marks


class Lower(NamedTuple):
    """One path: ``host`` is the file that shows, ``dirs`` are the directories merged there (the nearest first)."""

    host: str
    about: os.stat_result
    dirs: tuple[str, ...]


def is_whiteout(about: os.stat_result) -> bool:
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == 0


def is_opaque(host: str, marks: Marks) -> bool:
    try:
        return os.getxattr(host, marks.opaque, follow_symlinks=False) == b"y"
    except OSError:
        return False


def look_up(dirs: tuple[str, ...], name: str, marks: Marks = ROOT_MARKS) -> Lower | None:
    """What the merged ``dirs`` show under ``name``."""
    host, about, merged = "", None, []
    for directory in dirs:
        candidate = f"{directory}/{name}"
        try:
            found = os.lstat(candidate)
        except FileNotFoundError:
            continue
        if is_whiteout(found):
            break
        if not stat.S_ISDIR(found.st_mode):
            if about is None:
                return Lower(candidate, found, ())
            break
        if about is None:
            host, about = candidate, found
        merged.append(candidate)
        if is_opaque(candidate, marks):
            break
    return Lower(host, about, tuple(merged)) if about is not None else None


def merged_names(dirs: tuple[str, ...]) -> set[str]:
    """The names that the merged ``dirs`` show."""
    shown: set[str] = set()
    hidden: set[str] = set()
    for directory in dirs:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name in shown or entry.name in hidden:
                    continue
                plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
                whiteout = not plain and is_whiteout(entry.stat(follow_symlinks=False))
                (hidden if whiteout else shown).add(entry.name)
    return shown


class LowerTree:
    """Entries by path. The directories met are remembered, so that a walk asks each of them once."""

    def __init__(self, dirs: list[str], marks: Marks = ROOT_MARKS) -> None:
        """``dirs`` are the lower directories, the nearest first; at least one."""
        self._marks = marks
        self._known: dict[str, Lower | None] = {"": Lower(dirs[0], os.lstat(dirs[0]), tuple(dirs))}

    def __call__(self, path: str) -> Entry | None:
        """The entry at ``path``, whose parents are taken as they are: a symlink on the way leads nowhere."""
        found = self._at(path)
        entry = entry_of(found.about, path, found.host) if found is not None else None
        if entry is None or found is None or not self._marks.stand_ins:
            return entry
        return as_marked(entry, read_mark(found.host), owners=self._marks.owners)

    def _at(self, path: str) -> Lower | None:
        known = self._known.get(path)
        if known is not None or path in self._known:
            return known
        missing = [path]
        while (above := missing[-1].rpartition("/")[0]) not in self._known:
            missing.append(above)
        found = self._known[above]
        while missing:
            path = missing.pop()
            name = path.rpartition("/")[2]
            found = look_up(found.dirs, name, self._marks) if found is not None and found.dirs else None
            if found is None or found.dirs:
                self._known[path] = found
        return found
