"""Trees: what a stack of layers comes to, path by path.

A *tree* maps paths to entries: every parent is there as a DIRECTORY, nothing is a whiteout. Of a group of hard links
the first path (by :func:`order`) is the FILE (or what else is no directory), the others are HARDLINKs to it;
:func:`resolved` gives such a one its content.

Layers are applied as a container would see them: whiteouts and opaque directories hide lower content only, wherever
they stand in the layer; a directory over a directory changes attributes, any other clash replaces; parents that are
symbolic links are followed inside the root. All work is linear in the entries and in what they remove.

Source: OCI image-spec layer.md, "Applying Changesets".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest

from lamella.errors import ImageInvalid
from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, WHITEOUT, Entry
from lamella.filetree.trie import Folder, Trie

Tree = Mapping[str, Entry]


def order(path: str) -> str:
    """Sort key that puts parents first and keeps each directory's content together, sorted by name."""
    return path.replace("/", "\0")


def resolved(tree: Tree, entry: Entry) -> Entry:
    """``entry`` itself, or for a HARDLINK what it is a name of, under its own path."""
    if entry.kind != HARDLINK:
        return entry
    return tree[entry.link]._replace(path=entry.path)


def merge_layers(layers: Iterable[Iterable[Entry]], names: Iterable[str] = ()) -> dict[str, Entry]:
    """The tree of a stack of layers, bottom first; paths in :func:`order`. Raises ImageInvalid naming the path when
    hard links or chains of symbolic links lead nowhere; before it stands that of the layer's ``names``, where given."""
    trie = Trie()
    for entries, name in zip_longest(layers, names):
        with named_layer(name):
            _apply(trie, entries)
    return _collect(trie)


@contextmanager
def named_layer(name: str | None) -> Iterator[None]:
    """Puts the layer before the path in errors."""
    try:
        yield
    except ImageInvalid as error:
        if name is not None:
            error.where = f"{name}: {error.where}"
        raise


def apply_layer(tree: dict[str, Entry], entries: Iterable[Entry]) -> dict[str, Entry]:
    """Puts one more layer on ``tree``, in place, and returns it; its paths are in no particular order then. Raises
    ImageInvalid like :func:`merge_layers`; ``tree`` is unchanged then."""
    layer = list(entries)
    changes = _plain_changes(tree, layer)
    if changes is None:
        merged = merge_layers([_as_layer(tree), layer])
        tree.clear()
        tree.update(merged)
        return tree
    return apply_changes(tree, changes)


def _as_layer(tree: Tree) -> list[Entry]:
    """The entries of a tree in any order, hard links behind what they lead to."""
    return sorted(tree.values(), key=lambda entry: entry.kind == HARDLINK)


def layer_changes(tree: Tree, entries: Iterable[Entry]) -> dict[str, Entry | None]:
    """What one more layer on ``tree`` changes, path by path; None for a path that it removes. A path that the layer
    lists as it is already may be among them. Raises ImageInvalid like :func:`merge_layers`."""
    layer = list(entries)
    changes = _plain_changes(tree, layer)
    if changes is not None:
        return changes
    merged = merge_layers([_as_layer(tree), layer])
    different: dict[str, Entry | None] = {path: None for path in tree if path not in merged}
    different.update((path, entry) for path, entry in merged.items() if tree.get(path) != entry)
    return different


def apply_changes(tree: dict[str, Entry], changes: Mapping[str, Entry | None]) -> dict[str, Entry]:
    """Does to ``tree``, in place, what :func:`layer_changes` tells."""
    for path, entry in changes.items():
        if entry is None:
            tree.pop(path, None)
        else:
            tree[path] = entry
    return tree


def linked_tree(files: Iterable[tuple[Entry, object]]) -> dict[str, Entry]:
    """A tree of entries that have their content, hard link or not, each with what it shares its file by: those of an
    equal key are names of one file, be it a symbolic link or a device."""
    tree: dict[str, Entry] = {}
    first: dict[object, str] = {}
    for entry, key in sorted(files, key=lambda pair: order(pair[0].path)):
        name = first.setdefault(key, entry.path) if entry.kind != DIRECTORY else entry.path
        tree[entry.path] = entry if name == entry.path else _as_link(entry, entry.path, name)
    return tree


