"""What this process is, in words: for ``lamella system info``. Nothing is entered to find out."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamella.userns import why
from lamella.userns.mapping import wanted_maps
from lamella.userns.standing import MAPPED, ROOT, SINGLE, current


class Description(NamedTuple):
    """``mode`` is root, user namespace (``ids`` of them), one id, or none; ``reason`` why not better, ``hint`` what to
    do about it."""

    mode: str
    ids: int
    reason: str = ""
    hint: str = ""


def describe() -> Description:
    """What a RUN or a container of this user gets."""
    standing = current()
    if standing.kind == ROOT:
        return Description("root", 1 << 32)
    if standing.in_namespace:  # of somebody else's making
        mode = "user namespace" if standing.kind == MAPPED else "one id"
        return Description(mode, standing.ids, "" if standing.kind != SINGLE else "the namespace has no more")
    if not _can_enter():
        return Description("none", 0, *why.switched_off())
    wanted = wanted_maps(os.geteuid(), os.getegid())
    if not wanted.uids:
        return Description("one id", 1, wanted.reason, wanted.hint)
    return Description("user namespace", sum(one.size for one in wanted.uids))


def _can_enter() -> bool:
    """Tried by a child, which ends with it."""
    from lamella.userns.kernel import CLONE_NEWNS, CLONE_NEWUSER, unshare

    child = os.fork()
    if child == 0:
        status = 1
        try:
            unshare(CLONE_NEWUSER | CLONE_NEWNS)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0
