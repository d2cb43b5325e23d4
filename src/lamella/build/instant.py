"""Points in time as image configs write them: RFC 3339, in UTC."""

from __future__ import annotations

import time


def format_instant(nanoseconds: int) -> str:
    """``2026-11-24T02:30:54.818931053Z``; trailing zeros of the fraction are left out, as Go writes it."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09}".rstrip("0").rstrip(".") + "Z"
