"""From COPY's words to the entries of a layer: which source file becomes which path.

Follows what BuildKit's file operations do: a folder gives its contents, a file goes into an existing folder, missing
parents are made 0755, symlinks below a copied folder stay symlinks, one that is named is followed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lamella.build.sources import ContextSource, CopySource, follow
from lamella.errors import ContextError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.glob import has_magic, match
from lamella.plan.ignore import IgnoreFile, parse_ignore

Lookup = Callable[[str], Entry | None]


class Found(NamedTuple):
    """One thing a source pattern named. ``below`` are all entries under it, parents first, when it is a folder."""

    pattern: str
    path: str  # in the source, symlinks resolved
    name: str  # its last name as written, before symlinks
    entry: Entry
    below: tuple[Entry, ...]


class Placed(NamedTuple):
    """``source`` is the path in the source ("" for a folder made on the way); ``entry`` as it goes into the layer.
    ``overwrite`` False: an existing folder at that path keeps its own attributes."""

    source: str
    entry: Entry
    overwrite: bool = True


def find_sources(
    source: CopySource, patterns: tuple[str, ...], excludes: tuple[str, ...], where: str
) -> tuple[Found, ...]:
    """What the patterns name. Raises ContextError with ``where`` for one that names nothing."""
    exclude = parse_ignore("\n".join(excludes), "--exclude") if excludes else None
    found: list[Found] = []
    for pattern in patterns:
        clean = posixpath.normpath("/" + pattern).lstrip("/")
        if ".." in pattern.split("/") and _leaves_root(pattern):
            raise ContextError(
                f"{pattern!r} lies outside the build context",
                where=where,
                hint="COPY and ADD see only what is below the build context; build from a higher folder with -f",
                code="outside-context",
            )
        paths = list(_expand(source, clean)) if has_magic(clean) else [clean]
        matched = [one for path in paths if (one := _find_one(source, pattern, path, exclude)) is not None]
        if not matched:
            raise _nothing_found(source, pattern, clean, where)
        found += matched
    return tuple(found)


def _leaves_root(pattern: str) -> bool:
    depth = 0
    for part in pattern.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def _nothing_found(source: CopySource, pattern: str, clean: str, where: str) -> ContextError:
    reason = source.why_missing(clean)
    if reason is not None:
        return ContextError(
            f"{pattern!r} is not in the build context",
            where=where,
            detail=reason,
            hint=f"take the pattern out of the ignore file, or add a line '!{clean}' at its end",
            code="ignored-source",
        )
    what = "matches no file" if has_magic(clean) else "does not exist"
    in_what = "in the build context" if isinstance(source, ContextSource) else "in the source's file system"
    return ContextError(f"{pattern!r} {what} {in_what}", where=where, hint=_near_miss(source, clean))


def _near_miss(source: CopySource, path: str) -> str:
    import difflib

    parent, _, name = path.rpartition("/")
    close = difflib.get_close_matches(name, source.names(parent), n=1)
    if close:
        return f"did you mean {posixpath.join(parent, close[0])!r}?"
    return "paths are relative to the build context, not to the Dockerfile"


def _find_one(source: CopySource, pattern: str, path: str, exclude: IgnoreFile | None) -> Found | None:
    resolved = follow(source.lookup, path)
    entry = source.lookup(resolved)
    if entry is None:
        return None
    name = posixpath.basename(path)
    if entry.kind != kinds.DIRECTORY:
        if exclude is not None and exclude.decide(path).ignored:
            return None
        return Found(pattern, resolved, name, entry, ())
    below: list[Entry] = []
    _walk(source, resolved, exclude, resolved, below)
    if not below and source.is_left_out(resolved):
        return None
    return Found(pattern, resolved, name, entry, tuple(below))


def _walk(source: CopySource, folder: str, exclude: IgnoreFile | None, top: str, into: list[Entry]) -> None:
    """Everything below ``folder``, parents first; a left-out folder appears only when something below it is in."""
    prefix = folder + "/" if folder else ""
    for name in source.names(folder):
        path = prefix + name
        entry = source.lookup(path)
        if entry is None:
            continue
        hidden = exclude is not None and exclude.decide(path[len(top) + 1 if top else 0 :]).ignored
        if entry.kind != kinds.DIRECTORY:
            if not hidden:
                into.append(entry)
            continue
        hidden = hidden or source.is_left_out(path)
        into.append(entry)
        before = len(into)
        _walk(source, path, exclude, top, into)
        if hidden and len(into) == before:
            into.pop()


def _expand(source: CopySource, pattern: str) -> Iterator[str]:
    """Paths that match a pattern part by part, in order of name."""
    parts = pattern.split("/")

    def descend(folder: str, rest: list[str]) -> Iterator[str]:
        if not rest:
            yield folder
            return
        prefix = folder + "/" if folder else ""
        if not has_magic(rest[0]):
            if source.lookup(follow(source.lookup, prefix + rest[0])) is not None:
                yield from descend(prefix + rest[0], rest[1:])
            return
        where_to = follow(source.lookup, folder)
        for name in source.names(where_to):
            if match(rest[0], name):
                yield from descend(prefix + name, rest[1:])

    return descend("", parts)


class Ownership(NamedTuple):
    """What ``--chown`` and ``--chmod`` say; None keeps the source's (and 0 for what comes from the context)."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None

    def apply(self, entry: Entry) -> Entry:
        uid = entry.uid if self.uid is None else self.uid
        gid = entry.gid if self.gid is None else self.gid
        mode = entry.mode if self.mode is None or entry.kind == kinds.SYMLINK else self.mode
        return entry._replace(uid=uid, gid=gid, mode=mode)


