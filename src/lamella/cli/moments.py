"""``--since`` and ``--until``: a moment, or how long ago it was."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from lamella.errors import UsageError

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_moment(text: str, flag: str) -> str:
    """``10m``, ``1h30m``, seconds since the epoch, or RFC 3339: as RFC 3339 text in UTC with nanoseconds, which sorts
    as time does. Raises UsageError."""
    parts = _AGO.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return _text(time.time() - sum(float(number) * _UNITS[unit] for number, unit in parts))
    try:
        return _text(float(text))
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text}: this is no time", hint="for example 10m, or 2026-01-02T13:00:00Z") from None
    return _text((moment if moment.tzinfo else moment.astimezone()).timestamp())


def _text(seconds: float) -> str:
    whole = int(seconds // 1)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{int((seconds - whole) * 1e9):09d}Z"
