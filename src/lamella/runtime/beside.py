"""Starting a program in the PID and mount namespaces of a process that runs. Source: setns(2), pid_namespaces(7)."""

from __future__ import annotations

import errno
import os
import signal

from lamella.runtime import kernel
from lamella.runtime.forking import fork_elsewhere

_FAILED = 125  # as docker exec: the machinery itself


def spawn_beside(pid: int, argv: list[str], env: dict[str, str], streams: tuple[int, int, int], keep: int = -1) -> int:
    """Starts ``argv`` (``argv[0]`` is a path) where process ``pid`` is, with ``streams`` as 0, 1 and 2; ``keep`` is one
    more descriptor that it gets. It is our child, dies when the calling thread does, and when the PID namespace ends.

    Raises OSError; ProcessLookupError or FileNotFoundError where there is no such process any more."""
    opened: list[int] = []
    try:
        numbers, mounts = (_open(path, opened) for path in (f"{pid}/ns/pid", f"{pid}/ns/mnt"))
        trouble, told = os.pipe2(os.O_CLOEXEC)
        opened.append(trouble)
        try:
            child = fork_elsewhere(
                lambda: kernel.setns(numbers, kernel.CLONE_NEWPID),
                lambda: _become(mounts, argv, env, (*streams, keep), told),
            )
        finally:
            os.close(told)
        message = os.read(trouble, 4096)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    if message:
        os.waitpid(child, 0)
        number, _, what = message.decode("utf-8", "surrogateescape").partition(" ")
        raise OSError(int(number), os.strerror(int(number)), what)
    return child


def _open(path: str, opened: list[int]) -> int:
    opened.append(os.open(f"/proc/{path}", os.O_RDONLY | os.O_CLOEXEC))
    return opened[-1]


def _become(mounts: int, argv: list[str], env: dict[str, str], given: tuple[int, int, int, int], told: int) -> None:
    """In the child; never returns. What goes wrong is written to ``told``, which execve closes."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.setns(mounts, kernel.CLONE_NEWNS)
        os.setpgid(0, 0)
        for number, stream in enumerate(given[:3]):
            os.dup2(stream, number)
        if given[3] >= 0:
            os.set_inheritable(given[3], True)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(argv[0], argv, env)
    except OSError as error:
        os.write(told, f"{error.errno or errno.EIO} {error.filename}".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(_FAILED)
