"""One file of a layer or a tree, as metadata.

Source of the fields: OCI image-spec layer.md "File Attributes".
A NamedTuple, not a dataclass: a million of them are made for one large image.
"""

from __future__ import annotations

from typing import NamedTuple

#: The kinds of entry, one letter each: they stand in tables of contents by the hundred thousand.
FILE = "f"
DIRECTORY = "d"
SYMLINK = "l"
HARDLINK = "h"  # only in a layer: another name for a FILE of the same layer; ``link`` is its path
CHARACTER_DEVICE = "c"
BLOCK_DEVICE = "b"
FIFO = "p"
WHITEOUT = "w"  # only in a layer: ``path`` is the path that is removed (not ``.wh.NAME``)
OPAQUE = "o"  # only in a layer: ``path`` is the directory whose lower content is hidden

Xattrs = tuple[tuple[str, bytes], ...]


class Entry(NamedTuple):
    """``path`` is relative, without ``./`` or a trailing slash; the root directory is ``""``.

    Names that are not UTF-8 carry surrogate escapes. ``mode`` holds permission, setuid, setgid and sticky bits
    (0o7777), no type. ``size`` is in bytes, 0 for anything but a FILE. ``mtime`` is in nanoseconds since the epoch.
    ``digest`` is the sha256 of a FILE's content as 64 hex digits ("" where not known).
    """

    path: str
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: Xattrs = ()
    digest: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]
