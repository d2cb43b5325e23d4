"""Asking again: how often, after how long, and when no more.

Waits grow by a factor of two and are spread by chance, so that many clients do not come back at one moment. What a
server asks for in ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date) is done, up to a bound.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lamella.errors import Interrupted
from lamella.events import Emit, Note

if TYPE_CHECKING:
    from lamella.registry.failure import Failed

_LOOK = 0.2  # seconds
_MUCH = 1 << 20  # bytes


class Patience(NamedTuple):
    """``tries`` in a row without any progress, ``most`` with little; seconds: ``first`` wait, ``longest`` of our own,
    ``asked`` the longest that a server may ask for, ``silence`` the longest without a byte."""

    tries: int = 6
    most: int = 60
    first: float = 0.4
    longest: float = 20.0
    asked: float = 120.0
    silence: float = 60.0


class Backoff:
    """The waits of one piece of work."""

    def __init__(self, patience: Patience, emit: Emit, cancelled: Callable[[], bool]) -> None:
        self._patience = patience
        self._emit = emit
        self._cancelled = cancelled
        self._tries = self._all = 1

    def progressed(self, size: int) -> None:
        """So many bytes came through since the last failure: the next one is a first one."""
        self._tries = 1
        if size >= _MUCH:
            self._all = 1

    def wait(self, failed: Failed) -> None:
        """Until it is time to try again. Raises the error where there is no sense in it, or not any more;
        Interrupted."""
        patience = self._patience
        if not failed.again or self._tries >= patience.tries or self._all >= patience.most:
            raise self._final(failed)
        seconds = min(patience.longest, patience.first * 2.0 ** (self._tries - 1)) * random.uniform(0.5, 1.0)
        if failed.wait is not None:
            if failed.wait > patience.asked:
                raise self._final(failed, f"it asks to come back in {failed.wait:.0f} seconds")
            seconds = max(failed.wait, seconds if failed.wait else 0.0)
        self._tries += 1
        self._all += 1
        if seconds >= 1.0:
            self._emit(Note("info", f"{failed.error.message}; trying again in {seconds:.0f} s", failed.error.where))
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._cancelled():
                raise Interrupted("the transfer was cancelled")
            time.sleep(min(left, _LOOK))
        if self._cancelled():
            raise Interrupted("the transfer was cancelled")

    def _final(self, failed: Failed, more: str = "") -> Exception:
        error = failed.error
        if failed.again and self._all > 1:
            more = f"tried {self._all} times" + (f"; {more}" if more else "")
        if more:
            error.detail = f"{error.detail}\n{more}" if error.detail else more
        return error


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds from ``now`` (since the epoch); None where the server says nothing that can be read."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, then - (time.time() if now is None else now))
