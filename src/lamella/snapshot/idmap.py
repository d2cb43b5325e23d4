"""With which subordinate ids the snapshots of a user were written.

Their files belong to these ids. With others they would be somebody else's, and could not even be removed. Further
ids behind those that were there change nothing.

    ROOT/ids   lines of INSIDE OUTSIDE COUNT, users and then groups, as in /proc/PID/uid_map
"""

from __future__ import annotations

import os

from lamella.errors import MachineError
from lamella.userns.standing import Range, Standing


def keep_map(root: str, standing: Standing) -> None:
    """Notes the map at the first time. Raises MachineError where another one was noted."""
    path = f"{root}/ids"
    now = _text(standing)
    try:
        with open(path, encoding="ascii") as file:
            before = file.read()
    except FileNotFoundError:
        before = ""
    if before == now:
        return
    if before and not _continues(before, standing):
        raise MachineError(
            "the snapshots in the store were made with other subordinate ids",
            where=path,
            hint="give the ids back in /etc/subuid and /etc/subgid, or have root remove this folder",
        )
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "w", encoding="ascii") as file:
        file.write(now)
    os.replace(fresh, path)


def _text(standing: Standing) -> str:
    return "\n\n".join(
        "\n".join(" ".join(map(str, each)) for each in ranges) for ranges in (standing.uids, standing.gids)
    )


def _continues(before: str, standing: Standing) -> bool:
    """Whether all that was mapped still is, and to the same."""
    parts = before.split("\n\n")
    return len(parts) == 2 and all(
        _covers(ranges, Range(*map(int, line.split())))
        for part, ranges in zip(parts, (standing.uids, standing.gids), strict=True)
        for line in part.splitlines()
    )


def _covers(ranges: tuple[Range, ...], old: Range) -> bool:
    return any(
        one.inside <= old.inside
        and old.inside + old.size <= one.inside + one.size
        and old.outside - old.inside == one.outside - one.inside
        for one in ranges
    )
