"""Ids that a user namespace does not have."""

from __future__ import annotations

import os

from lamella.errors import NoPrivilege
from lamella.userns.standing import SINGLE, Standing, current

MORE_IDS = (
    "give the user more subordinate ids (as root: usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER), "
    "or run as root"
)


def missing(what: str, uid: int, gid: int, standing: Standing, where: str | None = None) -> NoPrivilege:
    """For ``what`` needs ids that this user does not have (``belongs to``, ``is to run as`` …)."""
    count = "is one id" if standing.ids == 1 else f"are {standing.ids} ids"
    return NoPrivilege(
        f"{what} {uid}:{gid}, and there {count} here",
        where=where,
        detail=standing.reason or None,
        hint=standing.hint or MORE_IDS,
        code="no-such-id",
    )


def give(place: str, uid: int, gid: int, where: str | None = None) -> None:
    """chown(2) without following links; where there is but one id the file stays that one's. Raises NoPrivilege for ids
    that a namespace of many does not have, OSError."""
    standing = current()
    if standing.kind == SINGLE:
        return
    if not standing.has(uid, gid):
        raise missing("is to belong to", uid, gid, standing, where)
    os.chown(place, uid, gid, follow_symlinks=False)
