"""Files on disk as entries: what a tree, or the upper directory of an overlay, holds."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Iterator

from lamella.errors import InputError
from lamella.filetree import entry as kinds
from lamella.filetree.entry import Entry, Xattrs
from lamella.layer.packed import PackItem
from lamella.layer.standin import PREFIX

_KINDS = {
    modes.S_IFREG: kinds.FILE,
    modes.S_IFDIR: kinds.DIRECTORY,
    modes.S_IFLNK: kinds.SYMLINK,
    modes.S_IFCHR: kinds.CHARACTER_DEVICE,
    modes.S_IFBLK: kinds.BLOCK_DEVICE,
    modes.S_IFIFO: kinds.FIFO,
}

_OWN_XATTRS = ("user.overlay.", PREFIX)


def entry_of(stat: os.stat_result, path: str, host_path: str) -> Entry | None:
    """The entry at ``path`` for what ``host_path`` is, by its ``lstat``. None for a socket, which no layer holds."""
    mode = stat.st_mode
    kind = _KINDS.get(modes.S_IFMT(mode))
    if kind is None:
        return None
    device = stat.st_rdev if kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE) else 0
    return Entry(
        path,
        kind,
        0o777 if kind == kinds.SYMLINK else mode & 0o7777,
        stat.st_uid,
        stat.st_gid,
        stat.st_size if kind == kinds.FILE else 0,
        stat.st_mtime_ns,
        os.readlink(host_path) if kind == kinds.SYMLINK else "",
        os.major(device),
        os.minor(device),
        read_xattrs(host_path),
    )


def read_xattrs(host_path: str, also: str | None = None) -> Xattrs:
    """The extended attributes that layers carry: ``security.capability`` and ``user.*`` (not overlayfs's and ours),
    and the one that ``also`` names."""
    try:
        names = os.listxattr(host_path, follow_symlinks=False)
    except OSError:
        return ()
    if not names:
        return ()
    return tuple(
        (name, os.getxattr(host_path, name, follow_symlinks=False))
        for name in sorted(names)
        if is_packed_xattr(name) or name == also
    )


def is_packed_xattr(name: str) -> bool:
    return name == "security.capability" or (name.startswith("user.") and not name.startswith(_OWN_XATTRS))


def walk_tree(root: str) -> Iterator[PackItem]:
    """Everything below ``root``, and ``root`` itself first as "": sorted by name in each directory, parents first.

    Of a group of hard links the first path is the FILE, the later ones are HARDLINKs to it. Sockets are left out.
    Raises InputError where something cannot be read."""
    links: dict[tuple[int, int], str] = {}
    try:
        top = entry_of(os.lstat(root), "", root)
        if top is None or top.kind != kinds.DIRECTORY:
            raise InputError("not a directory", where=root)
        yield PackItem(top, root)
        yield from _walk(root, "", links)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(error.filename or root)) from None


def _walk(folder: str, prefix: str, links: dict[tuple[int, int], str]) -> Iterator[PackItem]:
    # Its own stack instead of recursion: a tree may be deeper than Python's limit.
    stack = [_listing(folder, prefix)]
    while stack:
        pair = next(stack[-1], None)
        if pair is None:
            stack.pop()
            continue
        path, host_path = pair
        stat = os.lstat(host_path)
        entry = entry_of(stat, path, host_path)
        if entry is None:
            continue
        if entry.kind == kinds.DIRECTORY:
            stack.append(_listing(host_path, path + "/"))
        elif stat.st_nlink > 1:
            first = links.setdefault((stat.st_dev, stat.st_ino), path)
            if first != path:
                entry = entry._replace(kind=kinds.HARDLINK, size=0, link=first, major=0, minor=0)
        yield PackItem(entry, host_path)


def _listing(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    base = folder.rstrip("/") + "/"
    return iter([(prefix + name, base + name) for name in sorted(os.listdir(folder))])
