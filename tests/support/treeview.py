"""Trees as the corpus of hostile layers writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from hostile import Tree

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry

#: by digest: all the contents that the corpus has
CONTENT = {
    hashlib.sha256(data).hexdigest(): data for data in (b"", b"evil", b"new", b"root", b"tool", b"1", b"2", b"x")
}


def described(entry: Entry) -> str:
    """As the table writes it."""
    owner = f" {entry.uid}:{entry.gid}" if entry.uid or entry.gid else ""
    if entry.kind == FILE:
        mode = f" {entry.mode:o}" if entry.mode & 0o7000 else ""
        return f"f {CONTENT[entry.digest].decode()}{mode}{owner}"
    if entry.kind == DIRECTORY:
        return "d" + (f" {entry.mode:04o}" if entry.mode != 0o755 else "")
    if entry.kind in (SYMLINK, HARDLINK):
        return f"{'l' if entry.kind == SYMLINK else 'h'} {entry.link}{owner}"
    return entry.kind + (f" {entry.major},{entry.minor}" if entry.kind in "bc" else "")


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry], canary: str) -> Tree:
    """From one to the other. A path inside that is called like the canary is one entry, ``@``; its parents are none."""
    twin = f"{canary}/file".lstrip("/")
    parents = {twin[:cut] for cut in range(len(twin)) if twin[cut] == "/"} if twin in after else set()
    found: Tree = {}
    for path in before.keys() | after.keys():
        was, now = before.get(path), after.get(path)
        if now is None:
            found[path] = None
            continue
        same = was is not None and described(was) == described(now)
        if not same and path not in parents and (path or now.mode != 0o755):
            found["@" if path == twin else path] = described(now).replace(canary, "@")
    return found
