"""Copies of a source's files on this machine's disk, as a mount shows them."""

from __future__ import annotations

import os

from lamella.build.mounts.surroundings import Files
from lamella.build.sources import ArchiveContext, ContextSource, CopySource
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry
from lamella.snapshot.treecopy import TreeCopy, copy_content
from lamella.userns.ids import give


def copy_files(files: Files, target: str) -> None:
    """Makes ``target`` a copy of what ``files`` names (for a stage or an image: of a folder), with its modes and times,
    and with its owners but for a folder as context, where all belongs to root. Raises OSError."""
    source, found = files
    if not isinstance(source, ContextSource | ArchiveContext):
        os.mkdir(target, 0o700)
        TreeCopy(os.geteuid() == 0).copy(source.place(found.path), target)
        return
    cut = len(found.path)
    folders = []
    for entry in (found.entry, *found.below):
        place = target + entry.path[cut:] if cut else f"{target}/{entry.path}".rstrip("/")
        if _make(source, entry, place):
            _set_attributes(place, entry)
        if entry.kind == kinds.DIRECTORY:
            folders.append((place, entry))
    for place, entry in reversed(folders):  # what is made in a folder changes its time
        _set_attributes(place, entry)


def _make(source: CopySource, entry: Entry, place: str) -> bool:
    """False for a device, which a context does not bring along."""
    if entry.kind == kinds.DIRECTORY:
        os.mkdir(place, 0o700)
    elif entry.kind == kinds.SYMLINK:
        os.symlink(entry.link, place)
    elif entry.kind == kinds.FIFO:
        os.mkfifo(place, 0o600)
    elif entry.kind == kinds.FILE:
        copy_content(source.place(entry.path), place, entry.size)
    else:
        return False
    return True


def _set_attributes(place: str, entry: Entry) -> None:
    if (entry.uid or entry.gid) and os.geteuid() == 0:
        give(place, entry.uid, entry.gid)
    if entry.kind != kinds.SYMLINK:
        os.chmod(place, entry.mode)
    os.utime(place, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
