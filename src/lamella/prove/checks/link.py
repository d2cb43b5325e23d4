"""Where a symbolic link leads, as it is written (and a hard link whose file is gone)."""

from __future__ import annotations

from lamella.filetree.entry import HARDLINK, SYMLINK, Entry

NAME = "link"


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if a.kind != b.kind or a.kind not in (SYMLINK, HARDLINK) or a.link == b.link:
        return None
    return a.link, b.link
