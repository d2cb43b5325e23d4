"""Several pieces of work at once, on a few threads: the first failure stops them all, and is what is raised."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lamella.errors import Interrupted


class Together:
    """``failed`` is called as soon as something goes wrong or Ctrl-C comes, to wake those who wait."""

    def __init__(self, stop: threading.Event, failed: Callable[[], None] = lambda: None) -> None:
        self._stop, self._wake = stop, failed
        self._guard = threading.Lock()
        self._error: BaseException | None = None

    def run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """A thread for each. Raises what the first failure was; Interrupted where ``stop`` was set from outside. No
        thread is left."""
        # Not joined: an interrupted Thread.join takes a running thread for one that has ended (see build.task).
        ends = [threading.Event() for _ in jobs]
        threads = [
            threading.Thread(target=self._guarded, args=pair, name="transfer", daemon=True)
            for pair in zip(jobs, ends, strict=True)
        ]
        try:
            for thread in threads:
                thread.start()
            for ended in ends:
                ended.wait()
        except BaseException:  # Ctrl-C, which comes to the main thread
            self._end()
            for thread, ended in zip(threads, ends, strict=True):
                if thread.ident is not None:
                    ended.wait()
            raise
        if self._error is not None:
            raise self._error
        if self._stop.is_set():
            raise Interrupted("the transfer was cancelled")

    def _guarded(self, job: Callable[[], None], ended: threading.Event) -> None:
        try:
            job()
        except BaseException as error:
            with self._guard:
                if self._error is None or isinstance(self._error, Interrupted):
                    self._error = error
            self._end()
        finally:
            ended.set()

    def _end(self) -> None:
        self._stop.set()
        self._wake()


def run_together(jobs: Sequence[Callable[[], None]], threads: int, stop: threading.Event) -> None:
    """In their order, on up to so many threads. Raises as ``Together.run``."""
    waiting, guard = list(jobs), threading.Lock()

    def work() -> None:
        while not stop.is_set():
            with guard:
                if not waiting:
                    return
                job = waiting.pop(0)
            job()

    Together(stop).run([work] * min(threads, len(waiting)))
