"""Points in time: the RFC 3339 text of image configs, and nanoseconds since the epoch."""

from __future__ import annotations

import re
import time

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def parse_instant(text: str) -> int:
    """0 for text that is no RFC 3339 time (or says nothing)."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return 0
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    if match[8]:
        offset = (int(match[9]) * 60 + int(match[10])) * 60
        seconds += offset if match[8] == "-" else -offset
    return seconds * 1_000_000_000 + int((match[7] or "").ljust(9, "0"))


def format_instant(nanoseconds: int) -> str:
    """In UTC; trailing zeros of the fraction are left out, as Go writes it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09}".rstrip("0").rstrip(".") + "Z"


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar (years begin in March, so the leap day comes last)."""
    year -= month <= 2
    era_day = year * 365 + year // 4 - year // 100 + year // 400
    return era_day + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
