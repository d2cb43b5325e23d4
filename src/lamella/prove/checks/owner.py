"""User and group, by number."""

from __future__ import annotations

from lamella.filetree.entry import Entry

NAME = "owner"


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if (a.uid, a.gid) == (b.uid, b.gid):
        return None
    return f"{a.uid}:{a.gid}", f"{b.uid}:{b.gid}"
