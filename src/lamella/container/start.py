"""Starting a container: its monitor becomes a process of its own, and says when the container runs."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from lamella.container.monitor import Job, Monitor
from lamella.container.pipe import Channel, channels
from lamella.container.streams import Attached

_QUIET = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def start_monitor(job: Job, lock: int, attached: Attached | None) -> Channel:
    """Returns the caller's end of the channel to the monitor, which has yet to start the container. ``lock`` holds the
    container's folder; it and the ports are the monitor's from now on. ``attached`` are the caller's streams that the
    container is to use, None for a detached one. No other thread may run.

    A Ctrl-C waits from here on until ``attach.wait_started`` can tell the monitor of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    ours, theirs = channels()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # no session leader any more: no terminal can become its own
                ours.release()
                _become_monitor(job, lock, theirs, attached)
        finally:
            os._exit(0)
    theirs.release()
    os.close(lock)
    if job.ports is not None:
        job.ports.close()
    os.waitpid(child, 0)
    return ours


def _become_monitor(job: Job, lock: int, channel: Channel, attached: Attached | None) -> None:
    """Never returns. Frames and objects of the caller stay as they are: nothing of them is finalised here."""
    try:
        for number in _QUIET:  # not ignored: that would be handed on to the container
            signal.signal(number, _do_nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        own = {lock, channel.fileno()}
        streams = _take_streams(attached)
        own |= {streams.stdin, streams.stdout, streams.stderr}
        if job.ports is not None:
            own |= {listener.socket.fileno() for listener in job.ports.listeners}
        os.chdir("/")
        os.umask(0o022)
        _rename(f"lamella: monitor of container {job.container.short}")
        Monitor(job, channel, streams, _closer(own)).run()
    finally:
        os._exit(0)


def _do_nothing(number: int, frame: object) -> None:
    pass


def _take_streams(attached: Attached | None) -> Attached:
    """The caller's streams under other numbers; 0, 1 and 2 become the null device."""
    taken = Attached()
    if attached is not None:
        numbers = [os.dup(one) if one >= 0 else -1 for one in (attached.stdin, attached.stdout, attached.stderr)]
        taken = attached._replace(stdin=numbers[0], stdout=numbers[1], stderr=numbers[2])
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
    return taken


def _closer(own: set[int]) -> Callable[[], None]:
    """Closes every descriptor that this process has at this moment and that is not its own."""
    listed = {int(name) for name in os.listdir("/proc/self/fd")} - own - {0, 1, 2}
    inherited = [number for number in listed if _is_open(number)]  # the listing's own is not any more

    def close() -> None:
        for descriptor in inherited:
            try:
                os.close(descriptor)
            except OSError:
                continue

    return close


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _rename(title: str) -> None:
    """Writes over the command line that others see: it may hold what was given by ``-e``. Source: proc(5), stat."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        begin, end = int(fields[45]), int(fields[46])
        room = end - begin
        if begin and 0 < room < 1 << 20:
            ctypes.memmove(begin, title.encode()[: room - 1].ljust(room, b"\0"), room)
    except (OSError, ValueError, IndexError):  # only for the eye
        pass
