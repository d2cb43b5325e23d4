"""Hard-link groups: which names share one file."""

from __future__ import annotations

from collections.abc import Iterator

from lamella.filetree.entry import FILE
from lamella.prove.model import Difference, Tree

NAME = "hardlinks"
_ALONE = "on its own"


def compare_trees(a: Tree, b: Tree) -> Iterator[Difference]:
    """Only names that both sides have are compared: one that is missing is a presence difference, told once."""
    common = {path for path in a.keys() & b.keys() if a[path].kind == FILE and b[path].kind == FILE}
    before, after = _groups(a, common), _groups(b, common)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield Difference("/" + path, NAME, _text(path, before.get(path)), _text(path, after.get(path)))


def _groups(tree: Tree, common: set[str]) -> dict[str, frozenset[str]]:
    """The group of each path that has company."""
    names: dict[str, list[str]] = {}
    for path, entry in tree.items():
        if entry.kind == FILE and entry.link:
            names.setdefault(entry.link, []).append(path)
    result: dict[str, frozenset[str]] = {}
    for first, others in names.items():
        group = frozenset({first, *others} & common)
        if len(group) > 1:
            result.update(dict.fromkeys(group, group))
    return result


def _text(path: str, group: frozenset[str] | None) -> str:
    if group is None:
        return _ALONE
    return "linked with " + ", ".join(sorted("/" + name for name in group if name != path))
