"""Tables, sizes and ages as Docker's command line lays them out, so that scripts which cut its columns work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamella.container.values import State

_MINIMUM, _GAP = 10, 3  # of a column, and after its widest cell
_SECOND = 1_000_000_000


def docker_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines; the first is the heading. The last column is not padded."""
    columns = len(rows[0]) - 1
    widths = [max(_MINIMUM, max(len(row[column]) for row in rows) + _GAP) for column in range(columns)]
    return ["".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]


def human_size(size: int) -> str:
    """Decimal units, as Docker prints them: ``12.8MB``."""
    value, unit = float(size), "B"
    for following in ("kB", "MB", "GB", "TB"):
        if value < 999.5:  # what rounds to 1000 is one of the next unit
            break
        value, unit = value / 1000, following
    return f"{size}B" if unit == "B" else f"{value:.3g}{unit}"


def docker_age(created: int, now: int) -> str:
    """``2 minutes ago``; both in ns since the epoch, ``created`` 0 where nobody knows."""
    return f"{_duration((now - created) // _SECOND)} ago" if created > 0 else "N/A"


def _duration(seconds: int) -> str:
    minutes, hours = seconds // 60, (seconds + 1800) // 3600
    days = hours // 24
    if seconds < 1:
        return "Less than a second"
    for value, one, many, limit in (
        (seconds, "1 second", "seconds", 60),
        (minutes, "About a minute", "minutes", 60),
        (hours, "About an hour", "hours", 48),
    ):
        if value == 1:
            return one
        if value < limit:
            return f"{value} {many}"
    for length, unit, limit in ((1, "days", 14), (7, "weeks", 60), (30, "months", 730)):
        if days < limit:
            return f"{days // length} {unit}"
    return f"{seconds // 31_536_000} years"


def docker_status(state: State, now: int) -> str:
    """``Up 5 minutes (healthy)``, ``Exited (137) 2 hours ago``, ``Created``."""
    if state.status == "running":
        shown = {"": "", "starting": " (health: starting)"}.get(state.health, f" ({state.health})")
        return f"Up {_duration((now - state.started) // _SECOND)}{shown}"
    if state.status == "exited":
        return f"Exited ({state.exit_code}) {docker_age(state.finished, now)}"
    return "Created"


def quoted_command(text: str) -> str:
    """In double quotes, with what could steer a terminal escaped as Go's strconv.Quote does it."""
    return '"' + "".join(_GO_ESCAPES.get(char, char) if char != " " else char for char in map(_escaped, text)) + '"'


_GO_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escaped(char: str) -> str:
    if char in _GO_ESCAPES or char.isprintable():
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x80 else f"\\u{ord(char):04x}"
