"""The subordinate ids of a user: /etc/subuid and /etc/subgid. Source: subuid(5), subgid(5)."""

from __future__ import annotations

from collections.abc import Iterable

from lamella.userns.standing import Range

SUBUID = "/etc/subuid"
SUBGID = "/etc/subgid"
_MOST = 340 - 1  # lines of a map (user_namespaces(7)); the first is the user's own id
_LIMIT = 1 << 32


def parse_ranges(text: str, name: str, uid: int) -> tuple[tuple[int, int], ...]:
    """``(start, count)`` of each line that is of the user ``name``, or of the number ``uid``, in their order. What is
    not of the form NAME:START:COUNT is no line, as for newuidmap; ids that came before do not come again."""
    found: list[tuple[int, int]] = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) != 3 or fields[0] not in (name, str(uid)):
            continue
        start, count = _number(fields[1]), _number(fields[2])
        if start is None or not count or start + count > _LIMIT:
            continue
        if not any(start < other + size and other < start + count for other, size in found):
            found.append((start, count))
    return tuple(found[:_MOST])


def lay_out(own: int, ranges: Iterable[tuple[int, int]]) -> tuple[Range, ...]:
    """A namespace's map: 0 is the user's ``own`` id, from 1 on come the subordinate ones."""
    laid = [Range(0, own, 1)]
    inside = 1
    for start, count in ranges:
        if start <= own < start + count:  # no id stands for two
            continue
        laid.append(Range(inside, start, count))
        inside += count
    return tuple(laid)


def read_ranges(path: str, name: str, uid: int) -> tuple[tuple[int, int], ...]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_ranges(file.read(), name, uid)
    except OSError:
        return ()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
