"""Differences gathered by path: what a person wants to see of two file systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamella.prove.model import PRESENCE, Proof, Side, Tree

ADDED = "added"
REMOVED = "removed"
MODIFIED = "modified"


class PathChange(NamedTuple):
    """``change`` is ``added`` (only ``b`` has it), ``removed`` or ``modified``, and then ``what`` names the fields.
    Bytes are of content; layers are the numbers of those that brought the path, None where it is not or no layer
    lists it."""

    path: str
    change: str
    what: tuple[str, ...]
    a_bytes: int
    b_bytes: int
    a_layer: int | None
    b_layer: int | None

    def to_json(self) -> dict[str, Any]:
        return self._asdict() | {"what": list(self.what)}


def changes_by_path(
    proof: Proof, a: Side, b: Side, a_layers: Mapping[str, int], b_layers: Mapping[str, int]
) -> tuple[PathChange, ...]:
    """The file system differences of ``proof``, which compared ``a`` with ``b``, in the order of paths."""
    fields: dict[str, list[str]] = {}
    for difference in proof.differences:
        fields.setdefault(difference.path[1:], []).append(difference.what)
    return tuple(
        PathChange(
            "/" + path,
            _change(what, path in a.tree),
            () if PRESENCE in what else tuple(what),
            _size(a.tree, path),
            _size(b.tree, path),
            a_layers.get(path),
            b_layers.get(path),
        )
        for path, what in sorted(fields.items())
    )


def _change(what: Sequence[str], in_a: bool) -> str:
    if PRESENCE in what:
        return REMOVED if in_a else ADDED
    return MODIFIED


def _size(tree: Tree, path: str) -> int:
    return tree[path].size if path in tree else 0
