"""The file system of a build without an image around it: as a tar archive, or as files in a folder."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO, cast

from lamella.build.level import Level
from lamella.build.machine import Machine
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.filetree.tree import order
from lamella.layer.packed import PackItem
from lamella.userns.standing import ROOT, current

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def export_tar(machine: Machine, level: Level | None, sink: BinaryIO) -> None:
    """Writes the merged file system as an uncompressed tar archive, in order of path and without the root directory
    itself, as BuildKit's ``type=tar``: owners, modes and hard links are those of the image."""
    from lamella.layer.pack import pack_layer

    items = (PackItem(entry, _place(machine, level, entry)) for entry in _entries(machine, level))
    pack_layer(items, sink, compression="none", clamp_mtime=machine.epoch, cancelled=machine.cancelled.is_set)


def export_folder(machine: Machine, level: Level | None, folder: str) -> None:
    """Writes the merged file system into ``folder``, as BuildKit's ``type=local``: what else lies there stays, links
    that lie there are replaced and never followed, and everything belongs to who builds. A new folder is private, and
    gets its name when all is in it. Raises MachineError when the disk refuses it."""
    from lamella.layer.disk import write_error
    from lamella.layer.unpack import unpack_entries

    fresh = not os.path.lexists(folder)
    target = f"{folder}.{os.getpid()}.part" if fresh else folder
    try:
        if fresh:
            os.makedirs(target, 0o700)
        unpack_entries(_members(machine, level), target, folder, privileged=current().kind == ROOT)
        if fresh:
            os.rename(target, folder)
    except BaseException as error:
        if fresh:
            import shutil

            shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise write_error(error, folder) from None
        raise


def _members(machine: Machine, level: Level | None) -> Iterator[tuple[Entry, BinaryIO | None]]:
    uid, gid = os.geteuid(), os.getegid()
    for entry in _entries(machine, level):
        machine.check_cancelled()
        own = entry._replace(uid=uid, gid=gid)
        place = _place(machine, level, entry)
        if place is None:
            yield own, io.BytesIO() if entry.kind == kinds.FILE else None
            continue
        with os.fdopen(os.open(place, _OPEN), "rb", buffering=0) as content:
            yield own, cast(BinaryIO, content)


def _entries(machine: Machine, level: Level | None) -> Iterator[Entry]:
    """All but the root, parents first, each file before its other names."""
    tree = machine.tree(level)
    return (tree[path] for path in sorted(tree, key=order) if path)


def _place(machine: Machine, level: Level | None, entry: Entry) -> str | None:
    """Where a file's bytes lie on this machine, None where there are none: the layers are unpacked for the first one
    that has some."""
    return f"{machine.view(level)}/{entry.path}" if entry.kind == kinds.FILE and entry.size else None
