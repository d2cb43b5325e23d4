"""What this process is to the kernel: root, root of a user namespace, or neither.

Source: user_namespaces(7), "User and group ID mappings".
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

ROOT: Literal["root"] = "root"
MAPPED: Literal["mapped"] = "mapped"
SINGLE: Literal["single"] = "single"
PLAIN: Literal["plain"] = "plain"

_ALL = 4294967295


class Range(NamedTuple):
    """``size`` ids: those from ``inside`` on are those from ``outside`` on of the namespace above."""

    inside: int
    outside: int
    size: int


class Standing(NamedTuple):
    """``kind``: ``root`` of the machine; root of a user namespace with many ids (``mapped``) or with its own alone
    (``single``); or none of these (``plain``), whatever the reason. ``uids`` and ``gids`` are the ids of the namespace;
    empty without one. ``reason`` says why it is not more, ``hint`` what could be done about it."""

    kind: Literal["root", "mapped", "single", "plain"]
    uids: tuple[Range, ...] = ()
    gids: tuple[Range, ...] = ()
    reason: str = ""
    hint: str = ""

    @property
    def in_namespace(self) -> bool:
        """Whether it is root of a user namespace: no devices, overlayfs with ``user.overlay.*`` …"""
        return self.kind in (MAPPED, SINGLE)

    @property
    def privileged(self) -> bool:
        """Whether files may be given to other owners, or that at least is remembered."""
        return self.kind != PLAIN

    @property
    def ids(self) -> int:
        """How many user ids the namespace has."""
        return sum(one.size for one in self.uids)

    def has(self, uid: int, gid: int) -> bool:
        """Whether both ids exist here."""
        return not self.in_namespace or (_within(self.uids, uid) and _within(self.gids, gid))


class _Told(NamedTuple):
    reason: str = ""
    hint: str = ""
    powerless: bool = False


#: why entering was refused or came to less: known once per process, as the namespace is the process's own
_told = [_Told()]


def tell(reason: str, hint: str, *, powerless: bool = False) -> None:
    """Remembers why this process does not stand better; ``powerless``: its namespace gives it no right at all."""
    _told[0] = _Told(reason, hint, powerless)


def current() -> Standing:
    """By what the kernel says now."""
    reason, hint, powerless = _told[0]
    if os.geteuid() != 0 or powerless:
        return Standing(PLAIN, reason=reason, hint=hint)
    uids = read_map("/proc/self/uid_map")
    if uids is None or _is_whole(uids):
        return Standing(ROOT)
    gids = read_map("/proc/self/gid_map") or ()
    one = sum(each.size for each in uids) == 1 or sum(each.size for each in gids) == 1
    return Standing(SINGLE if one else MAPPED, uids, gids, reason, hint)


def read_map(path: str) -> tuple[Range, ...] | None:
    """None where the kernel knows no user namespaces."""
    try:
        with open(path, encoding="ascii") as file:
            return tuple(Range(*map(int, line.split())) for line in file)
    except (OSError, ValueError, TypeError):
        return None


def _is_whole(ranges: tuple[Range, ...]) -> bool:
    """The first namespace of the machine has all ids there are."""
    return ranges == (Range(0, 0, _ALL),)


def _within(ranges: tuple[Range, ...], number: int) -> bool:
    return any(one.inside <= number < one.inside + one.size for one in ranges)