def _plain_changes(tree: Tree, layer: list[Entry]) -> dict[str, Entry | None] | None:
    """What a layer changes, path by path, when it is of the common kind: it replaces nothing by something else, goes
    through no link and puts nothing where it removes a directory. None where it is not: that takes the whole tree. A
    small layer on a large tree is quick by that."""
    changes: dict[str, Entry | None] = {}
    linked: set[str] | None = None
    removed: dict[str, bool] = {}
    for new in layer:
        entry, path, kind = new, new.path, new.kind
        old = tree.get(path)
        if kind == OPAQUE or path in changes:
            return None
        if old is not None and DIRECTORY not in (old.kind, kind):
            # Its other names, if it has any, live on: one of them becomes the FILE.
            linked = _link_targets(tree) if linked is None else linked
            if path in linked:
                return None
        elif old is not None and kind != old.kind:
            if kind != WHITEOUT:
                return None
            removed[path] = True
        if kind == HARDLINK:
            target = changes.get(entry.link)
            if target is None or target.kind != FILE or order(entry.link) >= order(path):
                return None
            entry = _as_link(target, path, entry.link)
        parent = path.rpartition("/")[0]
        holder = changes.get(parent) or tree.get(parent)
        if (holder is None and parent) or (holder is not None and holder.kind != DIRECTORY):
            return None
        changes[path] = None if kind == WHITEOUT else entry
    if removed:
        gone = [path for path in tree if _is_below(path, removed)]
        linked = _link_targets(tree) if linked is None else linked
        if any(_is_below(path, removed) for path in changes) or not linked.isdisjoint(gone):
            return None
        changes.update(dict.fromkeys(gone))
    return changes


def _is_below(path: str, removed: dict[str, bool]) -> bool:
    """Whether a folder above ``path`` is True in ``removed``, which remembers the folders that were asked for."""
    asked = []
    folder = path.rpartition("/")[0]
    while folder and folder not in removed:
        asked.append(folder)
        folder = folder.rpartition("/")[0]
    answer = removed.get(folder, False)
    removed.update(dict.fromkeys(asked, answer))
    return answer


def _link_targets(tree: Tree) -> set[str]:
    return {entry.link for entry in tree.values() if entry.kind == HARDLINK}


def _as_link(file: Entry, path: str, first: str) -> Entry:
    """One more name of a file, with its attributes."""
    return file._replace(path=path, kind=HARDLINK, link=first, size=0, major=0, minor=0, digest="")


def _apply(trie: Trie, entries: Iterable[Entry]) -> None:
    layer = list(entries)
    trie.begin_layer(tracked=any(entry.kind in (WHITEOUT, OPAQUE, HARDLINK) for entry in layer))
    for entry in layer:
        if entry.kind == WHITEOUT:
            trie.remove(entry.path)
        elif entry.kind == OPAQUE:
            trie.empty(entry.path)
        else:
            trie.put(entry)


def _collect(trie: Trie) -> dict[str, Entry]:
    """The tree of ``trie``, which is used up."""
    tree: dict[str, Entry] = {}
    first: dict[int, str] = {}
    stack: list[tuple[str, Folder | Entry]] = [("", trie.root)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, Folder):
            if node.entry is not None:
                tree[path] = node.entry if node.entry.path == path else node.entry._replace(path=path)
            prefix = path + "/" if path else ""
            names = node.names
            stack.extend((prefix + name, names[name]) for name in sorted(names, reverse=True))
            node.names = {}
            continue
        if id(node) in trie.linked and (name := first.setdefault(id(node), path)) != path:
            tree[path] = _as_link(node, path, name)
        else:
            tree[path] = node if node.path == path else node._replace(path=path)
    return tree
