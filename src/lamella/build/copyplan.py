"""What COPY's words name in a source. Symlinks below a folder stay symlinks, one that is named is followed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lamella.build.selection import Patterns, select
from lamella.build.sources import ArchiveContext, ContextSource, CopySource, NoContext, follow
from lamella.errors import ContextError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.glob import has_magic, match
from lamella.plan.ignore import IgnoreFile, parse_patterns

#: what makes a path a pattern that may match nothing
WILDCARDS = frozenset("*?[")


class Found(NamedTuple):
    """One thing a source pattern named. ``below`` are all entries under it, parents first, when it is a folder."""

    pattern: str
    path: str  # in the source, symlinks resolved
    name: str  # its last name as written, before symlinks
    entry: Entry
    below: tuple[Entry, ...]
    passed: frozenset[str] = frozenset()  # of ``below``, the folders that no pattern names (see selection.py)


def find_sources(
    source: CopySource, patterns: tuple[str, ...], excludes: tuple[str, ...], where: str, *, parents: bool = False
) -> tuple[Found, ...]:
    """What the patterns name, in their order; one with wildcards may match nothing (see :func:`unmatched`). With
    ``parents`` each find is the folder that the kept part of the paths begins in. A ``..`` above the root is the root.
    Raises ContextError with ``where`` for a path that is not there."""
    exclude = parse_patterns(excludes, where) if excludes else None
    found: list[Found] = []
    for pattern in patterns:
        if parents:
            found += _find_with_parents(source, pattern, exclude, where)
            continue
        clean = _cleaned(pattern)
        matched = [
            one
            for path in _places(source, pattern, clean, where)
            if (one := _find_one(source, pattern, path, Patterns(None, exclude), where)) is not None
        ]
        left_out = exclude is not None and exclude.decide(clean).ignored
        if not matched and not left_out and _fixed_start(clean) is None:
            raise _nothing_found(source, pattern, clean, where)
        found += matched
    return tuple(found)


def find_exactly(source: CopySource, path: str, where: str) -> Found:
    """What a path that is no pattern names. Raises ContextError with ``where`` for one that is not there."""
    found = _find_one(source, path, path, Patterns(), where)
    if found is None:
        raise _nothing_found(source, path, path, where)
    return found


def _find_with_parents(source: CopySource, pattern: str, exclude: IgnoreFile | None, where: str) -> list[Found]:
    """``--parents``: all below the part before ``/./``, or below the root, that the rest of the pattern names, links
    not followed. Source: the Dockerfile reference, "COPY --parents"."""
    head, pivot, tail = pattern.partition("/./")
    head, tail = (_cleaned(head), _cleaned(tail)) if pivot else ("", _cleaned(pattern))
    whole = f"{head}/{tail}".strip("/")
    for path in (head, whole):
        if _fixed_start(path) is None and source.lookup(follow(source.lookup, path)) is None:
            raise _nothing_found(source, pattern, path, where)
    include = parse_patterns((tail,), where) if tail else None
    patterns = Patterns(include, exclude)
    found = (_find_one(source, pattern, path, patterns, where) for path in _places(source, head, head, where))
    return [one for one in found if one is not None]


def _cleaned(pattern: str) -> str:
    return posixpath.normpath("/" + pattern).lstrip("/")


def _places(source: CopySource, pattern: str, clean: str, where: str) -> Iterable[str]:
    """The paths that a pattern without ``--parents`` may mean; the folder of its wildcards must be there."""
    start = _fixed_start(clean)
    if start is not None and source.lookup(follow(source.lookup, start)) is None:
        raise _nothing_found(source, pattern, start, where)
    return list(_expand(source, clean)) if has_magic(clean) else [clean]


def unmatched(patterns: tuple[str, ...], found: tuple[Found, ...], *, parents: bool = False) -> tuple[str, ...]:
    """The patterns that came to nothing."""
    matched = {one.pattern for one in found if one.below or not parents or one.entry.kind != kinds.DIRECTORY}
    return tuple(pattern for pattern in patterns if pattern not in matched)


def _fixed_start(pattern: str) -> str | None:
    """The folder in which the wildcards of a pattern begin, which must be there; None for a plain path."""
    parts = pattern.split("/")
    wild = next((at for at, part in enumerate(parts) if not WILDCARDS.isdisjoint(part)), None)
    return None if wild is None else "/".join(parts[:wild])


def leaves_root(pattern: str) -> bool:
    """Whether a ``..`` in it has nowhere to lead: it is dropped, as Docker does."""
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
    if leaves_root(pattern):
        return ContextError(
            f"{pattern!r} lies outside the build context",
            where=where,
            hint="COPY and ADD see only what is below the build context; build from a higher folder with -f",
            code="outside-context",
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
    if close == [name]:
        return "it is there, but is a socket: no layer can hold one"
    if close:
        return f"did you mean {posixpath.join(parent, close[0])!r}?"
    if isinstance(source, NoContext):
        return "the Dockerfile came alone, so its build context is empty: lamella build -f Dockerfile FOLDER gives one"
    if _is_context(source):
        return "paths are relative to the build context, not to the Dockerfile"
    return "paths are relative to the root of what --from names"


def _find_one(source: CopySource, pattern: str, path: str, patterns: Patterns, where: str) -> Found | None:
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
        if patterns.exclude is not None and patterns.exclude.decide(path).ignored:
            return None
        return Found(pattern, resolved, name, entry, ())
    selection = select(source, resolved, patterns)
    if not selection.entries and source.is_left_out(resolved):
        return None
    return Found(pattern, resolved, name, entry, *selection)


def _expand(source: CopySource, pattern: str) -> Iterator[str]:
    """Paths that match a pattern part by part, in order of name. From the first wildcard on no link is followed."""
    parts = pattern.split("/")
    first = next(at for at, part in enumerate(parts) if has_magic(part))

    def descend(folder: str, rest: list[str]) -> Iterator[str]:
        prefix = folder + "/" if folder else ""
        for name in source.names(folder):
            if match(rest[0], name):
                if len(rest) == 1:
                    yield prefix + name
                    continue
                entry = source.lookup(prefix + name)
                if entry is not None and entry.kind == kinds.DIRECTORY:
                    yield from descend(prefix + name, rest[1:])

    return descend(follow(source.lookup, "/".join(parts[:first])), parts[first:])
