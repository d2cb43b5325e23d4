"""The type of a path: file, directory, symbolic link, device, fifo."""

from __future__ import annotations

from lamella.filetree.entry import Entry
from lamella.prove.trees import kind_name

NAME = "type"


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    before, after = kind_name(a), kind_name(b)
    return None if before == after else (before, after)
