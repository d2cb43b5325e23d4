"""ADD of a local tar archive: its members become the layer's entries, nothing is unpacked on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamella.build.machine import Machine
from lamella.build.placement import Ownership, Placement
from lamella.build.sources import CopySource, follow
from lamella.errors import ImageInvalid, LamellaError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry

#: members up to this size are kept in memory on their way into the layer, larger ones wait in a temporary file
_IN_MEMORY = 64 << 10
#: and no more than this of one archive
_ALL_IN_MEMORY = 256 << 20
_Member = tuple[Entry, "bytes | None", "str | None"]


def is_archive(source: CopySource, entry: Entry) -> bool:
    """Whether Docker would unpack the file: a tar, plain or compressed by gzip, bzip2, xz or zstd. What is in it, and
    whether it is whole, is another question."""
    if entry.kind != kinds.FILE or entry.size < 2:
        return False
    from lamella.layer.compression import open_decompressed
    from lamella.layer.members import read_members

    path = source.place(entry.path)
    try:
        with open(path, "rb") as stream, open_decompressed(stream, where=entry.path) as tar:
            return next(read_members(tar, entry.path), None) is not None
    except (LamellaError, EOFError):
        return False


def add_archive(machine: Machine, placement: Placement, path: str, destination: str) -> None:
    """Places the archive's members below ``destination``, links in their paths resolved inside of it. Raises
    ImageInvalid for a hostile or broken archive, ContextError for a place that is taken."""
    top = follow(placement.lookup, destination)
    placement.make_folders(top, placement.ownership._replace(mode=None))
    prefix = top + "/" if top else ""

    def lookup(inside: str) -> Entry | None:
        return placement.lookup(prefix + inside if inside else top)

    for entry, data, spooled in _hinted(_members(machine, path), os.path.basename(path)):
        if not entry.path:
            continue
        folder, _, name = entry.path.rpartition("/")
        parent = follow(lookup, folder)
        if parent != folder and lookup(parent) is None:
            raise placement.clash(prefix + folder, "leads nowhere")
        placement.make_folders(prefix + parent if parent else top, Ownership(0, 0))
        target = f"{parent}/{name}" if parent else name
        link = prefix + follow(lookup, entry.link, last=False) if entry.kind == kinds.HARDLINK else entry.link
        placement.add_member(entry._replace(path=prefix + target, link=link), data, spooled)


def _hinted(members: Iterator[_Member], name: str) -> Iterator[_Member]:
    """What is wrong with a layer is said of layers; here it is an archive of the user's."""
    try:
        yield from members
    except LamellaError as error:
        error.hint = error.hint or f"the archive is broken or hostile: look into it by 'tar -tvf {name}'"
        raise


def _members(machine: Machine, path: str) -> Iterator[_Member]:
    from lamella.layer.compression import open_decompressed
    from lamella.layer.read import read_entries

    name = os.path.basename(path)
    room = _ALL_IN_MEMORY
    with open(path, "rb") as stream, open_decompressed(stream, where=name) as tar:
        for entry, content in read_entries(tar, name):
            if entry.kind in (kinds.WHITEOUT, kinds.OPAQUE):
                raise ImageInvalid(
                    f"the archive holds a whiteout, of {entry.path!r}: that is for layers only",
                    where=name,
                    hint="leave the names that begin with .wh. out of the archive",
                )
            if content is None:
                yield entry, None, None
            elif entry.size <= min(_IN_MEMORY, room):
                room -= entry.size
                yield entry, content.read(), None
            else:
                yield entry, None, machine.spool(content)
