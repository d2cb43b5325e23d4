"""Where COPY and ADD put things: which source file becomes which path of the layer.

Follows what BuildKit's file operations do: a folder gives its contents, a file goes into an existing folder, missing
parents are made 0755 and inherit the group of a setgid folder, sources are placed in order, each over the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.build.copyplan import Found
from lamella.build.sources import CopySource, follow
from lamella.errors import ContextError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.mode import Mode

Lookup = Callable[[str], Entry | None]
_SETGID = 0o2000


class Ownership(NamedTuple):
    """What ``--chown`` and ``--chmod`` say; None keeps the source's (and 0 for what comes from the context)."""

    uid: int | None = None
    gid: int | None = None
    mode: Mode | None = None

    def apply(self, entry: Entry) -> Entry:
        uid = entry.uid if self.uid is None else self.uid
        gid = entry.gid if self.gid is None else self.gid
        mode = entry.mode
        if self.mode is not None and entry.kind != kinds.SYMLINK:
            mode = self.mode.apply(mode, entry.kind == kinds.DIRECTORY)
        return entry._replace(uid=uid, gid=gid, mode=mode)

    @property
    def of_new_folders(self) -> Ownership:
        """For folders made on the way to the destination: an octal mode counts for them, changes have nothing there to
        change."""
        if self.mode is None or self.mode.bits is None:
            return self._replace(mode=None)
        return self._replace(mode=Mode(self.mode.bits & 0o777))


class Placed(NamedTuple):
    """``entry`` as it goes into the layer. A file's bytes are at the path ``source`` of what COPY reads (``root``), are
    ``data``, or lie in ``host_path``. ``match`` counts what the instruction's words named: hard links stay inside of
    one."""

    entry: Entry
    root: CopySource | None = None
    source: str = ""
    match: int = 0
    data: bytes | None = None
    host_path: str | None = None


