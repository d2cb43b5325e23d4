"""A process that cannot outlive us, nor anything it starts: not even our SIGKILL frees it.

The kernel does it all. The process is number 1 of a PID namespace of its own and asks for SIGKILL when the thread that
made it ends; when number 1 of a PID namespace dies, all that are in it die, the namespaces inside of it included. So
the runtime goes, and with it the container and whatever that left in the background.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from typing import NamedTuple

from lamella.runtime import kernel
from lamella.runtime.forking import fork_elsewhere
from lamella.userns import Standing, current

NAMESPACE = "namespace"
_FAILED = 125  # as docker run: the machinery itself


class MemoryFile(NamedTuple):
    """``name`` is its path in the folder, at most one level down (``0/script``)."""

    name: str
    content: bytes
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


class MemoryFolder(NamedTuple):
    """``files`` that only the started process and its children see, at the existing folder ``path``. They lie in the
    kernel's memory, never on a disk, and go with the last process that sees them. ``namespace`` is the path of one
    that is to be found there by the name NAMESPACE."""

    path: str
    files: tuple[MemoryFile, ...] = ()
    namespace: str = ""


class Leash:
    """Starts processes that die with this one. Threads may share it; close it when nothing runs on it any more."""

    def __init__(self) -> None:
        # Its writing end is ours alone, so reading finds its end when we are dead.
        self._lifeline = os.pipe2(os.O_CLOEXEC)
        self._standing = current()

    def close(self) -> None:
        for descriptor in self._lifeline:
            os.close(descriptor)

    def spawn(
        self, argv: list[str], env: dict[str, str], streams: tuple[int, int, int], memory: MemoryFolder | None = None
    ) -> int:
        """Starts ``argv`` (``argv[0]`` is a path) with ``streams`` as 0, 1 and 2, in a process group of its own: Ctrl-C
        at a terminal reaches us and not it. Returns its process number. The calling thread must live until it has
        waited for the process.

        Raises OSError where the kernel refuses it, or the program cannot be executed."""
        trouble, told = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                pid = fork_elsewhere(
                    lambda: kernel.unshare(kernel.CLONE_NEWPID),
                    lambda: self._become(argv, env, streams, memory, told),
                )
            finally:
                os.close(told)
            message = _read_all(trouble)
        finally:
            os.close(trouble)
        if message:
            os.waitpid(pid, 0)
            number, _, what = message.decode("utf-8", "surrogateescape").partition(" ")
            raise OSError(int(number), os.strerror(int(number)), what)
        return pid

    def _become(
        self,
        argv: list[str],
        env: dict[str, str],
        streams: tuple[int, int, int],
        memory: MemoryFolder | None,
        told: int,
    ) -> None:
        """In the child; never returns. What goes wrong is written to ``told``, which execve closes.

        Other threads do not exist here, so nothing that may wait for one is called."""
        try:
            kernel.die_with_parent(signal.SIGKILL)
            reader, writer = self._lifeline
            os.close(writer)
            poller = select.poll()
            poller.register(reader, 0)
            if poller.poll(0):  # the parent died before we asked for the signal
                os._exit(_FAILED)
            os.setpgid(0, 0)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            # The runtime reads /proc by the numbers of its own namespace.
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
            kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
            if memory is not None:
                _fill(memory, self._standing)
            os.execve(argv[0], argv, env)
        except OSError as error:
            os.write(told, f"{error.errno or errno.EIO} {error.filename}".encode("utf-8", "surrogateescape"))
        finally:
            os._exit(_FAILED)


def _fill(memory: MemoryFolder, standing: Standing) -> None:
    """On a ramfs: unlike tmpfs it is never swapped to a disk. In a user namespace there is tmpfs alone."""
    kind = "tmpfs" if standing.in_namespace else "ramfs"
    kernel.mount(kind, memory.path, kind, kernel.MS_NOSUID | kernel.MS_NODEV)
    for file in memory.files:
        folder = file.name.rpartition("/")[0]
        if folder:
            os.mkdir(f"{memory.path}/{folder}")
            os.chmod(f"{memory.path}/{folder}", 0o755)
        fd = os.open(f"{memory.path}/{file.name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        rest = memoryview(file.content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if standing.has(file.uid, file.gid):  # else there is one id, which may read it
            os.fchown(fd, file.uid, file.gid)
        os.fchmod(fd, file.mode)
        os.close(fd)
    if memory.namespace:
        place = f"{memory.path}/{NAMESPACE}"
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        kernel.mount(memory.namespace, place, None, kernel.MS_BIND)


def _read_all(descriptor: int) -> bytes:
    """Ends when the child has executed the program or died."""
    parts = []
    while data := os.read(descriptor, 4096):
        parts.append(data)
    return b"".join(parts)
