"""Major and minor number of a device node."""

from __future__ import annotations

from lamella.filetree.entry import BLOCK_DEVICE, CHARACTER_DEVICE, Entry

NAME = "device"
_DEVICES = (BLOCK_DEVICE, CHARACTER_DEVICE)


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if a.kind not in _DEVICES or b.kind not in _DEVICES or (a.major, a.minor) == (b.major, b.minor):
        return None
    return f"{a.major}:{a.minor}", f"{b.major}:{b.minor}"
