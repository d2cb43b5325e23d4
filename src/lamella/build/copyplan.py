"""What COPY's words name in a source. Symlinks below a folder stay symlinks, one that is named is followed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from lamella.build.sources import ArchiveContext, ContextSource, CopySource, NoContext, follow
from lamella.errors import ContextError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.glob import has_magic, match
from lamella.plan.ignore import IgnoreFile, parse_ignore

#: what makes a path a pattern that may match nothing
WILDCARDS = frozenset("*?[")


class Found(NamedTuple):
    """One thing a source pattern named. ``below`` are all entries under it, parents first, when it is a folder."""

    pattern: str
    path: str  # in the source, symlinks resolved
    name: str  # its last name as written, before symlinks
    entry: Entry
    below: tuple[Entry, ...]


def find_sources(
    source: CopySource, patterns: tuple[str, ...], excludes: tuple[str, ...], where: str
) -> tuple[Found, ...]:
    """What the patterns name, in their order; one with wildcards may match nothing (see :func:`unmatched`). Raises
    ContextError with ``where`` for a path that is not there."""
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
        start = _fixed_start(clean)
        if start is not None and source.lookup(follow(source.lookup, start)) is None:
            raise _nothing_found(source, pattern, start, where)
        paths = list(_expand(source, clean)) if has_magic(clean) else [clean]
        matched = [one for path in paths if (one := _find_one(source, pattern, path, exclude, where)) is not None]
        if not matched and start is None:
            raise _nothing_found(source, pattern, clean, where)
        found += matched
    return tuple(found)


def unmatched(patterns: tuple[str, ...], found: tuple[Found, ...]) -> tuple[str, ...]:
    """The patterns that came to nothing."""
    return tuple(pattern for pattern in patterns if all(one.pattern != pattern for one in found))


def _fixed_start(pattern: str) -> str | None:
    """The folder in which the wildcards of a pattern begin, which must be there; None for a plain path."""
    parts = pattern.split("/")
    wild = next((at for at, part in enumerate(parts) if not WILDCARDS.isdisjoint(part)), None)
    return None if wild is None else "/".join(parts[:wild])


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
    what = f"{pattern!r}: {clean!r} does not exist" if has_magic(pattern) else f"{pattern!r} does not exist"
    return ContextError(f"{what} {_in_what(source)}", where=where, hint=_near_miss(source, clean))


def _in_what(source: CopySource) -> str:
    return "in the build context" if _is_context(source) else "in the source's file system"


def _is_context(source: CopySource) -> bool:
    return isinstance(source, ContextSource | ArchiveContext)


def _near_miss(source: CopySource, path: str) -> str:
    import difflib

    parent, _, name = path.rpartition("/")
    close = difflib.get_close_matches(name, source.names(parent), n=1)
    if close:
        return f"did you mean {posixpath.join(parent, close[0])!r}?"
    if isinstance(source, NoContext):
        return "the Dockerfile came alone, so its build context is empty: lamella build -f Dockerfile FOLDER gives one"
    if _is_context(source):
        return "paths are relative to the build context, not to the Dockerfile"
    return "paths are relative to the root of what --from names"


def _find_one(source: CopySource, pattern: str, path: str, exclude: IgnoreFile | None, where: str) -> Found | None:
    resolved = follow(source.lookup, path)
    entry = source.lookup(resolved)
    if entry is None:
        link = source.lookup(follow(source.lookup, path, last=False))
        if link is not None and link.kind == kinds.SYMLINK:
            raise ContextError(
                f"{path!r} is a symbolic link to {link.link!r}, which is not there {_in_what(source)}",
                where=where,
                hint="links that are named are followed, and never out of the source; copy the folder to keep the link",
            )
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
