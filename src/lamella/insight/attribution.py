"""Which layer brought each path, and what became of the bytes that the final file system does not use.

Every byte of file content in every layer ends in one of two places: in a file that is still there, or in one loss.
A hard-linked file is one file with several names: it is lost when its last name is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, OPAQUE, WHITEOUT, Entry

DELETED = "deleted"
UNDER_OPAQUE = "opaque"
OVERWRITTEN = "overwritten"
METADATA = "metadata"


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


class Holding:
    """A path of the final file system with the layer that brought it. Read only for those outside this module.

    ``names`` counts the names of the file whose content this holding has; ``owner`` is the holding that has it when
    this one is a hard link. A slotted class, as there is one for each path of an image.
    """

    __slots__ = ("entry", "layer", "names", "owner")

    def __init__(self, entry: Entry, layer: int, owner: Holding | None = None) -> None:
        self.entry = entry
        self.layer = layer
        self.names = 1
        self.owner = owner

    @property
    def content(self) -> Holding:
        return self.owner or self


class Attribution(NamedTuple):
    """``live`` maps the paths of the final file system (listed in some layer) to what is there."""

    live: dict[str, Holding]
    losses: tuple[Loss, ...]


def attribute_layers(layers: Iterable[Sequence[Entry]]) -> Attribution:
    """Walks the layers, bottom first. Linear in the number of entries."""
    walk = _Walk()
    for number, entries in enumerate(layers):
        walk.apply(number, entries)
    return Attribution(walk.live, tuple(walk.losses))


class _Walk:
    """The file system so far. ``children`` knows folders too that no layer lists."""

    def __init__(self) -> None:
        self.live: dict[str, Holding] = {}
        self.children: dict[str, set[str]] = {}
        self.losses: list[Loss] = []

    def apply(self, number: int, entries: Sequence[Entry]) -> None:
        """What a layer brings is put down first: a path that comes back is then told as overwritten, and whiteouts
        see only what is left of the layers below, wherever in the layer they stand."""
        for entry in entries:
            if entry.kind not in (HARDLINK, WHITEOUT, OPAQUE):
                self._put(entry, number, None)
        for entry in entries:
            if entry.kind == HARDLINK:
                self._link(entry, number)
        for entry in entries:
            if entry.kind == WHITEOUT:
                self._hide(entry.path, number, DELETED, with_top=True)
            elif entry.kind == OPAQUE:
                self._hide(entry.path, number, UNDER_OPAQUE, with_top=False)

    def _link(self, entry: Entry, number: int) -> None:
        target = self.live.get(entry.link)
        if target is None or target.content.entry.kind != FILE:
            self._put(entry, number, None)
        elif target.content is not self._content_at(entry.path):
            self._put(entry, number, target.content)

    def _content_at(self, path: str) -> Holding | None:
        holding = self.live.get(path)
        return holding.content if holding else None

    def _put(self, entry: Entry, number: int, owner: Holding | None) -> None:
        old = self.live.get(entry.path)
        if owner is not None:
            owner.names += 1
        if old is not None and not (old.entry.kind == entry.kind == DIRECTORY):
            new = owner.entry if owner is not None else entry
            why, change = _replacement(old.content.entry, new)
            self._drop(old, number, why, change)
        if entry.kind != DIRECTORY and entry.path in self.children:
            self._hide(entry.path, number, OVERWRITTEN, with_top=False)
        self.live[entry.path] = Holding(entry, number, owner)
        self._register(entry.path)

    def _register(self, path: str) -> None:
        while path:
            parent, _, name = path.rpartition("/")
            names = self.children.get(parent)
            if names is None:
                self.children[parent] = {name}
            elif name in names:
                return
            else:
                names.add(name)
            path = parent

    def _hide(self, top: str, number: int, why: str, *, with_top: bool) -> None:
        """Hides what lower layers brought below ``top``, and ``top`` itself if asked."""
        paths = sorted(self._below(top))
        for path in [*paths, top] if with_top else paths:
            holding = self.live.get(path)
            if holding is not None and holding.layer < number:
                self._drop(holding, number, why, "")
                del self.live[path]
        for path in [*reversed(paths), top]:
            self._forget_folder(path)

    def _below(self, top: str) -> Iterator[str]:
        pending = [top]
        while pending:
            folder = pending.pop()
            for name in self.children.get(folder, ()):
                path = f"{folder}/{name}" if folder else name
                yield path
                pending.append(path)

    def _forget_folder(self, path: str) -> None:
        """Takes a path that is no more out of its parent's list."""
        if path in self.live or self.children.get(path):
            return
        self.children.pop(path, None)
        parent, _, name = path.rpartition("/")
        if path and parent in self.children:
            self.children[parent].discard(name)

    def _drop(self, holding: Holding, number: int, why: str, change: str) -> None:
        """One name less; the file is lost with its last."""
        content = holding.content
        content.names -= 1
        entry = content.entry
        if content.names == 0 and entry.kind == FILE and entry.size:
            self.losses.append(Loss(entry.path, entry.size, why, content.layer, number, change))


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
