"""The store's lock: who changes names or collects garbage holds it. Short, exclusive, let go when its process dies."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamella.errors import MachineError
from lamella.store.disk import disk_error


class StoreLock:
    """An flock on one file. The thread that holds it may take it again; other threads and processes wait."""

    def __init__(self, path: str, seconds: float = 30.0) -> None:
        self._path = path
        self._seconds = seconds
        self._guard = threading.RLock()
        self._depth = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raises MachineError when another process keeps it for longer than the limit."""
        with self._guard:
            descriptor = self._acquire() if self._depth == 0 else -1
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if descriptor >= 0:
                    os.close(descriptor)

    def _acquire(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise disk_error(error, self._path, "change the store") from None
        limit = time.monotonic() + self._seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                pass
            if time.monotonic() > limit:
                os.close(descriptor)
                raise MachineError(
                    "the store is locked by another process",
                    where=self._path,
                    hint="wait for the other lamella command to end, then try again",
                    code="store-busy",
                )
            time.sleep(0.005)
