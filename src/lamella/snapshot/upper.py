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

from lamella.errors import MachineError
from lamella.filetree.entry import HARDLINK, WHITEOUT, Entry
from lamella.layer.changes import entry_of
from lamella.layer.packed import PackItem
from lamella.layer.standin import as_marked, read_mark
from lamella.snapshot.compare import same_file
from lamella.snapshot.links import LinkGroups
from lamella.snapshot.lower import Lower, is_opaque, is_whiteout, look_up, merged_names
from lamella.snapshot.marks import ROOT_MARKS, Marks

#: more questions than this in one directory, and the lower directories are listed instead
_ASK_UP_TO = 64


class _Frame(NamedTuple):
    """A directory being walked, over the merged lower ``dirs``. ``opaque``: nothing of those shows through.
    ``listed`` are the names in each of ``dirs``, where there are too many to ask one by one."""

    path: str
    host: str
    dirs: tuple[str, ...]
    opaque: bool
    listed: list[set[str]] | None
    todo: Iterator[tuple[str, os.stat_result]]
    marks: Marks

    def below(self, name: str) -> Lower | None:
        if not self.dirs:
            return None
        if self.listed is None:
            return look_up(self.dirs, name, self.marks)
        dirs = tuple(d for d, names in zip(self.dirs, self.listed, strict=True) if name in names)
        return look_up(dirs, name, self.marks)


class UpperChanges:
    """One walk over an upper directory. Iterate once."""

    def __init__(
        self,
        upper: str,
        lower: list[str],
        complete: bool = False,
        marks: Marks = ROOT_MARKS,
        unpacked: tuple[str, ...] = (),
    ) -> None:
        """``lower`` are the directories below, the nearest first. ``complete``: ``upper`` holds the whole file system,
        not only what was touched. ``unpacked`` are those of ``lower`` that no process of an image has written to: what
        stands for a device is believed only where it stands there, too."""
        self._marks = marks
        self._unpacked = unpacked
        self._upper = upper
        self._lower = tuple(lower)
        self._complete = complete
        #: directories on the way down that are only told of when something below them has changed
        self._pending: list[PackItem] = []
        self._links: LinkGroups | None = None
        self._lower_links: LinkGroups | None = None

    def __iter__(self) -> Iterator[PackItem]:
        """Raises MachineError where a file cannot be read."""
        try:
            yield from self._walk()
        except OSError as error:
            place = error.filename if isinstance(error.filename, str) else self._upper
            raise MachineError(f"what a step wrote cannot be read ({error.strerror})", where=place) from None

    def _walk(self) -> Iterator[PackItem]:
        yield from self._root()
        whiteouts, frame = self._enter("", self._upper, self._lower, self._complete)
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
            below = frame.below(name)
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
        yield self._item("", self._upper, about)

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
            return [], _Frame(path, host, (), False, None, iter(present), self._marks)
        if opaque:
            gone = merged_names(dirs).difference(name for name, _ in present)
        elif len(removed) * len(dirs) > _ASK_UP_TO:
            gone = merged_names(dirs).intersection(removed)
        else:
            gone = {name for name in removed if look_up(dirs, name, self._marks) is not None}
        whiteouts = [
            item
            for name in sorted(gone)
            for item in self._tell(PackItem(Entry(f"{path}/{name}" if path else name, WHITEOUT)))
        ]
        listed = [set(os.listdir(directory)) for directory in dirs] if len(present) * len(dirs) > _ASK_UP_TO else None
        return whiteouts, _Frame(path, host, dirs, opaque, listed, iter(present), self._marks)

    def _directory(
        self, path: str, host: str, about: os.stat_result, below: Lower | None, opaque: bool
    ) -> tuple[list[PackItem], _Frame]:
        item = self._item(path, host, about)
        told: list[PackItem] = []
        if below is None or not same_file(host, about, below.host, below.about):
            told = self._tell(item)
        else:
            self._pending.append(item)
        dirs = below.dirs if below is not None else ()
        whiteouts, frame = self._enter(path, host, dirs, opaque or (bool(dirs) and is_opaque(host, self._marks)))
        return told + whiteouts, frame

    def _tell(self, item: PackItem) -> list[PackItem]:
        told = [*self._pending, item]
        self._pending.clear()
        return told

    def _file(self, path: str, host: str, about: os.stat_result, below: Lower | None) -> list[PackItem]:
        group = self._group(about)
        unchanged = below is not None and same_file(host, about, below.host, below.about)
        if unchanged and below is not None and self._same_links(path, group, below):
            return []
        item = self._item(path, host, about)
        return self._tell(hard_link_to(group[0], item) if group and group[0] != path else item)

    def _group(self, about: os.stat_result) -> list[str]:
        """The names of a file that has several. All of them go into the layer together: no hard link reaches into
        another layer."""
        if about.st_nlink == 1:
            return []
        if self._links is None:
            self._links = LinkGroups(self._upper)
        return self._links.names(about)

    def _same_links(self, path: str, group: list[str], below: Lower) -> bool:
        if not self._complete:
            # A file copied up has lost its links to those left below: that is overlayfs, not the step. But names
            # that are linked in the upper directory were linked by the step.
            return len(group) < 2
        if below.about.st_nlink == 1:
            return len(group) < 2
        if self._lower_links is None:
            self._lower_links = LinkGroups(self._lower[0])
        before = self._lower_links.names(below.about)
        return [name for name in before if name == path or self._untouched(name)] == (group or [path])

    def _untouched(self, path: str) -> bool:
        """Whether the file at ``path`` is as it was: then it is not told, and what was linked to it must stay so."""
        above, below = f"{self._upper}/{path}", f"{self._lower[0]}/{path}"
        try:
            return same_file(above, os.lstat(above), below, os.lstat(below))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _item(self, path: str, host: str, about: os.stat_result) -> PackItem:
        entry = entry_of(about, path, host)
        assert entry is not None, "sockets are left out before"
        if self._marks.stand_ins:
            mark = read_mark(host)
            if mark is not None and (
                self._marks.owners or any(read_mark(f"{d}/{path}") == mark for d in self._unpacked)
            ):
                entry = as_marked(entry, mark, owners=self._marks.owners)
        return PackItem(entry, host)


def hard_link_to(first: str, item: PackItem) -> PackItem:
    return item._replace(entry=item.entry._replace(kind=HARDLINK, size=0, link=first, major=0, minor=0))
