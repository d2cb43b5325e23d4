"""A container's standard streams: from the runtime to the log, and to whoever is attached."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from lamella.container.log import LogWriter

_CHUNK = 1 << 16
_TAIL = 4096


class Attached(NamedTuple):
    """Descriptors of whoever watches; -1 where there is none. ``size`` is that of the terminal, rows and columns;
    ``settings`` those of the terminal that it takes keys from (tcgetattr), empty where it takes none."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    size: tuple[int, int] = (0, 0)
    settings: tuple[Any, ...] = ()


class Streams:
    """Makes the descriptors that the runtime is given, then relays. ``on_loss`` is called when a reader is gone."""

    def __init__(self, attached: Attached, *, terminal: bool, stdin: bool, on_loss: Callable[[], None]) -> None:
        self._attached = attached
        self._on_loss = on_loss
        self._threads: list[threading.Thread] = []
        self._started = threading.Event()
        self._silent = False
        self.last = b""
        self.master = -1
        self._held = -1
        errors, error_writer = os.pipe2(os.O_CLOEXEC)
        if terminal:
            self.master, slave = os.openpty()
            set_size(self.master, attached.size)
            self.theirs = (slave, slave, error_writer)
            self._sources = {1: self.master, 2: errors}
        else:
            out, out_writer = os.pipe2(os.O_CLOEXEC)
            self.theirs = (self._input(stdin), out_writer, error_writer)
            self._sources = {1: out, 2: errors}

    def _input(self, wanted: bool) -> int:
        if not wanted:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if self._attached.stdin >= 0:
            return os.dup(self._attached.stdin)
        reader, self._held = os.pipe2(os.O_CLOEXEC)  # nobody writes yet, and it does not end
        return reader

    def relay(self, log: LogWriter | None) -> None:
        """Starts to hand on what comes. The runtime has been started, and holds its own copies of ``theirs``."""
        for descriptor in set(self.theirs):
            os.close(descriptor)
        for stream, source in self._sources.items():
            thread = threading.Thread(
                target=self._copy, args=(stream, source, log), name=f"stream {stream}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        if self.master >= 0 and self._attached.stdin >= 0:
            threading.Thread(target=self._type, name="stdin", daemon=True).start()

    def decide(self, started: bool) -> None:
        """Everything is held back until it is known whether the process runs: what the runtime says on standard error
        when it does not is told in another way, and both streams are to keep their order."""
        self._silent = not started
        self._started.set()

    def _copy(self, stream: int, source: int, log: LogWriter | None) -> None:
        sink = self._attached.stdout if stream == 1 else self._attached.stderr
        while data := _read(source):
            if stream == 2:
                self.last = data[-_TAIL:]
            self._started.wait()
            if stream == 2 and self._silent:
                continue
            if log is not None:
                log.write(stream, data)
            if sink >= 0 and not write_all(sink, data):
                sink = -1
                self._on_loss()
        os.close(source)

    def _type(self) -> None:
        """What is typed goes to the container's terminal."""
        self._started.wait()
        while data := _read(self._attached.stdin):
            if not write_all(self.master, data):
                return

    def finish(self) -> None:
        """Waits until all that was written is handed on. Nothing runs any more."""
        self.decide(True) if not self._started.is_set() else None
        for thread in self._threads:
            thread.join()
        if self._held >= 0:
            os.close(self._held)


def _read(source: int) -> bytes:
    """Empty at the end, which a terminal tells by an error; waits where the descriptor does not."""
    while True:
        try:
            return os.read(source, _CHUNK)
        except BlockingIOError:
            select.select([source], [], [])
        except OSError:
            return b""


def write_all(sink: int, data: bytes) -> bool:
    """False where nobody reads any more."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(sink, rest) :]
        except BlockingIOError:
            select.select([], [sink], [])
        except OSError:
            return False
    return True


def set_size(terminal: int, size: tuple[int, int]) -> None:
    if size != (0, 0):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def get_size(terminal: int) -> tuple[int, int]:
    """Rows and columns; (0, 0) where it is no terminal."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return 0, 0
    return rows, columns


def restore(attached: Attached) -> None:
    """Gives the user's terminal back as it was: for a monitor whose command can do so no more."""
    if attached.settings:
        try:
            termios.tcsetattr(attached.stdin, termios.TCSANOW, list(attached.settings))
        except (OSError, termios.error):  # it is gone, too
            pass


def settings_of(terminal: int) -> tuple[Any, ...]:
    """Empty where it is no terminal."""
    try:
        return tuple(termios.tcgetattr(terminal))
    except (OSError, termios.error):
        return ()
