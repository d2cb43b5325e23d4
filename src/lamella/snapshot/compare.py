"""Two files on disk: does the second differ from the first in anything that a layer records?"""

from __future__ import annotations

import os
import stat

from lamella.filetree.entry import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, SYMLINK, Entry, Xattrs

#: The extended attributes that layers record, as Docker's world does it.
RECORDED_XATTRS = frozenset({"security.capability"})

_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}
_CHUNK = 1 << 18


def kind_of(about: os.stat_result) -> str | None:
    """The letter of filetree.entry; None for a socket, which no layer can hold."""
    return _KINDS.get(stat.S_IFMT(about.st_mode))


def xattrs_at(host: str) -> Xattrs:
    try:
        names = os.listxattr(host, follow_symlinks=False)
    except OSError:  # a file system without them
        return ()
    if not names:
        return ()
    chosen = sorted(RECORDED_XATTRS.intersection(names))
    return tuple((name, os.getxattr(host, name, follow_symlinks=False)) for name in chosen)


def entry_at(path: str, host: str, kind: str, about: os.stat_result) -> Entry:
    device = about.st_rdev if kind in (CHARACTER_DEVICE, BLOCK_DEVICE) else 0
    return Entry(
        path,
        kind,
        mode=about.st_mode & 0o7777,
        uid=about.st_uid,
        gid=about.st_gid,
        size=about.st_size if kind == FILE else 0,
        mtime=about.st_mtime_ns,
        link=os.readlink(host) if kind == SYMLINK else "",
        major=os.major(device),
        minor=os.minor(device),
        xattrs=xattrs_at(host),
    )


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
    if xattrs_at(a) != xattrs_at(b):
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
