"""A child process whose output is read as it comes, and who does not outlive us."""

from __future__ import annotations

import os
import select
import signal

from lamella.runtime.leash import Leash, MemoryFolder
from lamella.runtime.protocol import Output

_CHUNK = 1 << 16


class Child:
    """One program, started on a leash. ``argv[0]`` is a path. Wait for it in the thread that made it."""

    def __init__(self, leash: Leash, argv: list[str], env: dict[str, str], memory: MemoryFolder | None = None) -> None:
        """Raises OSError."""
        out, out_writer = os.pipe2(os.O_CLOEXEC)
        err, err_writer = os.pipe2(os.O_CLOEXEC)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.pid = leash.spawn(argv, env, (nothing, out_writer, err_writer), memory)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            for descriptor in (nothing, out_writer, err_writer):
                os.close(descriptor)
        self._streams = {out: 1, err: 2}
        self._status: int | None = None

    def kill(self) -> None:
        """SIGKILL; does nothing where it has been waited for."""
        if self._status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def relay(self, output: Output) -> None:
        """Hands on what the child writes until it and all its children have closed both streams."""
        poller = select.poll()
        for fd in self._streams:
            poller.register(fd, select.POLLIN)
        while self._streams:
            for fd, _ in poller.poll():
                data = os.read(fd, _CHUNK)
                if data:
                    output(self._streams[fd], data)
                    continue
                poller.unregister(fd)
                del self._streams[fd]
                os.close(fd)

    def wait(self) -> int:
        """The exit status; 128 + n where signal n ended it."""
        if self._status is None:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._status = code if code >= 0 else 128 - code
        return self._status

    def close(self) -> None:
        """Closes what is open of the streams; who waited calls it."""
        for fd in self._streams:
            os.close(fd)
        self._streams.clear()
