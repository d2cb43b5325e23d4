"""What a user namespace cannot make, and what stands for it on the disk.

Its root may make no device nodes, and give files only to the ids that it has. So a device is an empty file, and, where
there is one id only, every file belongs to that; what it should be stands beside it in an extended attribute, which
overlayfs copies when it copies the file up. Layers are packed and unpacked with the true values. What has no place for
such an attribute (the owner of a symbolic link or of a named pipe, where there is but one id) is forgotten.
"""

from __future__ import annotations

import os

from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry

PREFIX = "user.lamella."
MARK = "user.lamella.stat"
_DEVICES = (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE)
_MOST = 1 << 32


def is_device(entry: Entry) -> bool:
    return entry.kind in _DEVICES


def mark_of(entry: Entry) -> bytes:
    return f"{entry.kind} {entry.uid} {entry.gid} {entry.major} {entry.minor}".encode("ascii")


def read_mark(host: str) -> bytes | None:
    """The mark on the file ``host``; no link is followed."""
    try:
        return os.getxattr(host, MARK, follow_symlinks=False)
    except OSError:
        return None


def as_marked(entry: Entry, mark: bytes | None, *, owners: bool) -> Entry:
    """``entry``, which describes what lies on the disk, as the ``mark`` has it. ``owners``: those of the disk mean
    nothing. A mark that nobody of us wrote is none."""
    fields = mark.decode("ascii", "replace").split() if mark is not None else []
    if len(fields) != 5 or not all(text.isascii() and text.isdigit() for text in fields[1:]):
        return entry
    uid, gid, major, minor = (min(int(text), _MOST) for text in fields[1:])
    if owners:
        entry = entry._replace(uid=uid, gid=gid)
    if fields[0] in _DEVICES and entry.kind == kinds.FILE and not entry.size:
        return entry._replace(kind=fields[0], major=major, minor=minor)
    return entry
