"""ADD of a local tar archive: its members become the layer's entries, nothing is unpacked on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamella.build.copyplan import Placement
from lamella.build.machine import Machine
from lamella.build.sources import CopySource, follow
from lamella.errors import LamellaError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.layer.packed import PackItem

#: members up to this size are kept in memory on their way into the layer, larger ones wait in a temporary file
_IN_MEMORY = 64 << 10


def is_archive(source: CopySource, entry: Entry) -> bool:
    """Whether Docker would unpack the file: a tar, plain or compressed by gzip, bzip2, xz or zstd."""
    if entry.kind != kinds.FILE or entry.size < 2:
        return False
    from lamella.layer.compression import open_decompressed
    from lamella.layer.read import read_entries

    path = source.place(entry.path)
    try:
        with open(path, "rb") as stream, open_decompressed(stream, where=entry.path) as tar:
            return next(iter(read_entries(tar, entry.path)), None) is not None
    except (LamellaError, EOFError):
        return False


def archive_items(machine: Machine, placement: Placement, path: str, destination: str, where: str) -> list[PackItem]:
    """The archive's members below ``destination``. Raises ImageInvalid for a hostile or broken archive."""
    top = follow(placement.lookup, destination)
    placement.make_folders(top)
    prefix = top + "/" if top else ""
    items: dict[str, PackItem] = {}
    for entry, data, spooled in _members(machine, path):
        if not entry.path:
            continue
        link = prefix + entry.link if entry.kind == kinds.HARDLINK else entry.link
        placed = placement.own(entry._replace(path=prefix + entry.path, link=link))
        parent = placed.path.rpartition("/")[0]
        if parent not in items:
            placement.make_folders(parent)
        items.pop(placed.path, None)
        items[placed.path] = PackItem(placed, spooled, data)
    return list(items.values())


def _members(machine: Machine, path: str) -> Iterator[tuple[Entry, bytes | None, str | None]]:
    from lamella.layer.compression import open_decompressed
    from lamella.layer.read import read_entries

    name = os.path.basename(path)
    with open(path, "rb") as stream, open_decompressed(stream, where=name) as tar:
        for entry, content in read_entries(tar, name):
            if content is None:
                yield entry, None, None
            elif entry.size <= _IN_MEMORY:
                yield entry, content.read(), None
            else:
                yield entry, None, machine.spool(content)