class Placement:
    """Collects a COPY's entries at their places in the target's file system, each path once."""

    def __init__(self, target: Lookup, ownership: Ownership, made_at: int, where: str) -> None:
        """``target`` looks into the file system as it stands before the COPY; ``made_at`` (ns) is the mtime of folders
        that are made on the way."""
        self._target = target
        self._ownership = ownership
        self._made_at = made_at
        self._where = where
        self._placed: dict[str, Placed] = {}

    def lookup(self, path: str) -> Entry | None:
        placed = self._placed.get(path)
        return placed.entry if placed is not None else self._target(path)

    def add(self, found: Found, destination: str) -> None:
        """One source at ``destination`` (absolute, a trailing slash means a folder). Raises ContextError."""
        target = follow(self.lookup, destination)
        existing = self.lookup(target)
        into_folder = destination.endswith(("/", "/."))
        if found.entry.kind == kinds.DIRECTORY:
            self.make_folders(target)
            cut = len(found.path) + 1 if found.path else 0
            prefix = target + "/" if target else ""
            for entry in found.below:
                self._put(entry.path, entry, prefix + entry.path[cut:])
            return
        if into_folder or (existing is not None and existing.kind == kinds.DIRECTORY) or not target:
            self.make_folders(target)
            target = f"{target}/{found.name}" if target else found.name
        else:
            self.make_folders(target.rpartition("/")[0])
        self._put(found.path, found.entry, target)

    def add_file(self, name: str, size: int, destination: str) -> str:
        """A file that comes from no source (a heredoc); returns its path in the layer."""
        entry = Entry(name, kinds.FILE, 0o644, size=size, mtime=self._made_at)
        before = set(self._placed)
        self.add(Found(name, name, name, entry, ()), destination)
        return next(path for path in self._placed if path not in before and self._placed[path].source == name)

    def make_folders(self, path: str) -> None:
        """``path`` and its parents as folders, existing ones with the attributes they have."""
        done = ""
        for part in path.split("/") if path else ():
            done = f"{done}/{part}" if done else part
            existing = self.lookup(done)
            if existing is None:
                folder = Entry(done, kinds.DIRECTORY, 0o755, mtime=self._made_at)
                owner = self._ownership._replace(mode=None)
                self._placed[done] = Placed("", owner.apply(folder), overwrite=False)
            elif existing.kind != kinds.DIRECTORY:
                raise self._clash(done, "is not a folder")
            elif done not in self._placed:
                self._placed[done] = Placed("", existing, overwrite=False)

    def _put(self, source: str, entry: Entry, target: str) -> None:
        existing = self.lookup(target)
        folder = entry.kind == kinds.DIRECTORY
        if existing is not None and folder != (existing.kind == kinds.DIRECTORY):
            raise self._clash(target, "is not a folder" if folder else "is a folder")
        self._placed.pop(target, None)
        self._placed[target] = Placed(source, self._ownership.apply(entry)._replace(path=target))

    def _clash(self, path: str, what: str) -> ContextError:
        return ContextError(
            f"cannot copy to /{path}: it {what} in the image",
            where=self._where,
            hint="choose another destination, or remove what is there in an earlier RUN",
        )

    def own(self, entry: Entry) -> Entry:
        """With the owner and mode that the instruction asks for."""
        return self._ownership.apply(entry)

    def placed(self) -> list[Placed]:
        """Parents before children, in order of path."""
        return [self._placed[path] for path in sorted(self._placed, key=_depth_first)]


def _depth_first(path: str) -> str:
    """Sorts a folder right before what is in it."""
    return path.replace("/", "\0")
