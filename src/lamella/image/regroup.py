"""Layers put together anew: which of them share a layer, and what that one then has to hold.

The final file system stays what it was, to the last time stamp. What a later layer deletes or replaces is in no layer
then; layers that bring nothing are left out, and those that stay as they are keep their blobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lamella.filetree.changeset import changes_as_layer, layer_order
from lamella.filetree.entry import DIRECTORY, OPAQUE, WHITEOUT, Entry
from lamella.filetree.tree import Tree
from lamella.image.timeline import Timeline
from lamella.oci.config import HistoryEntry


class Part(NamedTuple):
    """One layer of the old stack. ``entries`` is its table of contents, with content digests. Neighbours of one
    ``kind`` may share a layer, if ``begins`` does not say that this one shares none with those below it, and neither is
    ``alone``."""

    entries: Sequence[Entry]
    kind: str = ""
    begins: bool = False
    alone: bool = False


#: comments of history entries whose layer went elsewhere
IN_A_LATER_LAYER = "lamella: its files are in the layer of a later instruction"
NOTHING_LEFT = "lamella: nothing of it is left in the end"


class Joined(NamedTuple):
    """One layer of the new stack. ``parts`` are the numbers of the old layers that it stands for, ``part`` the one that
    completes it. ``entries`` are what it holds, in the order to pack them; ``kept`` says that the old layer holds just
    that, and stays as it is."""

    parts: range
    part: int
    entries: tuple[Entry, ...]
    kept: bool


def regroup(below: Tree, parts: Sequence[Part]) -> list[Joined]:
    """The layers that do on ``below`` what ``parts`` do (both bottom first). Linear in the entries of ``below`` and of
    all parts. Raises ImageInvalid as merging does."""
    timeline = Timeline(below, [part.entries for part in parts])
    joined = []
    for group in _groups(parts, timeline):
        lower, upper = timeline.before_and_after(group)
        entries = _with_folders(changes_as_layer(lower, upper), upper)
        if entries:
            part = max((number for number in group if number in timeline.left), default=group[-1])
            kept = _same_layer(parts[part].entries, entries, upper)
            joined.append(Joined(group, part, entries, kept))
    return joined


def join_history(
    history: Sequence[HistoryEntry], positions: Sequence[int], stack: Iterable[tuple[range, int]]
) -> tuple[HistoryEntry, ...]:
    """The history of the new stack: as many entries as before. ``positions`` are those of the old layers in it, and
    ``stack`` gives ``parts`` and ``part`` of each new layer."""
    entries = list(history)
    for position in positions:
        entries[position] = entries[position]._replace(empty_layer=True, comment=NOTHING_LEFT)
    for parts, part in stack:
        for number in range(parts.start, part):
            position = positions[number]
            entries[position] = entries[position]._replace(comment=IN_A_LATER_LAYER)
        entries[positions[part]] = history[positions[part]]
    return tuple(entries)


def _groups(parts: Sequence[Part], timeline: Timeline) -> list[range]:
    """Neighbours that share a layer. Parts that leave nothing but folders go with whatever stands beside them."""
    groups: list[range] = []
    first, kind, alone, some = 0, "", False, False
    for number, part in enumerate(parts):
        left, files = number in timeline.left, number in timeline.files
        other = files and kind not in ("", part.kind)
        apart = some and ((left and alone) or (files and part.alone))
        if number > first and (part.begins or other or apart):
            groups.append(range(first, number))
            first, kind, alone, some = number, "", False, False
        some = some or left
        if files:
            kind, alone = part.kind, part.alone
    if first < len(parts):
        groups.append(range(first, len(parts)))
    return groups


def _with_folders(entries: list[Entry], tree: Tree) -> tuple[Entry, ...]:
    """With the folders above each entry, as they are: so a layer can be read alone."""
    folders: dict[str, Entry] = {}
    listed = {entry.path for entry in entries if entry.kind == DIRECTORY}
    for entry in entries:
        path = entry.parent
        while path and path not in folders and path not in listed:
            if path in tree:
                folders[path] = tree[path]
            path = path.rpartition("/")[0]
    return tuple(sorted((*entries, *folders.values()), key=layer_order))


def _same_layer(old: Iterable[Entry], new: Iterable[Entry], tree: Tree) -> bool:
    """Whether the old layer holds what the new one has to; it may list more folders, if they are so anyway."""
    left = {(entry.path, entry.kind in (WHITEOUT, OPAQUE)): entry for entry in old}
    for entry in new:
        if left.pop((entry.path, entry.kind == WHITEOUT), None) != entry:
            return False
    return all(entry.kind == DIRECTORY and tree.get(entry.path, entry) == entry for entry in left.values())
