"""Where COPY and ADD read from: the build context on disk, or the file system of a stage or an image.

Both look alike to the copy: entries by path, names of a folder, a place on this machine where the bytes lie.
Paths are relative to the source's root, ``""`` is the root itself; symlinks never lead out of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from lamella.build.filedigests import FileDigests
from lamella.errors import ContextError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.filetree.tree import resolved
from lamella.plan.ignore import Decision, IgnoreFile
from lamella.snapshot.protocol import Workspace

#: a symlink that leads through more than this many others is a loop (Linux's own limit)
MAX_LINKS = 40

_KINDS = {
    stat.S_IFREG: kinds.FILE,
    stat.S_IFDIR: kinds.DIRECTORY,
    stat.S_IFLNK: kinds.SYMLINK,
    stat.S_IFCHR: kinds.CHARACTER_DEVICE,
    stat.S_IFBLK: kinds.BLOCK_DEVICE,
    stat.S_IFIFO: kinds.FIFO,
}


class CopySource(Protocol):
    """What COPY reads."""

    def lookup(self, path: str) -> Entry | None:
        """The entry itself, symlinks not followed; None where there is none, or the ignore file leaves it out."""
        ...

    def names(self, path: str) -> list[str]:
        """Sorted names in a folder, those left out by the ignore file included when something below may be in."""
        ...

    def place(self, path: str) -> str:
        """Path on this machine to read a file's bytes from."""
        ...

    def digests(self, files: Iterable[Entry], known: dict[str, str]) -> dict[str, str]:
        """Content digests of regular files, by path; ``known`` are those that were computed just now."""
        ...

    def why_missing(self, path: str) -> str | None:
        """A sentence when the path is there and left out on purpose."""
        ...

    def is_left_out(self, path: str) -> bool:
        """Whether this very path is left out on purpose (a folder may still be walked for what is below it)."""
        ...

    def link_group(self, entry: Entry) -> object | None:
        """Equal for all names of one file; None for a file with a single name."""
        ...


