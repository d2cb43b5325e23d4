"""Work done on a thread of its own, with its result or its error waiting for whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Task(Generic[T]):
    """Starts at once. A module of the standard library does the same and takes 10 ms to import.

    Its end is an event of its own: a ``Thread.join`` that Ctrl-C interrupts takes a running thread for one that has
    ended (Python 3.11, ``_wait_for_tstate_lock``), and the next one does not wait."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._value: T | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def wait(self) -> None:
        """Until it has ended, whether well or not."""
        self._ended.wait()

    def result(self) -> T:
        """Waits; raises what the work raised."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]
