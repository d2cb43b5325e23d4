"""Permission bits with setuid, setgid and sticky. A symbolic link's mode means nothing on Linux."""

from __future__ import annotations

from lamella.filetree.entry import SYMLINK, Entry

NAME = "mode"


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if a.mode == b.mode or SYMLINK in (a.kind, b.kind):
        return None
    return f"{a.mode:04o}", f"{b.mode:04o}"