class ContextSource:
    """A folder on this machine, through its ignore file. Looks only at what is asked for, each file once.

    ``stats`` is what was asked for so far, by path; None for what is not there or left out."""

    def __init__(self, root: str, ignore: IgnoreFile | None = None, digests: FileDigests | None = None) -> None:
        self.root = root
        self._ignore = ignore
        self._digests = digests
        self.stats: dict[str, os.stat_result | None] = {}
        self._entries: dict[str, Entry | None] = {}

    def lookup(self, path: str) -> Entry | None:
        if path in self._entries:
            return self._entries[path]
        entry = self._read(path)
        self._entries[path] = entry
        return entry

    def names(self, path: str) -> list[str]:
        found = []
        if path not in self.stats:
            self.stats[path] = self._lstat(path)
        try:
            listing = os.scandir(self.place(path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(self.place(path), error) from None
        prefix = path + "/" if path else ""
        with listing:
            for item in listing:
                child = prefix + item.name
                if self._left_out(child) and not (
                    item.is_dir(follow_symlinks=False) and self._ignore and not self._ignore.may_skip_directory(child)
                ):
                    continue
                found.append(item.name)
                if child not in self.stats:
                    self.stats[child] = item.stat(follow_symlinks=False)
        found.sort()
        return found

    def place(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def digests(self, files: Iterable[Entry], known: dict[str, str]) -> dict[str, str]:
        assert self._digests is not None
        return self._digests.of(files, self.stats, known)

    def why_missing(self, path: str) -> str | None:
        decision = self._decision(path)
        if decision is None or not decision.ignored or not os.path.lexists(self.place(path)):
            return None
        assert self._ignore is not None
        return f"{self._ignore.name}:{decision.line} ({decision.pattern}) leaves {path!r} out of the build context"

    def is_left_out(self, path: str) -> bool:
        return self._left_out(path)

    def link_group(self, entry: Entry) -> object | None:
        found = self.stats.get(entry.path)
        return (found.st_dev, found.st_ino) if found is not None and found.st_nlink > 1 else None

    def _decision(self, path: str) -> Decision | None:
        return self._ignore.decide(path) if self._ignore is not None and path else None

    def _left_out(self, path: str) -> bool:
        decision = self._decision(path)
        return decision is not None and decision.ignored

    def _read(self, path: str) -> Entry | None:
        if path in self.stats:
            found = self.stats[path]
        else:
            found = self._lstat(path)
            if found is not None and self._left_out(path) and not stat.S_ISDIR(found.st_mode):
                found = None
            self.stats[path] = found
        return None if found is None else self._entry(path, found)

    def _lstat(self, path: str) -> os.stat_result | None:
        """The root alone is followed: a context that is named by a symlink is the folder behind it."""
        return _lstat(self.place(path) if path else f"{self.root}/.")

    def _entry(self, path: str, found: os.stat_result) -> Entry | None:
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:  # a socket
            return None
        size = found.st_size if kind == kinds.FILE else 0
        link = os.readlink(self.place(path)) if kind == kinds.SYMLINK else ""
        mode = found.st_mode & 0o7777
        return Entry(path, kind, mode, 0, 0, size, found.st_mtime_ns, link)


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> ContextError:
    return ContextError(
        f"the build context cannot be read ({error.strerror})",
        where=path,
        hint="make it readable, or leave it out by the ignore file",
    )


class TreeSource:
    """The merged file system of a finished stage or an image: metadata from tables of contents, bytes from a view."""

    def __init__(
        self,
        tree: Mapping[str, Entry],
        open_view: Callable[[], str],
        open_workspace: Callable[[], Workspace] | None = None,
    ) -> None:
        """``open_workspace`` makes a writable file system with the same content, for its caller to close; None where
        there are files only, and ``open_view`` gives them without their owners and modes."""
        self._tree = tree
        self._open_view = open_view
        self.open_workspace = open_workspace
        self._children: dict[str, list[str]] | None = None

    def lookup(self, path: str) -> Entry | None:
        if not path:
            return self._tree.get("") or Entry("", kinds.DIRECTORY, 0o755)
        entry = self._tree.get(path)
        return resolved(self._tree, entry) if entry is not None else None

    def names(self, path: str) -> list[str]:
        if self._children is None:
            self._children = _children_of(self._tree)
        return self._children.get(path, [])

    def place(self, path: str) -> str:
        return f"{self._open_view()}/{path}"

    def digests(self, files: Iterable[Entry], known: dict[str, str]) -> dict[str, str]:
        return {entry.path: entry.digest for entry in files}

    def why_missing(self, path: str) -> str | None:
        return None

    def is_left_out(self, path: str) -> bool:
        return False

    def link_group(self, entry: Entry) -> object | None:
        own = self._tree[entry.path]
        return own.link if own.kind == kinds.HARDLINK else own.path


class ArchiveContext(TreeSource):
    """What the archive held. As in BuildKit its owners and modes count, and no ignore file is applied: that is for
    folders, which are sent file by file."""


class NoContext(ArchiveContext):
    """For a Dockerfile that came alone. Its context is empty."""

    def __init__(self, open_view: Callable[[], str]) -> None:
        super().__init__({}, open_view)


def _children_of(tree: Mapping[str, Entry]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for path in sorted(tree):
        if path:
            parent, _, name = path.rpartition("/")
            children.setdefault(parent, []).append(name)
    return children


def follow(lookup: Callable[[str], Entry | None], path: str, *, last: bool = True) -> str:
    """``path`` with its symlinks resolved inside the root; parts that do not exist are kept as they are.

    ``last`` False leaves a symlink at the end alone. Raises ContextError on a loop.
    """
    pending = [part for part in path.split("/") if part not in ("", ".")]
    pending.reverse()
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del done[-1:]
            continue
        here = "/".join((*done, part))
        entry = lookup(here)
        if entry is None or entry.kind != kinds.SYMLINK or (not pending and not last):
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise ContextError(
                f"{path!r} leads through too many symbolic links",
                detail=f"the last one was {here!r}",
                hint="one of the links leads back to itself",
            )
        if entry.link.startswith("/"):
            done.clear()
        pending.extend(reversed([step for step in entry.link.split("/") if step not in ("", ".")]))
    return "/".join(done)
