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
from lamella.runtime.interface import has_address
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
    """``lacking`` says why there is no way out; None where there is."""

    def __init__(self, lacking: str | None = None) -> None:
        self.lacking = lacking
        self._leash = Leash()
        self._pid: int | None = None
        self._pipes: tuple[int, ...] = ()

    @property
    def running(self) -> bool:
        return self._pid is not None

    def start(self, program: str, words: tuple[str, ...], namespace: int) -> tuple[int, int]:
        """Returns where its standard output and error are read. What it says later is lost when the pipes are full:
        nobody reads them any more, and it must not wait. Raises OSError."""
        out, out_writer = os.pipe2(os.O_CLOEXEC)
        err, err_writer = os.pipe2(os.O_CLOEXEC)
        try:
            for writer in (out_writer, err_writer):
                os.set_blocking(writer, False)
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            self._pid = self._leash.spawn([program, *words], environment, (namespace, out_writer, err_writer))
            self._pipes = (out, err)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_writer)
            os.close(err_writer)
        return out, err

    def died(self) -> bool:
        assert self._pid is not None
        done, _ = os.waitpid(self._pid, os.WNOHANG)
        if done:
            self._pid = None
        return bool(done)

    def close(self) -> None:
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None
        self._leash.close()
        for pipe in self._pipes:
            os.close(pipe)
        self._pipes = ()


def start_outward(namespace: int, control: socket.socket) -> Outward:
    """Returns when the interface in ``namespace`` is ready; ``control`` is a socket in it. Raises MachineError where a
    helper is there and fails."""
    slirp, pasta = find_program("slirp4netns"), find_program("pasta")
    program = slirp or pasta
    if program is None:
        return Outward("slirp4netns is not installed, nor pasta")
    if not os.access(_TUN, os.R_OK | os.W_OK):
        return Outward(f"{_TUN} may not be opened by this user" if os.path.exists(_TUN) else f"there is no {_TUN}")
    outward = Outward()
    try:
        if program == slirp:
            _wait_for_word(outward, *outward.start(program, _SLIRP, namespace), program)
        else:
            words = (*_PASTA_AS_ROOT, *_PASTA) if os.geteuid() == 0 else _PASTA
            _wait_for_address(outward, outward.start(program, words, namespace)[1], control, program)
    except OSError as error:
        outward.close()
        raise MachineError(f"{os.path.basename(program)} cannot be started: {error.strerror}", where=program) from None
    except BaseException:
        outward.close()
        raise
    return outward


def _wait_for_word(outward: Outward, out: int, err: int, program: str) -> None:
    """It writes a 1 when it is ready; a warning, which ends with its line, may stand before that."""
    poller = select.poll()
    poller.register(out, select.POLLIN)
    said = b""
    while not said.endswith(b"1"):
        data = os.read(out, _OUTPUT) if poller.poll(_PATIENCE * 1000) else b""
        if not data:
            raise _failed(outward, err, program)
        said += data


def _wait_for_address(outward: Outward, err: int, control: socket.socket, program: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not has_address(control, _INTERFACE):
        if outward.died() or time.monotonic() > end:
            raise _failed(outward, err, program)
        time.sleep(0.001)


def _failed(outward: Outward, err: int, program: str) -> MachineError:
    os.set_blocking(err, False)
    try:
        said = os.read(err, _OUTPUT).decode("utf-8", "replace")
    except BlockingIOError:
        said = ""
    return MachineError(
        f"{os.path.basename(program)} did not connect the container's network",
        where=program,
        detail=said or None,
        hint="--network none runs without, --network host on the machine's own",
    )
