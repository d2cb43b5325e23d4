"""Extended attributes, but for those that a storage driver or the host's policy writes for itself."""

from __future__ import annotations

from lamella.filetree.entry import Entry, Xattrs
from lamella.prove.model import ABSENT

NAME = "xattrs"
_HOST = ("trusted.overlay.", "user.overlay.", "security.selinux", "security.evm", "security.ima")


def compare_entries(a: Entry, b: Entry) -> tuple[str, str] | None:
    if a.xattrs == b.xattrs:
        return None
    before, after = _kept(a.xattrs), _kept(b.xattrs)
    return None if before == after else (_text(before), _text(after))


def _kept(xattrs: Xattrs) -> dict[str, bytes]:
    return {name: value for name, value in xattrs if not name.startswith(_HOST)}


def _text(xattrs: dict[str, bytes]) -> str:
    return ", ".join(f"{name}={value.hex()}" for name, value in sorted(xattrs.items())) or ABSENT
