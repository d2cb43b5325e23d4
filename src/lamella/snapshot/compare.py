"""Two files on disk: does the second differ from the first in anything that a layer records?"""

from __future__ import annotations

import os
import stat

from lamella.layer.changes import read_xattrs
from lamella.layer.standin import MARK

_CHUNK = 1 << 18


def same_file(a: str, about_a: os.stat_result, b: str, about_b: os.stat_result) -> bool:
    """Equal in type, mode, owner, device, time, capability and content; a directory's content is not its own."""
    kind = stat.S_IFMT(about_a.st_mode)
    if (
        about_a.st_mode != about_b.st_mode
        or about_a.st_uid != about_b.st_uid
        or about_a.st_gid != about_b.st_gid
        or about_a.st_mtime_ns != about_b.st_mtime_ns
    ):
        return False
    if kind == stat.S_IFREG and about_a.st_size != about_b.st_size:
        return False
    if kind in (stat.S_IFCHR, stat.S_IFBLK) and about_a.st_rdev != about_b.st_rdev:
        return False
    if kind == stat.S_IFLNK:
        return os.readlink(a) == os.readlink(b)
    if read_xattrs(a, MARK) != read_xattrs(b, MARK):
        return False
    return kind != stat.S_IFREG or _same_content(a, b)


def _same_content(a: str, b: str) -> bool:
    with open(a, "rb", buffering=0) as file_a, open(b, "rb", buffering=0) as file_b:
        while True:
            chunk = file_a.read(_CHUNK)
            if chunk != file_b.read(_CHUNK):
                return False
            if not chunk:
                return True
