"""Trees: what a stack of layers comes to, path by path.

A *tree* maps paths to entries: every parent is there as a DIRECTORY, nothing is a whiteout. Of a group of hard links
the first path (by :func:`order`) is the FILE, the others are HARDLINKs to it; :func:`resolved` gives such a one its
content.

Layers are applied as a container would see them: whiteouts and opaque directories hide lower content only, wherever
they stand in the layer; a directory over a directory changes attributes, any other clash replaces; parents that are
symbolic links are followed inside the root. All work is linear in the entries and in what they remove.

Source: OCI image-spec layer.md, "Applying Changesets".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lamella.filetree.entry import DIRECTORY, HARDLINK, OPAQUE, WHITEOUT, Entry
from lamella.filetree.trie import Node, Trie

Tree = Mapping[str, Entry]


def order(path: str) -> str:
    """Sort key that puts parents first and keeps each directory's content together, sorted by name."""
    return path.replace("/", "\0")


def resolved(tree: Tree, entry: Entry) -> Entry:
    """``entry`` itself, or for a HARDLINK what it is a name of, under its own path."""
    if entry.kind != HARDLINK:
        return entry
    return tree[entry.link]._replace(path=entry.path)


def merge_layers(layers: Iterable[Iterable[Entry]]) -> dict[str, Entry]:
    """The tree of a stack of layers, bottom first; paths in :func:`order`. Raises ImageInvalid naming the path when
    hard links or chains of symbolic links lead nowhere."""
    trie = Trie()
    for entries in layers:
        _apply(trie, entries)
    return _collect(trie)


def apply_layer(tree: Tree, entries: Iterable[Entry]) -> dict[str, Entry]:
    """The tree with one more layer on it, as a new dictionary. Raises ImageInvalid like :func:`merge_layers`."""
    return merge_layers([tree.values(), entries])


def _apply(trie: Trie, entries: Iterable[Entry]) -> None:
    later: list[Entry] = []
    for entry in entries:
        if entry.kind == WHITEOUT:
            trie.remove(entry.path)
        elif entry.kind == OPAQUE:
            trie.empty(entry.path)
        else:
            later.append(entry)
    for entry in later:
        trie.put(entry)


def _collect(trie: Trie) -> dict[str, Entry]:
    tree: dict[str, Entry] = {}
    first: dict[int, str] = {}
    stack: list[tuple[str, Node]] = [("", trie.root)]
    while stack:
        path, node = stack.pop()
        entry = node.entry
        if entry is not None:
            if entry.kind != DIRECTORY:
                # Names of one file share one entry object.
                name = first.setdefault(id(entry), path)
                if name != path:
                    entry = entry._replace(kind=HARDLINK, link=name, size=0, major=0, minor=0, digest="")
            tree[path] = entry if entry.path == path else entry._replace(path=path)
        if node.children:
            prefix = path + "/" if path else ""
            stack.extend((prefix + name, node.children[name]) for name in sorted(node.children, reverse=True))
    return tree
