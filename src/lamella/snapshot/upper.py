"""From overlayfs's upper directory to a changeset.

The upper directory says what was touched; what has changed is only known by comparing with the directories below it.
Sources: the kernel's overlayfs.rst (whiteouts, opaque directories); OCI image-spec layer.md. The rule of what counts as
unchanged is the one of containerd's and BuildKit's diff (type, mode, owner, device, capability, size, time), with two
changes towards truth: contents are compared too, and a directory whose time alone changed is kept.
An opaque directory comes out as explicit whiteouts and changes, as the OCI specification asks of writers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from lamella.filetree.entry import HARDLINK, WHITEOUT, Entry
from lamella.layer.changes import entry_of
from lamella.layer.packed import PackItem
from lamella.snapshot.compare import same_file
from lamella.snapshot.lower import Lower, is_opaque, is_whiteout, look_up, merged_names

#: from this many names in a directory on, the ones below are listed rather than asked one by one
_LIST_FROM = 16


class _Frame(NamedTuple):
    """A directory being walked. ``opaque``: nothing of ``dirs`` shows through."""

    path: str
    host: str
    dirs: tuple[str, ...]
    opaque: bool
    todo: Iterator[tuple[str, os.stat_result]]


class UpperChanges:
    """One walk over an upper directory. Iterate once."""

    def __init__(self, upper: str, lower: list[str]) -> None:
        """``lower`` are the directories below, the nearest first."""
        self._upper = upper
        self._lower = tuple(lower)
        #: directories on the way down that are only told of when something below them has changed
        self._pending: list[PackItem] = []
        self._groups: dict[tuple[int, int], list[str]] | None = None

    def __iter__(self) -> Iterator[PackItem]:
        """Raises OSError where files cannot be read."""
        yield from self._root()
        whiteouts, frame = self._enter("", self._upper, self._lower, False)
        yield from whiteouts
        stack = [frame]
        while stack:
            frame = stack[-1]
            step = next(frame.todo, None)
            if step is None:
                stack.pop()
                if self._pending and self._pending[-1].entry.path == frame.path:
                    self._pending.pop()
                continue
            name, about = step
            path = f"{frame.path}/{name}" if frame.path else name
            host = f"{frame.host}/{name}"
            below = look_up(frame.dirs, name) if frame.dirs else None
            if not stat.S_ISDIR(about.st_mode):
                yield from self._file(path, host, about, below)
                continue
            whiteouts, inner = self._directory(path, host, about, below, frame.opaque)
            yield from whiteouts
            stack.append(inner)

    def _root(self) -> Iterator[PackItem]:
        """The root's time changes with every file in it and says nothing; its owner and mode do."""
        about = os.lstat(self._upper)
        if self._lower:
            below = os.lstat(self._lower[0])
            if (about.st_mode, about.st_uid, about.st_gid) == (below.st_mode, below.st_uid, below.st_gid):
                return
        elif (about.st_mode & 0o7777, about.st_uid, about.st_gid) == (0o755, 0, 0):
            return
        yield item_at("", self._upper, about)

    def _enter(self, path: str, host: str, dirs: tuple[str, ...], opaque: bool) -> tuple[list[PackItem], _Frame]:
        present: list[tuple[str, os.stat_result]] = []
        removed: list[str] = []
        with os.scandir(host) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                if is_whiteout(about) or stat.S_ISSOCK(about.st_mode):
                    removed.append(entry.name)
                else:
                    present.append((entry.name, about))
        present.sort()
        if not dirs:
            return [], _Frame(path, host, (), False, iter(present))
        if opaque:
            gone = merged_names(dirs).difference(name for name, _ in present)
        elif len(removed) >= _LIST_FROM:
            gone = merged_names(dirs).intersection(removed)
        else:
            gone = {name for name in removed if look_up(dirs, name) is not None}
        whiteouts = [
            item
            for name in sorted(gone)
            for item in self._tell(PackItem(Entry(f"{path}/{name}" if path else name, WHITEOUT)))
        ]
        return whiteouts, _Frame(path, host, dirs, opaque, iter(present))

    def _directory(
        self, path: str, host: str, about: os.stat_result, below: Lower | None, opaque: bool
    ) -> tuple[list[PackItem], _Frame]:
        item = item_at(path, host, about)
        told: list[PackItem] = []
        if below is None or not same_file(host, about, below.host, below.about):
            told = self._tell(item)
        else:
            self._pending.append(item)
        dirs = below.dirs if below is not None else ()
        whiteouts, frame = self._enter(path, host, dirs, opaque or (bool(dirs) and is_opaque(host)))
        return told + whiteouts, frame

    def _tell(self, item: PackItem) -> list[PackItem]:
        told = [*self._pending, item]
        self._pending.clear()
        return told

    def _file(self, path: str, host: str, about: os.stat_result, below: Lower | None) -> list[PackItem]:
        if about.st_nlink > 1:
            group = self._group(about)
            if group[0] != path:
                return self._tell(hard_link_to(group[0], item_at(path, host, about)))
            if len(group) > 1:
                return self._tell(item_at(path, host, about))
        if below is not None and same_file(host, about, below.host, below.about):
            return []
        return self._tell(item_at(path, host, about))

    def _group(self, about: os.stat_result) -> list[str]:
        """The names of a file with several, in the order they are told. All of them go into the layer together:
        a hard link cannot reach into another layer."""
        if self._groups is None:
            self._groups = _link_groups(self._upper)
        return self._groups[about.st_dev, about.st_ino]


def item_at(path: str, host: str, about: os.stat_result) -> PackItem:
    entry = entry_of(about, path, host)
    assert entry is not None, "sockets are left out before"
    return PackItem(entry, host)


def hard_link_to(first: str, item: PackItem) -> PackItem:
    return item._replace(entry=item.entry._replace(kind=HARDLINK, size=0, link=first, major=0, minor=0))


def _link_groups(upper: str) -> dict[tuple[int, int], list[str]]:
    groups: dict[tuple[int, int], list[str]] = {}
    stack = [""]
    while stack:
        path = stack.pop()
        here: list[str] = []
        with os.scandir(f"{upper}/{path}") as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                inner = f"{path}/{entry.name}" if path else entry.name
                if entry.is_dir(follow_symlinks=False):
                    here.append(inner)
                else:
                    about = entry.stat(follow_symlinks=False)
                    # The kernel makes whiteouts as hard links to one; they are none of the image's.
                    if about.st_nlink > 1 and not is_whiteout(about):
                        groups.setdefault((about.st_dev, about.st_ino), []).append(inner)
        stack.extend(reversed(here))
    for names in groups.values():
        # Told is depth first with names in order, which is the order of the paths' parts.
        names.sort(key=lambda name: name.split("/"))
    return groups
