"""A process that was started in a sandbox and goes on while we do other things; and one more beside it.

The runtime of a container is process 1 of a PID namespace of its own, in a mount namespace of its own, where its bundle
and its state lie in memory (leash.py). Whoever wants to run something more in that container, also from another
process, enters these two first: nothing of a container's state has to lie on a disk.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from lamella.runtime.beside import spawn_beside
from lamella.runtime.cgroups import remove_groups

_PAUSE = 0.002  # seconds between two looks whether the process has started
PID_FILE = "pid"


class Place(NamedTuple):
    """Where a container's runtime is found. ``runtime`` is its process number on this machine, ``bundle`` a path that
    is seen in its mount namespace only, ``container`` the name by which the runtime knows it."""

    runtime: int
    bundle: str
    container: str


class Launched:
    """A container that was started by the thread that calls ``wait``; any thread may call ``kill``."""

    def __init__(self, place: Place, groups: str, explain: Callable[[int], int], refused: Callable[[], bool]) -> None:
        """``groups``: this process's control groups; ``explain`` turns the runtime's status into the process's;
        ``refused`` tells whether the runtime could not start the process."""
        self.place = place
        self._groups = groups
        self._explain = explain
        self._refused = refused
        self._handle = os.pidfd_open(place.runtime)
        self._status: int | None = None
        self._mutex = threading.Lock()

    def kill(self) -> None:
        """SIGKILL for the runtime, with which all that runs in the container goes."""
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
        mark = f"/proc/{self.place.runtime}/root{self.place.bundle}/{PID_FILE}"
        while not self._ended():
            if os.path.exists(mark):
                found = children(self.place.runtime)
                return found[0] if found else None
            time.sleep(_PAUSE)
        return None

    def _ended(self) -> bool:
        return os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """The exit status, once (128 + n for signal n). Raises MachineError where the runtime failed."""
        _, status = os.waitpid(self.place.runtime, 0)
        with self._mutex:
            code = os.waitstatus_to_exitcode(status)
            self._status = code if code >= 0 else 128 - code
        if code < 0:  # it was killed and could not tidy up
            remove_groups(self.place.container, self._groups)
        return self._status if self._status == 0 else self._explain(self._status)

    @property
    def refused(self) -> bool:
        """After ``wait``: the process never ran, the program is not there or cannot be executed."""
        return self._refused()

    def close(self) -> None:
        """Kills it where it has not been waited for."""
        if self._status is None:
            self.kill()
            os.waitpid(self.place.runtime, 0)
            self._status = 128 + signal.SIGKILL
            remove_groups(self.place.container, self._groups)
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


def start_beside(place: Place, program: str, words: list[str], streams: tuple[int, int, int], keep: int = -1) -> int:
    """Starts ``program WORDS`` (the runtime, with its state found) next to a container's runtime; returns its process
    number. It ends with the container. ``keep``: one more descriptor that it is to have.

    Raises OSError, ProcessLookupError among them where the container is gone."""
    argv = [program, "--root", f"{place.bundle}/state", *words]
    return spawn_beside(place.runtime, argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, streams, keep)
