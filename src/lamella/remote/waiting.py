"""Waiting for a server in a way that can be given up: an answer that does not come, a body that falls silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamella.errors import Interrupted

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_LOOK = 0.2  # seconds
_NEXT_TO_NOTHING = 1024  # bytes


class Pace:
    """Of a body that is being read: next to nothing in as long as silence may last (seconds) is silence, too."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._begun, self._recent = time.monotonic(), 0

    def is_kept(self, size: int) -> bool:
        """After so many more bytes."""
        self._recent += size
        now = time.monotonic()
        if now - self._begun <= self._silence:
            return True
        enough = self._recent >= _NEXT_TO_NOTHING
        self._begun, self._recent = now, 0
        return enough


def never() -> bool:
    """For those who do not cancel."""
    return False


def answered(
    ask: Callable[[], BaseHTTPResponse],
    cancelled: Callable[[], bool],
    stalled: Callable[[], Exception],
    seconds: float | None,
) -> BaseHTTPResponse:
    """What ``ask`` returns or raises. A socket's timeout is for each piece, so a server could drip its headers forever,
    and nothing can interrupt the reading of them: it has a thread, which is left alone when it is over. ``stalled`` is
    raised after ``seconds`` (None: never), Interrupted where somebody cancels."""
    result: list[BaseHTTPResponse] = []
    errors: list[BaseException] = []
    given_up = threading.Event()

    def work() -> None:
        try:
            result.append(ask())
        except BaseException as error:
            errors.append(error)
        if given_up.is_set() and result:
            result[0].close()

    thread = threading.Thread(target=work, name="ask the server", daemon=True)
    end = None if seconds is None else time.monotonic() + seconds
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK)
            if cancelled():
                raise Interrupted("the download was cancelled")
            if end is not None and time.monotonic() > end:
                raise stalled()
    except BaseException:
        given_up.set()
        for late in result:
            late.close()
        raise
    if errors:
        raise errors[0]
    return result[0]


@contextmanager
def stopped_by(cancelled: Callable[[], bool], response: BaseHTTPResponse) -> Iterator[None]:
    """A read that waits for a silent server ends when somebody cancels."""
    if cancelled is never:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            if cancelled():
                response.shutdown()
                return

    watcher = threading.Thread(target=watch, name="watch the download", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