class Placement:
    """Collects a COPY's entries at their places in the target's file system, each path once."""

    def __init__(self, target: Lookup, ownership: Ownership, made_at: int, where: str) -> None:
        """``target`` looks into the file system as it stands before the COPY; ``made_at`` (ns) is the mtime of folders
        that are made on the way."""
        self._target = target
        self.ownership = ownership
        self._made_at = made_at
        self._where = where
        self._matches = 0
        self._has_links = False
        self._placed: dict[str, Placed] = {}
        #: a destination that several sources were written to, each over the one before
        self.overwritten: str | None = None

    def lookup(self, path: str) -> Entry | None:
        placed = self._placed.get(path)
        return placed.entry if placed is not None else self._target(path)

    def add(self, root: CopySource, found: Found, destination: str) -> None:
        """One source at ``destination`` (absolute, a trailing slash means a folder). Raises ContextError."""
        self._matches += 1
        if found.entry.kind != kinds.DIRECTORY:
            path = self._file_path(found.name, destination)
            self._put(Placed(self._own(found.entry, path), root, found.path, self._matches))
            return
        target = follow(self.lookup, destination)
        self.make_folders(target)
        if target:  # it gets the times of the folder whose content it gets
            own = self._placed[target].entry
            self._placed[target] = Placed(own._replace(mtime=found.entry.mtime))
        cut = len(found.path) + 1 if found.path else 0
        prefix = target + "/" if target else ""
        for entry in found.below:
            path = prefix + entry.path[cut:]
            existing = self.lookup(path) if entry.path in found.passed else None
            if existing is not None and existing.kind == kinds.DIRECTORY:
                self._set(Placed(existing._replace(mode=entry.mode)))
            else:
                self._put(Placed(self._own(entry, path), root, entry.path, self._matches))

    def add_file(self, name: str, content: bytes, destination: str) -> None:
        """A file that comes from no source (a heredoc)."""
        entry = Entry(name, kinds.FILE, 0o644, size=len(content), mtime=self._made_at)
        self._matches += 1
        self._put(Placed(self._own(entry, self._file_path(name, destination)), match=self._matches, data=content))

    def add_member(self, entry: Entry, data: bytes | None, host_path: str | None) -> None:
        """A member of an archive, its path final: it replaces whatever is there, but for a folder by a folder. Raises
        ContextError for a hard link to what this instruction has not brought."""
        if entry.kind == kinds.HARDLINK:
            target = self._placed.get(entry.link)
            if target is not None and target.entry.kind == kinds.HARDLINK:
                entry, target = entry._replace(link=target.entry.link), self._placed.get(target.entry.link)
            if target is None or target.entry.kind == kinds.DIRECTORY:
                raise ContextError(
                    f"a hard link of the archive, {entry.path!r}, leads to nothing that the archive brings",
                    where=self._where,
                    hint="pack the file that it is a name of into the same archive",
                )
            if target.entry.path == entry.path:
                return
            self._has_links = True
        old = self.lookup(entry.path)
        if old is not None and old.kind == kinds.DIRECTORY and entry.kind != kinds.DIRECTORY:
            for below in [path for path in self._placed if path.startswith(entry.path + "/")]:
                self._set_aside(below)
        owner = self.ownership._replace(mode=None)
        self._set(Placed(owner.apply(entry), data=data, host_path=host_path))

    def make_folders(self, path: str, owner: Ownership | None = None) -> None:
        """``path`` and its parents as folders, existing ones with the attributes they have, new ones with ``owner``'s
        or those of the instruction."""
        owner = owner or self.ownership.of_new_folders
        done = ""
        parent = self.lookup("")
        for part in path.split("/") if path else ():
            done = f"{done}/{part}" if done else part
            existing = self.lookup(done)
            if existing is None:
                existing = new_folder(done, parent, self._made_at)
                inherited = existing.mode & _SETGID
                existing = owner.apply(existing)
                existing = existing._replace(mode=existing.mode | inherited)
            elif existing.kind != kinds.DIRECTORY:
                raise self.clash(done, "is not a folder")
            self._placed.setdefault(done, Placed(existing))
            parent = existing

    def clash(self, path: str, what: str) -> ContextError:
        """The error for a place that is taken."""
        return ContextError(
            f"cannot copy to /{path}: it {what} in the image",
            where=self._where,
            hint="choose another destination, or remove what is there in an earlier RUN",
        )

    def placed(self) -> list[Placed]:
        """Parents before children, in order of path; hard links of archives last, behind what they lead to."""
        ordered = [self._placed[path] for path in sorted(self._placed, key=_depth_first)]
        return sorted(ordered, key=lambda placed: placed.entry.kind == kinds.HARDLINK)

    def _own(self, entry: Entry, path: str) -> Entry:
        return self.ownership.apply(entry)._replace(path=path)

    def _file_path(self, name: str, destination: str) -> str:
        """Where a single file goes; the folders above are made."""
        target = follow(self.lookup, destination)
        existing = self.lookup(target)
        if destination.endswith(("/", "/.")) or (existing is not None and existing.kind == kinds.DIRECTORY):
            self.make_folders(target)
            return f"{target}/{name}" if target else name
        if self._placed.get(target) is not None:
            self.overwritten = destination
        self.make_folders(target.rpartition("/")[0])
        return target

    def _put(self, placed: Placed) -> None:
        path = placed.entry.path
        existing = self.lookup(path)
        folder = placed.entry.kind == kinds.DIRECTORY
        if existing is not None and folder != (existing.kind == kinds.DIRECTORY):
            raise self.clash(path, "is not a folder" if folder else "is a folder")
        self._set(placed)

    def _set(self, placed: Placed) -> None:
        self._set_aside(placed.entry.path)
        self._placed[placed.entry.path] = placed

    def _set_aside(self, path: str) -> None:
        """Takes back what was placed at ``path``. Where an archive has hard links to it, the first becomes the file."""
        old = self._placed.pop(path, None)
        if old is None or not self._has_links:
            return
        links = [one.entry.path for one in self._placed.values() if (one.entry.kind, one.entry.link) == ("h", path)]
        for at, link in enumerate(sorted(links, key=_depth_first)):
            if not at:
                self._placed[link] = old._replace(entry=old.entry._replace(path=link))
            else:
                entry = self._placed[link].entry
                self._placed[link] = Placed(entry._replace(link=min(links, key=_depth_first)))


def new_folder(path: str, parent: Entry | None, made_at: int) -> Entry:
    """A folder as mkdir makes it: below a setgid folder it has that one's group, and the bit."""
    if parent is not None and parent.mode & _SETGID:
        return Entry(path, kinds.DIRECTORY, 0o755 | _SETGID, 0, parent.gid, mtime=made_at)
    return Entry(path, kinds.DIRECTORY, 0o755, mtime=made_at)


def _depth_first(path: str) -> str:
    """Sorts a folder right before what is in it."""
    return path.replace("/", "\0")
