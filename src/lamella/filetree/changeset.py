"""What differs between two trees, and the layer that leads from one to the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, WHITEOUT, Entry
from lamella.filetree.tree import Tree, order, resolved

#: the fields that are compared, in the order they are reported
FIELDS = ("kind", "mode", "uid", "gid", "size", "digest", "link", "major", "minor", "xattrs", "mtime")


class Modified(NamedTuple):
    """One path that both trees have. ``fields`` names the fields of Entry that differ, and ``links`` where the path
    shares its file with other names than before; ``before`` and ``after`` have their content, hard link or not."""

    path: str
    before: Entry
    after: Entry
    fields: tuple[str, ...]


class Changeset(NamedTuple):
    """Each in the order of the trees; a removed directory's content is listed too."""

    added: tuple[Entry, ...]
    modified: tuple[Modified, ...]
    removed: tuple[Entry, ...]

    @property
    def empty(self) -> bool:
        return not (self.added or self.modified or self.removed)


def diff_trees(a: Tree, b: Tree, *, ignore: Iterable[str] = ()) -> Changeset:
    """What leads from ``a`` to ``b``. ``ignore`` names fields that do not count (for example ``mtime``). A digest that
    either side lacks is not compared."""
    fields = tuple(field for field in FIELDS if field not in set(ignore))
    groups_a, groups_b = hardlink_groups(a), hardlink_groups(b)
    equal: dict[tuple[object, object], bool] = {}
    modified: list[Modified] = []
    for path in sorted(a.keys() & b.keys(), key=order):
        before, after = a[path], b[path]
        groups = groups_a.get(path), groups_b.get(path)
        if groups not in equal:  # once for a group, not once for each of its names
            equal[groups] = groups[0] == groups[1]
        if before == after and before.kind != HARDLINK and equal[groups]:
            continue
        before, after = resolved(a, before), resolved(b, after)
        differing = tuple(field for field in fields if _differs(before, after, field))
        if not equal[groups]:
            differing += ("links",)
        if differing:
            modified.append(Modified(path, before, after, differing))
    return Changeset(
        tuple(b[path] for path in sorted(b.keys() - a.keys(), key=order)),
        tuple(modified),
        tuple(a[path] for path in sorted(a.keys() - b.keys(), key=order)),
    )


def _differs(before: Entry, after: Entry, field: str) -> bool:
    one, other = getattr(before, field), getattr(after, field)
    if field == "digest" and not (one and other):
        return False
    return bool(one != other)


def hardlink_groups(tree: Tree) -> dict[str, frozenset[str]]:
    """For each path that shares its file with others: all of them, itself included."""
    members: dict[str, list[str]] = {}
    for path, entry in tree.items():
        if entry.kind == HARDLINK:
            members.setdefault(entry.link, [entry.link]).append(path)
    groups = {}
    for paths in members.values():
        group = frozenset(paths)
        groups.update(dict.fromkeys(group, group))
    return groups


def changes_as_layer(a: Tree, b: Tree) -> list[Entry]:
    """The entries of a layer that makes ``b`` out of ``a``: in each directory whiteouts first, then what is new or
    changed. A changed group of hard links is written whole, for links do not reach over layers. Files whose digests
    are not known count as changed, unless both trees hold the very same entry."""
    groups = hardlink_groups(b)
    regrouped = _regrouped(a, b, hardlink_groups(a), groups)
    written: set[str] = set()
    for path, after in b.items():
        before = a.get(path)
        if path in written:
            continue
        if before is None or not _is_same(a, before, b, after) or path in regrouped:
            written |= groups.get(path, frozenset((path,)))
    removed = [
        Entry(path, WHITEOUT) for path in a if path not in b and path and _parent_is_directory(b, a[path].parent)
    ]
    entries = removed + [b[path] for path in written]
    entries.sort(key=layer_order)
    return entries


def _is_same(a: Tree, before: Entry, b: Tree, after: Entry) -> bool:
    file_a = a[before.link] if before.kind == HARDLINK else before
    file_b = b[after.link] if after.kind == HARDLINK else after
    if file_a is file_b:
        return True
    return file_a._replace(path="") == file_b._replace(path="") and (file_a.kind != FILE or file_a.digest != "")


def _regrouped(a: Tree, b: Tree, groups_a: dict[str, frozenset[str]], groups_b: dict[str, frozenset[str]]) -> set[str]:
    """Of the paths that are the same in both those that share their file with other names than before, apart from names
    that are gone or are written as other files anyway. Each pair of groups is compared once: they may be large."""
    stayed = {
        group: {name for name in group if name in b and _is_same(a, a[name], b, b[name])}
        for group in set(groups_a.values())
    }
    differ: dict[tuple[frozenset[str], frozenset[str]], bool] = {}
    found = set()
    for path in groups_a.keys() | groups_b.keys():
        before, after = groups_a.get(path), groups_b.get(path)
        if before is None or after is None:
            changed = before is None or len(stayed[before]) > 1
        else:
            if (before, after) not in differ:
                differ[before, after] = stayed[before] != after
            changed = differ[before, after]
        if changed:
            found.add(path)
    return found


def _parent_is_directory(tree: Tree, parent: str) -> bool:
    # Below something that is removed or replaced nothing needs a whiteout of its own.
    return not parent or (parent in tree and tree[parent].kind == DIRECTORY)


def layer_order(entry: Entry) -> tuple[str, ...]:
    """Sort key of a layer's entries: parents first; in a directory the opaque mark, whiteouts, then the rest."""
    parts = entry.path.split("/") if entry.path else []
    if entry.kind == OPAQUE:
        return (*(f"\1{part}" for part in parts), "")
    if entry.kind == WHITEOUT:
        return (*(f"\1{part}" for part in parts[:-1]), f"\0{parts[-1]}")
    return tuple(f"\1{part}" for part in parts)
