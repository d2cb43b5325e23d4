"""What becomes of each path from layer to layer, when only the end counts.

A file stands in the layer that made it what it is in the end, and in no other. A folder is followed through all its
states: they cost nothing, and so a layer need not change because of what comes after it. What is deleted in the end
is there until it is deleted, if it was there before the first layer, else never.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamella.filetree.changeset import hardlink_groups
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, Entry
from lamella.filetree.tree import Tree, apply_changes, layer_changes, linked_tree, resolved


class Timeline:
    """``left`` are the numbers of the layers of which anything is left in the end, ``files`` those that leave more than
    folders. A layer that deletes what was there before leaves that it is gone."""

    def __init__(self, below: Tree, layers: Sequence[Iterable[Entry]]) -> None:
        self._below = below
        self._above = dict(below)
        #: by path the states that a layer gave it, by that layer's number; None for gone
        self._states: dict[str, dict[int, Entry | None]] = {}
        #: by path the last layer that told of it, changed or not
        self._told: dict[str, int] = {}
        for number, entries in enumerate(layers):
            self._apply(number, entries)
        self._last = {path: max(states) for path, states in self._states.items()}
        self._groups_below, self._groups_above = hardlink_groups(below), hardlink_groups(self._above)
        self._join_links()
        self.left: set[int] = set()
        self.files: set[int] = set()
        self._by_layer: dict[int, list[str]] = {}
        for path in self._last:
            self._sort_in(path)

    def before_and_after(self, layers: range) -> tuple[dict[str, Entry], dict[str, Entry]]:
        """The tree below ``layers`` and that with them, restricted to what they change and what lies around it."""
        paths = self._around(path for number in layers for path in self._by_layer.get(number, ()))
        return self._tree_after(layers.start - 1, paths), self._tree_after(layers.stop - 1, paths)

    def _apply(self, number: int, entries: Iterable[Entry]) -> None:
        tree = self._above
        changes = layer_changes(tree, entries)
        before = {path: resolved(tree, tree[path]) for path in changes if path in tree}
        apply_changes(tree, changes)
        for path, entry in changes.items():
            state = resolved(tree, entry) if entry is not None else None
            self._told[path] = number
            if state != before.get(path) or (state is not None and state.kind == FILE and not state.digest):
                self._states.setdefault(path, {})[number] = state

    def _join_links(self) -> None:
        """Names of one file are written together: links do not reach over layers."""
        for group in set(self._groups_below.values()):
            same = {name for name in group if name in self._above and name not in self._last}
            for now in {self._groups_above.get(name, frozenset((name,))) for name in same}:
                if now != same:  # the same content, no longer by the same links
                    self._last.update((name, self._told[name]) for name in now & same if name in self._told)
        for group in set(self._groups_above.values()):
            numbers = [self._last[path] for path in group if path in self._last]
            if numbers:
                self._last.update(dict.fromkeys(group, max(numbers)))

    def _sort_in(self, path: str) -> None:
        final = self._above.get(path)
        if _is_folder(final):
            numbers = [number for number, state in self._states[path].items() if _is_folder(state)]
            self.left.update(numbers)
            if path in self._below and not _is_folder(self._below[path]):
                self.files.update(numbers)
        elif final is not None or path in self._below:
            numbers = [self._last[path]]
            self.left.update(numbers)
            self.files.update(numbers)
        else:
            numbers = []
        for number in numbers:
            self._by_layer.setdefault(number, []).append(path)

    def _around(self, paths: Iterable[str]) -> list[str]:
        """The paths, other names of their files, and the folders above."""
        found: dict[str, None] = {}
        groups: set[frozenset[str]] = set()
        for path in paths:
            names = [path]
            for group in (self._groups_below.get(path), self._groups_above.get(path)):
                if group is not None and group not in groups:
                    groups.add(group)
                    names += group
            for name in names:
                one = name
                while one not in found:
                    found[one] = None
                    one = one.rpartition("/")[0]
        return list(found)

    def _tree_after(self, number: int, paths: Iterable[str]) -> dict[str, Entry]:
        files: list[tuple[Entry, object]] = []
        for path in paths:
            final, below = self._above.get(path), self._below.get(path)
            if _is_folder(final):
                entry, done = self._folder_after(number, path), False
            else:
                done = self._last.get(path, number + 1) <= number
                entry = final if done else below
            if entry is not None:
                file = entry.link if entry.kind == HARDLINK else path
                files.append((resolved(self._above if done else self._below, entry), (done, file)))
        return linked_tree(files)

    def _folder_after(self, number: int, path: str) -> Entry | None:
        """The last state as a folder by then, else what was there before."""
        states = self._states.get(path, {})
        folders = [at for at, state in states.items() if at <= number and _is_folder(state)]
        return states[max(folders)] if folders else self._below.get(path)


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == DIRECTORY
