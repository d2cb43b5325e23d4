"""Which layer brought each path, and what became of the bytes that the final file system does not use.

Every byte of file content in every layer ends in one of two places: in a file that is still there, or in one loss.
A hard-linked file is one file with several names: it is lost when its last name is.

What layers do to a tree is told in :mod:`lamella.filetree.trie`; this module watches it being done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from lamella.filetree.tree import named_layer
from lamella.filetree.trie import Folder, Trie

DELETED = "deleted"
UNDER_OPAQUE = "opaque"
OVERWRITTEN = "overwritten"
METADATA = "metadata"
_MAX_LINKS = 40


class Loss(NamedTuple):
    """``bytes`` of the file that layer ``brought_by`` holds at ``path`` and layer ``hidden_by`` hides.

    ``why`` is ``deleted``, ``opaque``, ``overwritten`` or ``metadata``; for the last, ``change`` names what the copy
    changed: ``mode``, ``owner``, ``xattrs``, ``mtime``, joined by commas ("" when it changed nothing at all).
    """

    path: str
    bytes: int
    why: str
    brought_by: int
    hidden_by: int
    change: str = ""


class Attribution(NamedTuple):
    """``layers`` maps each path of the final file system to the layer that brought what is there now (for a
    directory the one that last set its metadata; folders that no layer lists are left out). ``files`` are the files
    of the final file system, each once, under the first of its names."""

    layers: dict[str, int]
    files: tuple[tuple[str, Entry], ...]
    losses: tuple[Loss, ...]


def attribute_layers(layers: Iterable[Sequence[Entry]], names: Iterable[str] = ()) -> Attribution:
    """Walks the layers, bottom first. Linear in the number of entries. Raises ImageInvalid as merging does."""
    walk = _Walk()
    for number, (entries, name) in enumerate(zip_longest(layers, names)):
        with named_layer(name):
            walk.apply(number, entries)
    return walk.finish()


class _Origin:
    """Where an entry came from, and for a file how many names it has by now."""

    __slots__ = ("entry", "layer", "names")

    def __init__(self, entry: Entry, layer: int) -> None:
        self.entry = entry  # kept, so that its identity stays its own
        self.layer = layer
        self.names = 0


Node = Folder | Entry
"""What stands at a path: a directory with its names, or the entry of anything else."""


class _Walk:
    """``origins`` is by the identity of entries: names of one file hold the very same entry in the trie."""

    def __init__(self) -> None:
        self.trie = Trie()
        self.origins: dict[int, _Origin] = {}
        self.losses: list[Loss] = []
        self._folder: tuple[str, Folder] | None = None  # the last parent: files come directory by directory

    def apply(self, number: int, entries: Sequence[Entry]) -> None:
        """As layers are merged."""
        self._folder = None
        self.trie.begin_layer(tracked=any(entry.kind in (WHITEOUT, OPAQUE, HARDLINK) for entry in entries))
        gone: list[tuple[_Origin, str]] = []
        for entry in entries:
            if entry.kind == WHITEOUT:
                gone += [(origin, DELETED) for origin in self._lost(self.trie.remove(entry.path))]
            elif entry.kind == OPAQUE:
                gone += [(origin, UNDER_OPAQUE) for origin in self._lost(self.trie.empty(entry.path))]
            else:
                gone += [(origin, OVERWRITTEN) for origin in self._put(number, entry)]
        brought = {entry.path: entry for entry in entries if entry.kind in (FILE, HARDLINK)} if gone else {}
        self.losses += [self._loss(origin, why, number, brought) for origin, why in gone]

    def _lost(self, names: list[Entry]) -> list[_Origin]:
        """The files that lost their last name, of those that lost one."""
        self._folder = None
        return [origin for entry in names for origin in self._drop(entry)]

    def finish(self) -> Attribution:
        layers: dict[str, int] = {}
        files: list[tuple[str, Entry]] = []
        seen: set[int] = set()
        for path, node in _walk_nodes(self.trie.root):
            origin = self.origins.get(id(_entry_of(node)))
            if origin is None:
                continue
            layers[path] = origin.layer
            if origin.entry.kind == FILE and id(origin) not in seen:
                seen.add(id(origin))
                files.append((path, origin.entry))
        return Attribution(layers, tuple(files), tuple(self.losses))

    def _put(self, number: int, entry: Entry) -> Iterable[_Origin]:
        """Adds an entry; returns the files that lost their last name by it."""
        old = self._find(entry.path)
        if entry.kind != FILE or (old is not None and not (isinstance(old, Entry) and old.kind == FILE)):
            self._folder = None
        if old is None and self._folder is None:
            old = self._blocking(entry.path)
        if entry.kind == HARDLINK:
            return self._link(entry, old)
        origin = self.origins[id(entry)] = _Origin(entry, number)
        origin.names = 1
        replaced = old is not None and not (isinstance(old, Folder) and entry.kind == DIRECTORY)
        gone = list(self._drop(old)) if replaced else ()
        self.trie.put(entry)
        return gone

    def _link(self, entry: Entry, old: Node | None) -> list[_Origin]:
        self.trie.put(entry)
        new = self._find(entry.path)
        self._folder = None
        if new is None or new is old:
            return []
        self.origins[id(_entry_of(new))].names += 1
        return list(self._drop(old))

    def _find(self, path: str) -> Node | None:
        """The node at ``path``, links followed in its parents only."""
        if not path:
            return self.trie.root
        parent, _, name = path.rpartition("/")
        if self._folder is not None and self._folder[0] == parent:
            folder: Folder | None = self._folder[1]
        else:
            folder = self.trie.find(parent)
            self._folder = (parent, folder) if folder is not None else None
        return folder.names.get(name) if folder is not None else None

    def _blocking(self, path: str, links: int = 0) -> Node | None:
        """What is no directory and stands where a parent of ``path`` has to be."""
        names = path.split("/")
        for length in range(1, len(names)):
            prefix = "/".join(names[:length])
            if self.trie.find(prefix) is not None:
                continue
            node = self._find(prefix)
            if not isinstance(node, Entry) or node.kind != SYMLINK or links == _MAX_LINKS:
                return node
            target = node.link
            start = [] if target.startswith("/") else names[: length - 1]
            return self._blocking("/".join([*start, target.strip("/"), *names[length:]]), links + 1)
        return None

    def _drop(self, node: Node | None) -> Iterator[_Origin]:
        """The files that lose their last name when ``node`` goes."""
        if node is None:
            return
        if isinstance(node, Folder):
            yield from self._drop_below(node)
        origin = self.origins.get(id(_entry_of(node)))
        if origin is not None and origin.entry.kind == FILE:
            origin.names -= 1
            if origin.names == 0:
                yield origin

    def _drop_below(self, folder: Folder | None) -> Iterator[_Origin]:
        pending = [folder] if folder is not None else []
        while pending:
            for node in pending.pop().names.values():
                if isinstance(node, Folder):
                    pending.append(node)
                else:
                    yield from self._drop(node)

    def _loss(self, origin: _Origin, why: str, number: int, brought: dict[str, Entry]) -> Loss:
        """A path that the layer brings again is told as overwritten, however its old content was hidden."""
        entry, change = origin.entry, ""
        again = brought.get(entry.path)
        if again is not None and again.kind == HARDLINK:
            again = brought.get(again.link)
        if again is not None and again is not entry:
            why, change = _replacement(entry, again)
        del self.origins[id(entry)]
        return Loss(entry.path, entry.size, why, origin.layer, number, change)


def _entry_of(node: Node) -> Entry | None:
    return node.entry if isinstance(node, Folder) else node


def _walk_nodes(root: Folder) -> Iterator[tuple[str, Node]]:
    """Paths and nodes in the order of names, parents first."""
    pending: list[tuple[str, Node]] = [("", root)]
    while pending:
        path, node = pending.pop()
        yield path, node
        if isinstance(node, Folder):
            prefix = path + "/" if path else ""
            pending.extend((prefix + name, node.names[name]) for name in sorted(node.names, reverse=True))


def _replacement(old: Entry, new: Entry) -> tuple[str, str]:
    """Why a path that is written again loses its old bytes: for new ones, or for the same under other metadata."""
    if old.kind != FILE or new.kind != FILE or not old.digest or (old.digest, old.size) != (new.digest, new.size):
        return OVERWRITTEN, ""
    changes = {
        "mode": old.mode != new.mode,
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "xattrs": old.xattrs != new.xattrs,
        "mtime": old.mtime != new.mtime,
    }
    return METADATA, ",".join(name for name, changed in changes.items() if changed)
