"""Children that are born in another PID namespace, while we stay in ours. Source: pid_namespaces(7), setns(2)."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from lamella.runtime import kernel
from lamella.userns import current


def fork_elsewhere(leave: Callable[[], None], child: Callable[[], None]) -> int:
    """``leave`` says where this thread's next child is born (unshare(2) or setns(2)); ``child`` is what it does, and
    never returns. Returns its process number. Raises OSError."""
    return (_by_another_thread if current().in_namespace else _and_come_back)(leave, child)


def _and_come_back(leave: Callable[[], None], child: Callable[[], None]) -> int:
    """Only this thread's next child is meant: setns takes it back."""
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        leave()
        try:
            pid = os.fork()
            if pid == 0:
                child()
        finally:
            kernel.setns(home, kernel.CLONE_NEWPID)
    finally:
        os.close(home)
    return pid


def _by_another_thread(leave: Callable[[], None], child: Callable[[], None]) -> int:
    """Root of a user namespace is not let back. So a thread leaves that has no other child, and that lives as long as
    this one does, which would be killed with it."""
    answer: queue.SimpleQueue[int | OSError] = queue.SimpleQueue()

    def keep() -> None:
        try:
            leave()
            pid = os.fork()
        except OSError as error:
            answer.put(error)
            return
        if pid == 0:
            child()
        answer.put(pid)
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # the status is for who asked
        except ChildProcessError:
            pass

    threading.Thread(target=keep, name="keeper", daemon=True).start()
    pid = answer.get()
    if isinstance(pid, OSError):
        raise pid
    return pid
