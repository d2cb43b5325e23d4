"""What COPY takes of a folder: all of it, or what ``--parents`` and ``--exclude`` leave."""

from __future__ import annotations

from typing import NamedTuple

from lamella.build.sources import CopySource
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.plan.ignore import IgnoreFile

# What is said of a path: it is taken; it is a folder that comes along with what is taken in it; it is one that the
# instruction's patterns do not name, and comes along as well.
_TAKEN, _HOLDER, _PASSED = range(3)


class Patterns(NamedTuple):
    """For paths relative to the folder that is copied; ``include`` takes only what it matches."""

    include: IgnoreFile | None = None
    exclude: IgnoreFile | None = None


class Selection(NamedTuple):
    """``entries`` come parents first. ``passed`` are the paths of folders that are there for what is in them alone:
    one that the destination has already keeps its owner."""

    entries: tuple[Entry, ...]
    passed: frozenset[str] = frozenset()


def select(source: CopySource, top: str, patterns: Patterns) -> Selection:
    """What is below the folder ``top`` of ``source``. A folder that is left out appears only when something in it is
    taken."""
    include, exclude = patterns
    cut = len(top) + 1 if top else 0
    seen: list[tuple[Entry, int]] = []
    pending: list[list[str]] = [_paths(source, top)]
    while pending:
        if not pending[-1]:
            pending.pop()
            continue
        path = pending[-1].pop()
        entry = source.lookup(path)
        if entry is None:
            continue
        name = path[cut:]
        taken = include is None or include.decide(name).ignored
        hidden = exclude is not None and exclude.decide(name).ignored
        if entry.kind != kinds.DIRECTORY:
            if taken and not hidden:
                seen.append((entry, _TAKEN))
            continue
        if (not taken and include is not None and not include.may_match_below(name)) or (
            hidden and exclude is not None and exclude.may_skip_directory(name)
        ):
            continue
        seen.append((entry, _PASSED if hidden or not taken else _HOLDER if source.is_left_out(path) else _TAKEN))
        pending.append(_paths(source, path))
    return _with_holders(seen)


def _paths(source: CopySource, folder: str) -> list[str]:
    """The paths in a folder, the first one last."""
    prefix = folder + "/" if folder else ""
    return [prefix + name for name in reversed(source.names(folder))]


def _with_holders(seen: list[tuple[Entry, int]]) -> Selection:
    """Without the folders that nothing is taken in, unless they are taken themselves."""
    needed: set[str] = set()
    passed: set[str] = set()
    kept: list[Entry] = []
    for entry, state in reversed(seen):
        if state != _TAKEN and entry.path not in needed:
            continue
        if state == _PASSED:
            passed.add(entry.path)
        needed.add(entry.path.rpartition("/")[0])
        kept.append(entry)
    kept.reverse()
    return Selection(tuple(kept), frozenset(passed))
