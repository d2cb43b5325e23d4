"""Durations as Go writes them: ``1m30s``, ``500ms``, ``1.5h``."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = (
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
)
_LARGEST = 2**63 - 1


def parse_duration(text: str) -> int | None:
    """Nanoseconds, as Go's ``time.ParseDuration`` reads them; None for text that is no duration."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest:
        return None
    total, at = 0, 0
    units = dict(_UNITS)
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or not (match[1] or match[2]):
            return None
        # Longer numbers do not fit in 64 bits of nanoseconds.
        if len(match[1].lstrip("0")) > 19:
            return None
        unit = units[match[3]]
        total += int(match[1] or "0") * unit + _fraction(match[2] or "", unit)
        if total > _LARGEST + (sign < 0):
            return None
        at = match.end()
    return sign * total


def _fraction(digits: str, unit: int) -> int:
    """Nanoseconds of the digits behind the point, in floating point and cut off like Go's."""
    value, scale = 0, 1.0
    for digit in digits:
        longer = value * 10 + int(digit)
        if value > _LARGEST // 10 or longer > _LARGEST + 1:
            break
        value, scale = longer, scale * 10
    return int(float(value) * (unit / scale))
