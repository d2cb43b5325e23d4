"""A process that was started in a sandbox and goes on while we do other things.

The runtime of a container is process 1 of a PID namespace of its own, in a mount namespace of its own, where its bundle
and its state lie in memory (leash.py). Whoever wants to run something more in that container, also from another
process, enters these two first (execute.py): nothing of a container's state has to lie on a disk.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

_PAUSE = 0.002  # seconds between two looks whether the process has started
PID_FILE = "pid"
#: of our environment nothing is for the runtime; the container's is in its bundle
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class Place(NamedTuple):
    """Where a container's runtime is found. ``runtime`` is its process number on this machine, ``bundle`` a path that
    is seen in its mount namespace only, ``container`` the name by which the runtime knows it."""

    runtime: int
    bundle: str
    container: str

    def outside(self, name: str) -> str:
        """The path of a file of the bundle for who is not in that mount namespace."""
        return f"/proc/{self.runtime}/root{self.bundle}/{name}"


class Ending(NamedTuple):
    """What is made of the runtime's end. ``explain`` turns its status into the process's or raises MachineError;
    ``refused`` tells whether it could not start the process; ``was_killed`` removes what it then could not."""

    explain: Callable[[int], int]
    refused: Callable[[], bool]
    was_killed: Callable[[], None] = lambda: None


class Launched:
    """A runtime that starts one process and goes as that does. The thread that started it calls ``wait``, any may call
    ``kill``."""

    def __init__(self, pid: int, mark: str, ending: Ending) -> None:
        """``pid`` is the runtime's; ``mark`` the path of a file that is there once the process runs."""
        self.pid = pid
        self._mark = mark
        self._ending = ending
        self._handle = os.pidfd_open(pid)
        self._status: int | None = None
        self._mutex = threading.Lock()

    def kill(self) -> None:
        """SIGKILL for the runtime. Where that is a container's own, all that runs in the container goes with it."""
        with self._mutex:
            if self._status is None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def resized(self) -> None:
        """The terminal that the runtime was given has another size."""
        with self._mutex:
            if self._status is None:
                signal.pidfd_send_signal(self._handle, signal.SIGWINCH)

    def wait_started(self) -> int | None:
        """Waits until the process runs: its number on this machine. None where the runtime has ended before that, or
        the process so soon that nobody has seen it; ``wait`` then tells which."""
        while not self._ended():
            if os.path.exists(self._mark):
                found = children(self.pid)
                return found[0] if found else None
            time.sleep(_PAUSE)
        return None

    def _ended(self) -> bool:
        return os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """The exit status, once (128 + n for signal n). Raises MachineError where the runtime failed."""
        _, status = os.waitpid(self.pid, 0)
        with self._mutex:
            code = os.waitstatus_to_exitcode(status)
            self._status = code if code >= 0 else 128 - code
        if code < 0:  # it was killed and could not tidy up
            self._ending.was_killed()
        return self._status if self._status == 0 else self._ending.explain(self._status)

    @property
    def refused(self) -> bool:
        """After ``wait``: the process never ran, the program is not there or cannot be executed."""
        return self._ending.refused()

    def close(self) -> None:
        """Kills it where it has not been waited for."""
        if self._status is None:
            self.kill()
            os.waitpid(self.pid, 0)
            self._status = 128 + signal.SIGKILL
            self._ending.was_killed()
        os.close(self._handle)


def children(pid: int) -> list[int]:
    """The process numbers of a process's children; none where it is gone. Source: proc(5), task/[tid]/children."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except OSError:
        return []
    return found
