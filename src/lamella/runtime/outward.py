"""What leads a container's own network outwards: a helper that speaks for it with sockets of the machine.

slirp4netns is taken first and pasta where it is missing; docs/containers.md has the figures. Both get the same
addresses in the namespace, so that nobody else needs to know which it was. Neither lets the container reach what
listens on the machine's loopback.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time

from lamella.errors import MachineError
from lamella.runtime.interface import has_way_out
from lamella.runtime.leash import Leash
from lamella.runtime.program import find_program

ADDRESS = "10.0.2.100"
GATEWAY = "10.0.2.2"
NAMESERVER = "10.0.2.3"
_INTERFACE = "tap0"
_TUN = "/dev/net/tun"
_PATIENCE = 10.0  # seconds
_OUTPUT = 2000

#: standard input is the namespace; what it says of being ready is on standard output
_SLIRP = (
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    "--enable-sandbox",
    "--enable-seccomp",
    "--netns-type=path",
    "--ready-fd=1",
    "/proc/self/fd/0",
    _INTERFACE,
)
_PASTA = (
    *("--foreground", "--quiet", "--ipv4-only", "--config-net", "--no-map-gw", "--no-netns-quit"),
    *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
    *("--address", ADDRESS, "--netmask", "24", "--gateway", GATEWAY, "--dns-forward", NAMESERVER),
    *("--ns-ifname", _INTERFACE, "--netns", "/proc/self/fd/0"),
)
#: else it becomes nobody and may not enter the namespace any more
_PASTA_AS_ROOT = ("--runas", "0")


class Outward:
    """``lacking`` says why there is no way out; None where there is. Close it in the thread that made it."""

    def __init__(self, lacking: str | None = None) -> None:
        self.lacking = lacking
        self._leash = Leash()
        self._program = ""
        self._pid: int | None = None
        self._out = self._err = -1

    @property
    def running(self) -> bool:
        return self._pid is not None

    def start(self, program: str, words: tuple[str, ...], namespace: int) -> None:
        """What it says once it is ready is lost when the pipes are full: nobody reads them any more, and it must not
        wait. Raises MachineError."""
        self._program = program
        self._out, out = os.pipe2(os.O_CLOEXEC)
        self._err, err = os.pipe2(os.O_CLOEXEC)
        try:
            for writer in (out, err):
                os.set_blocking(writer, False)
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            self._pid = self._leash.spawn([program, *words], environment, (namespace, out, err))
        except OSError as error:
            name = os.path.basename(program)
            raise MachineError(f"{name} cannot be started: {error.strerror}", where=program) from None
        finally:
            os.close(out)
            os.close(err)

    def wait_ready(self, control: socket.socket) -> None:
        """Returns when its interface is there and a route leads to it; ``control`` is a socket of the namespace. Raises
        MachineError."""
        if not self.running:
            return
        if os.path.basename(self._program) == "slirp4netns":
            self._wait_for_word()
        else:
            self._wait_for_route(control)

    def _wait_for_word(self) -> None:
        """It writes a 1 when it is ready; a warning, which ends with its line, may stand before that."""
        poller = select.poll()
        poller.register(self._out, select.POLLIN)
        said = b""
        while not said.endswith(b"1"):
            data = os.read(self._out, _OUTPUT) if poller.poll(_PATIENCE * 1000) else b""
            if not data:
                raise self._failed()
            said += data

    def _wait_for_route(self, control: socket.socket) -> None:
        assert self._pid is not None
        end = time.monotonic() + _PATIENCE
        while not has_way_out(control):
            ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None or time.monotonic() > end:
                raise self._failed()
            time.sleep(0.001)

    def _failed(self) -> MachineError:
        os.set_blocking(self._err, False)
        try:
            said = os.read(self._err, _OUTPUT).decode("utf-8", "replace")
        except BlockingIOError:
            said = ""
        return MachineError(
            f"{os.path.basename(self._program)} did not connect the container's network",
            where=self._program,
            detail=said or None,
            hint="--network none runs without, --network host on the machine's own",
        )

    def kill(self) -> None:
        """It goes, and nobody waits for that yet."""
        if self._pid is not None:
            try:
                os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        self.kill()
        if self._pid is not None:
            os.waitpid(self._pid, 0)
            self._pid = None
        self._leash.close()
        for pipe in (self._out, self._err):
            if pipe >= 0:
                os.close(pipe)
        self._out = self._err = -1


def start_outward(namespace: int) -> Outward:
    """Begins to connect the network ``namespace``. Raises MachineError where a helper is there and does not start."""
    slirp, pasta = find_program("slirp4netns"), find_program("pasta")
    program = slirp or pasta
    if program is None:
        return Outward("slirp4netns is not installed, nor pasta")
    if not os.access(_TUN, os.R_OK | os.W_OK):
        why = f"{_TUN} may not be opened by this user" if os.path.exists(_TUN) else f"there is no {_TUN}"
        return Outward(f"{why} (--network host does without)")
    words = _SLIRP if slirp else (*_PASTA_AS_ROOT, *_PASTA) if os.geteuid() == 0 else _PASTA
    outward = Outward()
    try:
        outward.start(program, words, namespace)
    except BaseException:
        outward.close()
        raise
    return outward
