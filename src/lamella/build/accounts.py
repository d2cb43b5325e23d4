"""Users of an image, by its own passwd and group files."""

from __future__ import annotations

from lamella.build.level import Level, stack
from lamella.build.machine import Machine
from lamella.build.sources import follow
from lamella.filetree import entry as kinds

_LIMIT = 4 << 20  # a passwd file larger than this is no passwd file


def read_image_file(machine: Machine, level: Level | None, path: str) -> bytes | None:
    """A small file of the level, from its layer; None where there is none or it is not a regular file."""
    tree = machine.tree(level)
    resolved = follow(tree.get, path)
    entry = tree.get(resolved)
    if entry is None or entry.kind != kinds.FILE or entry.size > _LIMIT:
        return None
    for one in reversed(stack(level)):
        if any(found.path == resolved and found.kind == kinds.FILE for found in machine.contents(one.layer)):
            return _read_from_layer(machine, one, resolved)
    return None


def _read_from_layer(machine: Machine, level: Level, path: str) -> bytes | None:
    from lamella.layer.compression import open_decompressed
    from lamella.layer.read import read_entries

    layer = level.layer
    where = str(layer.blob.digest)
    with machine.store.blobs.open_blob(layer.blob) as stream, open_decompressed(stream, where=where) as tar:
        for entry, content in read_entries(tar, where):
            if entry.path == path and content is not None:
                return content.read()
    return None
