"""Are two images the same state? The comparison, the noise taken off, the removals made on purpose set apart.

What "the same" means: the merged trees have the same paths, each with the same type, mode, owner, content, link
target, hard-link group, device numbers and extended attributes; and the configs agree. Modification times are told
apart and never count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamella.filetree.entry import FILE, Entry
from lamella.prove.discover import find_checks
from lamella.prove.globs import Matcher, compile_globs
from lamella.prove.model import PRESENCE, Difference, Proof, Removal, Side, Tree
from lamella.prove.trees import normalize_tree

TIME = "mtime"
_MTIME = Entry._fields.index("mtime")


class _Found(NamedTuple):
    files: tuple[Difference, ...]
    times: tuple[Difference, ...]
    config: tuple[Difference, ...]


def compare(
    a: Side,
    b: Side,
    *,
    noise: Side | None = None,
    ignore: Sequence[str] = (),
    declared: Sequence[str] = (),
) -> Proof:
    """Compares ``a`` (the original) with ``b``.

    ``noise`` is a second build of the original: where it differs from ``a``, the same field of the same path is
    excused in ``b``, and nothing else of it. ``ignore`` are path patterns left out of the comparison, ``declared``
    those that ``b`` may lack. Raises UsageError on a pattern that is none.
    """
    ignored = compile_globs(ignore)
    a, b = _prepare(a, ignored), _prepare(b, ignored)
    found = _differences(a, b)
    if noise is None:
        again, known = None, _Found((), (), ())
    else:
        again = _prepare(noise, ignored)
        known = _differences(a, again)
    counted, excused = _subtract(found.files, known.files)
    if again is not None:
        counted += _appeared(a.tree, again.tree, b.tree, excused)
    config, excused_config = _subtract(found.config, known.config)
    counted, removals = _take_declared(counted, a.tree, compile_globs(declared))
    return Proof(
        same=not counted and not config,
        paths=len(a.tree.keys() | b.tree.keys()),
        differences=tuple(sorted(counted)),
        times=found.times,
        noise=known.files + known.config,
        excused=tuple(excused + excused_config),
        declared=tuple(removals),
        config=tuple(config),
        notes=_notes(a, b),
        a_bytes=content_bytes(a.tree),
        b_bytes=content_bytes(b.tree),
    )


def content_bytes(tree: Tree) -> int:
    """Bytes of file contents; a hard-linked file counts once."""
    return sum(entry.size for entry in tree.values() if entry.kind == FILE and entry.link in ("", entry.path))


def _prepare(side: Side, ignored: Matcher) -> Side:
    tree = normalize_tree(side.tree)
    return side._replace(tree={path: entry for path, entry in tree.items() if path == "" or not ignored(path)})


def _differences(a: Side, b: Side) -> _Found:
    checks = find_checks()
    files: list[Difference] = []
    times: list[Difference] = []
    for check in checks.trees:
        files += check(a.tree, b.tree)
    for path in sorted(a.tree.keys() & b.tree.keys()):
        before, after = a.tree[path], b.tree[path]
        if before == after:
            continue
        # Most differ in their time alone; the checks need not be asked then.
        only_time = before[:_MTIME] == after[:_MTIME] and before[_MTIME + 1 :] == after[_MTIME + 1 :]
        found = [] if only_time else compare_entry(path, before, after)
        if found:
            files += found
        elif before.mtime != after.mtime:
            times.append(Difference("/" + path, TIME, str(before.mtime), str(after.mtime)))
    config = [difference for config_check in checks.configs for difference in config_check(a.config, b.config)]
    return _Found(tuple(sorted(files)), tuple(times), tuple(config))


def compare_entry(path: str, a: Entry, b: Entry) -> list[Difference]:
    """What differs at one path that both sides have, modification time aside."""
    found = []
    for name, check in find_checks().entries:
        values = check(a, b)
        if values is not None:
            found.append(Difference("/" + path, name, *values))
    return found


def _subtract(found: Sequence[Difference], known: Sequence[Difference]) -> tuple[list[Difference], list[Difference]]:
    """What counts and what is excused: by path and field, never by path alone."""
    fields = {(difference.path, difference.what) for difference in known}
    counted = [difference for difference in found if (difference.path, difference.what) not in fields]
    excused = [difference for difference in found if (difference.path, difference.what) in fields]
    return counted, excused


def _appeared(a: Tree, again: Tree, b: Tree, excused: Sequence[Difference]) -> list[Difference]:
    """A path that only one of the two originals has is excused for being there, not for what it is."""
    found: list[Difference] = []
    for difference in excused:
        path = difference.path[1:]
        if difference.what == PRESENCE and path in b and path not in a and path in again:
            found += compare_entry(path, again[path], b[path])
    return found


def _take_declared(
    found: Sequence[Difference], tree: Tree, declared: Matcher
) -> tuple[list[Difference], list[Removal]]:
    """Sets apart what ``b`` lacks on purpose."""
    counted: list[Difference] = []
    removals: list[Removal] = []
    for difference in found:
        path = difference.path[1:]
        pattern = declared(path) if difference.what == PRESENCE and path in tree else None
        if pattern is None:
            counted.append(difference)
        else:
            removals.append(Removal(difference.path, tree[path].size, pattern))
    return counted, removals


def _notes(a: Side, b: Side) -> tuple[str, ...]:
    env_a, env_b = a.config.config.env_map(), b.config.config.env_map()
    if env_a == env_b and list(env_a) != list(env_b):
        return ("the environment holds the same variables in another order",)
    return ()
