"""What each layer of a stack adds, writes again, and loses to a later one; and the largest files of the result."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

from lamella.filetree.entry import DIRECTORY, FILE, OPAQUE, WHITEOUT, Entry

#: files that are named
LARGEST = 5


class LayerGrowth(NamedTuple):
    """Bytes of file contents. ``added``: what the layer holds. ``overwritten``: what of lower layers it holds again,
    changed or copied up for new metadata. ``deleted_later``: what of its own bytes a later layer removes."""

    added: int
    overwritten: int
    deleted_later: int


class LargeFile(NamedTuple):
    """A file of the final file system; ``path`` is absolute, ``layer`` the position in :class:`Growth` of the one that
    brought it."""

    path: str
    bytes: int
    layer: int


class Growth(NamedTuple):
    """``layers`` has the base first, all of it as one; what it overwrites of itself does not count."""

    layers: tuple[LayerGrowth, ...]
    largest: tuple[LargeFile, ...]


def measure_growth(layers: Sequence[Sequence[Entry]], base: int = 0) -> Growth:
    """``layers`` are tables of contents, bottom first; the lowest ``base`` of them count as one, which is there even
    where it has none. Linear. Raises ImageInvalid as merging does."""
    overwritten = [0] * len(layers)
    deleted = [0] * len(layers)
    if _only_add(layers):
        files = [(entry.size, entry.path, n) for n, layer in enumerate(layers) for entry in layer if entry.kind == FILE]
    else:
        from lamella.insight.attribution import DELETED, UNDER_OPAQUE, attribute_layers

        attribution = attribute_layers(layers)
        files = [(entry.size, path, attribution.layers[path]) for path, entry in attribution.files]
        for loss in attribution.losses:
            if loss.hidden_by < base:
                continue
            if loss.why in (DELETED, UNDER_OPAQUE):
                deleted[loss.brought_by] += loss.bytes
            else:
                overwritten[loss.hidden_by] += loss.bytes
    added = [sum(entry.size for entry in layer if entry.kind == FILE) for layer in layers]
    each = [LayerGrowth(*sums) for sums in zip(added, overwritten, deleted, strict=True)]
    below = LayerGrowth(sum(added[:base]), 0, sum(deleted[:base]))
    largest = nlargest(LARGEST, files, key=lambda file: (file[0], -file[2]))
    return Growth(
        (below, *each[base:]),
        tuple(LargeFile("/" + path, size, max(0, layer - base + 1)) for size, path, layer in largest if size),
    )


def _only_add(layers: Sequence[Sequence[Entry]]) -> bool:
    """Whether no layer hides anything of a lower one, and none holds a path twice: then nothing is lost, and the long
    way round can be spared. False where that takes more than looking at the paths."""
    folders: set[str] = {""}
    others: set[str] = set()
    for layer in layers:
        for path, kind, *_ in layer:
            if kind == DIRECTORY:
                if path in others:
                    return False
                folders.add(path)
            elif kind in (WHITEOUT, OPAQUE) or path in others or path in folders:
                return False
            else:
                others.add(path)
        for parent in {entry.path.rpartition("/")[0] for entry in layer}:
            above = parent
            while above and above not in folders:
                if above in others:  # a link leads elsewhere, a file is replaced
                    return False
                folders.add(above)
                above = above.rpartition("/")[0]
    return True
