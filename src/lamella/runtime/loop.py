"""Waits for many descriptors in one thread, and for the clock. Source: epoll(7), eventfd(2)."""

from __future__ import annotations

import heapq
import os
import select
import time
from collections.abc import Callable

Ready = Callable[[int], None]
"""Called with the events of epoll. It may be called without cause: what it does must not block."""


class Loop:
    """Everything but ``stop`` is called in the thread that runs it."""

    def __init__(self) -> None:
        """Raises OSError where no more descriptors may be opened."""
        self._epoll = select.epoll()
        self._handlers: dict[int, tuple[int, Ready]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._stopped = False

    def watch(self, descriptor: int, events: int, ready: Ready) -> None:
        """From now on, or with other events than before. With none it is not watched: not for its errors either."""
        if not events:
            self.forget(descriptor)
            return
        before = self._handlers.get(descriptor)
        if before is None:
            self._epoll.register(descriptor, events)
        elif before[0] != events:
            self._epoll.modify(descriptor, events)
        self._handlers[descriptor] = (events, ready)

    def forget(self, descriptor: int) -> None:
        """To be called before the descriptor is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, call))

    def run(self) -> None:
        """Until ``stop``."""
        while not self._stopped:
            for descriptor, events in self._epoll.poll(self._patience()):
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler[1](events)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())

    def stop(self) -> None:
        """For any thread."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """When it does not run any more."""
        self._epoll.close()
        os.close(self._wake)
